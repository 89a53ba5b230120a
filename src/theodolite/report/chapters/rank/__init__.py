"""Which rank an input embedding needs: curves, knees, and the rank to take."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from theodolite.report.chapter import Chapter, Section, Summary, table_sections
from theodolite.report.chapters.rank.figures import INCREASE, PERPLEXITY
from theodolite.report.chapters.rank.headline import CURVES, headline, opening
from theodolite.report.headline import Cell


def _sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
    losses = [_reading(row) for row in summary if row["measure"] == "loss_increase"]
    return [
        *table_sections(
            id="recommended",
            nav="Recommended ranks",
            title="The rank to take",
            headings=("model", "curve", "tolerated loss (nats)", "rank", "parameters", "saved"),
            lines=[_recommended(row) for row in summary if row["measure"] == "recommended_rank"],
            lead="The smallest measured rank from which on the upper end of the 95 % interval of the loss increase "
            "stays within what is tolerated. A dash: none that saves parameters does.",
        ),
        *table_sections(
            id="readings",
            nav="All readings",
            title="All readings",
            headings=("model", "curve", "rank", "loss above its ceiling (nats)", "low", "high"),
            lines=losses,
            fold=f"{len(losses)} loss increases, at every rank",
        ),
    ]


def _place(row: Mapping[str, Any]) -> list[Cell]:
    curve = CURVES.get((row["condition"], row["method"], row["side"]), "")
    return [Cell(str(row["model"])), Cell(curve)]


def _recommended(row: Mapping[str, Any]) -> list[Cell]:
    params = row["params"]
    return [
        *_place(row),
        Cell(f"{params['tolerance']:g}", params["tolerance"]),
        Cell.count(row["value"]),
        Cell.count(params["parameters"]),
        Cell.percent(params["saved"]),
    ]


def _reading(row: Mapping[str, Any]) -> list[Cell]:
    return [*_place(row), Cell.count(row["rank"]), *(Cell.number(row[name]) for name in ("value", "low", "high"))]


CHAPTER = Chapter(
    noun="curve",
    title="The rank that the input embedding needs",
    nav="Ranks",
    lead="Each line is a curve of held-out loss against rank. The knee is where two straight segments on the logarithm "
    "of the rank meet; it is left out where one line does as well. The paper's claim is that it sits at the dimension.",
    note="Loss at the dimension: nats per token above the ceiling at the first measured rank that is not below the "
    "dimension. Rank: the smallest from which on the loss is surely within the tolerance. Parameters saved: against "
    "the whole table.",
    headline=headline,
    opening=opening,
    families=(PERPLEXITY, INCREASE),
    sections=_sections,
    terminal=("dimension", "knee", "interval", "slope", "at_dimension", "rank", "saved"),
    essential=("dimension", "knee", "rank"),
    short={"interval": "interval", "slope": "slopes", "at_dimension": "loss there", "rank": "enough", "saved": "saved"},
    bar="saved",
)
