"""GRIDE in the arithmetic of DADApy, for parity with published numbers; `gride` is the estimator to use."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import PointsError
from theodolite.dimension.gride_likelihood import solve

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_LOWEST, _HIGHEST = 0.001, 1000.0
_PRECISION = 1e-7
_AROUND = 1e-10
_MACHINE = float(np.finfo(np.float64).eps)


def gride_as_dadapy(near: Floats, far: Floats, n1: int, n2: int) -> tuple[float, float, int]:
    """Return dimension, error and the number of ratios used, with every convention of DADApy at commit d9038b3.

    Parameters
    ----------
    near, far : numpy.ndarray
        `(n,)` distances to neighbors `n1` and `n2`. A zero distance enters as the machine epsilon, as in DADApy.
    n1, n2 : int
        Which neighbors they are.

    Returns
    -------
    value, stderr, n_used : float, float, int
        The dimension lies in [0.001, 1000]; an end of that range means that the likelihood has no maximum inside it.

    Raises
    ------
    PointsError
        If no ratio survives the cut, as when all of them are equal.

    Notes
    -----
    Ratios equal to 1 are raised by 10 machine epsilons; ratios at or above q50 + 20 (q95 - q50) are dropped from the
    fit but not from the error; 1 - mu^-d is floored at 2e-7 in the fit and at 5 machine epsilons in the error (where
    ties count with the two digits that 1 - mu^-d has left); the derivative of the negative log-likelihood is bisected
    on [0.001, 1000] to 1e-7.

    Examples
    --------
    >>> value, stderr, n_used = gride_as_dadapy(np.array([1.0, 1.0, 1.0]), np.array([1.5, 2.0, 3.0]), 1, 2)
    >>> round(value, 4), round(stderr, 4), n_used
    (0.9102, 0.5255, 3)
    """
    value, stderr, n_used = solve_as_dadapy(near[None, :], far[None, :], np.array([len(near)]), n1, n2)
    if n_used[0] == 0:
        raise PointsError(
            "DADApy's cut leaves no ratio: all of them are equal. It takes distances below 2.2e-16 for that. "
            'Pass convention="exact".'
        )
    return float(value[0]), float(stderr[0]), int(n_used[0])


def solve_as_dadapy(near: Floats, far: Floats, lengths: Counts, n1: int, n2: int) -> tuple[Floats, Floats, Counts]:
    """Do the same for many clouds: `(n_clouds, n_longest)` distances of `(n_clouds,)` points each, NaN beyond those.

    Where no ratio survives the cut, dimension and error are NaN and the number of ratios is 0.
    """
    floor = float(np.finfo(np.float64).eps)  # what DADApy puts for a zero distance; the one place with such a constant
    present = np.arange(near.shape[1]) < lengths[:, None]
    ratios = np.where(present, np.maximum(far, floor) / np.maximum(near, floor), np.inf)
    ratios[ratios == 1] += 10 * _MACHINE
    high, middle = np.empty(len(near)), np.empty(len(near))
    for length in np.unique(lengths):
        alike = lengths == length
        high[alike], middle[alike] = np.percentile(ratios[alike, :length], [95, 50], axis=1)
    logs = np.log(np.where(present, ratios, 1.0))
    kept = present & (ratios < (20 * (high - middle) + middle)[:, None])
    n_used = kept.sum(axis=1)
    used = np.where(kept, logs, 0.0)

    def positive(dimensions: Floats) -> npt.NDArray[np.bool_]:
        gap = 1.0 - np.exp(-dimensions[:, None] * used)
        np.maximum(gap, 2 * _PRECISION, out=gap)
        np.divide(1 - n2 + n1, gap, out=gap)
        gap += n2 - 1.0
        rises: Flags = np.einsum("cp,cp->c", gap, used) - (n_used - 1) / dimensions > 0
        return rises

    low, top = np.full(len(near), _LOWEST), np.full(len(near), _HIGHEST)
    positive_at_top = positive(top)
    below, above = _bracket(positive, positive_at_top, solve(used, kept, n1, n2))
    while (np.abs(low - top) > _PRECISION).any():
        center = (low + top) / 2
        upper = center >= above
        if (~upper & (center > below)).any():
            upper = positive(center) == positive_at_top
        low, top = np.where(upper, low, center), np.where(upper, center, top)
    value = np.where(n_used > 0, (low + top) / 2, np.nan)
    decay = np.exp(-value[:, None] * logs)
    gap = np.maximum(1.0 - decay, 5 * _MACHINE)
    information = lengths / value**2 + (n2 - n1 - 1) * np.einsum("cp,cp->c", (logs / gap) ** 2, decay)
    return value, 1 / np.sqrt(information), n_used


def _bracket(positive: Callable[[Floats], Flags], positive_at_top: Flags, roots: Floats) -> tuple[Floats, Floats]:
    """Return dimensions close to the root, on either side of it, so that the bisection need only look between them.

    Where they are not seen to be on either side, they are the ends of everything, and the bisection looks everywhere.
    """
    usual = (roots > 2 * _LOWEST) & (roots < _HIGHEST / 2)  # false for NaN
    safe = np.where(usual, roots, 1.0)
    below, above = safe * (1 - _AROUND), safe * (1 + _AROUND)
    usual &= (positive(below) != positive_at_top) & (positive(above) == positive_at_top)
    return np.where(usual, below, -np.inf), np.where(usual, above, np.inf)
