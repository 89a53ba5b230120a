"""Intervals of correlations of so few pairs that resampling them says nothing."""

import math

import numpy as np
from scipy import stats

FEWEST_RESAMPLED = 8
"""Pairs, less the quantities held fixed, from which on a bootstrap gives an interval."""
_FIELLER = 1.06
"""Variance of a rank correlation on Fisher's scale over that of a plain one."""


def fisher_interval(value: float, *, n_pairs: int, of_ranks: bool, confidence: float) -> tuple[float, float, float]:
    """Return the standard error of a correlation and its interval, from the number of pairs alone.

    Parameters
    ----------
    value : float
        The correlation, in [-1, 1].
    n_pairs : int
        Pairs behind it, less the quantities held fixed.
    of_ranks : bool
        Whether it is one of ranks.
    confidence : float
        Probability that the interval stands for.

    Returns
    -------
    stderr : float
        NaN with 3 pairs or fewer.
    low, high : float
        [-1, 1] with 3 pairs or fewer.

    Notes
    -----
    Few pairs cannot be resampled: of 3, most resamples hold two different pairs, whose correlation is 1 or -1, and of 4
    to 7 normal ones the 95 % percentile interval holds the truth in 81 to 93 % of samples (simulated, correlations of 0
    to 0.8). On Fisher's scale the error is sqrt(c / (n - 3)) with c = 1, or 1.06 for ranks (Fieller et al.), and
    tanh(atanh(value) +- z sqrt(c / (n - 3))) holds the truth in 94 to 97 % of them, that of ranks, which take few
    values, in 91 to 100 %; both take pairs as about normal. Ranks that agree in full are read as halfway to the next
    value that ranks can have, and the end at 1 is kept.

    References
    ----------
    R. A. Fisher, Metron 1, 3 (1921).
    E. C. Fieller, H. O. Hartley, E. S. Pearson, Biometrika 44, 470 (1957), doi:10.1093/biomet/44.3-4.470.

    Examples
    --------
    >>> [round(one, 2) for one in fisher_interval(0.9, n_pairs=5, of_ranks=False, confidence=0.95)]
    [0.13, 0.09, 0.99]
    """
    if n_pairs < 4:
        return math.nan, -1.0, 1.0
    error = math.sqrt((_FIELLER if of_ranks else 1.0) / (n_pairs - 3))
    reach = float(stats.norm.ppf(0.5 + confidence / 2)) * error
    step = 12.0 / (n_pairs**3 - n_pairs)  # between the highest rank correlation and the next
    agreed = of_ranks and abs(value) > 1.0 - step / 4
    with np.errstate(divide="ignore"):
        middle = float(np.arctanh(math.copysign(1.0 - step / 2, value) if agreed else value))
    low, high = math.tanh(middle - reach), math.tanh(middle + reach)
    if agreed:
        low, high = (low, 1.0) if value > 0 else (-1.0, high)
    return (1.0 - math.tanh(middle) ** 2) * error, low, high
