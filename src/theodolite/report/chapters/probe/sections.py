"""Tables below the figures of a probe study: left-out sources, lengths, errors, and every reading."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from theodolite.report.chapter import Section, Summary, table_sections
from theodolite.report.chapters.probe.headline import area, interval
from theodolite.report.headline import Cell
from theodolite.studies.probe.evaluation import CROSS_SOURCE, CROSS_VALIDATION, LENGTH, WITHOUT_SOURCE
from theodolite.studies.probe.names import name_of

Row = Mapping[str, Any]


def sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
    """Return the tables of a probe study.

    Parameters
    ----------
    frame : polars.DataFrame
        Not used: everything is in the summary.
    summary : sequence of mapping
        Rows of the JSON output.

    Returns
    -------
    sequence of Section
        Those that have a row.
    """
    areas = {_place(row): row for row in summary if row["statistic"] == "auc"}

    def accuracies(evaluation: str, *sides: str) -> list[list[Cell]]:
        return [
            [*_names(row), *(Cell(str(row[side])) for side in sides), *_numbers(row, areas)]
            for row in _of(summary, evaluation)
        ]

    return [
        *table_sections(
            id="left-out",
            nav="Left-out sources",
            title="Sources that were left out",
            headings=("model", "classifier", "left out", "prompts", "accuracy", "AUC"),
            lines=accuracies(WITHOUT_SOURCE, "test"),
            lead="Fitted on the prompts of all other sources. A classifier that knows its sources rather than "
            "hostility falls to one half here.",
        ),
        *table_sections(
            id="across-sources",
            nav="Across sources",
            title="Fitted on one source, tested on another",
            headings=("model", "classifier", "fitted on", "tested on", "prompts", "accuracy", "AUC"),
            lines=accuracies(CROSS_SOURCE, "train", "test"),
            lead="Within a source, cross-validated.",
            fold="Accuracy across sources",
        ),
        *table_sections(
            id="lengths",
            nav="Lengths",
            title="By number of tokens",
            headings=("model", "classifier", "tokens", "prompts", "accuracy", "AUC"),
            lines=accuracies(LENGTH, "test"),
            fold="Accuracy by length",
        ),
        *table_sections(
            id="errors",
            nav="Errors",
            title="What was taken for what",
            headings=(
                "model",
                "classifier",
                "hostile, called hostile",
                "hostile, called benign",
                "benign, called hostile",
                "benign, called benign",
                "numbers filled",
            ),
            lines=[[*_names(row), *_errors(row)] for row in _of(summary, CROSS_VALIDATION)],
            fold="Confusion of the cross-validation",
        ),
    ]


def _of(summary: Summary, evaluation: str) -> list[Row]:
    return [row for row in summary if row["statistic"] == "accuracy" and row["evaluation"] == evaluation]


def _place(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("model", "revision", "evaluation", "features", "layers", "train", "test"))


def _names(row: Row) -> list[Cell]:
    return [Cell(str(row["model"])), Cell(name_of(str(row["features"])))]


def _numbers(row: Row, areas: Mapping[tuple[Any, ...], Row]) -> list[Cell]:
    return [Cell.count(row["n"]), interval(row), area(areas.get(_place(row)))]


def _errors(row: Row) -> list[Cell]:
    hostile, benign = row["n_positive"], row["n"] - row["n_positive"]
    right, wrong = row["true_positive"], row["false_positive"]
    counts = (right, hostile - right, wrong, benign - wrong, row["n_filled"] or 0)
    return [Cell.count(count) for count in counts]
