"""How long the rows are: a hub of short rows shows as a small group of its own near zero."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from theodolite.core.number_format import format_count, format_range
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.histogram import histogram_data
from theodolite.report.figures.wording import joined, tables_named
from theodolite.report.selection import WHICH_FIRST, labels_in, tables_in, which_in, which_label

_FLOOR = 0.7
"""Where bars start on the logarithmic axis: a bin with one row must show."""


def norm_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the bins of the norm histograms, for the last revision of each model.

    One row for each bin, from `left` to `right`.
    """
    return histogram_data(frame, "norm_histogram")


def norm_histogram(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the number of rows of each length on a logarithmic axis, a panel for each table.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Panels of a model side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where the frame holds no norm histogram.
    """
    data = norm_data(frame)
    if data.is_empty():
        return None
    kinds, shown = which_in(data), tables_in(data)
    looks = canvas.Look.of(labels_in(data))
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(shown), height=1.5, columns=len(kinds), stacked=False)
        for axes, (label, which, bins) in zip(panels, shown, strict=True):
            edges = [*bins["left"].to_list(), bins["right"][-1]]
            axes.stairs(bins["value"].to_list(), edges, baseline=_FLOOR, fill=True, color=looks[label].color)
            axes.set_yscale("log")
            axes.set_ylim(_FLOOR, float(data["value"].max()) * 1.6)  # type: ignore[arg-type]
            axes.set_xlim(left=0)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
            axes.yaxis.minorticks_off()
            axes.xaxis.set_major_locator(MaxNLocator(5 if layout == "wide" else 3))
            short = which if which in WHICH_FIRST else which_label(which)
            axes.set_title(f"{label} · {short}" if layout == "wide" else f"{label}\n{short}")
        per_row = min(len(kinds), len(shown))
        for axes in panels[::per_row]:
            axes.set_ylabel("rows")
        for axes in panels[-per_row:]:
            axes.set_xlabel("length of the row")
    return figure


def _title(frame: pl.DataFrame) -> str:
    return f"Row lengths of {tables_named(norm_data(frame))}"


def _caption(frame: pl.DataFrame) -> str:
    data = norm_data(frame)
    rows = data.group_by("label", "which").agg(pl.col("value").sum())["value"].to_list()
    return joined(
        "Number of rows by Euclidean length, on a logarithmic axis so that a few rows can be seen;",
        f"n\u00a0=\u00a0{format_range(min(rows), max(rows), whole=True)} rows per table.",
        "A small group far to the left may be a hub of short rows: nearest to every row that has no close neighbor,",
        "so that estimates that compare the first neighbors read far too high; the removal sweep says whether it is.",
        "Counts, so no error bars.",
    )


FAMILY = FigureFamily(
    name="norm_histogram",
    data=norm_data,
    draw=norm_histogram,
    title=_title,
    caption=_caption,
    sources=("quemy2026",),
)
