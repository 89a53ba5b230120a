"""Correlations with bootstrap intervals, plain and with other quantities held fixed."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import stats

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.number_format import counted
from theodolite.statistics.fisher import FEWEST_RESAMPLED, fisher_interval
from theodolite.statistics.resampling import (
    Floats,
    as_columns,
    as_vector,
    bootstrap_counts,
    check_bootstrap,
    percentile_interval,
)

Method = Literal["pearson", "spearman"]

_NOTHING_LEFT = 1e-10
"""Share of a variance below which it counts as explained in full."""
_CONSTANT = 1e-13
"""Share of the largest variance, all columns spanning one unit, below which a column is constant up to rounding."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Correlation(Displayed):
    """A correlation in [-1, 1], and how far it can be trusted.

    Attributes
    ----------
    value : float
        The coefficient; NaN where it does not exist (see `reason`).
    stderr : float
        Standard deviation of the bootstrap values; with fewer than 8 pairs by Fisher's formula, NaN with 3.
    low, high : float
        Percentile interval of the bootstrap values; with fewer than 8 pairs Fisher's, [-1, 1] with 3.
    confidence : float
        Probability that the interval stands for.
    p_value : float
        Two-sided p value of the hypothesis that there is no correlation.
    n : int
        Pairs used.
    n_dropped : int
        Pairs left out because a number of theirs is not finite.
    method : {"pearson", "spearman"}
        Of the values, or of their ranks.
    n_given : int
        Quantities held fixed.
    reason : str
        Why there is no value; empty where there is one.
    """

    value: float
    stderr: float
    low: float
    high: float
    confidence: float
    p_value: float
    n: int
    n_dropped: int
    method: Method
    n_given: int = 0
    reason: str = ""


