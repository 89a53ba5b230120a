"""GRIDE in the arithmetic of DADApy, for parity with published numbers; `gride` is the estimator to use."""

import math

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import PointsError

Floats = npt.NDArray[np.float64]

_LOWEST, _HIGHEST = 0.001, 1000.0
_PRECISION = 1e-7
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
    fit but not from the error; 1 - mu^-d is floored at 2e-7 in the fit and at 1e-7 in the error; the derivative of the
    negative log-likelihood is bisected on [0.001, 1000] to 1e-7.

    Examples
    --------
    >>> value, stderr, n_used = gride_as_dadapy(np.array([1.0, 1.0, 1.0]), np.array([1.5, 2.0, 3.0]), 1, 2)
    >>> round(value, 4), round(stderr, 4), n_used
    (0.9102, 0.5255, 3)
    """
    floor = float(np.finfo(np.float64).eps)  # what DADApy puts for a zero distance; the one place with such a constant
    ratios = np.maximum(far, floor) / np.maximum(near, floor)
    ratios[ratios == 1] += 10 * _MACHINE
    high, middle = np.percentile(ratios, [95, 50])
    logs = np.log(ratios)
    used = logs[ratios < 20 * (high - middle) + middle]
    if len(used) == 0:
        raise PointsError('DADApy\'s cut leaves no ratio: all of them are equal. Pass convention="exact".')

    def derivative(dimension: float) -> float:
        gap = np.maximum(1.0 - np.exp(-dimension * used), 2 * _PRECISION)
        total = float((((1 - n2 + n1) / gap + n2 - 1.0) * used).sum())
        return total - (len(used) - 1) / dimension

    low, top = _LOWEST, _HIGHEST
    positive_at_top = derivative(top) > 0
    while abs(low - top) > _PRECISION:
        center = (low + top) / 2
        if (derivative(center) > 0) == positive_at_top:
            top = center
        else:
            low = center
    value = (low + top) / 2
    decay = np.exp(-value * logs)
    gap = np.maximum(1.0 - decay, _PRECISION)
    information = len(logs) / value**2 + (n2 - n1 - 1) * float(((logs / gap) ** 2) @ decay)
    return value, 1 / math.sqrt(information), len(used)
