"""How the cloud moves from layer to layer: cosine, overlap of neighborhoods, angles, the neighbor graph."""

from collections.abc import Callable

import polars as pl
from matplotlib.figure import Figure

from theodolite.report.chapters.layers.curves import over_layers
from theodolite.report.chapters.layers.rows import averaged, conditions_in, main_positions, prompts_behind, structured
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined

_BAND = "Bands: ± 1 standard deviation over prompts."
_OVERLAP_K = (1, 2, 5, 10, 31)
_GRAPH_K = 10
_COLUMNS = ("name", "layer", "condition", "control", "level", "value", "sd", "stderr", "n_prompts", "n_used")


def cosine_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the mean cosine at each layer, as written and disturbed.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        Means over prompts, over all entries of the cosine matrix.
    """
    rows = main_positions(averaged(frame, "mean_cosine").filter(pl.col("method") == "with_diagonal"))
    return rows.select(_COLUMNS).sort("name", "control", "level", "layer")


def cosine_over_layers(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the mean cosine between tokens against the layer.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where it was not measured.
    """
    return _plot_cosine_over_layers(cosine_data(frame), layout=layout)


def _plot_cosine_over_layers(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    return _by_condition(data, "mean cosine", layout)


def overlap_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the overlap of neighborhoods between consecutive layers, at a few numbers of neighbors.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        Means over prompts as they are; `layer` is the first of the two, `chance` what unrelated layers share.
    """
    rows = main_positions(structured(averaged(frame, "overlap"))).filter(
        (pl.col("layer_to") == pl.col("layer") + 1) & pl.col("scale").is_in(list(_OVERLAP_K))
    )
    return rows.select(
        "name",
        "layer",
        "scale",
        pl.format("k = {}", "scale").alias("neighbors"),
        "value",
        "sd",
        "stderr",
        (pl.col("scale") / (pl.col("n_used") - 1)).alias("chance"),
        "n_prompts",
        "n_used",
    ).sort("name", "scale", "layer")


def overlap_over_layers(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the overlap of neighborhoods from one layer to the next, a curve for each number of neighbors.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where it was not measured.
    """
    return _plot_overlap_over_layers(overlap_data(frame), layout=layout)


def _plot_overlap_over_layers(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.is_empty():
        return None
    names = data.sort("scale")["neighbors"].unique(maintain_order=True).to_list()
    chance = data.with_columns(pl.col("chance").alias("value"))
    return over_layers(
        data, series="neighbors", names=names, ylabel="overlap with the next layer", layout=layout, reference=chance
    )


def angle_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the mean angle between the directions to the first and second neighbor, in degrees.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        Means over prompts, as written and disturbed.
    """
    return main_positions(averaged(frame, "angle")).select(_COLUMNS).sort("name", "control", "level", "layer")


def angle_over_layers(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the angle between the directions to the two nearest neighbors against the layer.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where it was not measured.
    """
    return _plot_angle_over_layers(angle_data(frame), layout=layout)


def _plot_angle_over_layers(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    return _by_condition(data, "angle between the two nearest (degrees)", layout, from_zero=False)


def graph_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return reciprocity and transitivity of the neighbor graph.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        Means over prompts as they are, at the number of neighbors nearest to 10.
    """
    rows = main_positions(structured(averaged(frame, "reciprocity", "transitivity")))
    there = rows["scale"].unique().to_list()
    k = min(there, key=lambda one: abs(one - _GRAPH_K), default=0)
    rows = rows.filter(pl.col("scale") == k)
    return rows.select("name", "layer", "measure", "scale", "value", "sd", "stderr", "n_prompts", "n_used").sort(
        "name", "measure", "layer"
    )


def graph_over_layers(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw reciprocity and transitivity of the neighbor graph against the layer.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where it was not measured.
    """
    return _plot_graph_over_layers(graph_data(frame), layout=layout)


def _plot_graph_over_layers(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.is_empty():
        return None
    return over_layers(
        data, series="measure", names=data["measure"].unique().sort().to_list(), ylabel="share", layout=layout
    )


def _by_condition(data: pl.DataFrame, ylabel: str, layout: canvas.Layout, *, from_zero: bool = True) -> Figure | None:
    if data.is_empty():
        return None
    return over_layers(
        data, series="condition", names=conditions_in(data), ylabel=ylabel, layout=layout, from_zero=from_zero
    )


def _describe(words: str) -> Callable[[pl.DataFrame], str]:
    return lambda data: joined(words, prompts_behind(data), _BAND)


FAMILIES = (
    of_data(
        name="cosine_over_layers",
        data=cosine_data,
        plot=_plot_cosine_over_layers,
        title=always("Mean cosine between the tokens of a prompt"),
        describe=_describe(
            "Mean over all entries of the cosine matrix, the diagonal included, as the paper prints it. Layer 0 is the "
            "embedding output."
        ),
        sources=("viswanathan2025",),
    ),
    of_data(
        name="overlap_over_layers",
        data=overlap_data,
        plot=_plot_overlap_over_layers,
        title=always("Which neighbors a token keeps from layer to layer"),
        describe=_describe(
            "Share of a token's k nearest neighbors in a layer that are among its k nearest in the next. Dotted: what "
            "two unrelated layers would share."
        ),
        sources=("viswanathan2025",),
    ),
    of_data(
        name="angle_over_layers",
        data=angle_data,
        plot=_plot_angle_over_layers,
        title=always("Angle between the directions to the two nearest neighbors"),
        describe=_describe("60 degrees is what two neighbors at equal distances from each other make."),
        sources=("viswanathan2025",),
    ),
    of_data(
        name="graph_over_layers",
        data=graph_data,
        plot=_plot_graph_over_layers,
        title=always("The neighbor graph: edges both ways, triples that are triangles"),
        describe=_describe(
            "Reciprocity: share of edges of the directed neighbor graph that run both ways. Transitivity: share of "
            "connected triples that are triangles."
        ),
        sources=("viswanathan2025",),
    ),
)
