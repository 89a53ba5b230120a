"""What the numbers of a table study say, in sentences with a verdict.

The rules are listed in `docs/survey.md`. A reading counts as lower than another if it is lower by more than five
standard errors of their difference, taken as if the two were independent; readings of one table share their points, so
this is cautious.
"""

from collections.abc import Iterator
from itertools import pairwise
from statistics import fmean

import polars as pl

from theodolite.core.number_format import format_percent, format_value
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.hub_findings import wide_hubs
from theodolite.studies.reading import HUB_CHANGE, SURE, Reading
from theodolite.studies.size_trends import size_trends, trend_sentence, without_hub
from theodolite.studies.table_config import (
    COVARIANCE,
    FREQUENCY_BAND,
    MEASURED,
    RANDOM_PART,
    UNIT_NORM,
    WITHOUT_SHORTEST,
)
from theodolite.studies.training_drops import early_drops

_KATAIWA = "Kataiwa et al. 2025 (arXiv 2503.02142)"
_AGAINST_A_NULL = f"after {_KATAIWA}, against a null"
_QUEMY = "Quemy 2026 (arXiv 2608.29702)"
_OURS = "theodolite"
_HEADLINE = "twonn"
_GAUSSIAN = "gaussian"
_FEW = 0.05
"""Share of the rows that still counts as a few."""
_FAR = 0.5
"""A dimension is far below its null if it is below this share of it."""
_FLAT = 1.5
"""Largest over smallest reading of a curve over scales that one number still describes."""
_MAIN = "main"
_SERIES = 3
"""Widths that a series needs."""


