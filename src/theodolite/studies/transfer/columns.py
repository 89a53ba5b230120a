"""What a row of the transfer study means: one number, and everything needed to read it."""

from theodolite.runs import Column

COLUMNS = {
    "source": Column(dtype="str", meaning="model that the vector was read from"),
    "target": Column(dtype="str", meaning="model that is steered"),
    "contrast": Column(dtype="str", meaning="contrast that the vector was made from"),
    "space": Column(dtype="str", meaning="embedding that the maps were fitted on"),
    "measure": Column(dtype="str", meaning="what was measured (see MEASURES)"),
    "role": Column(dtype="str", meaning="none (not steered), native, transferred or control"),
    "condition": Column(dtype="str", meaning="the vector: native, the map that carried it, or the control"),
    "draw": Column(dtype="int", meaning="which draw of a random control"),
    "tokens": Column(dtype="str", meaning="rule for the token whose states made the vector"),
    "layer": Column(dtype="int", meaning="layer of the target that is steered (0 is the embedding output)"),
    "source_layer": Column(
        dtype="int", meaning="layer of the source that the vector was read at: equal relative depth"
    ),
    "chosen": Column(dtype="bool", meaning="whether layer and tokens are those chosen on the fitted pairs"),
    "strength": Column(
        dtype="float", meaning="length of what is added", unit="mean residual norms of the layer", key=True
    ),
    "value": Column(dtype="float", meaning="the number (units: see MEASURES)"),
    "stderr": Column(dtype="float", meaning="standard error over pairs, or over draws", unit="as value"),
    "low": Column(
        dtype="float",
        meaning="lower end of the interval: bootstrap over pairs; of draws_as_good, exact over draws",
        unit="as value",
    ),
    "high": Column(dtype="float", meaning="upper end of the same interval", unit="as value"),
    "n_used": Column(dtype="int", meaning="pairs, tokens, texts or draws that the number rests on"),
}

MEASURES = {
    "margin": "mean over held-out pairs of the log-probability of the positive less the negative continuation, in nats "
    "per token, without steering",
    "margin_change": "mean change of that margin at one strength, in nats per token",
    "preference": "mean probability of the positive side at the first token where the two differ",
    "slope_fitted": "as effect, for native vectors made from each half of the fitted pairs and scored on the other: "
    "what chooses layer and tokens",
    "working_strength": "an end of the working range: strengths over which the native vector's change of the margin, "
    "cross-validated in the fitted pairs, grows without a turn and neutral text stays readable (most_damage)",
    "effect": "change of the margin for one unit of strength, least squares through 0 over the working range, in nats "
    "per token and residual norm",
    "monotone": "1 where the mean change of the margin grows from each strength of the working range to the next, or 0",
    "effect_retained": "effect of a transferred vector over that of the native one",
    "beyond_control": "effect of the vector that the first map carries less that of a control, the mean of its draws",
    "draws_as_good": "share of the draws of a control whose effect is at least that of the vector of the first map",
    "draws_keep": "effect that a vector must exceed to be told from the draws of a control at 5 % (of 39 draws, the "
    "second largest), over the native one",
    "cosine": "cosine with the native vector",
    "perplexity": "perplexity of neutral text",
    "kl": "mean KL divergence from the unsteered predictions on neutral text, in nats per token",
    "distinct_2": "share of distinct token pairs in greedy continuations of neutral prompts",
    "r2_held_out": "explained variance of the map on held-out tokens",
    "retrieval_1": "share of held-out tokens whose mapped row is nearest to its own row by cosine",
    "retrieval_10": "the same among the ten nearest",
    "condition_number": "largest over smallest singular value of the map",
    "norm_change": "mean length of mapped over true rows of held-out tokens",
}
