"""What the numbers of a table study say, in sentences with a verdict."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import polars as pl

from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.table_config import MEASURED, UNIT_NORM, WITHOUT_SHORTEST

_KATAIWA = "kataiwa2025 (arXiv 2503.02142)"
_QUEMY = "Quemy 2026 (arXiv 2608.29702)"
_HEADLINE = "twonn"
_HUB_CHANGE = 0.2
"""A reading that a few short rows change by more than this share is not to be trusted."""
_FEW = 0.05
"""Share of the rows that still counts as a few."""
_SURE = 5.0
"""Standard errors that a difference must exceed before it counts."""
_MAIN = "main"


@dataclass(frozen=True, slots=True)
class Reading:
    """A number with its standard error."""

    value: float
    stderr: float

    def __str__(self) -> str:
        return f"{self.value:.1f} ± {self.stderr:.1f}"

    def below(self, other: "Reading") -> bool:
        """Say whether this number is smaller by more than `_SURE` standard errors of the difference."""
        return other.value - self.value > _SURE * float((self.stderr**2 + other.stderr**2) ** 0.5)


def find(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a table study.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of Finding
        For each table whether a hub of short rows makes the headline and whether it uses fewer dimensions than a random
        table; for each series of checkpoints whether the dimension drops early; for each family of sizes whether
        dimension and redundancy grow.
    """
    headline = frame.filter((pl.col("measure") == "dimension") & (pl.col("method") == _HEADLINE))
    return [
        *_hub(frame, headline),
        *_below_null(headline),
        *_early_drop(headline),
        *_growth(headline),
    ]


def _reading(frame: pl.DataFrame) -> Reading | None:
    rows = frame.select("value", "stderr").rows()
    return Reading(*rows[0]) if rows else None


