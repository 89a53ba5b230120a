"""The slope of a quantity along another, with its uncertainty."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.number_format import counted
from theodolite.statistics.resampling import Axis, Floats, as_vector, on_axis


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Trend(Displayed):
    """A straight line through measured numbers.

    Attributes
    ----------
    slope : float
        Change of y per unit of the axis: per doubling of x on `"log2"`; NaN where there is none (see `reason`).
    stderr : float
        Standard error of the slope.
    low, high : float
        Interval of the slope.
    confidence : float
        Probability that the interval stands for.
    p_value : float
        Two-sided p value of the hypothesis that the slope is 0.
    intercept : float
        Height of the line where the axis is 0: at x = 1 on a logarithmic axis.
    scatter : float
        Residuals against the standard errors given: the root of chi squared over degrees of freedom. Above 1 they
        scatter more than their errors say. NaN without standard errors or with two points.
    n : int
        Points used.
    n_dropped : int
        Points left out because a number of theirs is not finite.
    axis : {"linear", "log2", "log10"}
        On which axis of x the line is straight.
    reason : str
        Why there is no slope, or no error of it; empty where there are both.
    """

    slope: float = math.nan
    stderr: float = math.nan
    low: float = math.nan
    high: float = math.nan
    confidence: float
    p_value: float = math.nan
    intercept: float = math.nan
    scatter: float = math.nan
    n: int
    n_dropped: int
    axis: Axis
    reason: str = ""


def trend(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    stderr: npt.ArrayLike | None = None,
    axis: Axis = "linear",
    confidence: float = 0.95,
) -> Trend:
    """Measure how a quantity changes along another; slope in units of y per unit of the axis.

    Parameters
    ----------
    x : array_like
        `(n_points,)` positions, such as numbers of parameters.
    y : array_like
        `(n_points,)`.
    stderr : array_like, optional
        `(n_points,)` standard errors of y; each point weighs 1 / stderr**2.
    axis : {"linear", "log2", "log10"}
        On which axis of x the line is straight.
    confidence : float
        Probability that the interval stands for.

    Returns
    -------
    Trend
        NaN with a reason where fewer than two distinct positions remain. Two points without standard errors give a
        slope without an error.

    Raises
    ------
    ParameterError
        If a setting is outside its range.
    PointsError
        If lengths differ, standard errors are not positive, or positions do not lie on the axis.

    Notes
    -----
    Weighted least squares. Without standard errors, the size of the noise comes from the residuals and the interval
    from Student's t with n - 2 degrees of freedom. With them, the error of the slope is what they give, multiplied by
    `scatter` where that is above 1, because points that scatter more than their errors allow (as models that differ in
    more than size do) know the slope less well; then t as well, otherwise the normal distribution.

    Examples
    --------
    >>> found = trend([64, 128, 256], [15.0, 17.0, 21.0], stderr=[0.3, 0.3, 0.4], axis="log2")
    >>> print(f"{found.slope:.2f} ± {found.stderr:.2f} per doubling")
    2.89 ± 0.63 per doubling
    """
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence={confidence} is no probability between 0 and 1. Take 0.95, for example.")
    given = [as_vector(x, "x"), as_vector(y, "y")]
    if stderr is not None:
        given.append(as_vector(stderr, "stderr"))
    if len({len(vector) for vector in given}) > 1:
        lengths = ", ".join(str(len(vector)) for vector in given)
        raise PointsError(f"x, y and stderr must have one number for each point, but have {lengths}.")
    finite = np.isfinite(np.stack(given)).all(axis=0)
    kept = [vector[finite] for vector in given]
    u, heights = on_axis(kept[0], axis), kept[1]
    n_points, n_dropped = len(u), int((~finite).sum())
    if stderr is not None and (kept[2] <= 0).any():
        raise PointsError(
            f"stderr holds {kept[2].min():g}. Standard errors must be positive; leave them out if unknown."
        )
    if n_points < 2 or np.ptp(u) == 0:
        reason = f"{counted(len(np.unique(u)), 'distinct position')} left, and a trend needs 2"
        return Trend(confidence=confidence, n=n_points, n_dropped=n_dropped, axis=axis, reason=reason)
    weights = kept[2] ** -2 if stderr is not None else np.ones(n_points)
    slope, intercept, spread = _line(u, heights, weights)
    freedom = n_points - 2
    residual_sum = float((weights * (heights - intercept - slope * u) ** 2).sum())
    size = math.sqrt(residual_sum / freedom) if freedom else math.nan
    inflated = stderr is None or size > 1
    error = (size if inflated else 1.0) / math.sqrt(spread)
    law = stats.t(freedom) if inflated and freedom else stats.norm()
    half_width = float(law.ppf((1 + confidence) / 2)) * error
    ratio = abs(slope) / error if error else (math.inf if slope else 0.0)
    return Trend(
        slope=slope,
        stderr=error,
        low=slope - half_width,
        high=slope + half_width,
        confidence=confidence,
        p_value=float(2 * law.sf(ratio)),
        intercept=intercept,
        scatter=math.nan if stderr is None else size,
        n=n_points,
        n_dropped=n_dropped,
        axis=axis,
        reason="two points without standard errors do not show the error of the slope" if math.isnan(error) else "",
    )


def _line(u: Floats, heights: Floats, weights: Floats) -> tuple[float, float, float]:
    """Return slope, intercept and the weighted sum of squared distances from the mean position."""
    total = weights.sum()
    center, level = (weights * u).sum() / total, (weights * heights).sum() / total
    spread = float((weights * (u - center) ** 2).sum())
    slope = float((weights * (u - center) * (heights - level)).sum()) / spread
    return slope, float(level - slope * center), spread
