"""Figures as the page shows them: wide and narrow drawings, title, caption, data."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from theodolite.report.citations import Citation, cited
from theodolite.report.figures.family import FigureFamily
from theodolite.report.inline_svg import inline_svg


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A figure of the page.

    Attributes
    ----------
    name : str
        Name of its files.
    title, caption : str
        Around it.
    wide, narrow : Markup
        The drawing for a screen and for a phone.
    data : polars.DataFrame
        What is drawn.
    sources : tuple of str
        Keys of the papers it rests on.
    citations : tuple of Citation
        These papers.
    """

    name: str
    title: str
    caption: str
    wide: Markup
    narrow: Markup
    data: pl.DataFrame
    sources: tuple[str, ...]
    citations: tuple[Citation, ...]


def page_figures(frame: pl.DataFrame, families: Iterable[FigureFamily]) -> list[PageFigure]:
    """Draw every figure that the frame has rows for.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a study.
    families : iterable of FigureFamily
        The study's figures, in the order of a report.

    Returns
    -------
    list of PageFigure
        Those that were drawn.
    """
    found = []
    for family in families:
        wide = family.draw(frame)
        if wide is None:
            continue
        narrow = family.draw(frame, layout="narrow")
        assert narrow is not None
        title, caption = family.title(frame), family.caption(frame)
        label = f"{title}. {caption}"
        found.append(
            PageFigure(
                name=family.name,
                title=title,
                caption=caption,
                wide=inline_svg(wide, prefix=f"{family.name}-w-", label=label),
                narrow=inline_svg(narrow, prefix=f"{family.name}-n-", label=label),
                data=family.data(frame),
                sources=family.sources,
                citations=tuple(cited(family.sources)),
            )
        )
    return found
