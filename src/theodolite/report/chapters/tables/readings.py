"""Every dimension of the summary as a table to sort: all estimators, all revisions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from theodolite.core.number_format import counted, format_value
from theodolite.report.chapter import Section, Summary, table_sections
from theodolite.report.headline import Cell
from theodolite.report.selection import method_label, short_names

_MEASURES = ("dimension", "participation_ratio")


def all_readings(summary: Summary, *, at: str) -> list[Section]:
    """Return the table of all readings, without the columns in which every cell is empty.

    Parameters
    ----------
    summary : sequence of mapping
        Rows of the JSON output.
    at : str
        Ends the words under which the table is folded away, such as `at every scale`.

    Returns
    -------
    list of Section
        One; none without a reading.
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
    return table_sections(
        id="readings",
        nav="All readings",
        title="All readings",
        headings=[headings[i] for i in full],
        lines=[[line[i] for i in full] for line in lines],
        fold=f"{counted(len(lines), 'estimate')}, {at}",
    )


def _line(row: Mapping[str, Any], names: Mapping[str, str], nulls: Sequence[str]) -> list[Cell]:
    null, error = row.get("null") or {}, row.get("null_stderr") or {}
    method = row.get("method") if row["measure"] == "dimension" else row["measure"]
    params = {name: value for name, value in (row.get("params") or {}).items() if value is not None}
    stderr = row.get("stderr")
    written, _, error_written = format_value(row["value"], stderr).partition(" ± ")
    return [
        Cell(names[str(row.get("model"))]),
        Cell(str(row.get("revision") or "")),
        Cell(str(row.get("which") or "")),
        Cell(method_label(str(method))),
        Cell(", ".join(f"{name}={json.dumps(value)}" for name, value in params.items())),
        Cell.count(row.get("scale")),
        Cell(written, row["value"]),
        Cell(error_written, stderr),
        *(Cell.number(null.get(kind), error.get(kind)) for kind in nulls),
        Cell.number(row.get("unit_norm"), row.get("unit_norm_stderr")),
        Cell.count(row.get("n_used")),
        Cell.count(row.get("extrinsic")),
    ]
