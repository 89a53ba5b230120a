# %% [markdown]
# # Kataiwa et al. 2025 on the bundled models
#
# *Measuring Intrinsic Dimension of Token Embeddings*, arXiv 2503.02142. Every figure of the paper that these models allow, with the paper's claim and
# our verdict beside it. Nothing is downloaded; all of it takes about a minute on one core.

# %%
# %matplotlib inline
import textwrap

import theodolite as td
from theodolite.report import figures
from theodolite.report.chapters.rank.figures import perplexity_against_rank
from theodolite.studies import resolve

MODELS = ["bundled:pocket-64", "bundled:pocket-128", "bundled:pocket-128-b", "bundled:pocket-256"]


def verdicts(study, table, *ids):
    """Print what the numbers say of the claims with these names."""
    for one in resolve(study).find(table):
        if one.id in ids:
            print(textwrap.fill(f"{one.verdict.upper()}: {one.claim} {one.subject}", 110))
            print(textwrap.indent(textwrap.fill(one.evidence, 106), "    "))


# %% [markdown]
# ## Tables use far fewer dimensions than they have columns, and than random tables
#
# The paper's estimator is MacKay and Ghahramani's with k = 2 (k is inferred, not stated); TwoNN and wider neighborhoods stand beside it. Grey: random
# tables of the same size, which the paper calls the random baseline.

# %%
tables = td.run("dimension", references=MODELS, which=["input"], nulls=["gaussian"], out="runs/tables").table()
verdicts("dimension", tables, "low-dimension")
figures.dimension_by_estimator(tables)

# %% [markdown]
# Figure 1 of the paper: the local dimension of every row. (Theirs are word vectors, which do not ship; `theodolite dimension glove.txt` draws theirs.)

# %%
figures.local_dimension_histogram(tables)

# %% [markdown]
# ## Dimension and redundancy grow with the size of the model
#
# Redundancy is 1 - dimension / columns. Random tables grow too, so growth counts only as far as it is slower than theirs. The
# verdict looks at the interval of the slope; three models would leave it undecided.

# %%
verdicts("dimension", tables, "dimension-grows", "redundancy-grows")
figures.redundancy_over_width(tables)

# %% [markdown]
# ## The dimension falls early in training
#
# From the first checkpoint, which reads what a random table does, to the last.

# %%
training = td.run(
    "training", references=["bundled:pocket-128"], which=["input"], nulls=["gaussian"], out="runs/training"
).table()
verdicts("training", training, "early-drop")
figures.dimension_over_training(training)

# %% [markdown]
# ## The rank that the embedding needs
#
# The paper trains adapters on the embedding and sees perplexity drop where the rank reaches the dimension. Here the table is cut to each rank without
# training, which takes seconds. **The claim about adapters does not hold on these models**: they go on improving to the full width; see the page on ranks.

# %%
rank = td.run("rank", references=["bundled:pocket-128"], training_free=True, windows=32, out="runs/rank").table()
verdicts("rank", rank, "knee-at-dimension")
perplexity_against_rank(rank)

# %% [markdown]
# ## An answer: is it a hub of short rows?
#
# Quemy 2026 (arXiv 2608.29702) finds that in large models a few hundred short rows make such readings. Take them away and look:

# %%
verdicts("dimension", tables, "hub-of-short-rows")
figures.removal_sweep(tables)

# %% [markdown]
# The headline is not made by short rows here. At wider scales it is:

# %%
figures.removal_by_estimator(tables)