def correlation(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    method: Method = "pearson",
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> Correlation:
    """Measure how two quantities go together; in [-1, 1].

    Parameters
    ----------
    x, y : array_like
        `(n_points,)` each. A pair with a number that is not finite is left out and counted.
    method : {"pearson", "spearman"}
        Of the values, or of their ranks (equal values share their mean rank).
    confidence : float
        Probability that the interval stands for.
    n_bootstrap : int
        Resamples of pairs.
    seed : int
        Changes the resamples.

    Returns
    -------
    Correlation
        NaN with a reason where fewer than three pairs remain or one side is constant.

    Raises
    ------
    ParameterError
        If a setting is outside its range.
    PointsError
        If the two are not vectors of one length.

    Notes
    -----
    The p value is that of Student's t with n - 2 degrees of freedom, exact for independent normal pairs and the usual
    approximation for ranks; it equals that of `scipy.stats.pearsonr` and `spearmanr`. The interval is the percentile
    bootstrap over pairs: it assumes that pairs are independent, not that they are normal. Ranks are taken anew in each
    resample.

    Fewer than 8 pairs are not resampled: their interval is Fisher's (`theodolite.statistics.fisher`), [-1, 1] with 3.
    Quantities held fixed count as so many pairs less.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> x = generator.normal(size=400)
    >>> found = correlation(x, x + generator.normal(size=400))
    >>> print(f"{found.value:.2f} in [{found.low:.2f}, {found.high:.2f}]")
    0.73 in [0.68, 0.78]
    """
    return correlations(
        as_vector(x, "x")[:, None], y, method=method, confidence=confidence, n_bootstrap=n_bootstrap, seed=seed
    )[0]


def correlations(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    method: Method = "pearson",
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> tuple[Correlation, ...]:
    """Measure how each column goes together with one quantity, as with a dimension for each layer and a loss.

    Parameters
    ----------
    x : array_like
        `(n_points, n_columns)`. Numbers that are not finite cost a column that pair and no other column anything.
    y : array_like
        `(n_points,)`.
    method : {"pearson", "spearman"}
        Of the values, or of their ranks.
    confidence : float
        Probability that each interval stands for; not corrected for the number of columns.
    n_bootstrap : int
        Resamples of pairs, the same for every column with the same pairs.
    seed : int
        Changes the resamples.

    Returns
    -------
    tuple of Correlation
        One for each column; otherwise as `correlation`.

    Raises
    ------
    ParameterError
        If a setting is outside its range.
    PointsError
        If shapes do not fit.

    Examples
    --------
    >>> loss = np.arange(6.0)
    >>> profile = np.stack([loss**2, np.full(6, 3.0)], axis=1)
    >>> [(one.value, one.reason) for one in correlations(profile, loss, method="spearman")]
    [(1.0, ''), (nan, 'x is constant')]
    """
    return partial_correlations(x, y, None, method=method, confidence=confidence, n_bootstrap=n_bootstrap, seed=seed)


def partial_correlation(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    given: npt.ArrayLike,
    *,
    method: Method = "pearson",
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> Correlation:
    """Measure how two quantities go together beyond what others explain of both; in [-1, 1].

    Parameters
    ----------
    x, y : array_like
        `(n_points,)` each.
    given : array_like
        `(n_points,)` or `(n_points, n_given)`: what is held fixed, such as the length of each prompt.
    method : {"pearson", "spearman"}
        Of the values, or of the ranks of all quantities.
    confidence : float
        Probability that the interval stands for.
    n_bootstrap : int
        Resamples of points.
    seed : int
        Changes the resamples.

    Returns
    -------
    Correlation
        NaN with a reason where too few points remain, or where one side is constant or explained in full.

    Raises
    ------
    ParameterError
        If a setting is outside its range.
    PointsError
        If shapes do not fit.

    Notes
    -----
    The correlation of the residuals of x and y after linear regression (with intercept) on `given`; for
    `"spearman"`, all are replaced by their ranks first. The p value is that of Student's t with n - 2 - g degrees of
    freedom, g being the rank of `given`.

    Examples
    --------
    >>> generator = np.random.default_rng(1)
    >>> length = generator.normal(size=500)
    >>> x, y = length + generator.normal(size=500), length + generator.normal(size=500)
    >>> alone, fixed = correlation(x, y), partial_correlation(x, y, length)
    >>> print(f"{alone.value:.2f} (p={alone.p_value:.0e}), at equal length {fixed.value:.2f} (p={fixed.p_value:.1f})")
    0.49 (p=3e-31), at equal length 0.09 (p=0.1)
    """
    return partial_correlations(
        as_vector(x, "x")[:, None], y, given, method=method, confidence=confidence, n_bootstrap=n_bootstrap, seed=seed
    )[0]


def partial_correlations(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    given: npt.ArrayLike | None,
    *,
    method: Method = "pearson",
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> tuple[Correlation, ...]:
    """Measure the partial correlation of each column with one quantity.

    Parameters
    ----------
    x : array_like
        `(n_points, n_columns)`.
    y : array_like
        `(n_points,)`.
    given : array_like or None
        `(n_points,)` or `(n_points, n_given)`; None for plain correlations.
    method : {"pearson", "spearman"}
        Of the values, or of the ranks of all quantities.
    confidence : float
        Probability that each interval stands for; not corrected for the number of columns.
    n_bootstrap : int
        Resamples of points.
    seed : int
        Changes the resamples.

    Returns
    -------
    tuple of Correlation
        One for each column; otherwise as `partial_correlation`.

    Raises
    ------
    ParameterError
        If a setting is outside its range.
    PointsError
        If shapes do not fit.

    Examples
    --------
    >>> length, loss = np.array([2.0, 1.0, 4.0, 3.0, 5.0]), np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    >>> layers = np.stack([length - loss, length + loss, loss**2], axis=1)
    >>> [round(one.value, 2) for one in partial_correlations(layers, loss, length)]
    [-1.0, 1.0, 0.98]
    """
    check_bootstrap(n_bootstrap, confidence)
    if method not in get_args(Method):
        raise ParameterError(f'method must be "pearson" or "spearman", not {method!r}.')
    columns, target = as_columns(x, "x"), as_vector(y, "y")
    fixed = np.empty((len(target), 0)) if given is None else as_columns(given, "given")
    for name, array in (("x", columns), ("given", fixed)):
        if len(array) != len(target):
            raise PointsError(f"{name} has {len(array)} points but y has {len(target)}. Give the same points in order.")
    return tuple(
        _one(np.column_stack([column, target, fixed]), method, confidence, n_bootstrap, seed) for column in columns.T
    )


def _one(values: Floats, method: Method, confidence: float, n_bootstrap: int, seed: int) -> Correlation:
    """Correlate the first two columns, the others held fixed."""
    finite = np.isfinite(values).all(axis=1)
    kept = values[finite]
    n_points, n_given = len(kept), values.shape[1] - 2
    reason = _obstacle(kept)
    value = low = high = stderr = p_value = math.nan
    if not reason:
        spread = kept - kept.mean(axis=0)
        scaled = spread / np.maximum(np.abs(spread).max(axis=0), np.finfo(np.float64).tiny)
        scaled -= scaled.mean(axis=0)
        value = float(_coefficients(scaled, np.ones((1, n_points)), method)[0])
        freedom = n_points - 2 - (np.linalg.matrix_rank(scaled[:, 2:], tol=_NOTHING_LEFT) if n_given else 0)
        if math.isnan(value):
            reason = "what is given explains x or y in full"
        elif freedom < 1:
            reason, value = f"{n_points} points are too few to hold {n_given} quantities fixed", math.nan
        else:
            with np.errstate(divide="ignore"):
                t = np.float64(value) * np.sqrt(freedom / np.float64(max(0.0, 1 - value**2)))
            p_value = float(2 * stats.t.sf(abs(t), freedom))
            if freedom + 2 < FEWEST_RESAMPLED:
                stderr, low, high = fisher_interval(
                    value, n_pairs=int(freedom) + 2, of_ranks=method == "spearman", confidence=confidence
                )
            else:
                blocks = bootstrap_counts(n_points, n_bootstrap, seed=seed)
                drawn = np.concatenate([_coefficients(scaled, counts, method) for counts in blocks])
                low, high = percentile_interval(drawn, confidence)
                stderr = float(np.std(drawn[np.isfinite(drawn)], ddof=1))
    return Correlation(
        value=value,
        stderr=stderr,
        low=low,
        high=high,
        confidence=confidence,
        p_value=p_value,
        n=n_points,
        n_dropped=len(values) - n_points,
        method=method,
        n_given=n_given,
        reason=reason,
    )


def _obstacle(kept: Floats) -> str:
    """Say why these pairs have no correlation, if they have none."""
    if len(kept) < 3:
        return f"{counted(len(kept), 'pair')} left, and a correlation needs 3"
    constant = [name for name, column in zip(("x", "y"), kept.T, strict=False) if (column == column[0]).all()]
    return f"{' and '.join(constant)} {'are' if len(constant) > 1 else 'is'} constant" if constant else ""


def _coefficients(values: Floats, counts: Floats, method: Method) -> Floats:
    """Return the (partial) correlation of the first two columns in each resample; NaN where a side is constant."""
    n_points, n_columns = values.shape
    covariance = np.empty((len(counts), n_columns, n_columns))
    pairs = [(i, j) for i in range(n_columns) for j in range(i, n_columns)]
    if method == "spearman":
        ranks = [_centered_ranks(column, counts) for column in values.T]
        for i, j in pairs:
            covariance[:, i, j] = covariance[:, j, i] = np.einsum("bn,bn,bn->b", counts, ranks[i], ranks[j]) / n_points
    else:
        means = counts @ values / n_points
        products = counts @ np.stack([values[:, i] * values[:, j] for i, j in pairs], axis=1) / n_points
        for place, (i, j) in enumerate(pairs):
            covariance[:, i, j] = covariance[:, j, i] = products[:, place] - means[:, i] * means[:, j]
    variances = np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0)
    floor = _CONSTANT * np.maximum(variances.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    scale = np.sqrt(np.where(variances > floor, variances, np.nan))
    usable = np.isfinite(scale[:, :2]).all(axis=1)
    matrix = np.nan_to_num(covariance / scale[:, :, None] / scale[:, None, :])
    if n_columns > 2:
        across = matrix[:, :2, 2:]
        explained = across @ np.linalg.pinv(matrix[:, 2:, 2:], rcond=_NOTHING_LEFT, hermitian=True)
        matrix = matrix[:, :2, :2] - explained @ across.transpose(0, 2, 1)
    left = matrix[:, 0, 0], matrix[:, 1, 1]
    usable &= (left[0] > _NOTHING_LEFT) & (left[1] > _NOTHING_LEFT)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.clip(matrix[:, 0, 1] / np.sqrt(left[0] * left[1]), -1.0, 1.0)
    return np.asarray(np.where(usable, found, np.nan), dtype=np.float64)


def _centered_ranks(column: Floats, counts: Floats) -> Floats:
    """Return each point's mean rank in each resample, less the mean of all ranks; `(n_resamples, n_points)`."""
    _, group = np.unique(column, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    ranks = np.cumsum(sizes, axis=1) - (sizes - 1) / 2
    return np.asarray(ranks[:, group] - (len(column) + 1) / 2, dtype=np.float64)
