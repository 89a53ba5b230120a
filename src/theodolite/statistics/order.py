"""Whether numbers go in the order of others: Kendall's rank correlation with its exact p value."""

import math
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from scipy import stats

from theodolite.statistics.resampling import Floats

_EXACT = 50
"""Points up to which the p value is exact."""


class Order(NamedTuple):
    """Kendall's tau-b, its two-sided p value, and the smallest one that so many points can have."""

    tau: float
    p_value: float
    least: float


def order(x: Floats, y: Floats) -> Order:
    """Return whether y goes in the order of x.

    Parameters
    ----------
    x, y : numpy.ndarray
        `(n_points,)`; x has two distinct values.

    Returns
    -------
    Order
        The p value is the share of all ways to deal y to x that are at least as ordered, either way; ties of y count
        against it, and from 51 points on it is that of the normal approximation.

    Notes
    -----
    Points of equal x have no order. The number of ways with so many pairs in order is the coefficient of the
    q-multinomial [n]! / prod [t]!, t being how many points share an x; least is 2 / (n! / prod t!).

    References
    ----------
    M. G. Kendall, Biometrika 30, 81 (1938), doi:10.2307/2332226; A. R. Jonckheere, Biometrika 41, 133 (1954),
    doi:10.2307/2333011.

    Examples
    --------
    >>> order(np.arange(4.0), np.array([1.0, 2.0, 4.0, 8.0]))
    Order(tau=1.0, p_value=0.08333333333333333, least=0.08333333333333333)
    """
    n_points = len(x)
    groups = np.unique(x, return_counts=True)[1].tolist()
    if n_points > _EXACT:
        found = stats.kendalltau(x, y, method="asymptotic")
        least = 2 * math.exp(sum(math.lgamma(t + 1) for t in groups) - math.lgamma(n_points + 1))
        constant = np.ptp(y) == 0
        return Order(*((0.0, 1.0) if constant else (float(found.statistic), float(found.pvalue))), least)
    pairs = np.triu_indices(n_points, 1)
    signs = [np.sign(values[pairs[0]] - values[pairs[1]]) for values in (x, y)]
    apart, unequal = (one != 0 for one in signs)
    more = int(np.sum(signs[0] * signs[1]))
    surplus = abs(more) - int(np.sum(apart & ~unequal))
    ways = _ways(tuple(groups))
    extreme = sum(count for place, count in enumerate(ways) if abs(2 * place - int(apart.sum())) >= surplus)
    tau = more / math.sqrt(int(apart.sum()) * int(unequal.sum())) if unequal.any() else 0.0
    return Order(tau, extreme / sum(ways), min(1.0, 2 / sum(ways)))


@lru_cache(maxsize=8)
def _ways(groups: tuple[int, ...]) -> list[int]:
    """Return for each number of pairs in order how many ways of dealing distinct numbers to the groups have it.

    Examples
    --------
    >>> _ways((1, 1, 1)), _ways((2, 1))
    ([1, 2, 2, 1], [1, 1, 1])
    """
    ways = [1]
    for size in range(2, sum(groups) + 1):
        sums = list(accumulate([*ways, *[0] * (size - 1)]))
        ways = [total - (sums[place - size] if place >= size else 0) for place, total in enumerate(sums)]
    for size in (size for group in groups for size in range(2, group + 1)):
        rest = [count - before for before, count in zip([0, *ways], ways, strict=False)][: len(ways) - size + 1]
        for place in range(size, len(rest)):
            rest[place] += rest[place - size]
        ways = rest
    return ways
