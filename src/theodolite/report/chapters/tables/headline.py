"""The headline table: one line for each table, from the study's summary."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from theodolite.core.number_format import format_count
from theodolite.report.headline import Cell, HeadlineRow, HeadlineTable
from theodolite.report.selection import METHOD_LABELS, WHICH_FIRST, short_names
from theodolite.studies.dimension.config import NULLS
from theodolite.studies.dimension.hub_findings import ID
from theodolite.studies.finding import Finding
from theodolite.studies.revisions import MAIN, model_name
from theodolite.tables.revisions import step_of

_USUAL_K = 20
_MANY = 0.01
"""Share of awkward rows from which on the headline mentions them; all are counted further down."""
MARK = "\u00a0!"
"""Behind a number that is not to be trusted."""


def headline_table(summary: Sequence[Mapping[str, Any]], findings: Iterable[Finding] = ()) -> HeadlineTable:
    """Arrange a study's summary as one line for each table, at the last revision of each model.

    Without rows where the summary holds no dimension.
    """
    findings = list(findings)
    tables: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in summary:
        key = (str(row.get("model")), str(row.get("revision") or MAIN), str(row.get("which")))
        tables.setdefault(key, []).append(row)
    kept = _last_revisions(tables)
    names = short_names({model for model, _, _ in kept})
    made = (_row(names[key[0]], key, tables[key], findings) for key in kept)
    rows = [row for row in made if row is not None]
    rows.sort(key=lambda row: (row.cells["extrinsic"].value or 0, row.name, _which_order(row.which), row.which))
    headings = {
        "n_used": "rows",
        "extrinsic": "columns",
        "twonn": "TwoNN",
        "mle": f"MLE{_scale_of(rows, summary, 'mle', 'k')}",
        "gride": f"GRIDE{_scale_of(rows, summary, 'gride', 'n2')}",
        "participation_ratio": "PR",
        "redundancy": "redundancy",
        "gaussian": "TwoNN, Gaussian null",
        "permuted": "TwoNN, permuted null",
        "covariance": "TwoNN, covariance null",
        "unit_norm": "TwoNN, unit rows",
    }
    return HeadlineTable.of(headings, rows)


def main_reading(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the summary row whose dimension stands for a table: TwoNN, else any other estimate; None without one."""
    found = [row for row in rows if row.get("measure") == "dimension" and row.get("value") is not None]
    return min(found, key=lambda row: (not _is_twonn(row), len(str(row.get("method")))), default=None)


def _row(
    name: str,
    key: tuple[str, str, str],
    rows: Sequence[Mapping[str, Any]],
    findings: Sequence[Finding],
) -> HeadlineRow | None:
    head = main_reading(rows)
    if head is None:
        return None
    model, revision, which = key
    mle, gride = _at_scale(rows, "mle"), _at_scale(rows, "gride")
    linear = next((row for row in rows if row.get("measure") == "participation_ratio"), None)
    extrinsic = head.get("extrinsic")
    value, stderr = head["value"], head.get("stderr")
    fraction = value / extrinsic if extrinsic else None
    null, error = head.get("null") or {}, head.get("null_stderr") or {}
    cells: dict[str, Cell] = {
        "n_used": Cell.count(head.get("n_used")),
        "extrinsic": Cell.count(extrinsic),
        "twonn": _number(head),
        "mle": _number(mle),
        "gride": _number(gride),
        "participation_ratio": _number(linear),
        "redundancy": Cell.percent(
            None if fraction is None else 1 - fraction, stderr / extrinsic if stderr and extrinsic else None
        ),
        **{kind: Cell.number(null.get(kind), error.get(kind)) for kind in NULLS},
        "unit_norm": Cell.number(head.get("unit_norm"), head.get("unit_norm_stderr")),
    }
    subject = {f"{model} {which}", f"{model_name(model, revision)} {which}"}
    made = {f.id for f in findings if f.verdict == "supported" and f.subject in subject}
    doubtful = ID in made
    for column, finding in (("twonn", ID), ("redundancy", ID), ("mle", f"{ID}-mle"), ("gride", f"{ID}-gride")):
        if finding in made and cells[column].value is not None:
            cells[column] = Cell(cells[column].text + MARK, cells[column].value, doubtful=True)
    return HeadlineRow(
        name=name,
        revision="" if revision == MAIN else revision,
        which=which,
        reference=model,
        cells=cells,
        share=None if fraction is None else min(max(1 - fraction, 0.0), 1.0),
        doubtful=doubtful,
        notes=_notes(rows, doubtful=doubtful),
    )


def _notes(rows: Sequence[Mapping[str, Any]], *, doubtful: bool) -> tuple[str, ...]:
    """Return the notes of a table: a hub, and kinds of rows that were left out or that distort."""
    notes = ["made by a hub of short rows"] if doubtful else []
    counts = {row.get("method"): row.get("value") or 0 for row in rows if row.get("measure") == "count"}
    given = counts.get("measured") or 0
    for kind, words in (("duplicates", "exact duplicates"), ("zero", "zero rows"), ("nonfinite", "rows not finite")):
        if counts.get(kind, 0) > _MANY * given:
            notes.append(f"{format_count(counts[kind])} {words}")
    return tuple(notes)


def _last_revisions(tables: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Keep `main` of each model where it is there, else the revision of the last step."""
    last: dict[str, tuple[tuple[bool, bool, int, str], str]] = {}
    keys = list(tables)
    for model, revision, _ in keys:
        step = step_of(revision)
        rank = (revision == MAIN, step is None, step or 0, revision)
        if model not in last or rank > last[model][0]:
            last[model] = (rank, revision)
    return [key for key in keys if last[key[0]][1] == key[1]]


def _at_scale(rows: Sequence[Mapping[str, Any]], method: str) -> Mapping[str, Any] | None:
    """Return the reading that people quote: MLE at the k nearest to 20, GRIDE at its largest n2."""
    found = [row for row in rows if row.get("measure") == "dimension" and row.get("method") == method]
    if method == "mle":
        return min(found, key=lambda row: abs((row.get("scale") or 0) - _USUAL_K), default=None)
    return max(found, key=lambda row: row.get("scale") or 0, default=None)


def _scale_of(rows: Sequence[HeadlineRow], summary: Sequence[Mapping[str, Any]], method: str, symbol: str) -> str:
    """Return the scale for a heading where all tables share it."""
    tables: dict[tuple[Any, Any, Any], list[Mapping[str, Any]]] = {}
    shown = {(row.reference, row.revision or MAIN) for row in rows}
    for row in summary:
        if (str(row.get("model")), str(row.get("revision") or MAIN)) in shown:
            tables.setdefault((row.get("model"), row.get("revision"), row.get("which")), []).append(row)
    scales = {found["scale"] for one in tables.values() if (found := _at_scale(one, method)) is not None}
    return f" ({symbol}\u00a0=\u00a0{scales.pop()})" if len(scales) == 1 else ""


def _number(row: Mapping[str, Any] | None) -> Cell:
    return Cell.number(None) if row is None else Cell.number(row.get("value"), row.get("stderr"))


def _is_twonn(row: Mapping[str, Any]) -> bool:
    return str(row.get("method")) in METHOD_LABELS and str(row.get("method")).startswith("twonn")


def _which_order(which: str) -> int:
    return WHICH_FIRST.index(which) if which in WHICH_FIRST else len(WHICH_FIRST)
