"""What a row of the layer study means: one number, and everything needed to read it."""

from theodolite.runs import Column

COLUMNS = {
    "model": Column(dtype="str", meaning="reference of the model without its revision, as given"),
    "revision": Column(dtype="str", meaning="revision of the model; main where there is only one"),
    "prompts": Column(dtype="str", meaning="the set of prompts: a file name, or examples"),
    "prompt": Column(dtype="str", meaning="name of the prompt"),
    "prompt_row": Column(dtype="int", meaning="row of the prompt in its source, from 0"),
    "label": Column(dtype="str", meaning="label of the prompt, such as harmful, where its source gives one"),
    "source": Column(dtype="str", meaning="where the prompt comes from, where its record says so"),
    "control": Column(
        dtype="str",
        meaning="structured (the prompt itself), block_shuffle, full_shuffle, random_vocabulary or word_replacement",
    ),
    "level": Column(dtype="float", meaning="level S of a block shuffle, or share of replaced words", key=True),
    "repeat": Column(dtype="int", meaning="number of the random draw, from 0"),
    "positions": Column(dtype="str", meaning="tokens in the cloud: all, or the first of each token type"),
    "layer": Column(
        dtype="int", meaning="0 = embedding output, then block outputs; absent for numbers of the prompt or its logits"
    ),
    "layer_to": Column(dtype="int", meaning="the other layer of an overlap"),
    "last_layer": Column(dtype="str", meaning="the last layer is post_norm (behind the final norm) or pre_norm"),
    "measure": Column(dtype="str", meaning="what was measured (see MEASURES)"),
    "method": Column(dtype="str", meaning="estimator or variant of the measure"),
    "n1": Column(dtype="int", meaning="inner neighbor that the estimate compared", unit="rank"),
    "scale": Column(
        dtype="int",
        meaning="outer neighbor that was compared, or number of neighbors or of largest logits",
        unit="rank",
    ),
    "radius": Column(dtype="float", meaning="mean distance to the outer neighbor", unit="units of the states"),
    "position": Column(dtype="int", meaning="place of the token in the prompt, where the number belongs to one token"),
    "token": Column(dtype="str", meaning="the token's display string"),
    "value": Column(dtype="float", meaning="the number (units: see MEASURES)"),
    "stderr": Column(dtype="float", meaning="standard error of the number within its prompt", unit="as value"),
    "n_used": Column(dtype="int", meaning="tokens that the number rests on", unit="tokens"),
    "n_dropped": Column(dtype="int", meaning="tokens that were left out as exact duplicates or by the estimate"),
    "extrinsic": Column(dtype="int", meaning="width of the states or logits", unit="dimensions"),
}

MEASURES = {
    "dimension": "intrinsic dimension of the cloud",
    "logit_dimension": "intrinsic dimension of the cloud of logits",
    "participation_ratio": "(sum of covariance eigenvalues)^2 / sum of their squares, the linear dimension",
    "mean_cosine": "mean cosine between two tokens: with_diagonal (as the paper prints it) or without_diagonal",
    "sd_cosine": "standard deviation of these cosines",
    "overlap": "share of a token's k nearest in one layer that are among its k nearest in the other",
    "angle": "angle between the directions to a token's first and second neighbor, in degrees",
    "reciprocity": "share of the edges of the k-neighbor graph that run both ways",
    "transitivity": "share of connected triples of the k-neighbor graph that are triangles",
    "constant_density": "neighbors over which density is compatible with a token's own (k*): mean over tokens, or "
    "at_limit, the share of tokens that reach the column scale, where the search ended",
    "linearity_gap": "largest gap between the TwoNN plot and its line, as a difference of shares; a straight plot of n "
    "tokens stays below 1.06 / sqrt(n) in 95 of 100 cases",
    "norm": "Euclidean length of a state: its mean over tokens, or sd",
    "loss": "mean surprisal of the prompt's tokens, in nats",
    "surprisal": "surprisal of one token, in nats",
    "entropy": "mean entropy of the model's prediction (method model), or of a layer's read through a lens, in nats",
    "logit_mass": "what the k largest logits of a prediction hold of its probability or of its entropy (method), mean "
    "over tokens; without k (scale): as many as the logits have dimensions",
    "box_length": "the largest logit less the D-th, D the logit dimension (GRIDE, neighbors 2 and 4), mean over tokens",
    "left_out": "tokens of a prompt that was left out, under the tokenizer that gives it fewest; method says why: "
    "empty (no text), short, uniform (it repeats one token), or not finite (the model's states)",
    "n_tokens": "tokens of the prompt",
    "n_types": "distinct tokens of the prompt",
    "repetition": "1 - distinct tokens / tokens",
    "bleu": "how much of the original is left in a disturbed prompt, from 0 to 1",
    "match": "greedy matching of the disturbed prompt's tokens to the original's by an encoder (F1)",
}
