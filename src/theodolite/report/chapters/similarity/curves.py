"""Curves: coherence against the local dimension, and likeness of hidden states against depth."""

from typing import Any

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theodolite.report.chapters.similarity.rows import (
    kind_title,
    kinds_in,
    largest,
    measured,
    names_in,
    tokens_used,
    with_pairs,
)
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined

_COHERENCE = {
    "variant_share": "share of spelling variants",
    "mean_cosine": "mean cosine",
    "group_share": "share of the same group",
    "stability": "share kept in the other model",
}
_CHANCE: dict[str, Any] = {"linestyle": (0, (1, 1.6)), "linewidth": 0.9}
_LAYERS = {
    ("rsa", "raw"): "cosines of all pairs",
    ("rsa", "centered"): "the same, centered",
    ("cka", "debiased"): "kernel alignment",
    ("mutual_knn", None): "common among the nearest",
}


def coherence_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the coherence of neighborhoods of tokens of about the same local dimension, for each table.

    `x` is the mean dimension of a tenth of the tokens, `value` their mean coherence, `null` that of permuted tokens.
    """
    rows = measured(frame, "coherence_curve").filter(pl.col("model_b").is_null())
    name = pl.col("model_a").replace_strict(names_in(frame), return_dtype=pl.String).alias("name")
    return rows.select(name, "which", "method", "scale", "x", "value", "stderr", "null", "null_stderr", "n_used")


def _plot_coherence(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw how coherent neighborhoods are against the local dimension, a panel for each measure and kind of table."""
    if data.is_empty():
        return None
    shown = [
        (which, method)
        for method in _COHERENCE
        for which in kinds_in(data)
        if not data.filter((pl.col("which") == which) & (pl.col("method") == method)).is_empty()
    ]
    looks = canvas.Look.of(data["name"].unique(maintain_order=True).to_list())
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(shown), height=2.5, shared=False)
        for axes, (which, method) in zip(panels, shown, strict=True):
            rows = data.filter((pl.col("which") == which) & (pl.col("method") == method))
            for (name,), one in rows.group_by("name", maintain_order=True):
                look = looks[str(name)]
                axes.errorbar(
                    one["x"],
                    one["value"],
                    yerr=1.96 * one["stderr"].fill_null(0.0),
                    color=look.color,
                    marker=look.marker,
                    linestyle=look.dashes,
                    elinewidth=0.9,
                )
                axes.plot(one["x"], one["null"], color=look.color, **_CHANCE)
            axes.set_title(kind_title(which))
            axes.set_ylabel(_COHERENCE[method])
            axes.set_xlabel("local dimension")
        handles = canvas.series_handles(looks)
        if data["null"].count():
            handles.append(Line2D([], [], color=canvas.QUIET, label="tokens permuted", **_CHANCE))
        canvas.legend_below(figure, handles, layout)
    return figure


def layer_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the likeness of hidden states at layers of the same relative depth.

    One row for each pair, layer and measure, with its null.
    """
    rows = with_pairs(
        frame.filter((pl.col("which") == "states") & pl.col("depth").is_not_null()).filter(pl.col("value").is_finite()),
        names_in(frame),
    )
    columns = ("measure", "method", "layer_a", "layer_b", "depth", "value", "stderr", "null", "null_stderr", "n_used")
    return rows.select("pair", *columns)


def _plot_layers(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the likeness of hidden states against depth, a panel for each measure."""
    if data.is_empty():
        return None
    looks = canvas.Look.of(data["pair"].unique(maintain_order=True).to_list())
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(_LAYERS), height=2.5)
        for axes, ((measure, method), title) in zip(panels, _LAYERS.items(), strict=True):
            rows = data.filter((pl.col("measure") == measure) & pl.col("method").eq_missing(pl.lit(method)))
            for (pair,), one in rows.sort("depth").group_by("pair", maintain_order=True):
                look = looks[str(pair)]
                axes.plot(one["depth"], one["value"], color=look.color, marker=look.marker, linestyle=look.dashes)
                error = 1.96 * one["stderr"].fill_null(0.0)
                axes.fill_between(
                    one["depth"],
                    one["value"] - error,
                    one["value"] + error,
                    color=look.color,
                    alpha=canvas.BAND,
                    linewidth=0,
                )
                axes.plot(one["depth"], one["null"], color=canvas.QUIET, **_CHANCE)
            axes.set_title(title)
            axes.set_xlabel("depth (0 embedding, 1 last layer)")
            axes.set_ylim(-0.05, 1.02)
        handles = [
            *canvas.series_handles(looks),
            Line2D([], [], color=canvas.QUIET, label="tokens permuted", **_CHANCE),
        ]
        canvas.legend_below(figure, handles, layout)
    return figure


def _describe_coherence(data: pl.DataFrame) -> str:
    return joined(
        f"Tokens of one table in ten groups of rising local dimension (components for the variance of "
        f"{largest(data, 'scale')} neighbors), and the mean coherence of their nearest tokens. Bars: 95 % intervals.",
        "Dotted: tokens permuted." if data["null"].count() else "",
        "Variants are the same word in another case, with another blank or affix.",
    )


def _describe_layers(data: pl.DataFrame) -> str:
    spread = largest(data, "null_stderr")
    return joined(
        f"Hidden states of the same tokens in the same text, {tokens_used(data)}, each type once, at layers of the "
        "same relative depth.",
        "Bands: 95 % intervals over tokens.",
        f"Dotted: the same with tokens permuted{f', with a standard deviation of at most {spread}' if spread else ''}.",
    )


COHERENCE = of_data(
    name="coherence_against_dimension",
    data=coherence_data,
    plot=_plot_coherence,
    title=always("Coherence of neighborhoods against the local dimension"),
    describe=_describe_coherence,
    sources=("lee2025",),
)
LAYERS = of_data(
    name="similarity_over_layers",
    data=layer_data,
    plot=_plot_layers,
    title=always("Similarity of hidden states, layer by layer"),
    describe=_describe_layers,
    sources=("lee2025",),
)
