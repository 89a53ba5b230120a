"""Falls along training: of each estimate of the dimension, of the participation ratio, of the loss."""

from collections.abc import Iterator
from dataclasses import asdict
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from theodolite.core.number_format import format_percent, format_value
from theodolite.statistics import Drop, drop
from theodolite.studies.dimension.config import GAUSSIAN, MEASURED
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.reading import Reading

KATAIWA = "Kataiwa et al. 2025 (arXiv 2503.02142)"
HEADLINE = "twonn"
_FAR = 0.5
"""The table must come down below this share of its first reading."""
_AT_NULL = 0.2
"""A first checkpoint is untrained if it reads its null to within this share."""
_EARLY = 0.25
"""Share of the steps by which half of an early fall is done."""
_CURVE = ("model", "which", "measure", "method", "scale")
_FEWEST = 3


def falls(frame: pl.DataFrame) -> Iterator[tuple[dict[str, Any], Drop]]:
    """Yield the fall of each curve along training.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study with training steps.

    Yields
    ------
    tuple of (dict, Drop)
        Model, table, measure, method and scale of the curve, its first and last step; and its fall, against a Gaussian
        table of the same size where one was measured at the first step at least.
    """
    rows = frame.filter(
        pl.col("step").is_not_null() & pl.col("measure").is_in(["dimension", "participation_ratio", "loss"])
    )
    measured = rows.filter(pl.col("condition") == MEASURED)
    nulls = rows.filter(pl.col("condition") == GAUSSIAN).select(
        *_CURVE, "step", pl.col("value").alias("null"), pl.col("stderr").alias("null_stderr")
    )
    joined = measured.join(nulls, on=[*_CURVE, "step"], how="left", nulls_equal=True)
    joined = joined.unique([*_CURVE, "step"], keep="first", maintain_order=True)
    for key, curve in joined.group_by(_CURVE, maintain_order=True):
        curve = curve.sort("step")  # noqa: PLW2901 - the same rows in their order
        if curve.height < _FEWEST:
            continue
        # a random table has the size of every checkpoint, so the first step's stands where others have none
        null = curve["null"].fill_null(strategy="forward")
        with_null = null.null_count() == 0
        found = drop(
            curve["step"].to_numpy(),
            curve["value"].to_numpy(),
            stderr=_errors(curve["stderr"]),
            null=null.to_numpy() if with_null else None,
            null_stderr=_errors(curve["null_stderr"].fill_null(strategy="forward")) if with_null else None,
        )
        place = dict(zip(_CURVE, key, strict=True))
        ends = {"first_step": curve["step"][0], "last_step": curve["step"][-1]}
        yield place | ends, found


def drops(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the falls as summary rows.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study with training steps.

    Returns
    -------
    list of dict
        `measure` is `drop`, `method` what falls; `value` by how much, with its standard error; `params` where it
        begins, is half done, done and steepest, and how the ends compare with random tables.
    """
    rows = []
    for place, found in falls(frame):
        params = {name: value for name, value in asdict(found).items() if name not in ("fall", "fall_stderr", "n")}
        method = place["method"] if place["measure"] == "dimension" else place["measure"]
        rows.append(
            {
                "model": place["model"],
                "revision": None,
                "step": None,
                "which": place["which"],
                "layer": None,
                "measure": "drop",
                "method": method,
                "params": {"first_step": place["first_step"], "last_step": place["last_step"], **params},
                "scale": place["scale"],
                "value": found.fall,
                "stderr": found.fall_stderr,
                "n_used": found.n,
            }
        )
    return rows


def find(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a training study.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study with training steps.

    Returns
    -------
    list of Finding
        For each table: whether its dimension drops early, and whether it drops before the loss does.
    """
    curves = [(place, found) for place, found in falls(frame) if not found.reason]
    losses = {place["model"]: found for place, found in curves if place["measure"] == "loss"}
    tables = [(place, found) for place, found in curves if _is_headline(place)]
    found = [_early(place, one) for place, one in tables]
    return found + [
        _beside_loss(place, one, losses[place["model"]]) for place, one in tables if place["model"] in losses
    ]


def early_drops(frame: pl.DataFrame) -> list[Finding]:
    """Return for each table whether its dimension drops early in training, where a run has checkpoints.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.

    Returns
    -------
    list of Finding
        Empty without checkpoints.
    """
    headline = frame.filter((pl.col("measure") == "dimension") & (pl.col("method") == HEADLINE))
    return [_early(place, found) for place, found in falls(headline) if not found.reason]


def _errors(stderr: pl.Series) -> npt.NDArray[np.float64]:
    return stderr.fill_null(0.0).fill_nan(0.0).to_numpy()


def _is_headline(place: dict[str, Any]) -> bool:
    return bool(place["measure"] == "dimension" and place["method"] == HEADLINE)


def _early(place: dict[str, Any], one: Drop) -> Finding:
    """Test whether the dimension falls from that of a random table, by half, in the first quarter of training."""
    left = Reading(one.plateau, one.plateau_stderr) / Reading(one.first, one.first_stderr)
    limit = _EARLY * place["last_step"]
    soonest, latest = one.half_interval
    untrained = abs(one.start_over_null - 1) <= _AT_NULL  # not where there is no null
    verdict: Verdict = "undecided"
    if untrained and one.significant and left.under(_FAR) and max(latest, one.half_by) <= limit:
        verdict = "supported"
    elif untrained and (left.over(_FAR) or soonest > limit):
        verdict = "not supported"
    first, last = format_value(one.first, one.first_stderr), format_value(one.plateau, one.plateau_stderr)
    null = format_value(one.null, one.null_stderr)
    against = "" if isnan(one.null) else f" (a Gaussian table of the same size reads {null})"
    where = (
        f" Half of the fall is done by step {one.half_by:g}, nine tenths by step {one.nine_tenths_by:g}; it is "
        f"steepest between steps {one.steepest_from:g} and {one.steepest_to:g}."
        if one.significant
        else ""
    )
    return Finding(
        id="early-drop",
        claim="The dimension drops fast early in training.",
        source=KATAIWA,
        verdict=verdict,
        evidence=f"TwoNN goes from {first} at step {place['first_step']}{against} to {last} from step "
        f"{one.plateau_from:g} on.{where}",
        subject=f"{place['model']} {place['which']}",
    )


def _beside_loss(place: dict[str, Any], one: Drop, loss: Drop) -> Finding:
    """Say which falls first, the dimension or the loss."""
    low, high = one.half_interval
    verdict: Verdict = "undecided"
    if one.significant and not isnan(loss.half):
        verdict = "supported" if high < loss.half else "not supported" if low > loss.half else "undecided"
    gain = format_percent(loss.share)
    return Finding(
        id="drop-before-loss",
        claim="The dimension has fallen by half before the loss has.",
        source="theodolite",
        verdict=verdict,
        evidence=f"Half of the dimension's fall is done at step {one.half:.0f} ({low:.0f} to {high:.0f}), half of the "
        f"loss's at step {loss.half:.0f}; the loss falls by {gain} in all, from {format_value(loss.first)} to "
        f"{format_value(loss.plateau)} nats.",
        subject=f"{place['model']} {place['which']}",
    )
