"""How the cloud moves from layer to layer: cosine, overlap of neighborhoods, angles, the neighbor graph, its spread."""

import polars as pl

from theodolite.report.chapters.layers.profile import by_condition, profile
from theodolite.report.chapters.layers.rows import averaged, main_positions, structured

_OVERLAP_K = (1, 2, 5, 10, 31)
_GRAPH_K = 10


def overlap_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the overlap of neighborhoods between consecutive layers, at a few numbers of neighbors.

    Means over prompts as they are; `layer` is the first of the two, `chance` what unrelated layers share.
    """
    rows = main_positions(structured(averaged(frame, "overlap"))).filter(
        (pl.col("layer_to") == pl.col("layer") + 1) & pl.col("scale").is_in(list(_OVERLAP_K))
    )
    return rows.select(
        *("name", "layer", "scale", pl.format("k = {}", "scale").alias("neighbors"), "value", "sd", "stderr"),
        (pl.col("scale") / (pl.col("n_used") - 1)).alias("chance"),
        *("n_prompts", "n_used"),
    ).sort("name", "scale", "layer")


def graph_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return reciprocity and transitivity of the neighbor graph of prompts as they are, at about 10 neighbors."""
    rows = main_positions(structured(averaged(frame, "reciprocity", "transitivity")))
    k = min(rows["scale"].unique().to_list(), key=lambda one: abs(one - _GRAPH_K), default=0)
    return (
        rows.filter(pl.col("scale") == k)
        .select("name", "layer", "measure", "scale", "value", "sd", "stderr", "n_prompts", "n_used")
        .sort("name", "measure", "layer")
    )


FAMILIES = (
    profile(
        name="cosine_over_layers",
        title="Mean cosine between the tokens of a prompt",
        data=by_condition("mean_cosine", method="with_diagonal"),
        series="condition",
        ylabel="mean cosine",
        words="Mean over all entries of the cosine matrix, the diagonal included, as the paper prints it. Layer 0 is "
        "the embedding output.",
    ),
    profile(
        name="overlap_over_layers",
        title="Which neighbors a token keeps from layer to layer",
        data=overlap_data,
        series="neighbors",
        ylabel="overlap with the next layer",
        words="Share of a token's k nearest neighbors in a layer that are among its k nearest in the next. Dotted: "
        "what two unrelated layers would share.",
        reference="chance",
    ),
    profile(
        name="angle_over_layers",
        title="Angle between the directions to the two nearest neighbors",
        data=by_condition("angle"),
        series="condition",
        ylabel="angle between the two nearest (degrees)",
        words="60 degrees is what two neighbors at equal distances from each other make.",
        from_zero=False,
    ),
    profile(
        name="graph_over_layers",
        title="The neighbor graph: edges both ways, triples that are triangles",
        data=graph_data,
        series="measure",
        ylabel="share",
        words="Reciprocity: share of edges of the directed neighbor graph that run both ways. Transitivity: share of "
        "connected triples that are triangles.",
    ),
    profile(
        name="participation_ratio_over_layers",
        title="Over how many directions the cloud spreads",
        data=by_condition("participation_ratio"),
        series="condition",
        ylabel="participation ratio",
        words="Participation ratio, (sum of the eigenvalues of the covariance)² / sum of their squares: the number of "
        "directions of equal variance that would spread as much. It is linear, so a curved cloud of few dimensions "
        "has a high one; a few large directions make it small. Layer 0 is the embedding output.",
        may_be_log=True,
    ),
    profile(
        name="norm_over_layers",
        title="How long the states are",
        data=by_condition("norm", method="mean"),
        series="condition",
        ylabel="mean length of a state",
        words="Euclidean length of a token's state, mean over the tokens of a prompt. Layer 0 is the embedding output; "
        "the last layer is behind the final norm unless the settings say otherwise.",
        may_be_log=True,
    ),
)
