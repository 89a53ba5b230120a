"""The headline of a transfer study: one line for each contrast carried from one model to another."""

from collections.abc import Mapping, Sequence
from typing import Any

from theodolite.core.number_format import format_percent, format_range
from theodolite.report.chapter import Summary
from theodolite.report.headline import Cell, HeadlineRow, HeadlineTable
from theodolite.report.selection import short_names
from theodolite.studies.finding import Finding

NAMES = {
    "native": "the target's own",
    "least_squares": "row map",
    "ridge": "ridge row map",
    "procrustes": "Procrustes",
    "low_rank": "low-rank map",
    "logit_matching": "logit-matching map",
    "states": "map of states",
    "random": "random vector",
    "permuted": "map of permuted pairs",
    "identity": "no map",
    "none": "not steered",
}
_HEADINGS = {
    "layer": "layer",
    "native": "effect of the own vector",
    "kept": "kept",
    "interval": "kept, interval",
    "control": "controls keep",
    "cosine": "cosine with the own vector",
    "perplexity": "perplexity, steered / not",
}

_Rows = Sequence[Mapping[str, Any]]


def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
    """Arrange a transfer study as one line for each pair of models and contrast.

    Without rows where nothing was carried. A line whose finding is not supported is marked.
    """
    names = short_names({str(row[side]) for row in summary for side in ("source", "target")})
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in summary:
        groups.setdefault((row["source"], row["target"], row["contrast"]), []).append(row)
    verdicts = {one.subject: one.verdict for one in findings}
    lines = [
        _row(
            found,
            f"to {names[target]}, {contrast}",
            names[source],
            source,
            verdicts.get(f"{source} to {target}, {contrast}", ""),
        )
        for (source, target, contrast), found in groups.items()
    ]
    return HeadlineTable(_HEADINGS, tuple(line for line in lines if line is not None))


def opening(table: HeadlineTable) -> list[str]:
    """Say in words what the vectors keep.

    Sentences; empty without rows.
    """
    carried = [row for row in table.rows if not row.doubtful and not row.notes]
    if not table.rows:
        return []
    kept = [row.cells["kept"].value for row in carried if row.cells["kept"].value is not None]
    sentence = f"{len(carried)} of {len(table.rows)} carried vectors steer beyond every control"
    return [f"{sentence}; they keep {format_range(min(kept), max(kept))} of the effect." if kept else f"{sentence}."]


def _row(found: _Rows, which: str, name: str, reference: str, verdict: str) -> HeadlineRow | None:
    carried = next((row for row in found if row["measure"] == "effect_retained" and row["role"] == "transferred"), None)
    native = next((row for row in found if row["measure"] == "effect" and row["role"] == "native"), None)
    if carried is None or native is None:
        return None
    kept = carried["value"]
    controls = [
        row["value"]
        for row in found
        if (row["measure"] == "draws_keep" or (row["measure"] == "effect_retained" and row["condition"] == "identity"))
        and row["value"] is not None
    ]
    cosine = _value(found, "cosine", carried["condition"])
    after, before = _value(found, "perplexity", carried["condition"]), _value(found, "perplexity", "none")
    ratio = None if after is None or not before else after / before
    best = max(controls, default=None)
    low, high = carried["low"], carried["high"]
    interval = Cell("–") if low is None else Cell(f"{format_percent(low)} to {format_percent(high)}", low)
    cells = {
        "layer": Cell.count(carried["layer"]),
        "native": Cell.of(native),
        "kept": Cell.percent(kept),
        "interval": interval,
        "control": Cell.percent(best),
        "cosine": Cell.number(cosine),
        "perplexity": Cell.number(ratio),
    }
    return HeadlineRow(
        name=name,
        which=which,
        reference=reference,
        cells=cells,
        share=None if kept is None else min(max(kept, 0.0), 1.0),
        doubtful=verdict == "not supported",
        notes=() if verdict == "supported" else (verdict,) if verdict else (),
    )


def _value(found: _Rows, measure: str, condition: str) -> float | None:
    """Return the largest value of a measure: side effects are read at both ends of the working range."""
    values = [
        row["value"]
        for row in found
        if row["measure"] == measure and row["condition"] == condition and row["value"] is not None
    ]
    return max(values, default=None)
