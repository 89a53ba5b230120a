"""Figures drawn once: the same data and the same drawing serve the page and the files."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
from matplotlib.figure import Figure

from theodolite.report.figures.canvas import Layout, house_style
from theodolite.report.figures.family import FigureFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure with its words and its data, drawn and laid out.

    Attributes
    ----------
    family : FigureFamily
        What it is.
    title, caption : str
        Around it.
    data : polars.DataFrame
        What is drawn.
    figures : mapping
        Layout to figure.
    """

    family: FigureFamily
    title: str
    caption: str
    data: pl.DataFrame
    figures: Mapping[Layout, Figure]


def drawings(
    frame: pl.DataFrame,
    families: Iterable[FigureFamily],
    *,
    layouts: Sequence[Layout] = ("wide", "narrow"),
    width: float | None = None,
) -> list[Drawing]:
    """Draw every figure that the frame has rows for.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a study.
    families : iterable of FigureFamily
        The study's figures, in the order of a report.
    layouts : sequence of {"wide", "narrow"}
        How to draw each.
    width : float or None
        Width in inches; None for that of the layout.

    Returns
    -------
    list of Drawing
        Those that were drawn.
    """
    found = []
    for family in families:
        data = family.data(frame)
        figures = {}
        for layout in layouts:
            figure = family.draw(frame, layout=layout) if family.plot is None else family.plot(data, layout=layout)
            if figure is not None:
                if width is not None:
                    figure.set_figwidth(width)
                figures[layout] = _laid_out(figure)
        if figures:
            caption = family.caption(frame) if family.describe is None else family.describe(data)
            found.append(Drawing(family=family, title=family.title(frame), caption=caption, data=data, figures=figures))
    return found


def _laid_out(figure: Figure) -> Figure:
    """Lay a figure out for good; else every file made of it would begin with that."""
    engine = figure.get_layout_engine()
    if engine is not None:
        with house_style(), quiet_about_glyphs():
            engine.execute(figure)
        figure.set_layout_engine(None)
    return figure


@contextmanager
def quiet_about_glyphs() -> Iterator[None]:
    """Say nothing of letters that the drawing font lacks: a name in any script must not fail a figure."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield
