"""What a row of the neighbors study means: the neighborhood of one point, or a count of the whole table."""

from theodolite.runs import Column

COLUMNS = {
    "model": Column(dtype="str", meaning="reference without its revision, as given"),
    "revision": Column(dtype="str", meaning="revision of the model; main where there is only one"),
    "which": Column(dtype="str", meaning="input or output embedding, or the name of the tensor"),
    "rows": Column(dtype="str", meaning="which rows of the table were kept: all, tokenizer or trimmed"),
    "metric": Column(dtype="str", meaning="euclidean, or cosine: the chord between unit rows"),
    "measure": Column(dtype="str", meaning="what was measured (see MEASURES)"),
    "method": Column(dtype="str", meaning="which kind of row was counted"),
    "block": Column(dtype="Int32", meaning="the block of the table that the unit searched, from 0", key=False),
    "row": Column(dtype="Int32", meaning="row of the kept rows that the point is"),
    "token_id": Column(dtype="Int32", meaning="row of the stored table that the point is"),
    "token": Column(dtype="str", meaning="the token's display string"),
    "scale": Column(dtype="Int32", meaning="neighbors of the point (k)", unit="rank"),
    "value": Column(dtype="Float64", meaning="the number (units: see MEASURES)"),
    "neighbors": Column(
        dtype="List(Int32)", meaning="the neighbors, nearest first, as `row`; equal distances by row", key=False
    ),
    "distances": Column(
        dtype="List(Float64)",
        meaning="the distance to each of them",
        unit="units of the table; for cosine none",
        range="[0, inf)",
        key=False,
    ),
    "extrinsic": Column(dtype="Int32", meaning="columns of the table", unit="dimensions"),
}

MEASURES = {
    "neighborhood": "distance to the farthest of the k neighbors",
    "count": "number of rows of the kind named by method: given, measured, nonfinite, duplicates, zero; said by every "
    "block of the whole table",
}
