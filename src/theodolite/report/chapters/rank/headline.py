"""The headline of a rank study: one line for each curve of each model."""

from collections.abc import Mapping, Sequence
from typing import Any

from theodolite.core.number_format import format_range
from theodolite.report.chapter import Summary
from theodolite.report.headline import Cell, HeadlineRow, HeadlineTable
from theodolite.report.selection import short_names
from theodolite.studies.finding import Finding
from theodolite.studies.rank.curves import FLAT, TOLERANCE
from theodolite.studies.revisions import model_name

CURVES = {
    ("truncated", "svd", "input"): "cut",
    ("truncated", "pca", "input"): "centered, cut",
    ("truncated", "svd", "both"): "cut, both sides",
    ("truncated", "pca", "both"): "centered, cut, both sides",
    ("update", "svd", "input"): "trained update, cut",
    ("update", "svd", "both"): "trained update, cut, both sides",
    ("adapter", "lora", "input"): "adapter",
    ("adapter", "lora", "both"): "adapter, both sides",
}
_HEADINGS = {
    "dimension": "dimension",
    "knee": "knee",
    "interval": "knee, 95 % interval",
    "slope": "slope after / before",
    "at_dimension": "loss at the dimension",
    "rank": f"rank within {TOLERANCE} nats",
    "saved": "parameters saved",
}


def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
    """Arrange a rank study as one line for each curve.

    Without rows where no curve was measured.
    """
    names = short_names({_reference(row) for row in summary})
    dimensions = {_reference(row): row for row in summary if row["measure"] == "dimension" and row["method"] == "twonn"}
    curves: dict[tuple[str, tuple[str, str, str]], list[Mapping[str, Any]]] = {}
    for row in summary:
        place = (str(row["condition"]), str(row["method"]), str(row["side"]))
        if place in CURVES:
            curves.setdefault((_reference(row), place), []).append(row)
    rows = (_row(names[model], model, place, found, dimensions.get(model)) for (model, place), found in curves.items())
    return HeadlineTable.of(_HEADINGS, rows)


def opening(table: HeadlineTable) -> list[str]:
    """Say in words where the knees are and which rank is enough.

    Sentences; empty without rows.
    """
    sentences = []
    dimensions = [row.cells["dimension"].value for row in table.rows if row.cells["dimension"].value is not None]
    if dimensions:
        tables = "The input embedding has" if len(set(dimensions)) == 1 else "The input embeddings have"
        sentences.append(f"{tables} a dimension of {format_range(min(dimensions), max(dimensions))}.")
    for word, trained in (("A table cut to a rank", False), ("A trained adapter", True)):
        rows = [row for row in table.rows if row.which.startswith("adapter") == trained and "update" not in row.which]
        if rows:
            sentences.append(f"{word} {_bends(rows)}, {_enough(rows)}.")
    return sentences


def _bends(rows: Sequence[HeadlineRow]) -> str:
    flat = [row for row in rows if row.cells["knee"].value is not None and (row.cells["slope"].value or 0.0) <= FLAT]
    if not flat:
        return "goes on improving with the rank"
    knees = [row.cells["knee"].value or 0.0 for row in flat]
    some = "" if len(flat) == len(rows) else f" in {len(flat)} of {len(rows)} curves"
    return f"stops improving around rank {format_range(min(knees), max(knees))}{some}"


def _enough(rows: Sequence[HeadlineRow]) -> str:
    ranks = [row.cells["rank"].value for row in rows if row.cells["rank"].value is not None]
    if not ranks:
        return f"and no measured rank that saves parameters stays within {TOLERANCE} nats of its ceiling"
    span = format_range(min(ranks), max(ranks), whole=True)
    return f"and needs rank {span} to stay within {TOLERANCE} nats of its ceiling"


def _reference(row: Mapping[str, Any]) -> str:
    return model_name(row["model"], row["revision"])


def _row(
    name: str,
    reference: str,
    place: tuple[str, str, str],
    rows: Sequence[Mapping[str, Any]],
    dimension: Mapping[str, Any] | None,
) -> HeadlineRow:
    knee = next((row for row in rows if row["measure"] == "knee"), None)
    sharp = knee is not None and knee["params"]["supported"]
    chosen = next(
        row for row in rows if row["measure"] == "recommended_rank" and row["params"]["tolerance"] == TOLERANCE
    )
    size = None if dimension is None else dimension["value"]
    above = _at_dimension(rows, size)
    cells = {
        "dimension": Cell.number(size, _error(dimension)),
        "knee": Cell.number(knee["value"] if knee is not None and sharp else None),
        "interval": _range(knee if sharp else None),
        "slope": _slope(knee),
        "at_dimension": Cell.number(None if above is None else above["value"], _error(above)),
        "rank": Cell.count(chosen["value"]),
        "saved": Cell.percent(chosen["params"]["saved"]),
    }
    return HeadlineRow(
        name=name,
        which=CURVES[place],
        reference=reference,
        cells=cells,
        share=chosen["params"]["saved"],
        notes=() if sharp else ("no knee",),
    )


def _at_dimension(rows: Sequence[Mapping[str, Any]], dimension: float | None) -> Mapping[str, Any] | None:
    """Return the loss increase at the first measured rank that is not below the dimension."""
    if dimension is None:
        return None
    found = [row for row in rows if row["measure"] == "loss_increase" and row["rank"] >= dimension]
    return min(found, key=lambda row: int(row["rank"]), default=None)


def _range(row: Mapping[str, Any] | None) -> Cell:
    return Cell("–") if row is None else Cell(format_range(row["low"], row["high"]), row["high"] - row["low"])


def _slope(row: Mapping[str, Any] | None) -> Cell:
    if row is None or not row["params"]["slope_before"]:
        return Cell("–")
    return Cell.number(row["params"]["slope_after"] / row["params"]["slope_before"])


def _error(row: Mapping[str, Any] | None) -> float | None:
    """Return the standard error behind a 95 % interval."""
    return None if row is None else (row["high"] - row["low"]) / (2 * 1.959964)
