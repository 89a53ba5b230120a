"""Dimension against the size of the model, with its trend, as the table is and without its short rows."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theodolite.core.number_format import format_count, format_value
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import against_nulls, joined, points_behind, tables_named
from theodolite.report.selection import is_measured, nulls_in, prepared, which_in, which_label
from theodolite.studies.dimension.config import MEASURED, NULLS, UNIT_NORM, WITHOUT_SHORTEST
from theodolite.studies.dimension.size_trends import SizeTrend, size_data, size_trends

_SERIES = {
    MEASURED: "all rows",
    UNIT_NORM: "rows of unit length",
    WITHOUT_SHORTEST: "without the shortest tenth",
}
_FROM = 0.1
"""Share of a unit from which on sizes are written in it."""
_QUANTITY = {MEASURED: "dimension", UNIT_NORM: UNIT_NORM, WITHOUT_SHORTEST: WITHOUT_SHORTEST}


def sizes_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return TwoNN of each model by its size, as it is, without short rows, and of random tables.

    As `studies.size_trends.size_data`, with the short name of each model. Empty below three sizes.
    """
    rows = prepared(frame)
    names = rows.select("model", "label").unique("model", keep="first")
    return size_data(rows).join(names, on="model", how="left", maintain_order="left")


def dimension_over_size(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw TwoNN against the size of the model, a panel for each kind of table, with trend lines and the nulls dashed.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None with fewer than three sizes.
    """
    data = sizes_data(frame)
    shown = [condition for condition in _SERIES if condition in data["condition"]]
    if not shown:
        return None
    trends = {(one.which, one.quantity): one for one in size_trends(prepared(frame))}
    looks = canvas.Look.of([_SERIES[condition] for condition in shown])
    kinds = which_in(data)
    size_name = data["size_name"][0]
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(kinds))
        for axes, which in zip(panels, kinds, strict=True):
            rows = data.filter(pl.col("which") == which)
            for condition in shown:
                look = looks[_SERIES[condition]]
                points = rows.filter(pl.col("condition") == condition)
                axes.errorbar(
                    points["size"].to_list(),
                    points["value"].to_list(),
                    yerr=points["stderr"].fill_null(0.0).fill_nan(0.0).to_list(),
                    fmt=look.marker,
                    color=look.color,
                    markersize=4.5,
                )
                one = trends.get((which, _QUANTITY[condition]))
                if one is not None:
                    _draw_trend(axes, one, points["size"].to_numpy(), look)
            for kind in NULLS:
                null = rows.filter(pl.col("condition") == kind).group_by("size").agg(pl.col("value", "stderr").mean())
                canvas.null_curve(axes, null.sort("size"), "size", "value", kind=kind)
            axes.set_xscale("log", base=2)
            canvas.plain_ticks(axes, _ticks(data["size"].unique().sort().to_list()), _short)
            axes.set_title(which_label(which))
            axes.set_xlabel("parameters of the model" if size_name == "parameters" else "columns of the table")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[:1]:
            axes.set_ylabel("dimension (TwoNN)")
        handles: list[Line2D] = canvas.series_handles(looks) + canvas.null_handles(nulls_in(data))
        canvas.legend_below(figure, handles, layout)
    return figure


def _draw_trend(axes: Axes, one: SizeTrend, sizes: np.ndarray, look: canvas.Look) -> None:
    """Draw the line, and the lines of the ends of the slope's interval about the middle of the points."""
    ends = np.log2([sizes.min(), sizes.max()])
    middle = float(np.log2(sizes).mean())
    level = one.found.intercept + one.found.slope * middle
    x = 2.0**ends
    axes.plot(x, level + one.found.slope * (ends - middle), color=look.color, linestyle=look.dashes, linewidth=1.2)
    if np.isfinite(one.found.stderr):
        half = one.found.stderr * np.abs(ends - middle)
        line = level + one.found.slope * (ends - middle)
        both, heights = np.array([x[0], 2.0**middle, x[1]]), np.array([line[0], level, line[1]])
        spread = np.array([half[0], 0.0, half[1]])
        axes.fill_between(both, heights - spread, heights + spread, color=look.color, alpha=canvas.BAND, linewidth=0)


def _short(size: float) -> str:
    """Write a size in millions or billions where it is that large."""
    for unit, name in ((1e9, "B"), (1e6, "M")):
        if size >= _FROM * unit:
            return f"{size / unit:.2g}\u00a0{name}"
    return format_count(size)


def _ticks(sizes: list[float]) -> list[float]:
    """Return a tick for each size, but none that would touch the one before."""
    kept: list[float] = []
    for size in sizes:
        if not kept or size > 1.6 * kept[-1]:
            kept.append(size)
    return kept[:: -(-len(kept) // 6)]


def _title(frame: pl.DataFrame) -> str:
    data = sizes_data(frame)
    return f"Dimension of {data['model'].n_unique()} models against their {data['size_name'][0]}"


def _caption(frame: pl.DataFrame) -> str:
    data = sizes_data(frame)
    said = [
        f"{one.which}, {_SERIES[condition]}: {format_value(one.found.slope, one.found.stderr)}"
        for one in size_trends(prepared(frame))
        for condition in _SERIES
        if _QUANTITY[condition] == one.quantity
    ]
    return joined(
        f"TwoNN of {tables_named(data)}, as the tables are, with rows scaled to length 1, and without their shortest "
        "rows (the reading of the removal sweep nearest to a tenth).",
        points_behind(data.filter(is_measured())),
        "Error bars: ± 1 standard error.",
        f"Lines: weighted least squares on the logarithm of the {data['size_name'][0]}; slope per doubling,",
        f"{'; '.join(said)}. Shaded: ± 1 standard error of the slope.",
        against_nulls(data, color="gray"),
    )


FAMILY = FigureFamily(
    name="dimension_over_size",
    data=sizes_data,
    draw=dimension_over_size,
    title=_title,
    caption=_caption,
    sources=("kataiwa2025", "quemy2026"),
)
