"""The headline of a probe study: one line for each classifier."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from theodolite.core.number_format import format_percent
from theodolite.report.chapter import Summary
from theodolite.report.headline import Cell, HeadlineRow, HeadlineTable
from theodolite.report.selection import short_names
from theodolite.studies.finding import Finding
from theodolite.studies.probe.evaluation import CROSS_VALIDATION, HELD_OUT, WITHOUT_SOURCE
from theodolite.studies.probe.names import NAMES, TEXT, TRIVIAL, name_of
from theodolite.studies.revisions import model_name

_HEADINGS = {
    "cross_validation": "cross-validated accuracy",
    "held_out": "held-out accuracy",
    "auc": "AUC",
    "elsewhere": "AUC elsewhere",
    "gain": "gain of dimensions",
}
Row = Mapping[str, Any]


def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
    """Arrange a probe study as one line for each classifier of each model.

    Probes first, then the baselines.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in summary:
        groups.setdefault((_reference(row), str(row["features"])), []).append(row)
    names = short_names({reference for reference, _ in groups})
    rows = (_row(names[reference], reference, features, found) for (reference, features), found in groups.items())
    return HeadlineTable.of(_HEADINGS, rows)


def opening(table: HeadlineTable) -> list[str]:
    """Say in words what the probe reaches, and what the best baselines reach.

    One sentence for each model that has a probe of dimensions.
    """
    sentences = []
    for own in table.rows:
        if own.which != NAMES["dimension"]:
            continue
        others = {row.which: row for row in table.rows if row.reference == own.reference}
        trivial = max((others[NAMES[name]] for name in TRIVIAL), key=_accuracy)
        text = others[NAMES[TEXT]]
        sentences.append(
            f"The dimensions of the layers of {own.name} put {format_percent(_accuracy(own))} of the prompts on the "
            f"right side; {trivial.which} {format_percent(_accuracy(trivial))}, the text's n-grams "
            f"{format_percent(_accuracy(text))}."
        )
    return sentences


def interval(row: Row | None) -> Cell:
    """Return a share with its interval as a cell."""
    if row is None or row["value"] is None or isnan(row["value"]):
        return Cell.number(None)
    low, high = (f"{100 * row[name]:.0f}" for name in ("low", "high"))
    return Cell(f"{100 * row['value']:.1f} % ({low} to {high})", row["value"])


def area(row: Row | None) -> Cell:
    """Return an area under the curve with its interval as a cell."""
    if row is None or row["value"] is None or isnan(row["value"]):
        return Cell.number(None)
    return Cell(f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})", row["value"])


def _row(name: str, reference: str, features: str, rows: Sequence[Row]) -> HeadlineRow:
    crossed = _only(rows, CROSS_VALIDATION, "accuracy")
    left_out = [row for row in rows if row["evaluation"] == WITHOUT_SOURCE and row["statistic"] == "auc"]
    gain = _only(rows, CROSS_VALIDATION, "gain")
    gained = Cell("–")
    if gain is not None:
        points = f"{100 * gain['value']:+.1f} points (p {_p_value(gain['p_value'])})".replace("-", "\N{MINUS SIGN}")
        gained = Cell(points, gain["value"])
    cells = {
        "cross_validation": interval(crossed),
        "held_out": interval(_only(rows, HELD_OUT, "accuracy")),
        "auc": area(_only(rows, CROSS_VALIDATION, "auc")),
        "elsewhere": area(min(left_out, key=lambda row: float(row["value"]), default=None)),
        "gain": gained,
    }
    return HeadlineRow(
        name=name,
        which=name_of(features),
        reference=reference,
        cells=cells,
        share=crossed["value"] if crossed is not None else None,
    )


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _only(rows: Sequence[Row], evaluation: str, statistic: str) -> Row | None:
    return next((row for row in rows if row["evaluation"] == evaluation and row["statistic"] == statistic), None)


def _accuracy(row: HeadlineRow) -> float:
    return row.cells["cross_validation"].value or 0.0


def _reference(row: Row) -> str:
    return model_name(row["model"], row["revision"])
