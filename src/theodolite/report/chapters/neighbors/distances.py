"""Distance to each neighbor by its rank: how far the neighborhoods reach, and how much they differ."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from theodolite.core.number_format import format_count
from theodolite.report.chapters.neighbors.subject import of_table
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import joined
from theodolite.studies.neighbors.readings import QUANTILES, readings_of

_NAMES = tuple(f"quantile_{quantile:g}" for quantile in QUANTILES)
_MOST_TICKS = 8


def distances_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return quantiles of the distance to each neighbor over the points.

    One row for each rank; none while blocks are missing.
    """
    read = readings_of(frame)
    if read is None:
        return pl.DataFrame()
    ranks = pl.DataFrame({"rank": np.arange(1, read.account.k + 1)})
    return ranks.hstack(pl.DataFrame(read.quantiles, schema=list(_NAMES)))


def distance_by_rank(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the distance to a neighbor against its rank: median, middle half, nine tenths."""
    data = distances_data(frame)
    if data.height < 2:
        return None
    ranks = data["rank"].to_numpy()
    low, quarter, median, three, high = (data[name].to_numpy() for name in _NAMES)
    color = canvas.SERIES[0]
    with canvas.house_style():
        figure, (axes,) = canvas.panels(layout, 1)
        axes.fill_between(ranks, low, high, color=color, alpha=0.14, linewidth=0)
        axes.fill_between(ranks, quarter, three, color=color, alpha=0.26, linewidth=0)
        axes.plot(ranks, median, color=color)
        axes.set_xscale("log", base=2)
        axes.set_xlim(1, ranks[-1])
        powers = [2**power for power in range(int(ranks[-1]).bit_length())]
        canvas.plain_ticks(axes, powers[:: -(-len(powers) // _MOST_TICKS)])
        axes.set_xlabel("rank of the neighbor")
        axes.set_ylabel("distance")
        canvas.from_zero([axes])
        handles = [
            Line2D([], [], color=color, label="median"),
            Patch(facecolor=color, alpha=0.4, label="middle half of the points"),
            Patch(facecolor=color, alpha=0.14, label="nine tenths"),
        ]
        canvas.legend_below(figure, handles, layout)
    return figure


def _title(frame: pl.DataFrame) -> str:
    return f"Distance to the neighbors{of_table(frame)}, by rank"


def _caption(frame: pl.DataFrame) -> str:
    read = readings_of(frame)
    assert read is not None
    unit = "Chord between unit rows" if read.account.metric == "cosine" else "Euclidean distance in units of the table"
    return joined(
        f"{unit}; n\u00a0=\u00a0{format_count(read.account.counts['measured'])} points, each with its "
        f"{read.account.k} nearest.",
        "Bands: quantiles over the points (no error bars).",
        "The flatter the curve, the higher the dimension: distances grow as rank to the power 1 / dimension.",
    )


FAMILY = FigureFamily(
    name="distance_by_rank",
    data=distances_data,
    draw=distance_by_rank,
    title=_title,
    caption=_caption,
    sources=(),
)
