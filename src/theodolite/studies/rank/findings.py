"""What a rank study says of the paper's claim that the loss stops falling where the rank reaches the dimension.

The rules are listed in `docs/rank.md`.
"""

from collections.abc import Iterator

import polars as pl

from theodolite.core.number_format import format_percent, format_value
from theodolite.statistics import Knee
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.rank.curves import FLAT, TOLERANCE, Interval, ModelRanks, RankCurve, read_models
from theodolite.studies.rank.summary import recommended

_KATAIWA = "Kataiwa et al. 2025 (arXiv 2503.02142)"
_OURS = "theodolite"
_WIDE = 4.0
"""Upper over lower end of the knee's interval, above which it says nothing."""


def find(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a rank study.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of Finding
        For each curve of each model: whether its knee is at the dimension of the table, whether a rank of the size of
        the dimension is enough, and which rank is recommended.
    """
    return [
        one
        for model in read_models(frame)
        for curve in model.curves
        for one in (*_knee(model, curve), *_suffices(model, curve), _recommendation(model, curve))
    ]


def _subject(model: ModelRanks, curve: RankCurve) -> str:
    return f"{model.name}, {curve.name}"


def _knee(model: ModelRanks, curve: RankCurve) -> Iterator[Finding]:
    """Test whether the loss falls until the rank reaches the dimension, and hardly after."""
    if model.dimension is None:
        return
    found = curve.knee()
    verdict, evidence = _judge(model.dimension, curve, found)
    far = f"; GRIDE at neighbor {model.scales[-1][0]}: {format_value(model.scales[-1][1])}" if model.scales else ""
    yield Finding(
        id="knee-at-dimension",
        claim="Perplexity drops sharply until the rank reaches the dimension of the table, and hardly beyond.",
        source=_KATAIWA,
        verdict=verdict,
        evidence=f"{evidence} The dimension is {_written(model.dimension)} (TwoNN{far}).",
        subject=_subject(model, curve),
    )


def _judge(dimension: Interval, curve: RankCurve, found: Knee) -> tuple[Verdict, str]:
    if found.reason:
        return "undecided", f"No knee can be placed: {found.reason}."
    slopes = (
        f"the loss changes by {format_value(found.slope_before)} nats per doubling of the rank before it and by "
        f"{format_value(found.slope_after)} after, {format_percent(found.left)} of it "
        f"({format_percent(found.left_low)} to {format_percent(found.left_high)})"
    )
    if not found.supported:
        tests = f"bootstrap p = {found.p_value:.2g}, BIC gain {format_value(found.bic_gain)}"
        if not found.bic_gain > 0:
            return "not supported", f"The loss has no knee in the rank: one line does as well ({tests}); {slopes}."
        if found.left_low > FLAT:
            return "not supported", f"The loss goes on falling, whether it bends or not ({tests}); {slopes}."
        return "undecided", f"Whether the loss has a knee in the rank is within its noise ({tests}); {slopes}."
    low, high = curve.placed(found)
    where = (
        f"The knee is at rank {format_value(found.value)} (95 % interval {format_value(found.low)} to "
        f"{format_value(found.high)}; between the measured ranks {low} and {high}); {slopes}."
    )
    verdict: Verdict = "supported"
    but = ""
    if found.left_low > FLAT:
        verdict, but = "not supported", "The loss bends but goes on falling. "
    elif found.left_high > FLAT:
        verdict, but = "undecided", f"The loss bends, but whether to less than {format_percent(FLAT)} is uncertain. "
    elif found.high > _WIDE * found.low:
        verdict, but = "undecided", "The knee is too uncertain to compare. "
    elif dimension.high < low or dimension.low > high:
        times = format_value(found.value / dimension.value)
        verdict, but = "not supported", f"The knee is elsewhere, at {times} times the dimension. "
    elif found.bic_gain_over_curve < 0:
        verdict, but = "undecided", "The curve bends gradually: a smooth approach to a plateau fits it better. "
    return verdict, but + where


def _suffices(model: ModelRanks, curve: RankCurve) -> Iterator[Finding]:
    """Test whether the first measured rank that is not below the dimension costs no more than the tolerance."""
    if model.dimension is None or not (curve.ranks >= model.dimension.value).any():
        return
    place = int((curve.ranks >= model.dimension.value).argmax())
    above = curve.increase()[place]
    verdict: Verdict = "undecided"
    if above.high <= TOLERANCE:
        verdict = "supported"
    elif above.low > TOLERANCE:
        verdict = "not supported"
    ceiling = "the model as it is" if curve.condition == "truncated" else "training the whole table"
    yield Finding(
        id="dimension-suffices",
        claim=f"A rank of the size of the dimension costs no more than {TOLERANCE} nats per token.",
        source=_OURS,
        verdict=verdict,
        evidence=f"At rank {curve.ranks[place]}, the first measured one at or above the dimension "
        f"({_written(model.dimension)}), the loss lies {_written(above)} nats above that of {ceiling}.",
        subject=_subject(model, curve),
    )


def _recommendation(model: ModelRanks, curve: RankCurve) -> Finding:
    """Say which rank to take."""
    found = recommended(curve, TOLERANCE)
    saving = [above for above, n in zip(curve.increase(), curve.parameters, strict=True) if n < curve.n_full]
    verdict: Verdict = "not supported" if all(above.low > TOLERANCE for above in saving) else "undecided"
    evidence = f"No measured rank that saves parameters is surely within {TOLERANCE} nats of the ceiling."
    if found["rank"] is not None:
        times = (
            "" if model.dimension is None else f" ({format_value(found['rank'] / model.dimension.value)} dimensions)"
        )
        verdict = "supported"
        evidence = (
            f"From rank {found['rank']}{times} on, the loss is surely within {TOLERANCE} nats of the ceiling; "
            f"it takes {found['parameters']:,} parameters, {format_percent(found['saved'])} fewer than the whole table."
        )
    return Finding(
        id="recommended-rank",
        claim=f"A smaller rank saves parameters at a loss of at most {TOLERANCE} nats per token.",
        source=_OURS,
        verdict=verdict,
        evidence=evidence,
        subject=_subject(model, curve),
    )


def _written(found: Interval) -> str:
    return format_value(found.value, (found.high - found.low) / (2 * 1.959964))
