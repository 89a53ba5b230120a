# %% [markdown]
# # Viswanathan et al. 2025 on the bundled models
#
# *The Geometry of Tokens in Internal Representations of Large Language Models* (v1) and *The Intrinsic Dimension of Prompts in Internal Representations of Large
# Language Models* (v2), arXiv 2501.10573. The token cloud of a prompt at every layer. The paper's models have 32 layers and prompts of 1,024 tokens; these
# have up to 6 layers and 256 tokens, and read the 33 prompts that ship.

# %%
# %matplotlib inline
import textwrap

import theodolite as td
from theodolite.report.chapters.layers import CHAPTER
from theodolite.studies import resolve

draw = {family.name: family.draw for family in CHAPTER.families}
MODELS = ["bundled:pocket-128", "bundled:pocket-256"]


def verdicts(*ids):
    """Print what the numbers say of the claims with these names."""
    for name in ids:
        for one in [one for one in resolve("layers").find(table) if one.id == name]:
            print(textwrap.fill(f"{one.verdict.upper()}: {one.claim} ({one.subject})", 110))
            print(textwrap.indent(textwrap.fill(one.evidence, 106), "    "))


# %% [markdown]
# One pass of each model over each prompt, as it is and with blocks of its tokens shuffled (level S cuts a prompt into 4^S blocks).

# %%
table = td.run(
    "layers", references=MODELS, prompts="examples", shuffles=[0, 2, 4], positions=["all", "first"], out="runs/layers"
).table()
print(table.height, "numbers")

# %% [markdown]
# ## The dimension, layer by layer (v1 Fig. 3, v2 Fig. 1)
#
# Claim: it peaks in inner layers. With six layers a peak can hardly be told from a plateau.

# %%
verdicts("peak-inside")
draw["dimension_over_layers"](table)

# %% [markdown]
# ## Shuffling raises the dimension (v1 Fig. 9, v2 Fig. 1)

# %%
verdicts("shuffle-dimension")
draw["dimension_under_shuffling"](table)

# %% [markdown]
# ## Mean cosine (v1 Fig. 2) and angle (v1 Fig. 4)

# %%
verdicts("shuffle-cosine")
draw["cosine_over_layers"](table)

# %%
draw["angle_over_layers"](table)

# %% [markdown]
# ## Which neighbors are kept from layer to layer (v1 Fig. 5)

# %%
verdicts("kept-neighbors")
draw["overlap_over_layers"](table)

# %% [markdown]
# ## Other scales, other estimators, other choices of tokens (v1 Figs. 10, 14)
#
# A prompt repeats its tokens, and copies are each other's neighbors. With one occurrence of each type the cloud reads two and a half to
# five times as many dimensions, most in the first layer.

# %%
draw["dimension_over_scales"](table)

# %%
draw["dimension_by_estimator_over_layers"](table)

# %% [markdown]
# ## Does a higher dimension go with a higher loss (v1 Fig. 6, v2 Fig. 2)?
#
# The paper finds correlations of 0.6 to 0.8 over 2,244 prompts. These 33 are prose, code, lists and dialogues, which differ in more than their dimension: the correlation
# is *negative* over all tokens, by every estimator, though its interval reaches zero in most layers at wider scales (GRIDE at 4 and 8, MLE). Over 200 passages of one kind and one
# token of each type it is positive in every layer; see the page on layers.

# %%
verdicts("dimension-loss")
draw["correlation_over_layers"](table)

# %% [markdown]
# ## Entropy, loss and the dimension of the logits (v1 Fig. 7, v2 Fig. 3)

# %%
verdicts("logits-entropy", "entropy-loss", "logits-last-layer")
draw["loss_scatter"](table)
