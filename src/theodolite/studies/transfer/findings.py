"""What a transfer study says, in sentences with a verdict.

A contrast is carried if the vector of the first map moves held-out text beyond every control: at most 5 % of the draws
of a random control do as well (p = (1 + as good) / (1 + draws), exact for any number of draws), the interval over pairs
of the difference to a control (to the mean of its draws) excludes zero, as the effect's own does, and the effect grows
over the whole working range. It is not carried if surely more than 5 % of the draws do as well (by the exact interval
of their share), a control surely does better, or the vector surely keeps less than a tenth of the native effect. Where
the target's own vector does nothing, there is nothing to carry.
"""

from collections.abc import Sequence

import polars as pl

from theodolite.core.number_format import counted, format_percent, format_value
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.rows import Row

_LEE = "Lee et al. 2025 (arXiv 2503.21073)"
_CLAIM = "A linear map between embeddings carries the steering vector."
_LITTLE = 0.1
"""Share of the native effect below which a vector carries nothing."""
_LEVEL = 0.05
"""Share of the draws of a random control that may do as well."""
_NAMES = {"random": "random vectors", "permuted": "maps of permuted pairs", "identity": "the vector as it is"}
_OVERALL = "Emb2Emb carries steering vectors from one model to the other."


def find(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a transfer study.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of Finding
        For each pair of models: over all contrasts (supported if every contrast with a working native vector is
        carried, not supported if every one is not, undecided otherwise), and for each contrast.
    """
    findings = []
    for (source, target), rows in frame.group_by("source", "target", maintain_order=True):
        subject = f"{source} to {target}"
        each = [_contrast(subject, str(name), one) for (name,), one in rows.group_by("contrast", maintain_order=True)]
        findings += [_overall(subject, each), *each]
    return findings


def _contrast(subject: str, contrast: str, rows: pl.DataFrame) -> Finding:
    """Judge the first map on one contrast."""
    chosen = rows.filter(pl.col("chosen").fill_null(False))
    effects = _rows(chosen, "effect")
    native = next(row for row in effects if row["role"] == "native")
    carried = next(row for row in effects if row["role"] == "transferred")
    working = sorted(row["value"] for row in _rows(chosen, "working_strength"))
    name = f"{subject}, {contrast}"
    if not working or not _above(native["low"], 0.0):
        return Finding(
            id="steering-transfers",
            claim=_CLAIM,
            source=_LEE,
            verdict="not applicable",
            evidence=f"The target's own vector does not work: its effect is {_with_interval(native)} nats per token "
            f"and residual norm{'' if working else ', and it has no working range'}.",
            subject=name,
        )
    beyond, shares = _rows(chosen, "beyond_control"), _rows(chosen, "draws_as_good")
    grows = any(
        row["value"] == 1.0
        for row in _rows(chosen, "monotone")
        if row["condition"] == carried["condition"] and row["role"] == "transferred"
    )
    retained = next(row for row in _rows(chosen, "effect_retained") if row["condition"] == carried["condition"])
    others = "; ".join(
        f"{row['condition']} {format_value(row['value'])}"
        for row in _rows(chosen, "effect_retained")
        if row["role"] == "transferred" and row["condition"] != carried["condition"]
    )
    return Finding(
        id="steering-transfers",
        claim=_CLAIM,
        source=_LEE,
        verdict=_verdict(carried, retained, beyond, shares, grows=grows),
        evidence=f"Carried by {carried['condition']} to layer {carried['layer']}, the vector keeps "
        f"{_with_interval(retained)} of the native effect ({_with_interval(carried)} of {_with_interval(native)} nats "
        f"per token and residual norm, {carried['n_used']} held-out pairs), "
        f"{'growing' if grows else 'not growing'} throughout strengths {working[0]:g} to {working[-1]:g}. "
        f"{_against(beyond, shares)}{f' Other maps keep: {others}.' if others else ''}",
        subject=name,
    )


def _verdict(carried: Row, retained: Row, beyond: Sequence[Row], shares: Sequence[Row], *, grows: bool) -> Verdict:
    """Apply the rule at the head of this file."""
    ahead = all(_above(row["low"], 0.0) for row in (carried, *beyond))
    if beyond and grows and ahead and all(_p_value(row) <= _LEVEL for row in shares):
        return "supported"
    beaten = any(_under(row["high"], 0.0) for row in beyond) or any(_above(row["low"], _LEVEL) for row in shares)
    return "not supported" if beaten or _under(retained["high"], _LITTLE) else "undecided"


def _p_value(share: Row) -> float:
    """Return the p value of the hypothesis that the vector is one more draw of a control."""
    n_draws = share["n_used"]
    return float((1 + round(share["value"] * n_draws)) / (1 + n_draws))


def _against(beyond: Sequence[Row], shares: Sequence[Row]) -> str:
    """Say in sentences how every control compares."""
    if not beyond:
        return "No control was run."
    said = []
    for row in shares:
        n_draws, p_value = row["n_used"], _p_value(row)
        least = 1 / (1 + n_draws)
        few = f", the least that {counted(n_draws, 'draw')} can show" if least > _LEVEL and p_value == least else ""
        said.append(
            f"{round(row['value'] * n_draws)} of {n_draws} {_NAMES[row['condition']]} do as well (p = {p_value:.2g}"
            f"{few}; of all such, {format_percent(row['low'])} to {format_percent(row['high'])})"
        )
    drawn = {row["condition"] for row in shares}
    said += [
        f"{_NAMES[row['condition']]} does less by {_with_interval(row)}"
        for row in beyond
        if row["condition"] not in drawn
    ]
    return f"{'; '.join(said)}."


def _overall(subject: str, each: Sequence[Finding]) -> Finding:
    """Judge a pair of models over its contrasts."""
    tested = [one for one in each if one.verdict != "not applicable"]
    carried = [one for one in tested if one.verdict == "supported"]
    verdict: Verdict = "undecided"
    if not tested:
        verdict = "not applicable"
    elif len(carried) == len(tested):
        verdict = "supported"
    elif all(one.verdict == "not supported" for one in tested):
        verdict = "not supported"
    listed = ", ".join(f"{one.subject.rpartition(', ')[2]}: {one.verdict}" for one in each)
    return Finding(
        id="emb2emb",
        claim=_OVERALL,
        source=_LEE,
        verdict=verdict,
        evidence=f"{len(carried)} of {len(tested)} contrasts with a working native vector are carried beyond every "
        f"control ({listed}).",
        subject=subject,
    )


def _rows(frame: pl.DataFrame, measure: str) -> list[Row]:
    return frame.filter(pl.col("measure") == measure).to_dicts()


def _above(low: float | None, limit: float) -> bool:
    return low is not None and low > limit


def _under(high: float | None, limit: float) -> bool:
    return high is not None and high < limit


def _with_interval(row: Row) -> str:
    """Write a number with the ends of its interval."""
    ends = [format_value(row[end]) for end in ("low", "high")]
    return f"{format_value(row['value'])} [{ends[0]}, {ends[1]}]"
