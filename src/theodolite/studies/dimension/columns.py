"""What a row of a table study means: one number, and everything needed to read it."""

from theodolite.runs import Column

COLUMNS = {
    "model": Column(dtype="str", meaning="reference without its revision, as given"),
    "revision": Column(dtype="str", meaning="revision of the model; main where there is only one"),
    "step": Column(dtype="int", meaning="training step that the revision names, if it names one", unit="steps"),
    "which": Column(dtype="str", meaning="input or output embedding, or the name of the tensor"),
    "rows": Column(dtype="str", meaning="which rows of the table were kept: all, tokenizer or trimmed"),
    "condition": Column(
        dtype="str",
        meaning="measured, a null (gaussian, permuted, covariance), unit_norm (rows of length 1), "
        "without_shortest, frequency_band (a quarter of the tokens, by how often training saw them) or random_part (a "
        "quarter drawn at random)",
    ),
    "measure": Column(dtype="str", meaning="what was measured (see MEASURES)"),
    "method": Column(dtype="str", meaning="estimator or variant of the measure"),
    "params": Column(dtype="str", meaning="parameters of the method, as JSON"),
    "n1": Column(dtype="int", meaning="inner neighbor that the estimate compared", unit="rank"),
    "scale": Column(dtype="int", meaning="outer neighbor that the estimate compared (n2 or k)", unit="rank"),
    "radius": Column(dtype="float", meaning="mean distance to the outer neighbor", unit="units of the table"),
    "x": Column(
        dtype="float", meaning="position on the measure's own axis: bin edge, quantile, rows removed, band", key=True
    ),
    "token_id": Column(dtype="int", meaning="row of the table, where the number belongs to one token"),
    "token": Column(dtype="str", meaning="the token's display string"),
    "view": Column(
        dtype="str",
        meaning="of the measure token: what else is known of the token, as JSON: `norm`, `hubness`, `count`, `band` (0 "
        "never seen, 1 the rarest quarter to 4 the most frequent), `map` (its place in the plane of the first two "
        "principal components), `near` (id, cosine and distance of its nearest, with the token where it has no row of "
        "its own here) and `marks` (what is odd about it)",
        key=False,
    ),
    "value": Column(dtype="float", meaning="the number (units: see MEASURES)"),
    "stderr": Column(dtype="float", meaning="standard error of the number", unit="as value"),
    "n_used": Column(dtype="int", meaning="points that the number rests on", unit="points"),
    "n_dropped": Column(dtype="int", meaning="points that the estimate left out", unit="points"),
    "n_draws": Column(
        dtype="int", meaning="of a null: random tables drawn, whose mean the number is", unit="tables", key=False
    ),
    "extrinsic": Column(dtype="int", meaning="columns of the table", unit="dimensions"),
}

MEASURES = {
    "dimension": "intrinsic dimension",
    "participation_ratio": "(sum of covariance eigenvalues)^2 / sum of their squares, the linear dimension",
    "count": "number of rows of the kind named by method",
    "norm": "Euclidean length of a row: quantiles (x is the quantile) or, with a token, one row",
    "norm_histogram": "rows whose length lies in the bin that starts at x; params holds the width",
    "lid_histogram": "points whose local dimension lies in the bin that starts at x; params holds the width",
    "loss": "validation loss at a training step, in nats per token",
    "hubness": "how unevenly rows serve as neighbors: max (times the mean), skewness, short_share (share of all "
    "neighbor places taken by the shortest 1 % of rows)",
    "parameters": "elements of all tensors of the model that the table is from",
    "band_count": "how often training saw the tokens of a frequency band: lowest, median, highest; x is the band",
    "duplicate": "how many rows are equal to the token's, itself included",
    "undertrained": "cosine of the token's row with the mean of the rows that training never saw",
    "hub": "how often the token is among the k nearest of others, over the mean k",
    "token": "local dimension of a token's row among the directions of all rows (MLE, 20 nearest by cosine); x is the "
    "order in which tokens were chosen, the ones that stand out first",
    "token_map": "of the plane that `view` places tokens in: explained, the share of the variance of the directions "
    "that it holds; trust, how few of the neighbors it shows are none (1: all are)",
    "low_cosine_share": "share of points whose nearest neighbor by cosine has cosine below 0.5",
}
