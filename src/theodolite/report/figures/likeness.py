"""A square of likenesses from 0 to 1, of all things with all: shaded cells with their numbers."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from theodolite.core.number_format import format_decimals
from theodolite.report.figures import canvas

MOST_WRITTEN = 12
"""Things up to which the numbers fit into the cells."""

_DARK = 0.6


def square(axes: Axes, values: npt.NDArray[np.float64]) -> None:
    """Draw a square of likenesses without its ticks; NaN is left blank.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Changed in place.
    values : numpy.ndarray
        `(n, n)` from 0 to 1; what is on the diagonal is written as 1.
    """
    canvas.cells(axes, values, colors=canvas.SHADES, low=0.0, high=1.0)
    axes.set_aspect("equal")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    if len(values) > MOST_WRITTEN:
        return
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            color = "white" if value > _DARK else canvas.INK
            text = "1" if i == j else format_decimals(value, 2)
            axes.text(j, i, text, ha="center", va="center", color=color, fontsize=8)
