"""What all figures share: sizes, colors, panels and legends.

A figure is drawn from a frame alone, without pyplot and without any setting of the caller's matplotlib. Colors are
those of Okabe and Ito, told apart by color-blind readers; each series has its own marker and dashes as well.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from theodolite.core.number_format import format_count
from theodolite.report.selection import CONDITION_LABELS

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

Layout = Literal["wide", "narrow"]
"""`wide` puts panels side by side over two columns of a paper, `narrow` stacks them in one column."""
Style = Literal["slides", "one-column", "two-column"]
"""`one-column` and `two-column` are as wide as those of a paper; `slides` is what a report and a talk show."""

INK = "#1c2126"
QUIET = "#6e7781"
RULE = "#d5dae0"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
SEQUENCE = ("#46307e", "#2f6c8e", "#1f9d87", "#6db52f", "#c7a600")
"""From low to high; each step lighter than the one before, so that it can be told without seeing colors."""
SHADES = LinearSegmentedColormap.from_list("house", ["#f4f7fa", "#9cc4e0", "#0072b2", "#053a5c"])
"""From nothing to everything, for cells of a matrix."""
MARKERS = ("o", "s", "^", "D", "v", "P")
NULL_DASHES: dict[str, Any] = {
    "gaussian": (0, (5, 2.5)),
    "permuted": (0, (1, 1.6)),
    "covariance": (0, (4, 1.5, 1, 1.5)),
}
BAND = 0.2
WIDTHS = {"wide": 7.2, "narrow": 3.5}
STYLES: dict[Style, tuple[Layout, float]] = {
    "slides": ("wide", 7.2),
    "one-column": ("narrow", 3.35),
    "two-column": ("wide", 6.9),
}
"""Layout and width in inches of each style. Letters have at least 7 points in all of them."""
_MOST_STEPS = 7
"""Ticks of an axis of steps."""
_SERIES_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (6, 1.5, 1, 1.5)))

SETTINGS: "dict[RcKeyType, object]" = {
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.7,
    "lines.markersize": 4,
    "patch.linewidth": 0.8,
    "savefig.facecolor": "none",
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one series is drawn wherever it appears.

    Attributes
    ----------
    color, marker : str
        As matplotlib names them.
    dashes : object
        Line style.
    """

    color: str
    marker: str
    dashes: Any

    @classmethod
    def of(cls, names: Sequence[str]) -> dict[str, "Look"]:
        """Return the look of each series by name; colors return with other dashes when there are no more."""
        rounds = len(SERIES)
        return {
            name: cls(
                SERIES[i % rounds],
                MARKERS[(i + i // rounds) % len(MARKERS)],
                _SERIES_DASHES[(i // rounds) % len(_SERIES_DASHES)],
            )
            for i, name in enumerate(names)
        }


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the settings of the house, and with nothing that the caller's matplotlib was told."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def panels(
    layout: Layout, n_panels: int, *, height: float = 2.9, columns: int = 2, stacked: bool = True, shared: bool = True
) -> tuple[Figure, list[Axes]]:
    """Make a figure with its panels side by side, or stacked where the layout is narrow.

    Parameters
    ----------
    layout : {"wide", "narrow"}
        See `Layout`.
    n_panels : int
        Number of axes.
    height : float
        Height of a row of panels in inches.
    columns : int
        Most panels in a row of the wide layout.
    stacked : bool
        Whether the narrow layout puts one panel in a row.
    shared : bool
        Whether all panels have the same vertical axis.

    Returns
    -------
    tuple of (Figure, list of Axes)
        Axes in reading order.
    """
    n_columns = 1 if layout == "narrow" and stacked else min(columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    figure = Figure(figsize=(WIDTHS[layout], height * n_rows + 0.55), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharey=shared, squeeze=False)
    axes = [one for row in grid for one in row]
    for unused in axes[n_panels:]:
        unused.remove()
    return figure, axes[:n_panels]


def from_zero(panels: Sequence[Axes]) -> None:
    """Let the vertical axes begin at zero, once every panel that shares them is drawn."""
    for axes in panels:
        axes.set_ylim(bottom=0)


def legend_below(figure: Figure, handles: Sequence[Any], layout: Layout) -> None:
    """Put one legend for all panels under the figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Changed in place.
    handles : sequence of matplotlib artists
        With labels.
    layout : {"wide", "narrow"}
        How many entries fit in a row.
    """
    longest = max(len(str(handle.get_label())) for handle in handles)
    room = {"wide": 96, "narrow": 54}[layout]
    columns = max(1, min(len(handles), room // (longest + 7)))
    size = {"wide": 8.5, "narrow": 8}[layout]
    figure.legend(
        handles=list(handles),
        loc="outside lower center",
        ncols=columns,
        fontsize=size,
        handlelength=2.6,
        columnspacing=1.4,
    )


def series_handles(looks: dict[str, Look], *, line: bool = True, marker: bool = True) -> list[Line2D]:
    """Return a legend entry for each series."""
    return [
        Line2D(
            [],
            [],
            color=look.color,
            marker=look.marker if marker else "",
            linestyle=look.dashes if line else "",
            label=name,
        )
        for name, look in looks.items()
    ]


def curve(axes: Axes, rows: pl.DataFrame, x: str, y: str, look: Look, *, label: str | None = None) -> None:
    """Draw a series with its marks and a band of one standard error (column `stderr`)."""
    at, middle = rows[x].to_list(), rows[y].to_numpy()
    stderr = rows["stderr"].fill_null(0.0).fill_nan(0.0).to_numpy()
    axes.fill_between(at, middle - stderr, middle + stderr, color=look.color, alpha=BAND, linewidth=0)
    axes.plot(at, middle, color=look.color, marker=look.marker, linestyle=look.dashes, label=label)


def null_curve(axes: Axes, curve: pl.DataFrame, x: str, y: str, *, kind: str, color: str = QUIET) -> None:
    """Draw what a null reads, dashed, with a band of one standard error (column `stderr`)."""
    middle = curve[y].to_numpy()
    stderr = curve["stderr"].fill_null(0.0).fill_nan(0.0).to_numpy()
    at = curve[x].to_list()
    axes.fill_between(at, middle - stderr, middle + stderr, color=color, alpha=BAND / 2, linewidth=0)
    axes.plot(at, middle, color=color, alpha=0.65, linestyle=NULL_DASHES[kind], linewidth=1.1)


def null_handles(nulls: Sequence[str]) -> list[Line2D]:
    """Return a legend entry for each null."""
    return [
        Line2D([], [], color=QUIET, linestyle=NULL_DASHES[kind], linewidth=1.2, label=CONDITION_LABELS[kind])
        for kind in nulls
    ]


def step_axis(axes: Axes, positions: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic with a place for 0, and plain numbers at 0, 1, 10, 100 ...

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Changed in place.
    positions : sequence of float
        What is drawn, none below 0. The axis is linear up to the smallest above 0.
    """
    above = [float(position) for position in positions if position > 0] or [1.0]
    first, last = min(above), max(above)
    axes.set_xscale("symlog", linthresh=first, linscale=0.5)
    decades = [10.0**power for power in range(16) if first <= 10.0**power <= last]
    ticks = decades if len(decades) > 1 else sorted({first, last})
    ticks = ticks[:: -(-len(ticks) // _MOST_STEPS)]
    from_zero = min(positions, default=0.0) <= 0
    axes.set_xlim(-0.25 * first if from_zero else 0.8 * first, 1.35 * last)
    plain_ticks(axes, [0.0, *ticks] if from_zero else ticks)


def plain_ticks(axes: Axes, ticks: Sequence[float], write: Callable[[float], str] = format_count) -> None:
    """Show these horizontal ticks, written as plain numbers, and no minor ones."""
    axes.xaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))


def cells(axes: Axes, values: npt.NDArray[np.float64], *, colors: Colormap | str, low: float, high: float) -> None:
    """Draw a matrix as cells, the first row on top, cell centers at whole numbers; NaN is left blank.

    Drawn as shapes: a picture inside a figure would not be shown by a page that loads nothing.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Changed in place.
    values : numpy.ndarray
        `(n_rows, n_columns)`.
    colors : matplotlib.colors.Colormap or str
        A color map or its name.
    low, high : float
        Values of its ends.
    """
    n_rows, n_columns = values.shape
    edges = np.arange(n_columns + 1) - 0.5, np.arange(n_rows + 1) - 0.5
    axes.pcolormesh(*edges, values, cmap=colors, vmin=low, vmax=high, linewidth=0, rasterized=False)
    axes.invert_yaxis()
    axes.grid(visible=False)
