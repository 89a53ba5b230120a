"""What a row of the similarity study means: one number, and everything needed to read it."""

from theodolite.runs import Column

COLUMNS = {
    "model_a": Column(dtype="str", meaning="reference of the first model, as given"),
    "model_b": Column(dtype="str", meaning="reference of the second model; absent for numbers of one table"),
    "which": Column(dtype="str", meaning="input or output embedding, or states for hidden states"),
    "tied_a": Column(dtype="bool", meaning="whether the first model's input and output embedding are one"),
    "tied_b": Column(dtype="bool", meaning="the same of the second model"),
    "extrinsic_a": Column(dtype="int", meaning="columns of the first table", unit="dimensions"),
    "extrinsic_b": Column(dtype="int", meaning="columns of the second table", unit="dimensions"),
    "condition": Column(
        dtype="str",
        meaning="measured; permuted or gaussian: the second table with its rows permuted, or a Gaussian table in its "
        "place; covariance: a Gaussian table of the first one's covariance",
    ),
    "measure": Column(dtype="str", meaning="what was measured (see MEASURES)"),
    "method": Column(dtype="str", meaning="variant of the measure"),
    "scale": Column(dtype="int", meaning="number of neighbors k", unit="rank"),
    "layer_a": Column(dtype="int", meaning="layer of the first model, 0 = embedding output"),
    "layer_b": Column(dtype="int", meaning="layer of the second model"),
    "depth": Column(
        dtype="float", meaning="layer of the first model over its last, where layers are matched by depth", key=True
    ),
    "token_id": Column(dtype="int", meaning="id of the token in the first model, where the number belongs to one"),
    "token": Column(dtype="str", meaning="the token's display string"),
    "neighbors": Column(dtype="str", meaning="JSON list of the token's nearest tokens", key=False),
    "x": Column(dtype="float", meaning="place on a horizontal axis: left edge of a bin, or dimension"),
    "value": Column(dtype="float", meaning="the number (units: see MEASURES)"),
    "stderr": Column(
        dtype="float", meaning="standard error over tokens; counts and single tokens have none", unit="as value"
    ),
    "low": Column(dtype="float", meaning="lower end of the 95 % interval", unit="as value"),
    "high": Column(dtype="float", meaning="upper end of the 95 % interval", unit="as value"),
    "null": Column(
        dtype="float",
        meaning="mean of the number where tokens are permuted; of local_dimension, that of a Gaussian table of its "
        "covariance",
        unit="as value",
    ),
    "null_stderr": Column(
        dtype="float", meaning="standard deviation over permutations, or error of their mean", unit="as value"
    ),
    "n_used": Column(dtype="int", meaning="tokens that the number rests on", unit="tokens"),
}

MEASURES = {
    "count": "tokens: shared (by id or spelling), matched exactly or after normalization, unmatched, used",
    "rsa": "Pearson correlation of the cosines of all pairs of tokens: raw, or centered (rows less their mean first)",
    "rsa_spearman": "the same by ranks, from a sample of pairs",
    "cka": "linear centered kernel alignment, debiased",
    "mutual_knn": "share of a token's k nearest in one table that are among its k nearest in the other",
    "information_imbalance": "2 / n times the mean rank in one table of the nearest in the other: 0 all, 1 nothing",
    "lle": "mean over tokens of the cosine between their rows of weights in both tables",
    "lle_neighbors": "mean Jaccard index of the neighbors that these weights belong to",
    "lle_weights": "mean cosine of the weights where both tables use the first one's neighbors",
    "lle_histogram": "tokens whose cosine lies in the bin that begins at x",
    "dimension_pearson": "correlation over tokens of the local dimension in both tables: pca, mle or twonn",
    "dimension_spearman": "the same by ranks",
    "dimension_partial": "Spearman correlation with the training frequency of tokens held fixed",
    "token_dimension": "local dimension of a token in the second table; x: in the first (a sample of tokens)",
    "local_dimension": "mean local dimension over the tokens of one table",
    "listed": "local dimension of a token among the lowest or the highest of its table",
    "coherence": "mean over tokens of a measure of coherence: variant_share, mean_cosine, group_share, stability",
    "coherence_spearman": "rank correlation over tokens between local dimension and coherence",
    "coherence_partial": "the same with the training frequency of tokens held fixed",
    "coherence_curve": "mean coherence of tokens with a local dimension around x",
}
