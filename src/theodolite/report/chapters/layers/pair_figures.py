"""Which neighbors any two layers share, and how angles are spread over prompts at one layer."""

from itertools import pairwise

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from theodolite.core.number_format import format_decimals
from theodolite.report.chapters.layers.profile import in_order_of_conditions
from theodolite.report.chapters.layers.rows import (
    averaged,
    control_label,
    main_positions,
    prepared,
    prompts_behind,
    structured,
)
from theodolite.report.figures import canvas, likeness
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined
from theodolite.studies.layers.config import BLOCK_SHUFFLE, FULL_SHUFFLE, STRUCTURED

_K = 10
_SHADES = (0.0, 0.5, 1.0)
_DEPTH = 10 / 32
"""How deep the paper's histogram of angles is taken: layer 10 of 32."""
_MOST_BINS = 24
_FEWEST_PROMPTS = 6


def pairs_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the overlap of the ten nearest neighbors between any two layers, of prompts as they are.

    Means over prompts; empty where only consecutive layers were compared.
    """
    rows = main_positions(structured(averaged(frame, "overlap")))
    k = min(rows["scale"].unique().to_list(), key=lambda one: abs(one - _K), default=0)
    rows = rows.filter(pl.col("scale") == k)
    if rows.filter((pl.col("layer_to") - pl.col("layer")).abs() > 1).is_empty():
        rows = rows.clear()
    return rows.select(
        *("name", "layer", "layer_to", "scale", "value", "sd", "stderr"),
        (pl.col("scale") / (pl.col("n_used") - 1)).alias("chance"),
        *("n_prompts", "n_used"),
    ).sort("name", "layer", "layer_to")


def _plot_pairs(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.is_empty():
        return None
    labels = data["name"].unique(maintain_order=True).to_list()
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(labels), height=3.2, shared=False)
        for axes, label in zip(panels, labels, strict=True):
            _draw_pairs(axes, data.filter(pl.col("name") == label))
            axes.set_title(label)
            axes.set_xlabel("layer")
            axes.set_ylabel("layer")
        shades = [Patch(facecolor=canvas.SHADES(one), label=f"{one:g}") for one in _SHADES]
        canvas.legend_below(figure, shades, layout)
    return figure


def _draw_pairs(axes: Axes, rows: pl.DataFrame) -> None:
    layers = sorted({*rows["layer"], *rows["layer_to"]})
    place = {layer: number for number, layer in enumerate(layers)}
    values = np.full((len(layers), len(layers)), np.nan)
    np.fill_diagonal(values, 1.0)
    for one, other, value in rows.select("layer", "layer_to", "value").iter_rows():
        values[place[one], place[other]] = values[place[other], place[one]] = value
    likeness.square(axes, values)
    shown = range(0, len(layers), -(-len(layers) // likeness.MOST_WRITTEN))
    axes.set_xticks(shown, [str(layers[one]) for one in shown])
    axes.set_yticks(shown, [str(layers[one]) for one in shown])


def _pairs_caption(data: pl.DataFrame) -> str:
    if data.is_empty():
        return ""
    chances = data["chance"].to_list()
    low, high = (format_decimals(one, 2) for one in (min(chances), max(chances)))
    chance = low if low == high else f"{low} to {high}"
    return joined(
        f"Share of a token's {data['scale'][0]} nearest neighbors in one layer that are among its nearest in another, "
        "mean over tokens and prompts.",
        prompts_behind(data),
        f"Two unrelated layers would share {chance}.",
    )


def angles_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return how the mean angle of a prompt is spread over prompts at one layer, as written and shuffled.

    The layer is as deep in each model as layer 10 of 32. A row for each bin: edges `left` and `right`, `value` the
    share of prompts. Empty with fewer than six prompts.
    """
    rows = _two_conditions(main_positions(prepared(frame, "angle")))
    depth = (pl.col("layer").max().over("name") * _DEPTH).round().clip(1).cast(pl.Int64)
    place = ["name", "layer", "control", "level", "prompt_row"]
    each = rows.filter(pl.col("layer") == depth).group_by(place, maintain_order=True)
    rows = each.agg(pl.col("value", "n_used").mean())
    conditions = [control_label(*one) for one in rows.select("control", "level").iter_rows()]
    rows = rows.with_columns(pl.Series("condition", conditions, dtype=pl.String))
    found = []
    for (name,), own in rows.group_by("name", maintain_order=True):
        edges = np.histogram_bin_edges(own["value"].to_numpy(), bins=min(_MOST_BINS, _bins(own)))
        for (control, level, condition), part in own.group_by("control", "level", "condition", maintain_order=True):
            counts, _ = np.histogram(part["value"].to_numpy(), bins=edges)
            facts = {"control": control, "level": level, "condition": condition, "n_prompts": part.height}
            facts |= {"layer": own["layer"][0], "n_used": part["n_used"].mean(), "mean": part["value"].mean()}
            for (left, right), count in zip(pairwise(edges.tolist()), counts.tolist(), strict=True):
                found.append({"name": name, **facts, "left": left, "right": right, "value": count / part.height})
    table = pl.DataFrame(found, schema={**_ANGLES, "name": rows["name"].dtype})
    return in_order_of_conditions(table.filter(pl.col("n_prompts") >= _FEWEST_PROMPTS))


