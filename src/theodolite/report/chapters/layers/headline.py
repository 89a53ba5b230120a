"""The headline of a layer study: one line for each model and way of disturbing the prompts."""

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

from theodolite.core.number_format import counted, format_decimals, format_range
from theodolite.report.chapter import Summary
from theodolite.report.chapters.layers.rows import control_label
from theodolite.report.headline import Cell, HeadlineRow, HeadlineTable
from theodolite.report.selection import short_names
from theodolite.studies.finding import Finding
from theodolite.studies.layers.config import FULL_SHUFFLE, STRUCTURED
from theodolite.studies.layers.findings import HEADLINE_SCALE, estimator_name
from theodolite.studies.revisions import model_name

_ESTIMATED = ("first", "peak", "last", "correlation")
_OVERLAP_K = 10
_HEADINGS = {
    "n_prompts": "prompts",
    "first": "layer 1",
    "peak": "highest",
    "peak_layer": "in layer",
    "last": "last layer",
    "correlation": "with loss",
    "cosine": "mean cosine, last",
    "overlap": "overlap",
    "loss": "loss (nats)",
}


def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
    """Arrange the profiles as one line for each model and condition.

    Without rows where no dimension was measured.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in summary:
        model = model_name(row["model"], row["revision"])
        groups.setdefault((model, control_label(row["control"], row["level"])), []).append(row)
    names = short_names({model for model, _ in groups})
    rows = (_row(names[model], model, condition, group) for (model, condition), group in groups.items())
    return HeadlineTable.of(_headings(summary), rows)


def _headings(summary: Summary) -> dict[str, str]:
    """Say in the headings which estimator was read, where it is not the usual one, and of how many neighbors."""
    method, scale = _estimator(summary)
    usual = (method, scale) == ("gride", HEADLINE_SCALE)
    added = {} if usual or scale is None else dict.fromkeys(_ESTIMATED, f", {estimator_name(method)} to {scale}")
    added["overlap"] = f" (k = {min(_OVERLAP_K, _largest(summary))})"
    return {key: text + added.get(key, "") for key, text in _HEADINGS.items()}


def _estimator(rows: Sequence[Mapping[str, Any]]) -> tuple[str, int | None]:
    """Return estimator and scale that stand for the clouds: GRIDE at the headline's scale, else what is there."""
    found = sorted({(row["method"], row["scale"]) for row in _of(rows, "dimension") if (row["layer"] or 0) > 0})
    gride = [one for one in found if one[0] == "gride"]
    wanted = ("gride", HEADLINE_SCALE)
    return wanted if wanted in found else next(iter(gride or found), ("gride", None))


def opening(table: HeadlineTable) -> list[str]:
    """Say in words where the dimension peaks and how it goes with the loss.

    Sentences; empty without rows.
    """
    own = [row for row in table.rows if row.which == control_label(STRUCTURED, None)]
    if not own:
        return []
    peaks = [row.cells["peak"].value or 0.0 for row in own]
    models = own[0].name if len(own) == 1 else f"{len(own)} models"
    peak = own[0].cells["peak"].text if len(own) == 1 else format_range(min(peaks), max(peaks))
    where = f" in layer {own[0].cells['peak_layer'].text}" if len(own) == 1 else ""
    counts = [int(row.cells["n_prompts"].value or 0) for row in own]
    prompts = counted(counts[0], "prompt")
    if min(counts) < max(counts):
        prompts = f"{format_range(min(counts), max(counts), whole=True)} prompts"
    found = [f"The token clouds of {prompts} in {models} reach a mean dimension of {peak}{where}."]
    permuted = [row for row in table.rows if row.which == control_label(FULL_SHUFFLE, None)]
    if permuted:
        peaks = [row.cells["peak"].value or 0.0 for row in permuted]
        reached = permuted[0].cells["peak"].text if len(permuted) == 1 else format_range(min(peaks), max(peaks))
        found.append(f"With all their tokens permuted they reach {reached}.")
    return found


def _row(name: str, model: str, condition: str, rows: Sequence[Mapping[str, Any]]) -> HeadlineRow | None:
    positions = "all" if any(row["positions"] == "all" for row in rows) else "first"
    here = [row for row in rows if row["positions"] in (positions, None)]
    estimator = _estimator(here)
    profile = {
        row["layer"]: row
        for row in _of(here, "dimension")
        if (row["layer"] or 0) > 0 and (row["method"], row["scale"]) == estimator and isfinite(row["value"] or nan)
    }
    if not profile:
        return None
    peak = max(profile, key=lambda layer: profile[layer]["value"])
    last = max(profile)
    cosines = {row["layer"]: row for row in _of(here, "mean_cosine") if row["method"] == "with_diagonal"}
    overlaps = [row["value"] for row in _of(here, "overlap") if row["scale"] == min(_OVERLAP_K, _largest(here))]
    with_loss = [
        row["value"]
        for row in _of(here, "pearson")
        if row["params"]["with"] == "loss"
        and row["params"]["of"] == "dimension"
        and (row["method"], row["scale"]) == estimator
        and (row["layer"] or 0) > 0
    ]
    cells = {
        "n_prompts": Cell.count(profile[last]["n_prompts"]),
        "first": Cell.of(profile[min(profile)]),
        "peak": Cell.of(profile[peak]),
        "peak_layer": Cell.count(peak),
        "last": Cell.of(profile[last]),
        "correlation": _range(with_loss),
        "cosine": Cell.of(cosines.get(max(cosines, default=-1))),
        "overlap": _range(overlaps),
        "loss": Cell.of(next(iter(_of(here, "loss")), None)),
    }
    return HeadlineRow(name=name, which=condition, reference=model, cells=cells)


def _of(rows: Sequence[Mapping[str, Any]], measure: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["measure"] == measure]


def _largest(rows: Sequence[Mapping[str, Any]]) -> int:
    return max((row["scale"] for row in _of(rows, "overlap")), default=0)


def _range(values: Sequence[float]) -> Cell:
    finite = [value for value in values if value == value]  # noqa: PLR0124 - NaN is not equal to itself
    if not finite:
        return Cell.number(None)
    return Cell(f"{format_decimals(min(finite), 2)} to {format_decimals(max(finite), 2)}", max(finite))
