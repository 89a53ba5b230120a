"""Embedding tables: how many dimensions they use, beside random tables, and which rows make the number."""

from collections.abc import Sequence

import polars as pl

from theodolite.report.chapter import Chapter, Section, Summary
from theodolite.report.chapters.tables import token_map
from theodolite.report.chapters.tables.explorer import explorer_sections
from theodolite.report.chapters.tables.headline import headline_table
from theodolite.report.chapters.tables.opening import opening_sentences
from theodolite.report.chapters.tables.readings import all_readings
from theodolite.report.chapters.tables.row_sections import count_kinds, describe_tables
from theodolite.report.figures import FAMILIES


def _sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
    tables = describe_tables(frame)
    kinds = count_kinds(tables)
    found = []
    if kinds:
        found.append(
            Section(id="rows", nav="Rows", template="rows.html.j2", content={"tables": tables, "kinds": kinds})
        )
    found += explorer_sections(frame)
    if tables:
        found.append(Section(id="tokens", nav="Tokens", template="tokens.html.j2", content={"tables": tables}))
    return found + all_readings(summary, at="at every revision and scale")


CHAPTER = Chapter(
    noun="table",
    title="Dimension of each table",
    nav="Dimensions",
    lead="Value ± one standard error. A null is the mean of what TwoNN reads on random tables of the same size: "
    "compare TwoNN with it, not with the number of columns. The nulls of the other estimators are among all readings "
    "below.",
    note="Rows: distinct rows measured. PR: participation ratio of the covariance spectrum, the linear companion of "
    "dimension. Redundancy: 1 − TwoNN / columns. Unit rows: TwoNN with every row scaled to length 1, which no hub of "
    "short rows can change. !: the shortest rows make the number; the removal sweeps show it.",
    headline=headline_table,
    opening=opening_sentences,
    families=(*FAMILIES, token_map.FAMILY),
    sections=_sections,
    terminal=("n_used", "extrinsic", "twonn", "gaussian", "unit_norm", "redundancy", "mle", "gride"),
    essential=("twonn", "gaussian", "redundancy"),
    short={"gaussian": "its null", "unit_norm": "unit rows"},
    bar="redundancy",
)
