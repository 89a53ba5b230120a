"""How sure an accuracy is: Wilson intervals, the area under the curve with its error, and paired comparison."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm, rankdata

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Share:
    """A number between two ends of an interval.

    Attributes
    ----------
    value : float
        The estimate.
    low, high : float
        Of its 95 % interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gain:
    """How much more often one classifier is right than another on the same prompts.

    Attributes
    ----------
    value : float
        Difference of the accuracies.
    low, high : float
        Of its 95 % interval: of the mean of the paired differences.
    p_value : float
        McNemar's exact test.
    """

    value: float
    low: float
    high: float
    p_value: float


def wilson(share: float, n: float) -> Share:
    """Return a share with its Wilson interval.

    Parameters
    ----------
    share : float
        Between 0 and 1.
    n : float
        Draws it rests on.

    Returns
    -------
    Share
        NaN where there were no draws.

    Examples
    --------
    >>> one = wilson(1.0, 20)
    >>> round(one.low, 3), one.high
    (0.839, 1.0)
    """
    if n <= 0:
        return Share(float("nan"), float("nan"), float("nan"))
    z = float(norm.ppf(0.5 + CONFIDENCE / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Share(share, min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share))


def accuracy(scores: Floats, positive: Flags) -> Share:
    """Return the share of prompts on the right side of one half, with its Wilson interval."""
    right = (scores >= 0.5) == positive
    return wilson(float(right.mean()) if len(right) else 0.0, len(right))


def area_under_curve(scores: Floats, positive: Flags, *, groups: npt.NDArray[np.int64] | None = None) -> Share:
    """Return how often a positive prompt scores above a negative one, with an interval.

    Parameters
    ----------
    scores : numpy.ndarray
        `(n_prompts,)`.
    positive : numpy.ndarray
        `(n_prompts,)` bool.
    groups : numpy.ndarray, optional
        `(n_prompts,)`: compare prompts of the same group only, such as those of a fold, which one classifier scored.

    Returns
    -------
    Share
        NaN where one kind is missing, in every group.

    Notes
    -----
    Ties count one half. The variance is that of DeLong et al. (1988); the interval is Wilson's for as many draws as
    would have that variance, so that it stays inside [0, 1] and has a width at 1 too.
    """
    names = np.zeros(len(scores), dtype=np.int64) if groups is None else groups
    parts = [_placements(scores[names == name], positive[names == name]) for name in np.unique(names)]
    pairs = np.array([len(above) * len(below) for above, below in parts], dtype=np.float64)
    if not pairs.sum():
        return Share(float("nan"), float("nan"), float("nan"))
    weights = pairs / pairs.sum()
    known = [(weight, *part) for weight, part in zip(weights, parts, strict=True) if weight > 0]
    value = min(float(sum(weight * above.mean() for weight, above, _ in known)), 1.0)
    variance = sum(
        weight**2 * float(side.var(ddof=1)) / len(side)
        for weight, above, below in known
        for side in (above, below)
        if len(side) > 1
    )
    fewest = min(int(positive.sum()), int((~positive).sum()))
    return wilson(value, value * (1 - value) / variance if variance > 0 else fewest)


def _placements(scores: Floats, positive: Flags) -> tuple[Floats, Floats]:
    """Return for each positive the share of negatives below it, and for each negative that of positives above it."""
    ranks = rankdata(scores)
    above = (ranks[positive] - rankdata(scores[positive])) / max(int((~positive).sum()), 1)
    below = 1 - (ranks[~positive] - rankdata(scores[~positive])) / max(int(positive.sum()), 1)
    return above, below


def paired_gain(first: Floats, second: Floats, positive: Flags) -> Gain:
    """Compare two classifiers on the same prompts.

    Parameters
    ----------
    first, second : numpy.ndarray
        `(n_prompts,)`: scores.
    positive : numpy.ndarray
        `(n_prompts,)` bool.

    Returns
    -------
    Gain
        Of the first over the second. The interval is 1.96 standard errors of the mean of the paired differences.
    """
    right, other = (first >= 0.5) == positive, (second >= 0.5) == positive
    apart = right.astype(np.float64) - other
    only, lost = int((right & ~other).sum()), int((~right & other).sum())
    stderr = float(apart.std(ddof=1)) / sqrt(len(apart)) if len(apart) > 1 else float("nan")
    half = float(norm.ppf(0.5 + CONFIDENCE / 2)) * stderr
    value = float(apart.mean())
    p_value = float(binomtest(only, only + lost).pvalue) if only + lost else 1.0
    return Gain(value, value - half, value + half, p_value)