def _two_conditions(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep the prompts as they are and the most thorough shuffle: more outlines than two hide one another."""
    if FULL_SHUFFLE in rows["control"]:
        return rows.filter(pl.col("control").is_in([STRUCTURED, FULL_SHUFFLE]))
    highest = pl.col("level").filter(pl.col("control") == BLOCK_SHUFFLE).max()
    shuffled = (pl.col("control") == BLOCK_SHUFFLE) & (pl.col("level") == highest)
    return rows.filter((pl.col("control") == STRUCTURED) | shuffled)


def _bins(rows: pl.DataFrame) -> int:
    """Return how many bins so many prompts fill."""
    return max(6, int(2 * (rows.height / max(1, rows["condition"].n_unique())) ** 0.5))


def _plot_angles(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.is_empty():
        return None
    labels = data["name"].unique(maintain_order=True).to_list()
    names = data["condition"].unique(maintain_order=True).to_list()
    looks = canvas.Look.of(names)
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(labels))
        for axes, label in zip(panels, labels, strict=True):
            own = data.filter(pl.col("name") == label)
            for name in names:
                bins = own.filter(pl.col("condition") == name)
                if bins.is_empty():
                    continue
                look, edges = looks[name], [*bins["left"], bins["right"][-1]]
                axes.stairs(bins["value"], edges, color=look.color, linestyle=look.dashes, linewidth=1.5)
                axes.axvline(bins["mean"][0], color=look.color, linestyle=":", linewidth=1.0)
            axes.xaxis.set_major_locator(MaxNLocator(6))
            axes.set_title(f"{label}, layer {own['layer'][0]}")
            axes.set_xlabel("mean angle of a prompt (degrees)")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[::2]:
            axes.set_ylabel("share of prompts")
        if len(names) > 1:
            canvas.legend_below(figure, canvas.series_handles(looks, marker=False), layout)
    return figure


def _angles_caption(data: pl.DataFrame) -> str:
    return joined(
        "How many prompts have which mean angle between the directions to a token's two nearest neighbors, at the "
        "layer that is as deep as layer 10 of 32, where the paper looks. Dotted: means.",
        prompts_behind(data),
    )


_ANGLES = {
    "name": pl.String,
    "layer": pl.Int64,
    "control": pl.String,
    "level": pl.Float64,
    "condition": pl.String,
    **dict.fromkeys(("left", "right", "value", "mean"), pl.Float64),
    "n_prompts": pl.Int64,
    "n_used": pl.Float64,
}

FAMILIES = (
    of_data(
        name="overlap_between_layers",
        data=pairs_data,
        plot=_plot_pairs,
        title=always("Which neighbors any two layers share"),
        describe=_pairs_caption,
        sources=("viswanathan2025",),
    ),
    of_data(
        name="angle_histogram",
        data=angles_data,
        plot=_plot_angles,
        title=always("Angles at the depth of the paper's histogram, prompt by prompt"),
        describe=_angles_caption,
        sources=("viswanathan2025",),
    ),
)
