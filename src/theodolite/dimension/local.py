"""What the local estimators share: batches of neighborhoods, and the way to one number."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points, as_points
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.spread import variances_of_local_sums
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]
Aggregation = Literal["mean", "median", "harmonic"]

VALUES_PER_BATCH = 1 << 20  # 8 MiB of float64 for the gathered neighborhoods
_SAFE_EXPONENT = 240  # fourth powers of numbers within 2**(+-240) neither overflow nor underflow


class NoDimensionError(PointsError):
    """Too few neighborhoods fix a dimension; `estimate` holds what is known besides, its value NaN."""

    def __init__(self, message: str, estimate: DimensionEstimate) -> None:
        super().__init__(message)
        self.estimate = estimate


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

    `variance` and `n_pairs` are those of `combine`, for one graph: `variance` takes and returns no axis of clouds.
    """
    kept = np.isfinite(pointwise)
    used = int(kept.sum())
    value = stderr = math.nan
    if used >= 2:
        known = None if variance is None else lambda scores, voices: np.array([variance(scores[0], voices[0])])
        values, errors = combine(
            pointwise[None],
            kept[None],
            graph.indices[None],
            len(graph.rows),
            numbers=graph.queries,
            aggregation=aggregation,
            variances=known,
            n_pairs=n_pairs,
        )
        value, stderr = float(values[0]), float(errors[0])
    estimate = DimensionEstimate(
        value=value,
        stderr=stderr,
        method=method,
        params={"k": k, "aggregation": aggregation, **(params or {})},
        n1=1,
        n2=k,
        radius=float(graph.distances[kept, k - 1].mean()) if used else math.nan,
        n_used=used,
        n_dropped=len(kept) - used,
        n_dims=graph.n_dims,
        pointwise=pointwise,
    )
    if used < 2:
        message = f"{method} needs at least 2 neighborhoods that fix a dimension, but {used} of {len(kept)} do."
        raise NoDimensionError(message, estimate)
    return estimate


def combine(
    pointwise: Floats,
    kept: npt.NDArray[np.bool_],
    indices: npt.NDArray[np.integer[Any]],
    n_points: int,
    *,
    numbers: npt.NDArray[np.int64] | None = None,
    aggregation: Aggregation,
    variances: Callable[[Floats, Floats], Floats] | None = None,
    n_pairs: int = 4,
) -> tuple[Floats, Floats]:
    """Return one number for the local dimensions of each of many clouds, and its standard error; `(n_clouds,)` each.

    `variances` are those of sums over points, where the estimator has a formula: a function of what each local value
    adds to the aggregate and of how the aggregate follows it, `(n_clouds, n_rows)` each, times their number and 0 where
    left out. Otherwise products of `n_pairs` near pairs are counted, without an upper bound if they are more than a
    few: whole neighborhoods then move together. The median takes the larger of both, the first as the relative error of
    the mean. `kept` holds at least one value of each cloud; the rest is as in `variances_of_local_sums`.
    """
    used = kept.sum(axis=1)
    values = np.where(kept, pointwise, 1.0)

    def mean(of: Floats) -> Floats:
        found: Floats = np.where(kept, of, 0.0).sum(axis=1) / used
        return found

    def by_pairs(scores: Floats) -> Floats:
        most = 2.4 if n_pairs <= 4 else math.inf
        found = variances_of_local_sums(scores, kept, indices, n_points, numbers=numbers, n_pairs=n_pairs, most=most)
        stderr: Floats = np.sqrt(found) / used
        return stderr

    def by_formula(scores: Floats, voices: Floats) -> Floats:
        if variances is None:
            return np.full(len(used), np.nan)
        found = variances(np.where(kept, scores, 0.0), np.where(kept, voices, 0.0))
        stderr: Floats = np.sqrt(found) / used
        return stderr

    means = mean(values)
    around = values - means[:, None], np.ones_like(values)
    if aggregation == "mean":
        return means, by_pairs(values) if variances is None else by_formula(*around)
    if aggregation == "harmonic":
        positive = (values > 0).all(axis=1)
        inverse = 1 / np.where(values > 0, values, 1.0)
        value = 1 / mean(inverse)
        if variances is None:
            stderr = value**2 * by_pairs(inverse)
        else:
            shares = value[:, None] * inverse
            stderr = by_formula(value[:, None] * (1 - shares), shares**2)
        return np.where(positive, value, 0.0), np.where(positive, stderr, np.nan)
    if aggregation == "median":
        value, scores = np.empty(len(used)), np.empty_like(values)
        for cloud, some in enumerate(kept):
            width = min(0.25, 0.6 * used[cloud] ** -0.2)  # of the order that balances bias and variance of a density
            low, value[cloud], high = np.quantile(values[cloud, some], [0.5 - width / 2, 0.5, 0.5 + width / 2])
            scores[cloud] = (0.5 - (values[cloud] <= value[cloud])) * ((high - low) / width)
        return value, np.fmax(by_pairs(scores), by_formula(*around) * value / means)
    raise ParameterError(f'aggregation must be "mean", "median" or "harmonic", not {aggregation!r}.')


def points_of(graph: NeighborGraph, points: Points) -> torch.Tensor:
    """Return the points the graph was made from, where they lie; refuse others."""
    table = as_points(points)
    if table.shape != (graph.n_given, graph.n_dims):
        raise ParameterError(
            f"The graph was made from {graph.n_given} rows of {graph.n_dims} columns, but these points have shape "
            f"{tuple(table.shape)}. Pass the same points that neighbors() was given."
        )
    return table


def neighborhoods_of(
    graph: NeighborGraph, points: Points, k: int, *, wanted: npt.NDArray[np.int64] | None = None
) -> Iterator[tuple[slice | npt.NDArray[np.int64], Floats]]:
    """Yield rows of the graph and the coordinates of their k neighbors, `(n_batch, k, n_dims)` float64.

    `points` is the table the graph was made from; its rows are found through `graph.rows`. Rows come in slices that
    cover the graph, or, if only some are `wanted`, as their numbers.
    """
    values = points_of(graph, points).cpu().numpy()
    size = max(1, VALUES_PER_BATCH // (k * graph.n_dims))
    for start in range(0, len(graph.indices) if wanted is None else len(wanted), size):
        batch = slice(start, start + size) if wanted is None else wanted[start : start + size]
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


def coinciding(neighborhood: Floats, distances: Floats) -> npt.NDArray[np.bool_]:
    """Say, `(n_batch,)`, where all neighbors are copies of one point: centering would leave rounding and no more."""
    found: npt.NDArray[np.bool_] = distances[:, 0] == distances[:, -1]
    found[found] = (neighborhood[found] == neighborhood[found, :1]).all(axis=(1, 2))
    return found
