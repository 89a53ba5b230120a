"""How often points are neighbors: hubs and points that are nobody's, beside what chance would give."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from scipy.stats import binom

from theodolite.core.number_format import format_count, format_percent, format_value
from theodolite.report.chapters.neighbors.subject import of_table
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import joined
from theodolite.studies.neighbors.readings import readings_of


def occurrences_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the share of points that are the neighbor of at least so many others.

    One row for each count that occurs, ascending, with the share and the share if neighbors were drawn at random;
    none while blocks are missing.
    """
    read = readings_of(frame)
    if read is None:
        return pl.DataFrame()
    n_points = len(read.hubs.counts)
    counts, points = np.unique(read.hubs.counts, return_counts=True)
    at_least = points[::-1].cumsum()[::-1] / n_points
    chance = binom.sf(counts - 1, n_points - 1, read.hubs.k / (n_points - 1))
    return pl.DataFrame({"occurrences": counts, "share_at_least": at_least, "share_by_chance": chance})


def occurrences_of_points(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the share of points against how often they are a neighbor at least, both logarithmic."""
    data = occurrences_data(frame)
    if data.height < 2:
        return None
    read = readings_of(frame)
    assert read is not None
    n_points = len(read.hubs.counts)
    shown = data.filter(pl.col("occurrences") > 0)
    x, y = shown["occurrences"].to_numpy(), shown["share_at_least"].to_numpy()
    with canvas.house_style():
        figure, (axes,) = canvas.panels(layout, 1)
        axes.step(x, y, where="pre", color=canvas.SERIES[0])
        grid = np.unique(np.geomspace(1, x[-1], 400).round())
        chance = binom.sf(grid - 1, n_points - 1, read.hubs.k / (n_points - 1))
        axes.plot(grid, chance, color=canvas.QUIET, linestyle=canvas.NULL_DASHES["gaussian"], linewidth=1.2)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(0.7 / n_points, 1.4)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:,.10g} %"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        decades = [10**power for power in range(len(str(int(x[-1]))))]
        canvas.plain_ticks(axes, decades)
        axes.set_xlabel("neighbor of at least so many others")
        axes.set_ylabel("share of points")
        handles = [
            Line2D([], [], color=canvas.SERIES[0], label="the table"),
            Line2D([], [], color=canvas.QUIET, linestyle=canvas.NULL_DASHES["gaussian"], label="neighbors at random"),
        ]
        canvas.legend_below(figure, handles, layout)
    return figure


def _title(frame: pl.DataFrame) -> str:
    return f"How often the points{of_table(frame)} are neighbors"


def _caption(frame: pl.DataFrame) -> str:
    read = readings_of(frame)
    assert read is not None
    hubs = read.hubs
    return joined(
        f"Share of the points that are among the {hubs.k} nearest of at least so many others;",
        f"n\u00a0=\u00a0{format_count(len(hubs.counts))} points, each the neighbor of {hubs.k} others on average.",
        f"The most popular is the neighbor of {format_count(hubs.maximum)}; "
        f"{format_percent(hubs.n_antihubs / len(hubs.counts))} of points are nobody's; "
        f"skewness {format_value(hubs.skewness)}.",
        "Dashed: the binomial law of neighbors drawn at random. All points are counted, so there are no error bars.",
    )


FAMILY = FigureFamily(
    name="occurrences_of_points",
    data=occurrences_data,
    draw=occurrences_of_points,
    title=_title,
    caption=_caption,
    sources=("radovanovic2010",),
)
