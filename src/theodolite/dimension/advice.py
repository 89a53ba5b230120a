"""Which scale to quote, and what a reading means: a recommendation with its reason, and calibration on known clouds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError
from theodolite.core.seeds import generator_from
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.neighborhoods import neighbors
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Recommendation(Displayed):
    """The scale to quote.

    Attributes
    ----------
    estimate : DimensionEstimate
        The estimate at that scale.
    stable : bool
        Whether neighboring scales agree; if not, no single number describes the cloud.
    reason : str
        One sentence for people.
    """

    estimate: DimensionEstimate
    stable: bool
    reason: str


def recommend_scale(estimates: Sequence[DimensionEstimate], *, tolerance: float = 0.05) -> Recommendation:
    """Choose among estimates at growing scales the one to quote, and say why.

    Parameters
    ----------
    estimates : sequence of DimensionEstimate
        As `gride` returns them, nearest scale first.
    tolerance : float
        Relative change between consecutive scales that counts as none, beside twice its standard error.

    Returns
    -------
    Recommendation
        The middle of the longest run of scales that agree; the scale of smallest relative change where no two agree.

    Raises
    ------
    ParameterError
        If no estimate is given or `tolerance` is negative.

    Notes
    -----
    Small scales see noise (readings fall as the scale grows past it), large ones see curvature and boundary. Between
    them a plateau, if there is one, is the dimension. The first scale is left out of a run only if it disagrees.

    Examples
    --------
    >>> from theodolite.dimension import gride
    >>> points = np.random.default_rng(0).random(size=(2000, 2))
    >>> recommend_scale(gride(neighbors(points, k=32))).stable
    True
    """
    if not estimates:
        raise ParameterError("recommend_scale needs at least one estimate, such as gride(graph) returns.")
    if tolerance < 0:
        raise ParameterError(f"tolerance is a relative change, at least 0, not {tolerance}.")
    changes = [
        abs(after.value - before.value) / max(after.value, before.value) for before, after in pairwise(estimates)
    ]
    allowed = [
        max(tolerance, 2 * math.hypot(before.stderr, after.stderr) / max(after.value, before.value))
        for before, after in pairwise(estimates)
    ]
    best, start = (0, 0), 0
    for position in range(len(estimates)):
        if position and changes[position - 1] > allowed[position - 1]:
            start = position
        if position - start > best[1] - best[0]:
            best = (start, position)
    first, last = best
    if last > first:
        chosen = estimates[(first + last) // 2]
        span = f"({estimates[first].n1}, {estimates[first].n2}) to ({estimates[last].n1}, {estimates[last].n2})"
        reason = f"The scales {span} agree within {tolerance:.0%} or twice their errors; this is their middle."
        return Recommendation(estimate=chosen, stable=True, reason=reason)
    if len(estimates) == 1:
        return Recommendation(estimate=estimates[0], stable=False, reason="Only one scale was given.")
    least = int(np.argmin(changes))
    reason = (
        f"No two consecutive scales agree; the smallest change is {changes[least]:.0%}, from here to the next. "
        "Report the whole curve."
    )
    return Recommendation(estimate=estimates[least], stable=False, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Calibration(Displayed):
    """What an estimator reads on Gaussian clouds of known dimension with the same number of points and columns.

    Attributes
    ----------
    dimensions, readings, stderrs : numpy.ndarray
        `(n,)` float64: the truth, the reading, and its standard error.
    """

    dimensions: Floats
    readings: Floats
    stderrs: Floats

    def invert(self, reading: float) -> float:
        """Return the dimension of the Gaussian cloud that would read `reading`; NaN outside the curve."""
        return float(np.interp(reading, self.readings, self.dimensions, left=math.nan, right=math.nan))


def calibrate(
    measure: Callable[[NeighborGraph], DimensionEstimate],
    *,
    n_points: int,
    n_dims: int,
    dimensions: Sequence[int],
    k: int = 2,
    noise: float = 0.0,
    seed: int = 0,
) -> Calibration:
    """Read an estimator on flat Gaussian clouds of known dimension, matched in points, columns and noise.

    Parameters
    ----------
    measure : callable
        NeighborGraph -> DimensionEstimate, such as `twonn` or `lambda graph: mle(graph, k=20)`.
    n_points, n_dims : int
        Rows and columns of the table to be explained.
    dimensions : sequence of int
        True dimensions to try, ascending, each at most `n_dims`.
    k : int
        Neighbors the estimator needs.
    noise : float
        Standard deviation of isotropic noise in all columns, as a share of that of each true coordinate.
    seed : int
        The same seed gives the same curve.

    Returns
    -------
    Calibration
        Truth, reading and error for each dimension.

    Raises
    ------
    ParameterError
        If `dimensions` is empty, not ascending or reaches beyond `n_dims`, or `noise` is negative.

    Notes
    -----
    All neighbor-based estimators read high dimensions low (20,000 Gaussian rows in 50 columns read 35.5), so a reading
    is to be compared with such a curve. The clouds are flat and Gaussian; a curved or heavy-tailed cloud has another
    bias.

    Examples
    --------
    >>> from theodolite.dimension import twonn
    >>> curve = calibrate(twonn, n_points=500, n_dims=20, dimensions=[2, 10, 20])
    >>> bool(curve.readings[2] < 18)
    True
    """
    if (
        not dimensions
        or list(dimensions) != sorted(set(dimensions))
        or not 1 <= dimensions[0] <= dimensions[-1] <= n_dims
    ):
        raise ParameterError(
            f"dimensions must ascend from at least 1 to at most n_dims={n_dims}, not {list(dimensions)}."
        )
    if noise < 0:
        raise ParameterError(f"noise is a share of the standard deviation, at least 0, not {noise}.")
    readings, stderrs = [], []
    for dimension in dimensions:
        generator = generator_from("calibrate", seed, dimension, n_points, n_dims)
        cloud = np.zeros((n_points, n_dims))
        cloud[:, :dimension] = generator.standard_normal((n_points, dimension))  # distances ignore rotations
        if noise:
            cloud += noise * generator.standard_normal((n_points, n_dims))
        one = measure(neighbors(cloud, k=k))
        readings.append(one.value)
        stderrs.append(one.stderr)
    return Calibration(
        dimensions=np.array(dimensions, dtype=float), readings=np.array(readings), stderrs=np.array(stderrs)
    )
