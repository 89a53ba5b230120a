"""What each layer would predict, read through a lens, and how the dimension goes with it."""

import polars as pl
from matplotlib.figure import Figure

from theodolite.report.chapters.layers.curves import correlations_over_layers, over_layers
from theodolite.report.chapters.layers.rows import (
    averaged,
    conditions_in,
    finite,
    main_positions,
    named,
    prompts_behind,
    structured,
)
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined
from theodolite.studies.layers.findings import HEADLINE_SCALE
from theodolite.studies.layers.summary import correlations

_LENSES = ("logit_lens", "tuned_lens")
_LAGS = {0: "entropy after the same layer", 1: "entropy before it"}


def entropy_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the entropy of each layer read through a lens, as written and disturbed.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        Means over prompts; empty without a lens.
    """
    rows = averaged(frame, "entropy").filter(pl.col("method").is_in(_LENSES))
    return rows.select(
        "name", "layer", "condition", "control", "level", "method", "value", "sd", "stderr", "n_prompts", "n_used"
    ).sort("name", "control", "level", "layer")


def lens_entropy_over_layers(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the entropy of what each layer would predict against the layer.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None without a lens.
    """
    return _plot_entropy(entropy_data(frame), layout=layout)


def _plot_entropy(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.is_empty():
        return None
    return over_layers(data, series="condition", names=conditions_in(data), ylabel="entropy (nats)", layout=layout)


def _entropy_caption(data: pl.DataFrame) -> str:
    return joined(
        f"Mean entropy of the prediction that each layer's states give {_lens(data)}.",
        prompts_behind(data),
        "Bands: ± 1 standard deviation over prompts. Layer 0 is the embedding output.",
    )


def lag_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the Pearson correlation over prompts of ln dimension with the entropy of a layer, at both lags.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        With its bootstrap interval; `layer` is that of the dimension. Empty without a lens.
    """
    rows = structured(finite(frame, "dimension", "entropy"))
    entropies = rows.filter(pl.col("method").is_in(_LENSES)).collect()
    dimensions = main_positions(rows.filter(pl.col("measure") == "dimension")).filter(
        (pl.col("method") == "gride") & (pl.col("layer") > 0) & (pl.col("scale") == HEADLINE_SCALE)
    )
    found = correlations(pl.concat([dimensions.collect(), entropies]) if entropies.height else entropies)
    found = found.filter(
        (pl.col("statistic") == "pearson") & pl.col("quantity").is_in(_LENSES) & pl.col("value").is_finite()
    )
    labels = named(rows.select("model", "revision").unique(maintain_order=True).collect())
    words = pl.col("lag").replace_strict(_LAGS, return_dtype=pl.String).alias("paired")
    return (
        found.with_columns(pl.col("model", "revision").cast(pl.String))
        .join(labels, on=["model", "revision"], how="left")
        .select("name", "layer", "lag", words, pl.col("quantity").alias("method"), "value", "low", "high", "n_prompts")
        .sort("name", "lag", "layer")
    )


def lens_correlation_over_layers(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the correlation of ln dimension with the entropy through a lens, of the same layer and of the one before.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None without a lens or with fewer than three prompts.
    """
    return _plot_lags(lag_data(frame), layout=layout)


def _plot_lags(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.is_empty():
        return None
    ylabel = "correlation of ln dimension and entropy"
    return correlations_over_layers(data, series="paired", names=list(_LAGS.values()), ylabel=ylabel, layout=layout)


def _lag_caption(data: pl.DataFrame) -> str:
    return joined(
        "Pearson correlation over prompts between the logarithm of the dimension after a layer (GRIDE, 2 and 4) and "
        f"the mean entropy of a layer {_lens(data)}. n\u00a0=\u00a0{max(data['n_prompts'].to_list())} prompts.",
        "Bands: 95 % intervals, bootstrap over prompts.",
        "The authors' figure pairs a layer's dimension with the entropy before it.",
    )


def _lens(data: pl.DataFrame) -> str:
    return "through the output head" if "logit_lens" in data["method"] else "through a tuned lens"


FAMILIES = (
    of_data(
        name="lens_entropy_over_layers",
        data=entropy_data,
        plot=_plot_entropy,
        title=always("How certain each layer is"),
        describe=_entropy_caption,
        sources=("viswanathan2025",),
    ),
    of_data(
        name="lens_correlation_over_layers",
        data=lag_data,
        plot=_plot_lags,
        title=always("Does a higher dimension go with a less certain layer?"),
        describe=_lag_caption,
        sources=("viswanathan2025", "denti2022"),
    ),
)
