"""The likelihood of GRIDE for many clouds at once: its maximum, score and curvature. One cloud is a batch of one."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_STEPS = 60  # Newton needs about 4; the bisection it falls back to needs at most 60
_CLOSE = 1e-8  # a step as short as this was the last: Newton squares what remains


def solve(values: Floats, kept: Flags, n1: int, n2: int) -> Floats:
    """Return the maximum-likelihood dimension of each cloud, `(n_clouds,)`; NaN where the ratios fix none.

    Parameters
    ----------
    values : numpy.ndarray
        `(n_clouds, n_points)` log ratios, at least 0; 0 where not `kept`.
    kept : numpy.ndarray
        `(n_clouds, n_points)` bool: which of them are data. Fewer than two, or none above 0, fix no dimension.
    n1, n2 : int
        The neighbors compared.

    Returns
    -------
    numpy.ndarray
        The equation solved is (N-1)/d + (n2-n1-1) sum(l / (1 - exp(-d l))) = (n2-1) sum(l): decreasing in d, from
        infinity down to -n1 sum(l), so it has one root.

    Examples
    --------
    >>> solve(np.log([[2.0, 4.0, 8.0]]), np.ones((1, 3), dtype=bool), 1, 2).round(3).tolist()
    [0.481]
    """
    counts, totals = kept.sum(axis=1), values.sum(axis=1)
    dimensions = np.full(len(values), np.nan)
    active = np.flatnonzero((counts >= 2) & (totals > 0))
    if n2 == n1 + 1:
        dimensions[active] = (counts[active] - 1) / (n1 * totals[active])
        return dimensions
    # the mean of a log ratio under the model is this over d
    dimensions[active] = (_harmonic(n2) - _harmonic(n1)) * counts[active] / totals[active]
    low, high = np.zeros(len(values)), np.full(len(values), np.inf)
    for _ in range(_STEPS):
        if len(active) == 0:
            break
        everyone = len(active) == len(values)
        some, data = (values, kept) if everyone else (values[active], kept[active])
        current = dimensions[active]
        slope, information = _derivatives(some, data, current, n1, n2)
        slope -= 1 / current  # the scores sum to N/d - ..., the equation has N-1
        rising = slope > 0
        low[active[rising]] = current[rising]
        high[active[~rising]] = current[~rising]
        step = slope / (current * information)  # Newton in ln d, where the curve is closer to a line
        following = current * np.exp(np.clip(step, -1.0, 1.0))
        inside = (low[active] < following) & (following < high[active])
        if not inside.all():
            middle = np.where(high[active] < np.inf, (low[active] + high[active]) / 2, 2 * current)
            following = np.where(inside, following, middle)
        dimensions[active] = following
        active = active[np.abs(following - current) > _CLOSE * current]
    return dimensions


def scores_at(values: Floats, kept: Flags, dimensions: Floats, n1: int, n2: int) -> tuple[Floats, Floats]:
    """Return the derivative of each point's log-likelihood and minus the second derivative of their sum.

    Parameters
    ----------
    values, kept, n1, n2
        As in `solve`.
    dimensions : numpy.ndarray
        `(n_clouds,)`.

    Returns
    -------
    scores : numpy.ndarray
        `(n_clouds, n_points)`; of no meaning where not `kept`.
    information : numpy.ndarray
        `(n_clouds,)`.
    """
    inner = n2 - n1 - 1
    each = dimensions[:, None]
    counts = kept.sum(axis=1)
    if inner == 0:
        return 1 / each - n1 * values, counts / dimensions**2
    quotient, decay = _quotients(values, each)
    scores: Floats = 1 / each + inner * quotient - (n2 - 1) * values
    information = counts / dimensions**2 + inner * np.einsum("cp,cp,cp,cp->c", quotient, quotient, decay, kept)
    return scores, information


def slopes_at(values: Floats, dimensions: Floats, n1: int, n2: int) -> Floats:
    """Return the derivative of each point's score by its log ratio, `(n_clouds, n_points)`, negative."""
    inner = n2 - n1 - 1
    if inner == 0:
        return np.full(values.shape, -float(n1))
    scaled = dimensions[:, None] * values
    gap = -np.expm1(-scaled)
    small = scaled < 1e-4  # the derivative of x / (1 - exp(-x)) is 1/2 + x/6 near 0
    gap[small] = 1.0
    rise = (1 - (1 + scaled) * np.exp(-scaled)) / (gap * gap)
    rise[small] = 0.5 + scaled[small] / 6
    slopes: Floats = inner * rise - (n2 - 1)
    return slopes


def _derivatives(values: Floats, kept: Flags, dimensions: Floats, n1: int, n2: int) -> tuple[Floats, Floats]:
    """Return the first and minus the second derivative of the log-likelihood of each cloud."""
    inner = n2 - n1 - 1
    counts = kept.sum(axis=1)
    quotient, decay = _quotients(values, dimensions[:, None])
    if not kept.all():
        quotient[~kept] = 0.0
    slope = counts / dimensions + inner * quotient.sum(axis=1) - (n2 - 1) * values.sum(axis=1)
    quotient *= quotient
    information = counts / dimensions**2 + inner * np.einsum("cp,cp->c", quotient, decay)
    return slope, information


def _quotients(values: Floats, dimensions: Floats) -> tuple[Floats, Floats]:
    """Return l / (1 - exp(-d l)), which has the limit 1/d at 0, and exp(-d l)."""
    gap = -np.expm1(-dimensions * values)
    decay = 1.0 - gap
    tied = values == 0
    if not tied.any():
        return values / gap, decay
    gap[tied] = 1.0
    return np.where(tied, 1 / dimensions, values / gap), decay


def _harmonic(n: int) -> float:
    """Return 1 + 1/2 + ... + 1/(n-1)."""
    return math.fsum(1 / i for i in range(1, n))
