"""Two local estimators that need distances only: MOM (method of moments) and MADA (manifold-adaptive)."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import Aggregation, aggregate
from theodolite.dimension.ratios import logs_of_ratios, require_neighbors, require_whole
from theodolite.dimension.spread import pair_weights, variances_of_sums
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]


def mom(graph: NeighborGraph, *, k: int = 20, aggregation: Aggregation = "mean") -> DimensionEstimate:
    """Measure the dimension from the mean distance to k neighbors; positive, dimensionless.

    Parameters
    ----------
    graph : NeighborGraph
        At least `k` neighbors for each point.
    k : int
        Neighbors compared, at least 2.
    aggregation : {"mean", "median", "harmonic"}
        How the local dimensions become one number.

    Returns
    -------
    DimensionEstimate
        `pointwise` holds one dimension for each point, infinite where all k neighbors are equally far (left out of the
        aggregate and counted in `n_dropped`).

    Raises
    ------
    ParameterError
        If `k` is below 2 or beyond the graph.
    PointsError
        If fewer than two neighborhoods fix a dimension.

    Notes
    -----
    With w = d_k and m the mean of d_1 ... d_k, the dimension is m / (w - m), because the mean of r is w d/(d+1) in a
    ball. Zero distances are distances here: nothing is divided by them. Equal to scikit-dimension's `MOM`.

    Standard error: influence of each point, on others included (`spread`), with the distances that a ball of the mean
    dimension has on average.

    References
    ----------
    L. Amsaleg et al., Extreme-value-theoretic estimation of local intrinsic dimensionality, Data Min. Knowl. Disc.
    32, 1768 (2018), doi:10.1007/s10618-018-0578-6.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.random.default_rng(0).random(size=(1000, 2))
    >>> round(mom(neighbors(points, k=20)).value, 1)
    2.2
    """
    k = check_mom(k)
    require_neighbors(graph, k, method="mom")
    pointwise = mom_of_each(graph.distances[:, :k])

    def variance(scores: Floats, voices: Floats) -> float:
        some, n_points = (scores[None], voices[None]), np.array([len(graph.rows)])
        found = mom_variances(*some, pointwise[None], graph.indices[None], n_points, k=k, numbers=graph.queries)
        return float(found[0])

    return aggregate(pointwise, graph, k=k, method="mom", aggregation=aggregation, variance=variance)


def check_mom(k: int) -> int:
    """Return the number of neighbors as a plain whole number; refuse one."""
    return require_whole(k, "k", least=2, method="mom", why="one distance is its own mean")


def mom_of_each(distances: Floats) -> Floats:
    """Return the dimension of each point, `(...)`, from the distances to its neighbors, `(..., k)`."""
    farthest = distances[..., -1]
    shares = np.divide(distances.mean(axis=-1), farthest, out=np.ones(farthest.shape), where=farthest > 0)
    shares[distances[..., 0] == farthest] = 1.0
    pointwise: Floats = np.divide(shares, 1 - shares, out=np.full(shares.shape, np.inf), where=shares < 1)
    return pointwise


def mom_variances(
    scores: Floats,
    voices: Floats,
    pointwise: Floats,
    indices: npt.NDArray[np.integer[Any]],
    lengths: npt.NDArray[np.int64],
    *,
    k: int,
    numbers: npt.NDArray[np.int64] | None = None,
) -> Floats:
    """Return the variance of the sum of the scores of each cloud; arguments as in `variances_of_sums`."""
    found = np.empty(len(scores))
    for cloud, length in enumerate(lengths.tolist()):
        some = (slice(cloud, cloud + 1), slice(length if numbers is None else None))
        kept = voices[some] > 0
        local = np.where(kept & np.isfinite(pointwise[some]), pointwise[some], 1.0)
        dimension = float(local[kept].mean())
        found[some[0]] = variances_of_sums(
            scores[some],
            kept,
            indices[some],
            lengths[some[0]],
            weights=_mom_weights(k, dimension),
            gradients=voices[some] * (1 + local) ** 2 / dimension,
            numbers=numbers,
        )
    return found


def _mom_weights(k: int, dimension: float) -> Floats:
    """Return what one more neighbor at rank 1 ... k changes the mean distance over the largest by, times the dimension.

    All beyond it move one rank back, and ln r_(i+1) - ln r_i is 1/(i d) on average.
    """
    ranks = np.arange(1, k + 1)
    slopes = (ranks / k) ** (1 / dimension) / k
    slopes[-1] -= slopes.sum()
    weights: Floats = -np.cumsum((slopes / ranks)[::-1])[::-1]
    return weights


def mada(graph: NeighborGraph, *, k: int = 20, aggregation: Aggregation = "mean") -> DimensionEstimate:
    """Measure the dimension from the distances to neighbors k and k/2; positive, dimensionless.

    Parameters
    ----------
    graph : NeighborGraph
        At least `k` neighbors for each point.
    k : int
        Farther neighbor, at least 2; the nearer one is k // 2.
    aggregation : {"mean", "median", "harmonic"}
        How the local dimensions become one number. The harmonic mean is (up to a factor near 1) GRIDE at (k/2, k).

    Returns
    -------
    DimensionEstimate
        `pointwise` holds one dimension for each point; NaN where both neighbors are equally far or the nearer is a copy
        (left out of the aggregate and counted in `n_dropped`).

    Raises
    ------
    ParameterError
        If `k` is below 2 or beyond the graph.
    PointsError
        If fewer than two neighborhoods fix a dimension.

    Notes
    -----
    ln(2) / ln(d_k / d_(k/2)). Standard error of the mean: influence of each point, on others included (`spread`). Equal
    to scikit-dimension's `MADA`, which takes zero distances for the largest one of the cloud.

    References
    ----------
    A. Farahmand, C. Szepesvari, J. Audibert, Manifold-adaptive dimension estimation, ICML (2007),
    doi:10.1145/1273496.1273530.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.random.default_rng(0).random(size=(1000, 2))
    >>> round(mada(neighbors(points, k=20)).value, 1)
    2.1
    """
    k = check_mada(k)
    require_neighbors(graph, k, method="mada")
    pointwise = mada_of_each(graph.distances[:, k // 2 - 1], graph.distances[:, k - 1])
    lengths = np.array([len(graph.rows)])

    def variance(scores: Floats, voices: Floats) -> float:
        some, every = (scores[None], voices[None]), (graph.indices[None], lengths)
        return float(mada_variances(*some, pointwise[None], *every, k=k, numbers=graph.queries)[0])

    return aggregate(pointwise, graph, k=k, method="mada", aggregation=aggregation, variance=variance)


def check_mada(k: int) -> int:
    """Return the number of neighbors as a plain whole number; refuse one."""
    return require_whole(k, "k", least=2, method="mada", why="it compares neighbors k and k/2")


def mada_of_each(near: Floats, far: Floats) -> Floats:
    """Return the dimension of each point from the distances to its neighbors k // 2 and k; NaN where it has none."""
    logs, _ = logs_of_ratios(near, far)
    pointwise: Floats = np.divide(math.log(2), logs, out=np.full(far.shape, np.nan), where=logs > 0)
    return pointwise


def mada_variances(
    scores: Floats,
    voices: Floats,
    pointwise: Floats,
    indices: npt.NDArray[np.integer[Any]],
    lengths: npt.NDArray[np.int64],
    *,
    k: int,
    numbers: npt.NDArray[np.int64] | None = None,
) -> Floats:
    """Return the variance of the sum of the scores of each cloud; arguments as in `variances_of_sums`."""
    kept = voices > 0
    gradients = -np.sqrt(voices) * np.where(kept, pointwise, 0.0) / math.log(2)
    weights = pair_weights(k // 2, k)
    return variances_of_sums(scores, kept, indices, lengths, weights=weights, gradients=gradients, numbers=numbers)
