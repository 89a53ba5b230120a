"""The headline of a similarity study: one line for each pair of models and kind of table."""

from collections.abc import Mapping, Sequence
from typing import Any

from theodolite.core.number_format import format_range
from theodolite.report.chapter import Summary
from theodolite.report.headline import Cell, HeadlineRow, HeadlineTable
from theodolite.report.selection import short_names
from theodolite.studies.finding import Finding
from theodolite.studies.similarity.config import MEASURED

_HEADINGS = {
    "n_tokens": "tokens",
    "raw": "all cosines",
    "centered": "centered",
    "null": "tokens permuted",
    "knn": "common neighbors",
    "lle": "weights of neighbors",
    "lle_null": "weights, permuted",
    "dimension": "local dimension",
}

_Row = Mapping[str, Any]


def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
    """Arrange a similarity study as one line for each pair of models and kind of table.

    Without rows where no pair was compared.
    """
    groups: dict[tuple[str, str, str], list[_Row]] = {}
    for row in summary:
        if row["model_b"] is not None and row["condition"] == MEASURED:
            groups.setdefault((row["model_a"], row["model_b"], row["which"]), []).append(row)
    names = short_names({model for a, b, _ in groups for model in (a, b)})
    rows = (_row(f"{names[a]}, {names[b]}", a, which, found) for (a, b, which), found in groups.items())
    return HeadlineTable.of(_HEADINGS, rows)


def opening(table: HeadlineTable) -> list[str]:
    """Say in words how alike the models are.

    Sentences; empty without rows.
    """
    words = {
        "output": "output embeddings",
        "input": "input embeddings",
        "table": "tables",
        "last layer": "hidden states of the last layer",
    }
    found = []
    for which, what in words.items():
        cells = [row.cells for row in table.rows if row.which == which]
        values = [value for one in cells if (value := one["raw"].value) is not None]
        if values:
            found.append(f"{format_range(min(values), max(values))} between {what}{_beside(cells)}")
    return [f"The cosines of all pairs of tokens correlate by {', '.join(found)}."] if found else []


def _beside(cells: Sequence[Mapping[str, Cell]]) -> str:
    """Say what the weakest of the numbers would be with the tokens of one model permuted; empty where unknown."""
    known = [one for one in cells if one["raw"].value is not None and one["null"].value is not None]
    if not known:
        return ""
    weakest = min(known, key=lambda one: one["raw"].value or 0.0)
    return f" (tokens permuted: {weakest['null'].text})"


def _row(name: str, reference: str, which: str, rows: Sequence[_Row]) -> HeadlineRow:
    states = which == "states"
    if states:
        deepest = max(row["layer_a"] for row in rows)
        rows = [row for row in rows if row["layer_a"] == deepest]
    scale = max(
        (row["scale"] for row in rows if row["measure"] == "dimension_pearson" and row["method"] == "pca"), default=None
    )
    raw, centered = (_first(rows, "rsa", method) for method in ("raw", "centered"))
    lle = _first(rows, "lle")
    used = None if raw is None else raw["n_used"]
    dimension = next(
        (
            row
            for row in rows
            if row["measure"] == "dimension_pearson" and (row["method"], row["scale"]) == ("pca", scale)
        ),
        None,
    )
    cells = {
        "n_tokens": Cell.count(used),
        "raw": Cell.of(raw),
        "centered": Cell.of(centered),
        "null": _null(raw),
        "knn": Cell.of(_first(rows, "mutual_knn")),
        "lle": Cell.of(lle),
        "lle_null": _null(lle),
        "dimension": Cell.of(dimension),
    }
    return HeadlineRow(
        name=name,
        which="last layer" if states else which,
        reference=reference,
        cells=cells,
        share=None if raw is None or raw["value"] is None else min(max(raw["value"], 0.0), 1.0),
    )


def _first(rows: Sequence[_Row], measure: str, method: str | None = None) -> _Row | None:
    return next((row for row in rows if row["measure"] == measure and method in (None, row["method"])), None)


def _null(row: _Row | None) -> Cell:
    return Cell.number(None) if row is None else Cell.number(row["null"], row["null_stderr"])