def _tables(headline: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the tables that were measured in full; checkpoints, which only make a curve, were not."""
    for (model, revision, which), rows in headline.group_by("model", "revision", "which", maintain_order=True):
        if UNIT_NORM in rows["condition"]:
            yield f"{model} {which}" if revision == _MAIN else f"{model}@{revision} {which}", rows


def _hub(frame: pl.DataFrame, headline: pl.DataFrame) -> Iterator[Finding]:
    """Test whether a few short rows make the headline number."""
    for subject, rows in _tables(headline):
        measured = _reading(rows.filter(pl.col("condition") == MEASURED))
        unit_norm = _reading(rows.filter(pl.col("condition") == UNIT_NORM))
        n_rows = rows.filter(pl.col("condition") == MEASURED)["n_used"].max()
        few = (pl.col("condition") == WITHOUT_SHORTEST) & (pl.col("x") <= pl.lit(n_rows) * _FEW)
        sweep = rows.filter(few).sort("x").select("x", "value", "stderr").rows()
        if measured is None or unit_norm is None or not sweep:
            continue
        drops = [
            (int(removed), Reading(value, stderr))
            for removed, value, stderr in sweep
            if Reading(value, stderr).below(measured) and value < (1 - _HUB_CHANGE) * measured.value
        ]
        facts = frame.join(rows.select("model", "which", "revision").unique(), on=["model", "which", "revision"])
        taken = facts.filter((pl.col("measure") == "hubness") & (pl.col("method") == "short_share")).row(0, named=True)
        low = facts.filter(pl.col("measure") == "low_cosine_share")["value"].item()
        context = (
            f"TwoNN reads {measured}, on rows of unit length {unit_norm}; the shortest {taken['x']:.1%} of rows take "
            f"{taken['value']:.1%} of all neighbor places, and {low:.1%} of tokens have no neighbor with cosine 0.5 "
            "or more"
        )
        verdict: Verdict
        if drops:
            verdict = "supported"
            removed, reading = drops[0]
            evidence = f"Do not trust the headline: without its {removed} shortest rows it is {reading}. {context}."
        elif unit_norm.below(measured) and unit_norm.value < (1 - _HUB_CHANGE) * measured.value:
            verdict = "undecided"
            evidence = f"Removing short rows changes little, but lengths matter: {context}."
        else:
            verdict = "not supported"
            last, reading = int(sweep[-1][0]), Reading(*sweep[-1][1:])
            evidence = f"Without the {last} shortest rows it is {reading}. {context}."
        yield Finding(
            id="hub-of-short-rows",
            claim="A few short rows near the origin make the headline dimension.",
            source=_QUEMY,
            verdict=verdict,
            evidence=evidence,
            subject=subject,
        )


def _below_null(headline: pl.DataFrame) -> Iterator[Finding]:
    """Test whether a table uses fewer dimensions than a random table of its size."""
    for subject, rows in _tables(headline):
        measured = _reading(rows.filter(pl.col("condition") == MEASURED))
        null = _reading(rows.filter(pl.col("condition") == "gaussian"))
        if measured is None or null is None:
            continue
        extrinsic = rows["extrinsic"][0]
        yield Finding(
            id="low-dimension",
            claim="The table uses far fewer dimensions than a random table of the same size.",
            source=_KATAIWA,
            verdict="supported" if measured.below(null) and measured.value < null.value / 2 else "not supported",
            evidence=f"TwoNN reads {measured} where a Gaussian table with as many rows and {extrinsic} columns reads "
            f"{null}: a redundancy of {1 - measured.value / extrinsic:.0%} of the columns.",
            subject=subject,
        )


def _early_drop(headline: pl.DataFrame) -> Iterator[Finding]:
    """Test whether most of the fall of the dimension along training happens early."""
    for (model, which), rows in headline.filter(pl.col("step").is_not_null()).group_by(
        "model", "which", maintain_order=True
    ):
        measured = rows.filter(pl.col("condition") == MEASURED).sort("step")
        steps = measured["step"].to_list()
        if len(steps) < 3:
            continue
        curve = [Reading(value, stderr) for value, stderr in measured.select("value", "stderr").rows()]
        first, last = curve[0], curve[-1]
        null = _reading(rows.filter((pl.col("condition") == "gaussian") & (pl.col("step") == steps[0])))
        half = (first.value + last.value) / 2
        half_step = next(
            step for step, reading in zip(steps, curve, strict=True) if reading.value <= half or step == steps[-1]
        )
        fell = last.below(first) and last.value < first.value / 2
        early = half_step <= steps[-1] / 4
        against = "" if null is None else f" (a Gaussian table of the same size reads {null})"
        yield Finding(
            id="early-drop",
            claim="The dimension drops fast early in training.",
            source=_KATAIWA,
            verdict="supported" if fell and early else "not supported",
            evidence=f"TwoNN goes from {first} at step {steps[0]}{against} to {last} at step {steps[-1]}; half of the "
            f"fall is done by step {half_step}.",
            subject=f"{model} {which}",
        )


def _growth(headline: pl.DataFrame) -> Iterator[Finding]:
    """Test whether dimension and redundancy grow with the width of the model."""
    comparable = (pl.col("revision") == _MAIN) & (pl.col("condition") == MEASURED)
    measured = headline.filter(comparable & pl.col("which").is_in(["input", "output"]))
    for (which,), rows in measured.group_by("which", maintain_order=True):
        widths = [
            (extrinsic, fmean(group["value"].to_list()), max(group["stderr"].to_list()))
            for (extrinsic,), group in rows.sort("extrinsic").group_by("extrinsic", maintain_order=True)
        ]
        if len(widths) < 3:
            continue
        dimensions = [Reading(value, stderr) for _, value, stderr in widths]
        redundancies = [Reading(1 - value / width, stderr / width) for width, value, stderr in widths]
        for name, readings, form in (("dimension", dimensions, ".1f"), ("redundancy", redundancies, ".2f")):
            rising = all(low.value < high.value for low, high in pairwise(readings))
            listed = ", ".join(
                f"{reading.value:{form}} at {width}" for (width, *_), reading in zip(widths, readings, strict=True)
            )
            yield Finding(
                id=f"{name}-grows",
                claim=f"The {name} grows with the width of the model.",
                source=_KATAIWA,
                verdict="supported" if rising and readings[0].below(readings[-1]) else "not supported",
                evidence=f"TwoNN {name} by width: {listed} columns.",
                subject=str(which),
            )
