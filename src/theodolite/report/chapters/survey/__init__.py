"""A survey: its tables, the layers of its models and what they share, each shown as by the study of its own."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from matplotlib.figure import Figure

from theodolite.report.chapter import Chapter, Section, Summary
from theodolite.report.chapters import layers, similarity, tables
from theodolite.report.figures.canvas import Layout
from theodolite.report.figures.family import FigureFamily
from theodolite.report.headline import HeadlineTable
from theodolite.studies.finding import Finding
from theodolite.studies.survey.columns import LAYERS, SIMILARITY, TABLES
from theodolite.studies.survey.study import portion


def _part(chapter: Chapter, study: str, nav: str) -> Chapter:
    """Return the chapter of a study as a part of the survey: it sees the rows of its study alone."""

    def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
        return chapter.headline(_own(summary, study), [one for one in findings if one.study == study])

    def sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
        rows = portion(frame, study)
        found = [] if rows.is_empty() else chapter.sections(rows, _own(summary, study))
        return [replace(section, id=f"{study}-{section.id}") for section in found]

    families = tuple(_family(one, study) for one in chapter.families)
    return replace(chapter, study=study, nav=nav, headline=headline, sections=sections, families=families)


def _family(family: FigureFamily, study: str) -> FigureFamily:
    """Return the same figure of the rows of one study; none where there are none."""

    def draw(frame: pl.DataFrame, *, layout: Layout = "wide") -> Figure | None:
        rows = portion(frame, study)
        return None if rows.is_empty() else family.draw(rows, layout=layout)

    def data(frame: pl.DataFrame) -> pl.DataFrame:
        rows = portion(frame, study)
        return pl.DataFrame() if rows.is_empty() else family.data(rows)

    def plot(data: pl.DataFrame, *, layout: Layout = "wide") -> Figure | None:
        return None if data.is_empty() or family.plot is None else family.plot(data, layout=layout)

    return replace(
        family,
        draw=draw,
        data=data,
        plot=None if family.plot is None else plot,
        title=lambda frame: family.title(portion(frame, study)),
        caption=lambda frame: family.caption(portion(frame, study)),
    )


def _own(summary: Summary, study: str) -> Summary:
    """Return the summary rows of a study; those of an older survey name none and are of tables."""
    return [row for row in summary if row.get("study", TABLES) == study]


PARTS = (
    _part(tables.CHAPTER, TABLES, "Tables"),
    _part(layers.CHAPTER, LAYERS, "Layers"),
    _part(similarity.CHAPTER, SIMILARITY, "Shared geometry"),
)


def _sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
    return [section for part in PARTS for section in part.sections(frame, summary)]


CHAPTER = replace(
    PARTS[0],
    study="",
    families=tuple(family for part in PARTS for family in part.families),
    sections=_sections,
    parts=PARTS,
)
