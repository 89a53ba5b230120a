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
    ratios = np.maximum(far, floor)
    ratios /= np.maximum(near, floor)
    ratios[ratios == 1] += 10 * _MACHINE
    most = np.empty(len(near))
    for length in np.unique(lengths):
        alike = lengths == length
        ordered = np.sort(ratios[alike, :length], axis=1)
        high, middle = _quantile(ordered, 0.95), _quantile(ordered, 0.5)
        most[alike] = 20 * (high - middle) + middle
    kept = ratios < most[:, None]  # false for NaN, which fills what is absent
    n_used = kept.sum(axis=1)
    logs = np.log(ratios, out=ratios)
    logs[np.isnan(logs)] = 0.0
    used = logs * kept

    def rises(dimensions: Floats, clouds: slice) -> Flags:
        gap = np.exp(used[clouds] * -dimensions[:, None])
        np.subtract(1.0, gap, out=gap)
        np.maximum(gap, 2 * _PRECISION, out=gap)
        np.divide(1 - n2 + n1, gap, out=gap)
        gap += n2 - 1.0
        positive: Flags = np.vecdot(gap, used[clouds]) - (n_used[clouds] - 1) / dimensions > 0
        return positive

    value = np.where(n_used > 0, _bisect(rises, solve(used, kept, n1, n2)), np.nan)
    decay = np.exp(logs * -value[:, None])
    gap = 1.0 - decay
    np.divide(logs, np.maximum(gap, 5 * _MACHINE, out=gap), out=gap)
    information = lengths / value**2 + (n2 - n1 - 1) * np.einsum("cp,cp,cp->c", gap, gap, decay)
    return value, 1 / np.sqrt(information), n_used


def _quantile(ordered: Floats, share: float) -> Floats:
    """Return a quantile of each row of sorted numbers, as `numpy.percentile` does, which takes five times as long."""
    place, rest = divmod(share * (ordered.shape[1] - 1), 1.0)
    low = ordered[:, int(place)]
    found: Floats = low + (ordered[:, min(int(place) + 1, ordered.shape[1] - 1)] - low) * rest
    return found


def _bisect(rises: Callable[[Floats, slice], Flags], roots: Floats) -> list[float]:
    """Return where the bisection ends for each cloud, asking on which side of the root it is only close to the root.

    Where the function is not seen to change its sign around `roots`, it is asked everywhere.
    """
    everyone = slice(None)
    usual = (roots > 2 * _LOWEST) & (roots < _HIGHEST / 2)  # false for NaN
    safe = np.where(usual, roots, 1.0)
    below, above = safe * (1 - _AROUND), safe * (1 + _AROUND)
    at_top = rises(np.full(len(roots), _HIGHEST), everyone)
    usual &= (rises(below, everyone) != at_top) & (rises(above, everyone) == at_top)
    limits = zip(np.where(usual, below, -np.inf).tolist(), np.where(usual, above, np.inf).tolist(), strict=True)
    ends = []
    for cloud, (left, right) in enumerate(limits):
        low, top = _LOWEST, _HIGHEST
        while top - low > _PRECISION:
            center = (low + top) / 2
            above_root = center >= right
            if left < center < right:
                above_root = bool(rises(np.array([center]), slice(cloud, cloud + 1))[0] == at_top[cloud])
            if above_root:
                top = center
            else:
                low = center
        ends.append((low + top) / 2)
    return ends
