"""What the local estimators share: batches of neighborhoods, and the way to one number."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points, as_points
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.spread import variance_of_local_sum
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]
Aggregation = Literal["mean", "median", "harmonic"]

_VALUES_PER_BATCH = 1 << 20  # 8 MiB of float64 for the gathered neighborhoods
_SAFE_EXPONENT = 240  # fourth powers of numbers within 2**(+-240) neither overflow nor underflow


def aggregate(
    pointwise: Floats,
    graph: NeighborGraph,
    *,
    k: int,
    method: str,
    aggregation: Aggregation,
    params: Mapping[str, str | int | float | bool] | None = None,
    variance: Callable[[Floats, Floats], float] | None = None,
    n_pairs: int = 4,
) -> DimensionEstimate:
    """Make one estimate of local ones; NaN and infinite values are left out and counted.

    `variance` is that of a sum over points, where the estimator has a formula: a function of what each local value
    adds to the aggregate and of how the aggregate follows it, `(n,)` each, times their number and 0 where left out.
    Otherwise products of `n_pairs` near pairs are counted, without an upper bound if they are more than a few: whole
    neighborhoods then move together. The median takes the larger of both, the first as the relative error of the mean.
    """
    kept = np.isfinite(pointwise)
    used = int(kept.sum())
    if used < 2:
        raise PointsError(
            f"{method} needs at least 2 neighborhoods that fix a dimension, but {used} of {len(kept)} do."
        )
    values = pointwise[kept]

    def spread(scores: Floats) -> float:
        most = 2.4 if n_pairs <= 4 else math.inf
        return math.sqrt(variance_of_local_sum(scores, graph, kept, n_pairs=n_pairs, most=most)) / used

    def known(scores: Floats, voices: Floats) -> float:
        if variance is None:
            return math.nan
        everyone = np.zeros((2, len(kept)))
        everyone[:, kept] = scores, voices
        return math.sqrt(variance(*everyone)) / used

    if aggregation == "mean":
        value = float(values.mean())
        stderr = spread(values) if variance is None else known(values - value, np.ones(used))
    elif aggregation == "harmonic":
        positive = values > 0
        value = float(1 / np.mean(1 / values)) if positive.all() else 0.0
        if not value:
            stderr = math.nan
        elif variance is None:
            stderr = value**2 * spread(1 / values)
        else:
            stderr = known(value - value**2 / values, (value / values) ** 2)
    elif aggregation == "median":
        value = float(np.median(values))
        width = min(0.25, 0.6 * used**-0.2)
        low, high = np.quantile(values, [0.5 - width / 2, 0.5 + width / 2])
        scores = (0.5 - (values <= value)) * (float(high - low) / width)
        mean = float(values.mean())
        stderr = np.fmax(spread(scores), known(values - mean, np.ones(used)) * value / mean)
    else:
        raise ParameterError(f'aggregation must be "mean", "median" or "harmonic", not {aggregation!r}.')
    return DimensionEstimate(
        value=value,
        stderr=float(stderr),
        method=method,
        params={"k": k, "aggregation": aggregation, **(params or {})},
        n1=1,
        n2=k,
        radius=float(graph.distances[kept, k - 1].mean()),
        n_used=used,
        n_dropped=len(kept) - used,
        n_dims=graph.n_dims,
        pointwise=pointwise,
    )


def neighborhoods_of(graph: NeighborGraph, points: Points, k: int) -> Iterator[tuple[slice, Floats]]:
    """Yield rows of the graph and the coordinates of their k neighbors, `(n_batch, k, n_dims)` float64.

    `points` is the table the graph was made from; its rows are found through `graph.rows`.
    """
    table = as_points(points)
    if table.shape != (graph.n_given, graph.n_dims):
        raise ParameterError(
            f"The graph was made from {graph.n_given} rows of {graph.n_dims} columns, but these points have shape "
            f"{tuple(table.shape)}. Pass the same points that neighbors() was given."
        )
    values = table.cpu().numpy()
    size = max(1, _VALUES_PER_BATCH // (k * graph.n_dims))
    for start in range(0, len(graph.indices), size):
        batch = slice(start, start + size)
        rows = graph.rows[graph.indices[batch, :k]]
        near = values[rows].astype(np.float64)
        finite = np.isfinite(near).all(axis=2)
        if not finite.all():
            raise PointsError(
                f"The graph has row {int(rows[~finite].min())} among its points, but that row is not finite here. "
                "Pass the same points that neighbors() was given."
            )
        yield batch, near


def in_range(points: Floats, *, radius: Floats | None = None) -> Floats:
    """Return points multiplied by a power of two where their squares would leave the range of float64.

    Neighborhoods `(n_batch, k, n_dims)` are first moved to their first neighbor and each measured by its `radius`.
    """
    if radius is not None:
        exponents = np.frexp(radius)[1]
        if np.abs(exponents).max() < _SAFE_EXPONENT:
            return points
        return np.ldexp(points - points[:, :1], np.where(radius > 0, -exponents, 0)[:, None, None])
    exponent = int(np.frexp(np.abs(points).max())[1])
    return points if abs(exponent) < _SAFE_EXPONENT else np.ldexp(points, -exponent)


def centered_gram(neighborhood: Floats) -> Floats:
    """Return the Gram matrices of neighborhoods centered at their means, `(n_batch, k, k)`."""
    centered = neighborhood - neighborhood.mean(axis=1, keepdims=True)
    gram: Floats = centered @ centered.transpose(0, 2, 1)
    return gram
