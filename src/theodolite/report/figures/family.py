"""What a figure family offers: its data, its drawing, its title and its caption, all from the frame."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import polars as pl
from matplotlib.figure import Figure

from theodolite.report.figures.canvas import Layout


class Draw(Protocol):
    """A public figure function."""

    def __call__(self, frame: pl.DataFrame, *, layout: Layout = "wide") -> Figure | None:
        """Draw the frame's rows; None where it holds none for this figure."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureFamily:
    """One kind of figure.

    Attributes
    ----------
    name : str
        Name of its files.
    data : callable
        Frame to the rows that are drawn; empty where there is nothing to draw.
    draw : callable
        Frame to figure, or None.
    title : callable
        Frame to the heading above the figure.
    caption : callable
        Frame to what is shown: estimator, n, what the band is.
    sources : tuple of str
        Keys of the citations that the caption ends with.
    """

    name: str
    data: Callable[[pl.DataFrame], pl.DataFrame]
    draw: Draw
    title: Callable[[pl.DataFrame], str]
    caption: Callable[[pl.DataFrame], str]
    sources: tuple[str, ...]


def always(text: str) -> Callable[[pl.DataFrame], str]:
    """Return a title that is the same for every frame."""
    return lambda _: text
