"""Figures as the page shows them: wide and narrow drawings, title, caption, data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl
from markupsafe import Markup

from theodolite.report.citations import Citation, cited
from theodolite.report.drawings import Drawing
from theodolite.report.inline_svg import inline_svg
from theodolite.report.svg_weight import styles_apart


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


def page_figures(drawn: Iterable[Drawing], *, prefix: str = "") -> list[PageFigure]:
    """Turn drawings into what the page shows.

    Parameters
    ----------
    drawn : iterable of Drawing
        Figures in both layouts.
    prefix : str
        What ids in the figures begin with; must differ between the calls for one page.

    Returns
    -------
    list of PageFigure
        In their order.
    """
    return [_page_figure(one, f"{prefix}{number}") for number, one in enumerate(drawn)]


def styled_once(figures: Sequence[PageFigure]) -> tuple[list[PageFigure], str]:
    """Say each style once for all figures of a page.

    Parameters
    ----------
    figures : sequence of PageFigure
        Of the whole page.

    Returns
    -------
    tuple of (list of PageFigure, str)
        The same figures, lighter, and the rules that go into the style of the page.
    """
    svgs, rules = styles_apart([str(svg) for one in figures for svg in (one.wide, one.narrow)])
    pairs = zip(figures, svgs[::2], svgs[1::2], strict=True)
    return [replace(one, wide=Markup(wide), narrow=Markup(narrow)) for one, wide, narrow in pairs], rules


def _page_figure(drawing: Drawing, prefix: str) -> PageFigure:
    name, label = drawing.family.name, f"{drawing.title}. {drawing.caption}"
    return PageFigure(
        name=name,
        title=drawing.title,
        caption=drawing.caption,
        wide=inline_svg(drawing.figures["wide"], prefix=f"{prefix}w", label=label),
        narrow=inline_svg(drawing.figures["narrow"], prefix=f"{prefix}n", label=label),
        data=drawing.data,
        sources=drawing.family.sources,
        citations=tuple(cited(drawing.family.sources)),
    )
