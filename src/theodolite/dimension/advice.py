"""Which scale to quote, and what a reading means: a recommendation with its reason, and calibration on known clouds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed, equal_by_entries
from theodolite.core.errors import ParameterError
from theodolite.core.seeds import generator_from
from theodolite.dimension.estimate import DimensionEstimate, require_estimate
from theodolite.dimension.ratios import require_whole
from theodolite.neighborhoods import neighbors
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]
Shape = Literal["gaussian", "cube", "sphere"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Recommendation(Displayed):
    """The scale to quote.

    Attributes
    ----------
    estimate : DimensionEstimate
        The estimate at that scale.
    stable : bool
        Whether there are scales that agree; if not, no single number describes the cloud.
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
        Relative difference between two scales that counts as none, beside twice its standard error.

    Returns
    -------
    Recommendation
        The middle of the longest run of scales of which each agrees with each (the nearest of equally long ones); the
        scale of smallest relative change where no two neighboring ones agree.

    Raises
    ------
    ParameterError
        If no sequence of estimates is given or `tolerance` is negative or not finite.

    Notes
    -----
    Small scales see noise (readings fall as the scale grows past it), large ones see curvature and boundary. Between
    them a plateau, if there is one, is the dimension. A curve that drifts by less than the tolerance from each scale to
    the next is no plateau: all scales of a run must agree, its first and its last too.

    Examples
    --------
    >>> from theodolite.dimension import gride
    >>> points = np.random.default_rng(0).random(size=(2000, 2))
    >>> recommend_scale(gride(neighbors(points, k=32))).stable
    True
    """
    if isinstance(estimates, DimensionEstimate) or not estimates:
        raise ParameterError("recommend_scale needs a sequence of at least one estimate, such as gride(graph) returns.")
    if not 0 <= tolerance < math.inf:
        raise ParameterError(f"tolerance is a relative change, at least 0, not {tolerance}.")
    best, start = (0, 0), 0
    for position, estimate in enumerate(estimates):
        while not all(_agree(before, estimate, tolerance) for before in estimates[start:position]):
            start += 1
        if position - start > best[1] - best[0]:
            best = (start, position)
    first, last = best
    if last > first:
        chosen = estimates[(first + last) // 2]
        span = f"({estimates[first].n1}, {estimates[first].n2}) to ({estimates[last].n1}, {estimates[last].n2})"
        reason = f"The scales {span} all agree within {tolerance:.0%} or twice their errors; this is their middle."
        return Recommendation(estimate=chosen, stable=True, reason=reason)
    if len(estimates) == 1:
        return Recommendation(estimate=estimates[0], stable=False, reason="Only one scale was given.")
    changes = [_change(before, after) for before, after in pairwise(estimates)]
    least = int(np.argmin(changes))
    reason = (
        f"No two consecutive scales agree; the smallest change is {changes[least]:.0%}, from here to the next. "
        "Report the whole curve."
    )
    return Recommendation(estimate=estimates[least], stable=False, reason=reason)


def _change(before: DimensionEstimate, after: DimensionEstimate) -> float:
    """Return the difference of two readings relative to the larger."""
    return abs(after.value - before.value) / max(after.value, before.value)


def _agree(before: DimensionEstimate, after: DimensionEstimate, tolerance: float) -> bool:
    """Say whether two readings differ by no more than the tolerance, or than twice the error of their difference."""
    error = math.hypot(before.stderr, after.stderr) / max(after.value, before.value)
    return _change(before, after) <= max(tolerance, 2 * error)


@equal_by_entries
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Calibration(Displayed):
    """What an estimator reads on clouds of known dimension with the same number of points and columns.

    Attributes
    ----------
    dimensions, readings, stderrs : numpy.ndarray
        `(n,)` float64: the truth, the reading, and its standard error.
    """

    dimensions: Floats
    readings: Floats
    stderrs: Floats

    def invert(self, reading: float) -> float:
        """Return the dimension of the cloud that would read `reading`; NaN where none would, or several dimensions."""
        gaps = self.readings - reading
        found = self.dimensions[gaps == 0].tolist()
        for one in np.flatnonzero(gaps[:-1] * gaps[1:] < 0):
            share = gaps[one] / (gaps[one] - gaps[one + 1])
            found.append(float(self.dimensions[one] + share * (self.dimensions[one + 1] - self.dimensions[one])))
        return found[0] if len(found) == 1 else math.nan


def calibrate(
    measure: Callable[[NeighborGraph], DimensionEstimate],
    *,
    n_points: int,
    n_dims: int,
    dimensions: Sequence[int],
    k: int = 2,
    noise: float = 0.0,
    shape: Shape = "gaussian",
    seed: int = 0,
) -> Calibration:
    """Read an estimator on clouds of known dimension, matched in points, columns and noise.

    Parameters
    ----------
    measure : callable
        NeighborGraph -> DimensionEstimate, such as `twonn` or `lambda graph: mle(graph, k=20)`.
    n_points, n_dims : int
        Rows and columns of the table to be explained.
    dimensions : sequence of int
        True dimensions to try, ascending, each at most `n_dims` (one less for spheres).
    k : int
        Neighbors the estimator needs.
    noise : float
        Standard deviation of isotropic noise in all columns, as a share of that of each true coordinate.
    shape : {"gaussian", "cube", "sphere"}
        What the clouds are: flat, with a density that falls off; flat, even, with a boundary; or even, curved, without
        a boundary (a sphere of dimension d in d + 1 columns).
    seed : int
        The same seed gives the same curve.

    Returns
    -------
    Calibration
        Truth, reading and error for each dimension.

    Raises
    ------
    ParameterError
        If `dimensions` is empty, not ascending or reaches beyond `n_dims`, `noise` is negative or not finite, or
        `shape` is unknown.

    Notes
    -----
    All neighbor-based estimators read high dimensions low (20,000 Gaussian rows in 50 columns read 35.5), so a reading
    is to be compared with such a curve. Each shape has a bias of its own: where their curves differ, so does what a
    reading means.

    Examples
    --------
    >>> from theodolite.dimension import twonn
    >>> curve = calibrate(twonn, n_points=500, n_dims=20, dimensions=[2, 10, 20])
    >>> bool(curve.readings[2] < 18)
    True
    """
    if shape not in get_args(Shape):
        raise ParameterError(f"shape must be {', '.join(map(repr, get_args(Shape)))}, not {shape!r}.")
    n_points, n_dims, seed = (
        require_whole(given, name, method="calibrate")
        for given, name in ((n_points, "n_points"), (n_dims, "n_dims"), (seed, "seed"))
    )
    asked = [require_whole(one, "dimensions", method="calibrate") for one in dimensions]
    most = n_dims - (shape == "sphere")
    if not asked or asked != sorted(set(asked)) or not 1 <= asked[0] <= asked[-1] <= most:
        raise ParameterError(
            f"dimensions must ascend from at least 1 to at most {most} for shape={shape!r} with n_dims={n_dims}, "
            f"not {asked}."
        )
    if not 0 <= noise < math.inf:
        raise ParameterError(f"noise is a share of the standard deviation, at least 0, not {noise}.")
    readings, stderrs = [], []
    for dimension in asked:
        generator = generator_from("calibrate", seed, dimension, n_points, n_dims)
        cloud = np.zeros((n_points, n_dims))
        drawn = _draw(generator, n_points, dimension, shape)
        cloud[:, : drawn.shape[1]] = drawn  # distances ignore rotations
        if noise:
            cloud += noise * generator.standard_normal((n_points, n_dims))
        one = require_estimate(measure(neighbors(cloud, k=k)), method="calibrate")
        readings.append(one.value)
        stderrs.append(one.stderr)
    return Calibration(dimensions=np.array(asked, dtype=float), readings=np.array(readings), stderrs=np.array(stderrs))


def _draw(generator: np.random.Generator, n_points: int, dimension: int, shape: Shape) -> Floats:
    """Draw a cloud whose true coordinates have variance 1."""
    if shape == "cube":
        return math.sqrt(12) * generator.random((n_points, dimension))
    drawn = generator.standard_normal((n_points, dimension + (shape == "sphere")))
    if shape == "sphere":
        drawn *= math.sqrt(dimension + 1) / np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn
