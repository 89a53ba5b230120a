"""What a row of the probe study means: one number of one prompt."""

from theodolite.runs import Column

COLUMNS = {
    "model": Column(dtype="str", meaning="reference of the model without its revision, as given"),
    "revision": Column(dtype="str", meaning="revision of the model; main where there is only one"),
    "prompt": Column(dtype="str", meaning="name of the prompt"),
    "prompt_row": Column(dtype="int", meaning="number of the prompt in the run, from 0"),
    "label": Column(dtype="str", meaning="label of the prompt"),
    "positive": Column(dtype="bool", meaning="whether the label is the one that a probe looks for"),
    "source": Column(dtype="str", meaning="where the prompt comes from"),
    "layer": Column(dtype="int", meaning="0 = embedding output, then block outputs; absent for numbers of the prompt"),
    "measure": Column(dtype="str", meaning="what was measured (see MEASURES)"),
    "method": Column(dtype="str", meaning="estimator or variant of the measure"),
    "n1": Column(dtype="int", meaning="inner neighbor that the estimate compared", unit="rank"),
    "scale": Column(dtype="int", meaning="outer neighbor that was compared", unit="rank"),
    "position": Column(dtype="int", meaning="coordinate of a mean state, from 0"),
    "value": Column(dtype="float", meaning="the number (units: see MEASURES)"),
    "stderr": Column(dtype="float", meaning="standard error of the number within its prompt", unit="as value"),
    "n_used": Column(dtype="int", meaning="tokens that the number rests on", unit="tokens"),
    "text": Column(dtype="str", meaning="the tokens of the prompt as text, once for each prompt (measure text)"),
    "protocol": Column(dtype="str", meaning="how probes are fitted and evaluated, as JSON (measure text)"),
}

MEASURES = {
    "text": "characters of what the model read; the text is beside it",
    "n_tokens": "tokens of the prompt",
    "n_types": "distinct tokens of the prompt",
    "dimension": "intrinsic dimension of the cloud of a layer",
    "participation_ratio": "participation ratio of the cloud of a layer",
    "norm": "mean length of a layer's states",
    "mean_cosine": "mean cosine between two tokens of a layer",
    "overlap": "share of the nearest neighbors that a layer keeps from the layer below",
    "angle": "mean angle between the directions to a token's two nearest neighbors, in degrees",
    "entropy": "mean entropy of the model's prediction (method model), or of a layer's read through a lens, in nats",
    "varentropy": "mean over tokens of the variance of the surprisal under the model's prediction, in square nats",
    "loss": "mean surprisal of the prompt's tokens, in nats",
    "guard": "how harmful a guard finds the text of the prompt, from 0 to 1; the method names the guard",
    "mean_state": "one coordinate of the mean over tokens of a layer's states",
}
