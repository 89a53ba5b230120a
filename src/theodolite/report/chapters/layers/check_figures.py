"""Checks of what the estimators take a cloud for: over how many neighbors density is constant."""

import polars as pl
from matplotlib.figure import Figure

from theodolite.report.chapters.layers.curves import over_layers
from theodolite.report.chapters.layers.rows import POSITIONS, averaged, prompts_behind, structured
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined


def density_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the mean k* of each layer, for each choice of positions.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        Means over prompts as they are; `limit` is where the search for k* ended, `at_limit` the share of tokens that
        reach it. Empty where homogeneity was not checked.
    """
    rows = structured(averaged(frame, "constant_density"))
    keys = ["name", "layer", "positions"]
    shares = rows.filter(pl.col("method") == "at_limit").select(*keys, pl.col("value").alias("at_limit"))
    words = pl.col("positions").replace_strict(POSITIONS, default=None, return_dtype=pl.String).alias("tokens")
    return (
        rows.filter(pl.col("method") == "mean")
        .join(shares, on=keys, how="left")
        .select(
            *("name", "layer", words, pl.col("scale").alias("limit")),
            *("value", "sd", "stderr", "at_limit", "n_prompts", "n_used"),
        )
        .sort("name", "tokens", "layer")
    )


def constant_density_over_layers(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw over how many neighbors density is constant, against the layer.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where homogeneity was not checked.
    """
    return _plot_density(density_data(frame), layout=layout)


def _plot_density(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.is_empty():
        return None
    names = data["tokens"].unique(maintain_order=True).to_list()
    return over_layers(data, series="tokens", names=names, ylabel="neighbors of constant density", layout=layout)


def _density_caption(data: pl.DataFrame) -> str:
    limit, shares = max(data["limit"].to_list()), data["at_limit"].to_list()
    return joined(
        "Mean over tokens of k*, the neighbors over which density is compatible with that at the token (a likelihood "
        "ratio at a probability of one in a million).",
        prompts_behind(data),
        "Bands: ± 1 standard deviation over prompts.",
        f"The search ends at {limit}, which {min(shares):.0%} to {max(shares):.0%} of the tokens reach; the dimension "
        "at neighbors 2 and 4 takes density to be constant over 4.",
    )


FAMILIES = (
    of_data(
        name="constant_density_over_layers",
        data=density_data,
        plot=_plot_density,
        title=always("Over how many neighbors density is constant"),
        describe=_density_caption,
        sources=("viswanathan2025", "rodriguez2018"),
    ),
)
