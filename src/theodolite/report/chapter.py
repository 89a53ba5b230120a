"""What a study puts into the terminal and the report: its headline, its figures, its sections."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from theodolite.report.figures.family import FigureFamily
from theodolite.report.headline import Cell, HeadlineTable
from theodolite.studies.finding import Finding

Summary = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page below the figures.

    Attributes
    ----------
    id : str
        Its anchor; also the name of its data as a file.
    nav : str
        Its entry in the navigation.
    template : str
        Name of the template that shows it, which reads `section.content`.
    content : dict
        What the template shows.
    data : polars.DataFrame or None
        Offered for download.
    """

    id: str
    nav: str
    template: str
    content: Mapping[str, Any]
    data: pl.DataFrame | None = None


def table_sections(
    *,
    id: str,
    nav: str,
    title: str,
    headings: Sequence[str],
    lines: Sequence[Sequence[Cell]],
    lead: str = "",
    fold: str = "",
) -> list[Section]:
    """Return a table to sort as a section, with its data to download; nothing where the table has no lines.

    Parameters
    ----------
    id, nav, title : str
        Anchor, entry of the navigation, heading.
    headings : sequence of str
        Of the columns.
    lines : sequence of sequence of Cell
        Cells without a value are text.
    lead : str
        A paragraph above the table.
    fold : str
        Where it is given, the table is folded away under these words.

    Returns
    -------
    list of Section
        One for the template of tables, or none.
    """
    if not lines:
        return []
    columns = [
        [cell.text if cell.value is None else cell.value for cell in column] for column in zip(*lines, strict=True)
    ]
    data = pl.DataFrame({name: pl.Series(column, strict=False) for name, column in zip(headings, columns, strict=True)})
    content = {"title": title, "headings": headings, "lines": lines, "lead": lead, "fold": fold}
    return [Section(id=id, nav=nav, template="table.html.j2", content=content, data=data)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """How the numbers of a study are shown.

    Attributes
    ----------
    noun : str
        What a row of the headline is about, in the singular, such as `table`.
    title, nav : str
        Heading of the headline and its entry in the navigation.
    lead, note : str
        Paragraphs above and below the headline: how to read it.
    headline : callable
        Summary rows and findings to the headline table.
    opening : callable
        Headline table to the sentences that the report begins with.
    families : tuple of FigureFamily
        Figures in the order of the report.
    sections : callable
        Frame and summary rows to the sections below the figures.
    terminal : tuple of str
        Columns of the headline that a wide terminal shows.
    essential : tuple of str
        Those that every terminal shows.
    short : dict
        Column to a heading short enough for a terminal, where its own is too long.
    bar : str
        Column that is drawn as a bar too; empty for none.
    study : str
        Of a part of another chapter: the study whose findings it shows, which its anchors on the page begin with too.
    parts : tuple of Chapter
        Chapters that this one is made of, each shown with its own headline, claims, figures and sections; none for a
        chapter that stands alone.
    """

    noun: str
    title: str
    nav: str
    lead: str
    note: str
    headline: Callable[[Summary, Sequence[Finding]], HeadlineTable]
    opening: Callable[[HeadlineTable], Sequence[str]]
    families: tuple[FigureFamily, ...]
    sections: Callable[[pl.DataFrame, Summary], Sequence[Section]]
    terminal: tuple[str, ...]
    essential: tuple[str, ...]
    short: Mapping[str, str] = field(default_factory=dict)
    bar: str = ""
    study: str = ""
    parts: tuple["Chapter", ...] = ()

    def findings_shown(self, findings: Sequence[Finding]) -> list[Finding]:
        """Return the findings that this chapter shows: all of them, or those of the study that it is the part of."""
        return [finding for finding in findings if not self.study or finding.study == self.study]