def find(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a table study.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of Finding
        For each table that was measured in full: whether a hub of short rows makes the headline, whether one number
        describes the table, whether it uses fewer dimensions than random tables. For each series of checkpoints:
        whether the dimension drops early. For models of three widths: whether dimension and redundancy grow.
    """
    dimensions = frame.filter(pl.col("measure") == "dimension")
    headline = dimensions.filter(pl.col("method") == _HEADLINE)
    return [
        *_hub(frame, headline),
        *wide_hubs(dimensions),
        *_one_number(dimensions),
        *_below_nulls(dimensions),
        *_by_frequency(dimensions),
        *early_drops(frame),
        *_growth(frame, headline),
        *without_hub(frame),
    ]


def _reading(rows: pl.DataFrame, condition: str) -> Reading | None:
    """Return the reading under one condition, if there is one."""
    found = rows.filter(pl.col("condition") == condition).select("value", "stderr").rows()
    return Reading(*found[0]) if found else None


def _tables(dimensions: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the tables that were measured in full; checkpoints, which only make a curve, were not."""
    for (model, revision, which), rows in dimensions.group_by("model", "revision", "which", maintain_order=True):
        if UNIT_NORM in rows["condition"]:
            yield f"{model} {which}" if revision == _MAIN else f"{model}@{revision} {which}", rows


def _hub(frame: pl.DataFrame, headline: pl.DataFrame) -> Iterator[Finding]:
    """Test whether a few short rows make the headline number."""
    for subject, rows in _tables(headline):
        measured, unit_norm = _reading(rows, MEASURED), _reading(rows, UNIT_NORM)
        n_rows = rows.filter(pl.col("condition") == MEASURED)["n_used"].max()
        few = (pl.col("condition") == WITHOUT_SHORTEST) & (pl.col("x") <= pl.lit(n_rows) * _FEW)
        sweep = [
            (int(removed), Reading(value, stderr))
            for removed, value, stderr in rows.filter(few).sort("x").select("x", "value", "stderr").rows()
        ]
        if measured is None or unit_norm is None or not sweep:
            continue
        limit = (1 - HUB_CHANGE) * measured.value
        healed = [one for one in sweep if one[1].below(measured) and one[1].value < limit]
        removed, remaining = healed[0] if healed else sweep[-1]
        place = rows.select("model", "revision", "which").unique()
        evidence = (
            f"TwoNN reads {measured}; {remaining} without the {removed} shortest rows; {unit_norm} on rows of unit "
            f"length. {_places(frame.join(place, on=place.columns))}"
        )
        verdict: Verdict = "not supported"
        if healed:
            verdict, evidence = "supported", f"Do not trust the headline. {evidence}"
        elif SURE * measured.stderr > HUB_CHANGE * measured.value:
            verdict, evidence = "undecided", f"The errors are too large to tell. {evidence}"
        elif unit_norm.below(measured) and unit_norm.value < limit:
            verdict, evidence = "undecided", f"Removing short rows changes little, but lengths matter. {evidence}"
        yield Finding(
            id="hub-of-short-rows",
            claim="A few short rows near the origin make the headline dimension.",
            source=_QUEMY,
            verdict=verdict,
            evidence=evidence,
            subject=subject,
        )


def _places(facts: pl.DataFrame) -> str:
    """Say how many neighbor places the shortest rows take, and how many tokens could be drawn to them."""
    shares = facts.filter((pl.col("measure") == "hubness") & (pl.col("method") == "short_share"))
    taken = {row["condition"]: row for row in shares.iter_rows(named=True)}
    random = f" (Gaussian table: {taken[_GAUSSIAN]['value']:.1%})" if _GAUSSIAN in taken else ""
    low = facts.filter(pl.col("measure") == "low_cosine_share")["value"].item()
    return (
        f"The shortest {taken[MEASURED]['x']:.1%} of rows take {taken[MEASURED]['value']:.1%} of all neighbor places"
        f"{random}, and {low:.1%} of tokens have no neighbor with cosine 0.5 or more."
    )


def _one_number(dimensions: pl.DataFrame) -> Iterator[Finding]:
    """Test whether the dimension is the same at every scale."""
    for subject, rows in _tables(dimensions.filter(pl.col("method") == "gride")):
        curves = {condition: _curve(rows, condition) for condition in (MEASURED, _GAUSSIAN, UNIT_NORM)}
        curve = curves[MEASURED]
        if len(curve) < 2:
            continue
        values = [reading.value for reading in curve.values()]
        near, far = min(curve), max(curve)
        others = (("a Gaussian table", curves[_GAUSSIAN]), ("rows of unit length", curves[UNIT_NORM]))
        ends = "; ".join(f"{name}: {known[near]}, {known[far]}" for name, known in others if {near, far} <= set(known))
        yield Finding(
            id="one-number",
            claim="One number describes the table at every scale.",
            source=_OURS,
            verdict="supported" if max(values) <= _FLAT * min(values) else "not supported",
            evidence=f"GRIDE reads {curve[near]} between neighbors {near // 2} and {near}, and {curve[far]} between "
            f"{far // 2} and {far}{f' ({ends})' if ends else ''}.",
            subject=subject,
        )


def _redundancy(reading: Reading, extrinsic: int) -> str:
    """Write the share of the columns that a dimension leaves unused."""
    return format_percent(1 - reading.value / extrinsic)


def _curve(rows: pl.DataFrame, condition: str) -> dict[int, Reading]:
    """Return the readings of one condition by scale."""
    kept = rows.filter(pl.col("condition") == condition).sort("scale").select("scale", "value", "stderr").rows()
    return {scale: Reading(value, stderr) for scale, value, stderr in kept}


def _below_nulls(dimensions: pl.DataFrame) -> Iterator[Finding]:
    """Test whether a table uses fewer dimensions than random tables of its size."""
    for subject, rows in _tables(dimensions):
        headline, gride = (rows.filter(pl.col("method") == method) for method in (_HEADLINE, "gride"))
        measured, null = _reading(headline, MEASURED), _reading(headline, _GAUSSIAN)
        extrinsic = rows["extrinsic"][0]
        if measured is not None and null is not None:
            nulls = _curve(gride, _GAUSSIAN)
            above = [
                scale
                for scale, one in _curve(gride, MEASURED).items()
                if scale in nulls and one.value >= nulls[scale].value
            ]
            far = measured.below(null) and measured.value < _FAR * null.value
            verdict: Verdict = "not supported" if not far else "undecided" if above else "supported"
            but = f" But GRIDE reaches its own null at neighbor {above[0]}." if above else ""
            yield Finding(
                id="low-dimension",
                claim="The table uses far fewer dimensions than an isotropic random table of its size.",
                source=_AGAINST_A_NULL,
                verdict=verdict,
                evidence=f"TwoNN reads {measured} of {extrinsic} columns, a Gaussian table {null}: a redundancy of "
                f"{_redundancy(measured, extrinsic)} against {_redundancy(null, extrinsic)}.{but}",
                subject=subject,
            )
        same_covariance = _reading(headline, COVARIANCE)
        if measured is not None and same_covariance is not None:
            yield Finding(
                id="beyond-covariance",
                claim="The table uses fewer dimensions than its covariance explains.",
                source=_OURS,
                verdict="supported" if measured.below(same_covariance) else "not supported",
                evidence=f"TwoNN reads {measured}, a Gaussian table of the same covariance {same_covariance}.",
                subject=subject,
            )


def _by_frequency(dimensions: pl.DataFrame) -> Iterator[Finding]:
    """Test whether frequent tokens lie in fewer dimensions than rare ones, at the same number of rows."""
    headline = dimensions.filter(pl.col("method") == _HEADLINE)
    for subject, rows in _tables(headline):
        found = rows.filter(pl.col("condition") == FREQUENCY_BAND).sort("x").select("value", "stderr").rows()
        bands = [Reading(value, stderr) for value, stderr in found]
        random = _reading(rows, RANDOM_PART)
        if len(bands) < _SERIES or random is None:
            continue
        falls = all(high.value > low.value for high, low in pairwise(bands)) and bands[-1].below(bands[0])
        yield Finding(
            id="frequent-tokens-lower",
            claim="The more frequent the tokens, the fewer the dimensions they use.",
            source=f"reported of {_KATAIWA}",
            verdict="supported" if falls else "not supported",
            evidence=f"TwoNN of quarters of the tokens, rarest first: {', '.join(map(str, bands))}; random quarters of "
            f"as many rows {random}.",
            subject=subject,
        )


def _growth(frame: pl.DataFrame, headline: pl.DataFrame) -> Iterator[Finding]:
    """Test whether dimension and redundancy grow with width beyond what the estimator makes of random tables."""
    comparable = headline.filter((pl.col("revision") == _MAIN) & pl.col("which").is_in(["input", "output"]))
    for (which,), rows in comparable.group_by("which", maintain_order=True):
        widths = sorted(rows["extrinsic"].unique().to_list())
        readings = [_mean_reading(rows.filter(pl.col("extrinsic") == width), MEASURED) for width in widths]
        nulls = [_mean_reading(rows.filter(pl.col("extrinsic") == width), _GAUSSIAN) for width in widths]
        known = [(width, *pair) for width, *pair in zip(widths, readings, nulls, strict=True) if None not in pair]
        if len(known) < _SERIES:
            continue
        measured = [one for _, one, _ in known if one is not None]
        ratios = [one / null for _, one, null in known if one is not None and null is not None]
        rising = all(low.value < high.value for low, high in pairwise(measured)) and measured[0].below(measured[-1])
        falling = all(low.value > high.value for low, high in pairwise(ratios)) and ratios[-1].below(ratios[0])
        structured = all(ratio.value < _FAR for ratio in ratios)
        listed = "; ".join(
            f"{width} columns: {one}, {format_value(ratio.value, ratio.stderr)} of its null, redundancy "
            f"{_redundancy(one, width)}"
            for (width, *_), one, ratio in zip(known, measured, ratios, strict=True)
        )
        trends = {one.quantity: one for one in size_trends(frame) if one.which == which}
        verdicts: dict[str, Verdict] = {
            "dimension": "not supported" if not rising else "supported" if structured else "undecided",
            "redundancy": "supported" if falling else "undecided" if rising else "not supported",
        }
        for name, verdict in verdicts.items():
            yield Finding(
                id=f"{name}-grows",
                claim=f"The {name} grows with the width of the model.",
                source=_AGAINST_A_NULL if name == "dimension" else _KATAIWA,
                verdict=verdict,
                evidence=f"TwoNN of the models given, {listed}.{trend_sentence(trends.get(name))}",
                subject=str(which),
            )


def _mean_reading(rows: pl.DataFrame, condition: str) -> Reading | None:
    """Return the mean over models of one width; its error is the largest of theirs or half of their range."""
    found = rows.filter(pl.col("condition") == condition)
    values = found["value"].to_list()
    if not values:
        return None
    return Reading(fmean(values), max(*found["stderr"].to_list(), (max(values) - min(values)) / 2))
