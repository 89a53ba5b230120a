"""What the checks of a layer study say: the logit box, how far density is constant, how straight the TwoNN plot is."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from theodolite.core.number_format import format_decimals, format_value
from theodolite.statistics import correlation
from theodolite.studies.finding import Verdict
from theodolite.studies.layers.config import STRUCTURED
from theodolite.studies.reading import SURE

MEASURES = ("box_length", "constant_density", "linearity_gap")
Said = tuple[str, str, Verdict, str]
"""Id, claim, verdict and evidence of a finding."""
_FARTHEST = 4
"""The outermost neighbor of the headline dimension."""
_STRAIGHT = 1.06
_SIGNIFICANT = 0.01


def span(low: float, high: float) -> str:
    """Write the two ends of a range of correlations."""
    return f"{format_decimals(low, 2)} to {format_decimals(high, 2)}"


def check_findings(rows: pl.DataFrame) -> Iterator[Said]:
    """Test what the second version says of logits and of its estimator, where it was measured.

    Parameters
    ----------
    rows : polars.DataFrame
        Rows of one model.

    Yields
    ------
    tuple
        Id, claim, verdict and evidence.
    """
    structured = rows.filter(pl.col("control") == STRUCTURED)
    yield from _box(structured)
    checks = structured.filter(pl.col("measure").is_in(["constant_density", "linearity_gap"]))
    types = ", in clouds of one token of each type"
    for positions, words, constant, straight in (
        ("all", "", "constant-density", "straight-line"),
        ("first", types, "constant-density-types", "straight-line-types"),
    ):
        own = checks.filter(pl.col("positions") == positions)
        for id, claim, verdict, evidence in (*_constant(own, constant), *_straight(own, straight)):
            yield id, f"{claim}{words}.", verdict, evidence


def _box(rows: pl.DataFrame) -> Iterator[Said]:
    """Test whether prompts whose largest logits spread farther are predicted with less entropy."""
    length = rows.filter(pl.col("measure") == "box_length").select("prompt_row", pl.col("value").alias("length"))
    for id, what, chosen in (
        ("box-entropy", "entropy", (pl.col("measure") == "entropy") & (pl.col("method") == "model")),
        ("box-loss", "loss", pl.col("measure") == "loss"),
    ):
        other = rows.filter(chosen).select("prompt_row", "value")
        joined = length.join(other, on="prompt_row").sort("prompt_row")
        if joined.height < 3:
            continue
        one = correlation(joined["length"].to_numpy(), joined["value"].to_numpy(), method="spearman")
        verdict: Verdict = "undecided"
        if one.high < 0 and one.p_value < _SIGNIFICANT:
            verdict = "supported"
        elif one.low > 0 and one.p_value < _SIGNIFICANT:
            verdict = "not supported"
        mean_length = float(joined["length"].to_numpy().mean())
        yield (
            id,
            f"The farther a prompt's largest logits spread (length of the logit box), the lower its {what}.",
            verdict,
            f"Spearman correlation over {one.n} prompts {format_decimals(one.value, 2)}, 95 % interval "
            f"{span(one.low, one.high)}; mean length {format_value(mean_length)} nats.",
        )


def _constant(rows: pl.DataFrame, id: str) -> Iterator[Said]:
    """Test whether density is constant over the neighbors that the headline dimension compares."""
    reached = rows.filter((pl.col("measure") == "constant_density") & (pl.col("method") == "mean"))
    means = reached.group_by("layer", maintain_order=True).agg(
        pl.col("value").mean(), (pl.col("value").std() / pl.len().sqrt()).fill_null(float("inf")).alias("stderr")
    )
    if means.is_empty():
        return
    layers = means.sort("layer").rows()
    above = [value - _FARTHEST > SURE * stderr for _, value, stderr in layers]
    below = [_FARTHEST - value > SURE * stderr for _, value, stderr in layers]
    verdict: Verdict = "supported" if all(above) else "not supported" if any(below) else "undecided"
    at_limit = rows.filter((pl.col("measure") == "constant_density") & (pl.col("method") == "at_limit"))["value"]
    low, high = (choose(layers, key=lambda one: one[1]) for choose in (min, max))
    limit: Any = reached["scale"].max()
    yield (
        id,
        "Density is constant over the neighbors that the dimension compares",
        verdict,
        f"Mean k*, the neighbors over which density is compatible with a token's own: {format_value(low[1])} in layer "
        f"{low[0]} to {format_value(high[1])} in layer {high[0]}, where the dimension compares {_FARTHEST} and the "
        f"search ends at {limit}, which {100 * float(at_limit.to_numpy().mean()):.0f} % of the tokens "
        "reach.",
    )


def _straight(rows: pl.DataFrame, id: str) -> Iterator[Said]:
    """Test whether the TwoNN plot of most prompts is straight for neighbors 1 and 2, and bent for 2 and 4."""
    gaps = rows.filter(pl.col("measure") == "linearity_gap")
    shares = {
        n1: [
            float((own["value"] * own["n_used"].sqrt() <= _STRAIGHT).to_numpy().mean())
            for _, own in gaps.filter(pl.col("n1") == n1).sort("layer").group_by("layer", maintain_order=True)
        ]
        for n1 in (1, 2)
    }
    near, far = shares[1], shares[2]
    if not near or not far:
        return
    mostly = [sum(share > 0.5 for share in one) / len(one) for one in (near, far)]
    verdict: Verdict = "undecided"
    if mostly[0] > 0.5 >= mostly[1]:
        verdict = "supported"
    elif mostly[0] < 0.5:
        verdict = "not supported"
    yield (
        id,
        "The TwoNN plot is straight for neighbors 1 and 2 and not for 2 and 4",
        verdict,
        f"Straight (gap to the line below {_STRAIGHT} / sqrt(n)) in {_percents(near)} of the prompts, by layer, for "
        f"neighbors 1 and 2; in {_percents(far)} for 2 and 4, where constant density bends it too.",
    )


def _percents(shares: Sequence[float]) -> str:
    return f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"
