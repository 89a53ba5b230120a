"""What a row of a table study means: one number, and everything needed to read it."""

from theodolite.runs import Column

COLUMNS = {
    "model": Column("str", "reference without its revision, as given", ""),
    "revision": Column("str", "revision of the model; main where there is only one", ""),
    "step": Column("int", "training step that the revision names, if it names one", "steps"),
    "which": Column("str", "input or output embedding, or the name of the tensor", ""),
    "rows": Column("str", "which rows of the table were kept: all, tokenizer or trimmed", ""),
    "condition": Column(
        "str", "measured, a null (gaussian, permuted), unit_norm (rows scaled to length 1) or without_shortest", ""
    ),
    "measure": Column("str", "what was measured (see MEASURES)", ""),
    "method": Column("str", "estimator or variant of the measure", ""),
    "params": Column("str", "parameters of the method, as JSON", ""),
    "n1": Column("int", "inner neighbor that the estimate compared", "rank"),
    "scale": Column("int", "outer neighbor that the estimate compared (n2 or k)", "rank"),
    "radius": Column("float", "mean distance to the outer neighbor", "units of the table"),
    "x": Column("float", "position on the measure's own axis: bin edge, rows removed", "see MEASURES"),
    "token_id": Column("int", "row of the table, where the number belongs to one token", ""),
    "token": Column("str", "the token's display string", ""),
    "value": Column("float", "the number", "see MEASURES"),
    "stderr": Column("float", "standard error of the number", "as value"),
    "n_used": Column("int", "points that the number rests on", "points"),
    "n_dropped": Column("int", "rows that were given but not used", "points"),
    "extrinsic": Column("int", "columns of the table", "dimensions"),
}

MEASURES = {
    "dimension": "intrinsic dimension",
    "redundancy": "1 - dimension / extrinsic, a fraction",
    "participation_ratio": "(sum of covariance eigenvalues)^2 / sum of their squares: the linear companion of dimension",
    "count": "number of rows of the kind named by method",
    "norm": "Euclidean length of a row: quantiles (x is the quantile) or, with a token, one row",
    "norm_histogram": "rows whose length lies in the bin that starts at x; method gives the bin's width",
    "lid_histogram": "points whose local dimension lies in the bin that starts at x; method gives the bin's width",
    "hubness": "how unevenly rows serve as neighbors: max (times the mean), skewness, short_share (share of all neighbor "
    "places taken by the shortest 1 % of rows)",
    "hub": "how often the token is among the k nearest of others, over the mean k",
    "low_cosine_share": "share of points whose nearest neighbor by cosine has cosine below 0.5",
}

MEASURED = "measured"
NULLS = ("gaussian", "permuted")
UNIT_NORM = "unit_norm"
WITHOUT_SHORTEST = "without_shortest"
