"""What a row of a rank study means: one number, and everything needed to read it."""

from theodolite.runs import Column

COLUMNS = {
    "model": Column(dtype="str", meaning="reference without its revision, as given"),
    "revision": Column(dtype="str", meaning="revision of the model; main where there is only one"),
    "condition": Column(
        dtype="str",
        meaning="what was done to the input embedding: base (nothing), truncated (cut to a rank), full (trained "
        "whole), update (the update of that training cut to a rank), adapter (trained through a low-rank adapter)",
    ),
    "method": Column(dtype="str", meaning="svd, pca or lora; the estimator of a dimension"),
    "side": Column(
        dtype="str", meaning="input, or both where the output embedding is the same table and was changed with it"
    ),
    "rank": Column(dtype="int", meaning="rank of the table or of its update", range="[1, extrinsic]"),
    "seed": Column(dtype="int", meaning="which training: order of the text and initial values"),
    "measure": Column(dtype="str", meaning="what was measured (see MEASURES)"),
    "x": Column(dtype="float", meaning="number of the held-out window, or training step", key=True),
    "scale": Column(dtype="int", meaning="outer neighbor that an estimate of the dimension compared", unit="rank"),
    "params": Column(dtype="str", meaning="settings behind the number, as JSON"),
    "value": Column(dtype="float", meaning="the number (units: see MEASURES)"),
    "stderr": Column(dtype="float", meaning="standard error of the number: of a loss, over windows", unit="as value"),
    "n_used": Column(dtype="int", meaning="windows, or points, that the number rests on"),
    "extrinsic": Column(dtype="int", meaning="columns of the table", unit="dimensions"),
}

MEASURES = {
    "loss": "mean next-token loss over the held-out windows, nats per token",
    "window_loss": "mean next-token loss of one held-out window (x is its number), nats per token",
    "train_loss": "mean next-token loss of one training step (x is the step), nats per token",
    "parameters": "numbers trained, or held by the truncated table",
    "left_out": "share of the table's (or update's) squared entries that the truncation leaves out",
    "update_norm": "Frobenius norm of the update over that of the table",
    "dimension": "intrinsic dimension of the table",
    "participation_ratio": "(sum of covariance eigenvalues)^2 / sum of their squares, the linear dimension",
}
