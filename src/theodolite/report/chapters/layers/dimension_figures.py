"""The dimension of a prompt's cloud over layers: by scale, by estimator, under shuffling, and over scales."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from theodolite.core.number_format import format_count
from theodolite.report.chapters.layers.profile import in_order_of_conditions, profile
from theodolite.report.chapters.layers.rows import (
    POSITIONS,
    averaged,
    conditions_in,
    estimator_label,
    main_positions,
    prompts_behind,
    structured,
)
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined
from theodolite.studies.layers.config import STRUCTURED
from theodolite.studies.layers.findings import headline

_SOURCES = ("viswanathan2025", "denti2022")


def scales_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the GRIDE dimension of the prompts as they are, at each layer and scale.

    Means over prompts; `neighbors` names the scale.
    """
    rows = averaged(frame, "dimension").filter((pl.col("method") == "gride") & (pl.col("layer") > 0))
    rows = main_positions(structured(rows)).with_columns(
        pl.format("neighbors {} and {}", "n1", "scale").alias("neighbors")
    )
    return rows.select("name", "layer", "neighbors", "scale", "value", "sd", "stderr", "n_prompts", "n_used").sort(
        "name", "scale", "layer"
    )


def shuffles_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the headline dimension at each layer, as written and disturbed.

    Means over prompts; empty where no prompt was disturbed.
    """
    rows = averaged(headline(frame) if "positions" in frame.columns else frame, "dimension")
    rows = rows.filter(pl.col("layer") > 0)
    if rows["condition"].n_unique() < 2:
        rows = rows.clear()
    columns = ("name", "layer", "condition", "control", "level", "n1", "scale")
    return in_order_of_conditions(rows.select(*columns, "value", "sd", "stderr", "n_prompts", "n_used"))


def analysis_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the GRIDE dimension over scales at a few layers, as written and most disturbed.

    Means over prompts at the first, an inner and the last layer and two between.
    """
    rows = averaged(frame, "dimension").filter((pl.col("method") == "gride") & (pl.col("layer") > 0))
    rows = main_positions(rows)
    kept = [STRUCTURED, *[one for one in ("full_shuffle", "random_vocabulary") if one in rows["control"]]][:2]
    rows = rows.filter(pl.col("control").is_in(kept))
    parts = []
    for (_,), own in rows.group_by("name", maintain_order=True):
        last = int(own["layer"].max())  # type: ignore[arg-type]
        shown = sorted({1, 1 + (last - 1) // 3, 1 + 2 * (last - 1) // 3, last})
        parts.append(own.filter(pl.col("layer").is_in(shown)))
    rows = pl.concat(parts) if parts else rows
    return rows.select(
        *("name", "layer", "control", "level", "condition", "n1", "scale", "radius"),
        *("value", "sd", "stderr", "n_prompts", "n_used"),
    ).sort("name", "layer", "control", "scale")


def _plot_dimension_over_scales(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data["scale"].n_unique() < 2:
        return None
    labels = data["name"].unique(maintain_order=True).to_list()
    names = [f"layer {layer}" for layer in data["layer"].unique().sort()]
    looks = canvas.Look.of(names)
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(labels))
        for axes, label in zip(panels, labels, strict=True):
            own = data.filter(pl.col("name") == label)
            for (layer, control), curve in own.group_by("layer", "control", maintain_order=True):
                look = looks[f"layer {layer}"]
                disturbed = control != STRUCTURED
                axes.plot(
                    curve["scale"],
                    curve["value"],
                    color=look.color,
                    marker=None if disturbed else look.marker,
                    linestyle=":" if disturbed else look.dashes,
                    linewidth=1.0 if disturbed else 1.7,
                )
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_locator(FixedLocator(sorted(data["scale"].unique())))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_title(label)
            axes.set_xlabel("outer neighbor n2 (n1 = n2 / 2)")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[::2]:
            axes.set_ylabel("dimension (GRIDE)")
        canvas.legend_below(figure, canvas.series_handles(looks), layout)
    return figure


def _analysis_caption(data: pl.DataFrame) -> str:
    others = [one for one in conditions_in(data) if one != "as written"]
    return joined(
        "Mean dimension against the scale at a few layers.",
        f"Dotted: {others[0]}." if others else "",
        prompts_behind(data),
        "A plateau is a scale at which the cloud has a dimension; without one, every number needs its scale.",
    )


def estimators_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the dimension by every estimator and choice of positions, for prompts as written.

    Means over prompts; GRIDE at its headline scale. Empty where there is only one curve.
    """
    rows = structured(averaged(frame, "dimension")).filter(pl.col("layer") > 0)
    gride = rows.filter(pl.col("method") == "gride")["scale"].unique().to_list()
    wanted = 4 if 4 in gride else min(gride, default=0)
    rows = rows.filter((pl.col("method") != "gride") | (pl.col("scale") == wanted))
    names = [
        f"{estimator_label(method, n1, n2)}, {POSITIONS.get(where, where)}"
        for method, n1, n2, where in rows.select("method", "n1", "scale", "positions").iter_rows()
    ]
    rows = rows.with_columns(pl.Series("estimator", names, dtype=pl.String))
    if rows["estimator"].n_unique() < 2:
        rows = rows.clear()
    return rows.select("name", "layer", "estimator", "value", "sd", "stderr", "n_prompts", "n_used").sort(
        "name", "estimator", "layer"
    )


def _shuffles_axis(data: pl.DataFrame) -> str:
    n1, n2 = data.select("n1", "scale").row(0)
    return f"dimension (GRIDE, {n1} and {n2})"


FAMILIES = (
    profile(
        name="dimension_over_layers",
        title="Dimension of the token cloud, layer by layer",
        data=scales_data,
        series="neighbors",
        ylabel="dimension (GRIDE)",
        words="Mean dimension of the cloud of a prompt's tokens after each layer, at every scale.",
        after="There is no one dimension where the curves differ: farther neighbors see a coarser cloud.",
        sources=_SOURCES,
    ),
    profile(
        name="dimension_under_shuffling",
        title="Dimension when the order of tokens is disturbed",
        data=shuffles_data,
        series="condition",
        ylabel=_shuffles_axis,
        words="Mean dimension of the cloud after each layer, for prompts as written and with their tokens disturbed. "
        "At level S a prompt is cut into 4^S blocks, and the blocks are permuted.",
        sources=_SOURCES,
    ),
    of_data(
        name="dimension_over_scales",
        data=analysis_data,
        plot=_plot_dimension_over_scales,
        title=always("Dimension against scale"),
        describe=_analysis_caption,
        sources=_SOURCES,
    ),
    profile(
        name="dimension_by_estimator_over_layers",
        title="Dimension by estimator and choice of tokens",
        data=estimators_data,
        series="estimator",
        ylabel="dimension",
        words="Mean dimension by estimator, over all tokens of a prompt and over the first of each token type. Copies "
        "of a token are each other's nearest neighbors in the first layers and pull the reading of all tokens down.",
        sources=(*_SOURCES, "facco2017", "levina2004"),
    ),
)
