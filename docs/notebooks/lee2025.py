# %% [markdown]
# # Lee et al. 2025 on the bundled models
#
# *Shared Global and Local Geometry of Language Model Embeddings*, arXiv 2503.21073. Three models of one recipe and one text, of different width: which geometry
# do they share? Nothing is downloaded.

# %%
# %matplotlib inline
import textwrap

from matplotlib import pyplot

import theodolite as td
from theodolite.models import contrast_vector, load_contrast, plan_steering, score_pairs, tokenize_pairs
from theodolite.report.chapters.similarity import CHAPTER
from theodolite.studies import resolve

draw = {family.name: family.draw for family in CHAPTER.families}


def verdicts(study, table, *ids, most=2):
    """Print what the numbers say of the claims with these names, for the first few subjects."""
    for name in ids:
        for one in [one for one in resolve(study).find(table) if one.id == name][:most]:
            print(textwrap.fill(f"{one.verdict.upper()}: {one.claim} ({one.subject})", 110))
            print(textwrap.indent(textwrap.fill(one.evidence, 106), "    "))


MODELS = ["bundled:pocket-64", "bundled:pocket-128", "bundled:pocket-256"]

# %% [markdown]
# ## Fig. 1: all cosines of all tokens
#
# For every two models, the correlation of the cosines of all pairs of their 3,979 common tokens. Each null permutes the tokens of one of them. The paper says
# that untied models are alike in the output and not in the input embeddings. These are untied: the order is as it says, but the input is not low.

# %%
table = td.run("similarity", references=MODELS, prompts="none", out="runs/similarity").table()
verdicts("similarity", table, "shared-global", "untied-input")
draw["similarity_matrices"](table)

# %% [markdown]
# ## LLE weights: a token as a combination of its neighbors

# %%
verdicts("similarity", table, "shared-neighbors")
draw["neighbor_weights"](table)

# %% [markdown]
# ## The local dimension of tokens
#
# Number of principal components that hold 95 % of the variance of a token's neighborhood, in two models.

# %%
verdicts("similarity", table, "shared-dimension")
draw["token_dimensions"](table)

# %% [markdown]
# Do tokens of low dimension have coherent neighborhoods? The measures of coherence do not agree:

# %%
verdicts("similarity", table, "coherent-low")
draw["coherence_against_dimension"](table)

# %% [markdown]
# ## Emb2Emb: carry a steering vector to another model
#
# A vector that makes the smaller model write of "she" instead of "he" has 128 numbers and means nothing in a model of 256 columns. A linear map between their output
# embeddings, fitted on tokens, carries it over. The margin is the log-probability of the feminine less that of the masculine continuation, in nats per
# token, on pairs that nothing was fitted on.

# %%
small, large = td.load_model("bundled:pocket-128", device="cpu"), td.load_model("bundled:pocket-256", device="cpu")
source, target, _ = td.align(td.load_table("bundled:pocket-128#output"), td.load_table("bundled:pocket-256#output"))
carry = td.transfer.fit(source, target)
permuted = td.transfer.fit(source, target, permute=True, seed=1)  # a control: tokens paired at random
print(f"variance of held-out rows that the map explains: {carry.diagnostics.r2_held_out:.2f}")

contrast = load_contrast("gender")
pairs = tokenize_pairs(large, contrast.held_out)
native = contrast_vector(large, contrast).only(6)
carried = contrast_vector(small, contrast).only(6)
vectors = {"own": native.at(6), "carried": carry(carried).at(6), "randomly paired tokens": permuted(carried).at(6)}

# %%
strengths = (-0.5, -0.25, 0.0, 0.25, 0.5)
figure, axes = pyplot.subplots(figsize=(6, 3.4), layout="constrained")
for name, vector in vectors.items():
    plans = [
        plan_steering({6: vector}, strength=one, unit="residual", norms=native.norms_by_layer(), positions="after")
        for one in strengths
    ]
    margins = [score_pairs(large, pairs, steering=plan).margin.mean() for plan in plans]
    axes.plot(strengths, margins, marker="o", label=name)
    print(f"{name:24}", " ".join(f"{margin:+.2f}" for margin in margins))
axes.set(xlabel="strength, in mean residual norms of layer 6", ylabel="margin, nats per token")
axes.legend()
pyplot.close(figure)  # else it is shown twice
figure

# %% [markdown]
# One contrast, one layer, one draw of a control. `theodolite transfer evaluate` chooses layer and token by cross-validation, draws several of every control and
# says where the carried vector does better than all of them: most contrasts do, some do not.
