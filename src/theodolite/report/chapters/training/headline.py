"""The headline of a training study: one line for each table."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from theodolite.core.number_format import format_count, format_range, format_value
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
_PAIR = 2


def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
    """Arrange the falls of the dimension as one line for each table.

    Without rows where no table has three checkpoints.
    """
    falls = [row for row in summary if row["measure"] == "drop"]
    losses = {row["model"]: row["params"] for row in falls if row["method"] == "loss"}
    tables = [row for row in falls if row["method"] == "twonn"]
    names = short_names({str(row["model"]) for row in tables})
    return HeadlineTable.of(
        _HEADINGS, (_row(names[str(row["model"])], row, losses.get(row["model"])) for row in tables)
    )


def opening(table: HeadlineTable) -> list[str]:
    """Say in words how far the dimension falls, and how early.

    Sentences; empty without rows.
    """
    fallen = [row for row in table.rows if row.cells["half"].value is not None]
    if not fallen:
        return ["No table's dimension falls along training."] if table.rows else []
    first, plateau, half = ([row.cells[key].value or 0.0 for row in fallen] for key in ("first", "plateau", "half"))
    n_tables = len(table.rows)
    if n_tables == 1:
        tables = f"The dimension of {fallen[0].name} {fallen[0].which} falls along training:"
    elif len(fallen) == n_tables:
        tables = f"The dimension of {'both' if n_tables == _PAIR else f'all {n_tables}'} tables falls along training:"
    else:
        tables = f"The dimension of {len(fallen)} of {n_tables} tables falls along training:"
    return [
        f"{tables} TwoNN reads {format_range(min(first), max(first))} at the first checkpoint and "
        f"{format_range(min(plateau), max(plateau))} on the plateau.",
        f"Half of the fall is done by step {format_range(min(half), max(half), whole=True)}.",
    ]


def _row(name: str, row: Mapping[str, Any], loss: Mapping[str, Any] | None) -> HeadlineRow:
    found = row["params"]
    steepest = f"{format_count(found['steepest_from'])} to {format_count(found['steepest_to'])}"
    fell = "" if loss is None else f"{format_value(loss['first'])} to {format_value(loss['plateau'])}"
    cells = {
        "first": _number(found["first"], found["first_stderr"]),
        "null": _number(found["null"], found["null_stderr"]),
        "plateau": _number(found["plateau"], found["plateau_stderr"]),
        "plateau_null": Cell.percent(_known(found["plateau_over_null"]), _known(found["plateau_over_null_stderr"])),
        "start": Cell.count(_known(found["start"])),
        "half": Cell.count(_known(found["half_by"]) if found["significant"] else None),
        "done": Cell.count(_known(found["nine_tenths_by"]) if found["significant"] else None),
        "steepest": Cell(steepest, found["steepest_from"]) if found["significant"] else Cell("–"),
        "loss": Cell(fell, None if loss is None else loss["plateau"]),
    }
    return HeadlineRow(
        name=name,
        which=row["which"] or "",
        reference=str(row["model"]),
        cells=cells,
        notes=() if found["significant"] else ("no significant fall",),
    )


def _number(value: float, stderr: float | None = None) -> Cell:
    return Cell.number(_known(value), _known(stderr))


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
