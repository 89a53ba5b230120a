"""Figures as the page shows them: wide and narrow drawings, title, caption, data."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from theodolite.report.citations import Citation, cited
from theodolite.report.drawings import Drawing
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


def page_figures(drawn: Iterable[Drawing]) -> list[PageFigure]:
    """Turn drawings into what the page shows.

    Parameters
    ----------
    drawn : iterable of Drawing
        Figures in both layouts.

    Returns
    -------
    list of PageFigure
        In their order.
    """
    return [_page_figure(one) for one in drawn]


def _page_figure(drawing: Drawing) -> PageFigure:
    name, label = drawing.family.name, f"{drawing.title}. {drawing.caption}"
    return PageFigure(
        name=name,
        title=drawing.title,
        caption=drawing.caption,
        wide=inline_svg(drawing.figures["wide"], prefix=f"{name}-w-", label=label),
        narrow=inline_svg(drawing.figures["narrow"], prefix=f"{name}-n-", label=label),
        data=drawing.data,
        sources=drawing.family.sources,
        citations=tuple(cited(drawing.family.sources)),
    )
