"""What the numbers of a table study say, in sentences with a verdict.

The rules are listed in `docs/survey.md`. A reading counts as lower than another if it is lower by more than five
standard errors of their difference, taken as if the two were independent; readings of one table share their points, so
this is cautious. A ratio counts as beyond a limit if it is by more than three standard errors. What is neither surely
so nor surely not so is undecided.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from statistics import fmean

import polars as pl

from theodolite.core.number_format import format_percent, format_value
from theodolite.studies.dimension.config import (
    COVARIANCE,
    FREQUENCY_BAND,
    GAUSSIAN,
    MEASURED,
    RANDOM_PART,
    UNIT_NORM,
    WITHOUT_SHORTEST,
)
from theodolite.studies.dimension.hub_findings import wide_hubs
from theodolite.studies.dimension.size_trends import (
    REDUNDANCY,
    SHARE,
    SizeTrend,
    size_trends,
    trend_sentence,
    without_hub,
)
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.reading import HUB_CHANGE, SURE, Reading, one_number
from theodolite.studies.revisions import MAIN, model_name
from theodolite.studies.training.drops import early_drops

_KATAIWA = "Kataiwa et al. 2025 (arXiv 2503.02142)"
_AGAINST_A_NULL = f"after {_KATAIWA}, against a null"
_QUEMY = "Quemy 2026 (arXiv 2608.29702)"
_OURS = "theodolite"
_HEADLINE = "twonn"
_FEW = 0.05
"""Share of the rows that still counts as a few."""
_FAR = 0.5
"""A dimension is far below its null if it is below this share of it."""
_ALIKE = 0.9
"""A dimension above this share of that of its covariance is explained by it."""
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
            yield f"{model_name(model, revision)} {which}", rows


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
    random = f" (Gaussian table: {format_percent(taken[GAUSSIAN]['value'])})" if GAUSSIAN in taken else ""
    low = facts.filter(pl.col("measure") == "low_cosine_share")["value"].item()
    return (
        f"The shortest {format_percent(taken[MEASURED]['x'])} of rows take {format_percent(taken[MEASURED]['value'])} "
        f"of all neighbor places{random}, and {format_percent(low)} of tokens have no neighbor with cosine 0.5 or more."
    )


def _one_number(dimensions: pl.DataFrame) -> Iterator[Finding]:
    """Test whether the dimension is the same at every scale."""
    for subject, rows in _tables(dimensions.filter(pl.col("method") == "gride")):
        curves = {condition: _curve(rows, condition) for condition in (MEASURED, GAUSSIAN, UNIT_NORM)}
        curve = curves[MEASURED]
        if len(curve) < 2:
            continue
        verdict, said = one_number(list(curve.values()))
        near, far = min(curve), max(curve)
        others = (("a Gaussian table", curves[GAUSSIAN]), ("rows of unit length", curves[UNIT_NORM]))
        ends = "; ".join(f"{name}: {known[near]}, {known[far]}" for name, known in others if {near, far} <= set(known))
        yield Finding(
            id="one-number",
            claim="One number describes the table at every scale.",
            source=_OURS,
            verdict=verdict,
            evidence=f"GRIDE reads {curve[near]} between neighbors {near // 2} and {near}, and {curve[far]} between "
            f"{far // 2} and {far}{f' ({ends})' if ends else ''}. {said}",
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
        measured, null = _reading(headline, MEASURED), _reading(headline, GAUSSIAN)
        extrinsic = rows["extrinsic"][0]
        if measured is not None and null is not None:
            nulls = _curve(gride, GAUSSIAN)
            reached = [
                scale
                for scale, one in _curve(gride, MEASURED).items()
                if scale in nulls and not one.below(nulls[scale])
            ]
            share = measured / null
            verdict: Verdict = "undecided"
            if share.over(_FAR):
                verdict = "not supported"
            elif share.under(_FAR) and not reached:
                verdict = "supported"
            but = f" But GRIDE is not surely below its own null at neighbor {reached[0]}." if reached else ""
            yield Finding(
                id="low-dimension",
                claim="The table uses far fewer dimensions than an isotropic random table of its size.",
                source=_AGAINST_A_NULL,
                verdict=verdict,
                evidence=f"TwoNN reads {measured} of {extrinsic} columns, a Gaussian table {null}: {share} of it (limit"
                f" {_FAR}), and a redundancy of {_redundancy(measured, extrinsic)} against "
                f"{_redundancy(null, extrinsic)}.{but}",
                subject=subject,
            )
        same_covariance = _reading(headline, COVARIANCE)
        if measured is not None and same_covariance is not None:
            share = measured / same_covariance
            lower = measured.below(same_covariance)
            explained: Verdict = "supported" if lower else "not supported" if share.over(_ALIKE) else "undecided"
            yield Finding(
                id="beyond-covariance",
                claim="The table uses fewer dimensions than its covariance explains.",
                source=_OURS,
                verdict=explained,
                evidence=f"TwoNN reads {measured}, a Gaussian table of the same covariance {same_covariance}: {share} "
                "of it.",
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
        falls = all(rare.value > frequent.value for rare, frequent in pairwise(bands)) and bands[-1].below(bands[0])
        rises = any(rare.below(frequent) for rare, frequent in combinations(bands, 2))
        yield Finding(
            id="frequent-tokens-lower",
            claim="The more frequent the tokens, the fewer the dimensions they use.",
            source=f"reported of {_KATAIWA}",
            verdict="supported" if falls else "not supported" if rises else "undecided",
            evidence=f"TwoNN of quarters of the tokens, rarest first: {', '.join(map(str, bands))}; random quarters of "
            f"as many rows {random}.",
            subject=subject,
        )


def _growth(frame: pl.DataFrame, headline: pl.DataFrame) -> Iterator[Finding]:
    """Test whether dimension and redundancy grow with width beyond what the estimator makes of random tables."""
    comparable = headline.filter((pl.col("revision") == MAIN) & pl.col("which").is_in(["input", "output"]))
    for (which,), rows in comparable.group_by("which", maintain_order=True):
        widths = sorted(rows["extrinsic"].unique().to_list())
        readings = [_mean_reading(rows.filter(pl.col("extrinsic") == width), MEASURED) for width in widths]
        nulls = [_mean_reading(rows.filter(pl.col("extrinsic") == width), GAUSSIAN) for width in widths]
        known = [(width, *pair) for width, *pair in zip(widths, readings, nulls, strict=True) if None not in pair]
        if len(known) < _SERIES:
            continue
        measured = [one for _, one, _ in known if one is not None]
        ratios = [one / null for _, one, null in known if one is not None and null is not None]
        listed = "; ".join(
            f"{width} columns: {one}, {format_value(ratio.value, ratio.stderr)} of its null, redundancy "
            f"{_redundancy(one, width)}"
            for (width, *_), one, ratio in zip(known, measured, ratios, strict=True)
        )
        trends = {one.quantity: one for one in size_trends(frame) if one.which == which}
        shares = f" Share of the null.{trend_sentence(trends[SHARE])}" if SHARE in trends else ""
        for name, verdict, beside in (
            ("dimension", _dimension_grows(measured, ratios, trends), ""),
            ("redundancy", _redundancy_grows(ratios, trends), shares),
        ):
            yield Finding(
                id=f"{name}-grows",
                claim=f"The {name} grows with the width of the model.",
                source=_AGAINST_A_NULL if name == "dimension" else _KATAIWA,
                verdict=verdict,
                evidence=f"TwoNN of the models given, {listed}.{trend_sentence(trends.get(name))}{beside}",
                subject=str(which),
            )


def _dimension_grows(
    measured: Sequence[Reading], ratios: Sequence[Reading], trends: Mapping[str, SizeTrend]
) -> Verdict:
    """Judge by the interval of the slope, and by every reading being far below its null."""
    if "dimension" not in trends:
        return "undecided"
    found = trends["dimension"].found
    if found.high < 0 or any(wider.below(narrower) for narrower, wider in combinations(measured, 2)):
        return "not supported"
    rising = all(narrower.value < wider.value for narrower, wider in pairwise(measured))
    far = all(ratio.under(_FAR) for ratio in ratios)
    return "supported" if rising and found.low > 0 and far else "undecided"


def _redundancy_grows(ratios: Sequence[Reading], trends: Mapping[str, SizeTrend]) -> Verdict:
    """Judge by the intervals of two slopes: of the redundancy, and of the share of the null that the table reaches."""
    if not {REDUNDANCY, SHARE} <= set(trends):
        return "undecided"
    redundancy, share = trends[REDUNDANCY].found, trends[SHARE].found
    if redundancy.high < 0:
        return "not supported"
    falling = all(narrower.value > wider.value for narrower, wider in pairwise(ratios))
    return "supported" if falling and redundancy.low > 0 and share.high < 0 else "undecided"


def _mean_reading(rows: pl.DataFrame, condition: str) -> Reading | None:
    """Return the mean over models of one width; its error is the largest of theirs or half of their range."""
    found = rows.filter(pl.col("condition") == condition)
    values = found["value"].to_list()
    if not values:
        return None
    return Reading(fmean(values), max(*found["stderr"].to_list(), (max(values) - min(values)) / 2))
