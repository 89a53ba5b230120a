"""How alike models are: in all cosines, in neighbors, in local dimension, in hidden states."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from theodolite.core.number_format import counted
from theodolite.report.chapter import Chapter, Section, Summary, table_sections
from theodolite.report.chapters.similarity.curves import COHERENCE, LAYERS
from theodolite.report.chapters.similarity.headline import headline, opening
from theodolite.report.chapters.similarity.local_figures import DIMENSIONS, WEIGHTS
from theodolite.report.chapters.similarity.matrices import MATRICES
from theodolite.report.chapters.similarity.rows import largest, names_in
from theodolite.report.headline import Cell

_BLANK = "\u2423"


def _sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
    return [*_tokens(frame), *_readings(frame, summary)]


def _tokens(frame: pl.DataFrame) -> list[Section]:
    """Return the tokens of lowest and highest dimension with their neighbors."""
    listed = frame.filter(pl.col("measure") == "listed")
    names = names_in(frame)
    return table_sections(
        id="token-lists",
        nav="Tokens",
        title="Tokens of lowest and highest dimension",
        headings=("model", "table", "end", "token", "dimension", "nearest tokens"),
        lines=[
            [
                Cell(names[row["model_a"]]),
                Cell(str(row["which"])),
                Cell(str(row["method"])),
                Cell(_shown(row["token"])),
                Cell.number(row["value"]),
                Cell("  ".join(_shown(token) for token in json.loads(row["neighbors"]))),
            ]
            for row in listed.iter_rows(named=True)
        ],
        lead=f"Local dimension: components for the variance of the {largest(listed, 'scale')} nearest tokens. The "
        f"claim is that tokens of low dimension have neighbors that belong together. {_BLANK} is a blank.",
    )


def _readings(frame: pl.DataFrame, summary: Summary) -> list[Section]:
    """Return every number of the study that is no point of a curve."""
    names = names_in(frame)
    headings = ("model", "other model", "table", "condition", "measure", "method", "k", "layers")
    return table_sections(
        id="readings",
        nav="All readings",
        title="All readings",
        headings=(*headings, "value", "standard error", "null", "tokens"),
        lines=[
            [
                Cell(names[row["model_a"]]),
                Cell(names.get(row["model_b"], "")),
                *(Cell(str(row[name] or "")) for name in ("which", "condition", "measure", "method")),
                Cell.count(row["scale"]),
                Cell("" if row["layer_a"] is None else f"{row['layer_a']}, {row['layer_b']}"),
                *(Cell.number(row[name]) for name in ("value", "stderr")),
                Cell.number(row["null"], row["null_stderr"]),
                Cell.count(row["n_used"]),
            ]
            for row in summary
        ],
        fold=f"{counted(len(summary), 'number')}, nulls among them",
    )


def _shown(token: Any) -> str:
    """Return a token with its blanks to be seen."""
    return str(token).replace(" ", _BLANK)


CHAPTER = Chapter(
    noun="pair",
    title="How alike the models are",
    nav="Pairs",
    lead="Each line compares two models on the tokens they share: the correlation of the cosines of all pairs of "
    "tokens, the neighbors that tokens have in common, the weights that put a token together "
    "from its neighbors, and the local dimension of the same token in both.",
    note="All cosines: Pearson correlation, 1 for tables that are rotations of each other. Centered: the mean row is "
    "subtracted first, which takes away what all tokens share. Permuted: the same where the tokens of one model are "
    "permuted, with its standard deviation. Errors are over tokens.",
    headline=headline,
    opening=opening,
    families=(MATRICES, WEIGHTS, DIMENSIONS, COHERENCE, LAYERS),
    sections=_sections,
    terminal=("n_tokens", "raw", "centered", "null", "knn", "lle", "lle_null", "dimension"),
    essential=("raw", "lle", "dimension"),
    short={"null": "permuted", "knn": "neighbors", "lle": "weights", "lle_null": "permuted", "dimension": "dimension"},
    bar="raw",
)
