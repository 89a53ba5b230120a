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


class Plot(Protocol):
    """Draws the rows that a family's `data` returned."""

    def __call__(self, data: pl.DataFrame, *, layout: Layout = "wide") -> Figure | None:
        """Draw the rows; None where there are too few."""
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
    plot, describe : callable or None
        As `draw` and `caption`, from the rows of `data`: a report makes these once where they are given. `of_data`
        gives them.
    """

    name: str
    data: Callable[[pl.DataFrame], pl.DataFrame]
    draw: Draw
    title: Callable[[pl.DataFrame], str]
    caption: Callable[[pl.DataFrame], str]
    sources: tuple[str, ...]
    plot: Plot | None = None
    describe: Callable[[pl.DataFrame], str] | None = None


def of_data(
    *,
    name: str,
    data: Callable[[pl.DataFrame], pl.DataFrame],
    plot: Plot,
    title: Callable[[pl.DataFrame], str],
    describe: Callable[[pl.DataFrame], str],
    sources: tuple[str, ...],
) -> FigureFamily:
    """Return a family whose drawing and caption need nothing but its data.

    Parameters
    ----------
    name, data, title, sources
        As in `FigureFamily`.
    plot : callable
        Rows of `data` to figure, or None.
    describe : callable
        Rows of `data` to caption.

    Returns
    -------
    FigureFamily
        Its `draw` and `caption` take the frame, as those of every family do.
    """

    def draw(frame: pl.DataFrame, *, layout: Layout = "wide") -> Figure | None:
        return plot(data(frame), layout=layout)

    return FigureFamily(
        name=name,
        data=data,
        draw=draw,
        title=title,
        caption=lambda frame: describe(data(frame)),
        sources=sources,
        plot=plot,
        describe=describe,
    )


def always(text: str) -> Callable[[pl.DataFrame], str]:
    """Return a title that is the same for every frame."""
    return lambda _: text
