"""A survey: its tables, the layers of its models and what they share, each shown as by the study of its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import polars as pl

from theodolite.report.chapter import Chapter, Section, Summary
from theodolite.report.chapters import layers, similarity, tables
from theodolite.report.figures.family import FigureFamily
from theodolite.report.headline import HeadlineTable
from theodolite.studies.finding import Finding
from theodolite.studies.survey import portion
from theodolite.studies.survey_columns import LAYERS, SIMILARITY, TABLES

T = TypeVar("T")


def _part(chapter: Chapter, study: str, nav: str) -> Chapter:
    """Return the chapter of a study as a part of the survey: it sees the rows of its study alone."""

    def within(function: Callable[[pl.DataFrame], T]) -> Callable[[pl.DataFrame], T]:
        return lambda frame: function(portion(frame, study))

    def family(one: FigureFamily) -> FigureFamily:
        def draw(frame: pl.DataFrame, **settings: object) -> object:
            return one.draw(portion(frame, study), **settings)

        return replace(one, draw=draw, **{name: within(getattr(one, name)) for name in ("data", "title", "caption")})

    def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
        return chapter.headline(_own(summary, study), [one for one in findings if one.study == study])

    def sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
        found = chapter.sections(portion(frame, study), _own(summary, study))
        return [replace(section, id=f"{study}-{section.id}") for section in found]

    families = tuple(family(one) for one in chapter.families)
    return replace(chapter, study=study, nav=nav, headline=headline, sections=sections, families=families)


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
