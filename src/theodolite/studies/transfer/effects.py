"""Numbers that sum up how pairs react to steering: slopes, working range, retained effect, intervals over pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from theodolite.statistics.resampling import bootstrap_counts, percentile_interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """A number over pairs with its standard error and interval."""

    value: float
    stderr: float
    low: float
    high: float


def slopes(changes: Mapping[float, Floats], strengths: Sequence[float]) -> Floats:
    """Return for each pair the change of its margin for one unit of strength, by least squares through 0.

    Parameters
    ----------
    changes : mapping of float to numpy.ndarray
        Strength to the change of the margin, `(n_pairs,)`.
    strengths : sequence of float
        Those to use.

    Returns
    -------
    numpy.ndarray
        `(n_pairs,)`, sum s c(s) / sum s^2.

    Examples
    --------
    >>> slopes({-1.0: np.array([-2.0]), 1.0: np.array([4.0])}, [-1.0, 1.0]).tolist()
    [3.0]
    """
    found: Floats = sum((s * changes[s] for s in strengths), np.zeros(1)) / sum(s * s for s in strengths)
    return found


def working_range(changes: Mapping[float, Floats]) -> list[float]:
    """Return the strengths over which the mean change grows without a turn, from 0 outwards on both sides.

    Parameters
    ----------
    changes : mapping of float to numpy.ndarray
        Strength to the change of the margin, `(n_pairs,)`.

    Returns
    -------
    list of float
        Ascending, without 0; empty where the smallest strengths already go the wrong way on either side.

    Examples
    --------
    >>> means = {-1.0: -0.1, -0.5: -0.4, 0.5: 0.3, 1.0: 0.9, 2.0: 0.2}
    >>> working_range({strength: np.array([mean]) for strength, mean in means.items()})
    [-0.5, 0.5, 1.0]
    """
    sides = []
    for sign in (-1, 1):
        reached, side = 0.0, []
        for strength in sorted((s for s in changes if s * sign > 0), key=abs):
            mean = sign * float(np.mean(changes[strength]))
            if mean <= reached:
                break
            reached = mean
            side.append(strength)
        sides.append(side)
    return sorted([*sides[0], *sides[1]]) if all(sides) else []


def is_monotone(changes: Mapping[float, Floats], strengths: Sequence[float]) -> bool:
    """Say whether the mean change grows from each of these strengths to the next, 0 included."""
    means = {0.0: 0.0, **{s: float(np.mean(changes[s])) for s in strengths}}
    ordered = [means[s] for s in sorted(means)]
    return bool(np.all(np.diff(ordered) > 0))


def mean_spread(values: Floats, *, n_bootstrap: int, confidence: float, seed: int) -> Spread:
    """Return the mean over pairs with its standard error and bootstrap interval."""
    return ratio_spread(values, np.ones(len(values)), n_bootstrap=n_bootstrap, confidence=confidence, seed=seed)


def ratio_spread(top: Floats, bottom: Floats, *, n_bootstrap: int, confidence: float, seed: int) -> Spread:
    """Return the ratio of two means over the same pairs; each resample draws whole pairs.

    Parameters
    ----------
    top, bottom : numpy.ndarray
        `(n_pairs,)`.
    n_bootstrap : int
        Resamples.
    confidence : float
        Coverage of the percentile interval.
    seed : int
        Decides the resamples.

    Returns
    -------
    Spread
        The interval is infinite on both sides where a resampled denominator changes its sign.

    Examples
    --------
    >>> found = ratio_spread(np.array([1.0, 3.0]), np.array([2.0, 6.0]), n_bootstrap=200, confidence=0.95, seed=0)
    >>> found.value, found.low, found.high
    (0.5, 0.5, 0.5)
    """
    drawn = np.concatenate(
        [counts @ np.stack([top, bottom], axis=1) for counts in _counts(len(top), n_bootstrap, seed)]
    )
    value = float(top.mean() / bottom.mean()) if bottom.mean() else float("nan")
    if (np.sign(drawn[:, 1]) != np.sign(bottom.mean())).any():
        return Spread(value, float("nan"), -float("inf"), float("inf"))
    ratios = drawn[:, 0] / drawn[:, 1]
    low, high = percentile_interval(ratios, confidence)
    return Spread(value, float(ratios.std(ddof=1)), low, high)


def share_of_draws(draws: Floats, value: float, *, confidence: float) -> Spread:
    """Return the share of the draws of a control that are at least as large as a value.

    Parameters
    ----------
    draws : numpy.ndarray
        `(n_draws,)`.
    value : float
        What they are compared with.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    Spread
        Its interval is that of Clopper and Pearson for the share of all draws there could be.

    Examples
    --------
    >>> found = share_of_draws(np.arange(39.0), 38.5, confidence=0.95)
    >>> found.value, found.low, round(found.high, 3)
    (0.0, 0.0, 0.09)
    """
    share = float(np.mean(draws >= value))
    ends = stats.binomtest(round(share * len(draws)), len(draws)).proportion_ci(confidence)
    return Spread(share, float(np.sqrt(share * (1 - share) / len(draws))), float(ends.low), float(ends.high))


def surpassed(draws: Floats, *, level: float = 0.05) -> float:
    """Return what is to be surpassed: the smallest draw such that a value above it has a p value of at most `level`.

    Parameters
    ----------
    draws : numpy.ndarray
        `(n_draws,)`.
    level : float
        Of the test; where no draw is large enough for it, the largest draw is returned.

    Returns
    -------
    float
        One of the draws. With b draws that are at least as large as a value, its p value is (1 + b) / (1 + n_draws).

    References
    ----------
    B. Phipson and G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9, 39 (2010), doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> surpassed(np.arange(39.0)), surpassed(np.arange(19.0)), surpassed(np.arange(4.0))
    (37.0, 18.0, 3.0)
    """
    above = max(0, int(level * (len(draws) + 1) + 1e-9) - 1)
    return float(np.sort(draws)[len(draws) - 1 - above])


def _counts(n_items: int, n_bootstrap: int, seed: int) -> list[Floats]:
    return list(bootstrap_counts(n_items, n_bootstrap, seed=seed))
