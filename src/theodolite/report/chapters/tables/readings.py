"""Every dimension of the summary as a table to sort: all estimators, all revisions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from theodolite.core.number_format import format_count, format_value
from theodolite.report.headline import Cell
from theodolite.report.selection import method_label, short_names

_MEASURES = ("dimension", "participation_ratio")


def readings(summary: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Cell]]]:
    """Return headings and lines of the table of all readings.

    Parameters
    ----------
    summary : sequence of mapping
        Rows of the JSON output.

    Returns
    -------
    tuple of (list of str, list of list of Cell)
        Text cells have no value; columns in which every cell is empty are left out.
    """
    rows = [row for row in summary if row.get("measure") in _MEASURES and row.get("value") is not None]
    names = short_names({str(row.get("model")) for row in rows})
    nulls = list(dict.fromkeys(kind for row in rows for kind in row.get("null") or {}))
    headings = [
        "model",
        "revision",
        "table",
        "estimator",
        "parameters",
        "scale",
        "value",
        "± stderr",
        *(f"{kind} null" for kind in nulls),
        "unit rows",
        "used",
        "columns",
    ]
    lines = [_line(row, names, nulls) for row in rows]
    full = [i for i in range(len(headings)) if any(line[i].text not in ("", "–") for line in lines)]
    return [headings[i] for i in full], [[line[i] for i in full] for line in lines]


def _line(row: Mapping[str, Any], names: Mapping[str, str], nulls: Sequence[str]) -> list[Cell]:
    null, error = row.get("null") or {}, row.get("null_stderr") or {}
    method = row.get("method") if row["measure"] == "dimension" else row["measure"]
    params = {name: value for name, value in (row.get("params") or {}).items() if value is not None}
    stderr = row.get("stderr")
    return [
        Cell(names[str(row.get("model"))]),
        Cell(str(row.get("revision") or "")),
        Cell(str(row.get("which") or "")),
        Cell(method_label(str(method))),
        Cell(", ".join(f"{name}={json.dumps(value)}" for name, value in params.items())),
        _count(row.get("scale")),
        Cell(format_value(row["value"], stderr).split(" ± ")[0], row["value"]),
        Cell(format_value(row["value"], stderr).partition(" ± ")[2], stderr),
        *(Cell(format_value(null.get(kind), error.get(kind)), null.get(kind)) for kind in nulls),
        Cell(format_value(row.get("unit_norm"), row.get("unit_norm_stderr")), row.get("unit_norm")),
        _count(row.get("n_used")),
        _count(row.get("extrinsic")),
    ]


def _count(value: float | None) -> Cell:
    return Cell(format_count(value), value)
