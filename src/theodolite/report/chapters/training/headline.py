"""The headline of a training study: one line for each table."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from theodolite.core.number_format import format_count, format_percent, format_range, format_value
from theodolite.report.chapter import Summary
from theodolite.report.headline import Cell, HeadlineRow, HeadlineTable
from theodolite.report.selection import short_names
from theodolite.studies.finding import Finding

_HEADINGS = {
    "first": "first checkpoint",
    "null": "random table",
    "plateau": "plateau",
    "plateau_null": "of its null",
    "start": "begins at step",
    "half": "half done by",
    "done": "nine tenths by",
    "steepest": "steepest",
    "loss": "loss, first to last",
}


def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
    """Arrange the falls of the dimension as one line for each table.

    Parameters
    ----------
    summary : sequence of mapping
        Rows of the JSON output.
    findings : sequence of Finding
        Not used: the falls say it in numbers.

    Returns
    -------
    HeadlineTable
        Without rows where no table has three checkpoints.
    """
    falls = [row for row in summary if row["measure"] == "drop"]
    losses = {row["model"]: row["params"] for row in falls if row["method"] == "loss"}
    tables = [row for row in falls if row["method"] == "twonn"]
    names = short_names({str(row["model"]) for row in tables})
    rows = [_row(names[str(row["model"])], row, losses.get(row["model"])) for row in tables]
    columns = {key: text for key, text in _HEADINGS.items() if any(row.cells[key].value is not None for row in rows)}
    return HeadlineTable(columns, tuple(rows))


def opening(table: HeadlineTable) -> list[str]:
    """Say in words how far the dimension falls, and how early.

    Parameters
    ----------
    table : HeadlineTable
        The headline.

    Returns
    -------
    list of str
        Sentences; empty without rows.
    """
    fallen = [row for row in table.rows if row.cells["half"].value is not None]
    if not fallen:
        return ["No table's dimension falls along training."] if table.rows else []
    first = [row.cells["first"].value or 0.0 for row in fallen]
    plateau = [row.cells["plateau"].value or 0.0 for row in fallen]
    half = [row.cells["half"].value or 0.0 for row in fallen]
    tables = (
        "The table's dimension falls" if len(table.rows) == 1 else f"{len(fallen)} of {len(table.rows)} tables fall"
    )
    return [
        f"{tables} from {format_range(min(first), max(first))} to {format_range(min(plateau), max(plateau))}; half of "
        f"the fall is done by step {format_range(min(half), max(half), whole=True)}."
    ]


def _row(name: str, row: Mapping[str, Any], loss: Mapping[str, Any] | None) -> HeadlineRow:
    found = row["params"]
    steepest = f"{format_count(found['steepest_from'])} to {format_count(found['steepest_to'])}"
    fell = "" if loss is None else f"{format_value(loss['first'])} to {format_value(loss['plateau'])}"
    cells = {
        "first": _number(found["first"], found["first_stderr"]),
        "null": _number(found["null"]),
        "plateau": _number(found["plateau"], found["plateau_stderr"]),
        "plateau_null": Cell(format_percent(_known(found["plateau_over_null"])), _known(found["plateau_over_null"])),
        "start": _step(found["start"]),
        "half": _step(found["half_by"]) if found["significant"] else Cell("–"),
        "done": _step(found["nine_tenths_by"]) if found["significant"] else Cell("–"),
        "steepest": Cell(steepest, found["steepest_from"]) if found["significant"] else Cell("–"),
        "loss": Cell(fell, None if loss is None else loss["plateau"]),
    }
    return HeadlineRow(
        name=name,
        revision="",
        which=row["which"] or "",
        reference=str(row["model"]),
        cells=cells,
        share=None,
        doubtful=False,
        notes=() if found["significant"] else ("no significant fall",),
    )


def _number(value: float, stderr: float | None = None) -> Cell:
    return Cell(format_value(_known(value), stderr), _known(value))


def _step(value: float) -> Cell:
    return Cell(format_count(_known(value)), _known(value))


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
