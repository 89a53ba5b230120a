"""Two local estimators that need distances only: MOM (method of moments) and MADA (manifold-adaptive)."""

import math

import numpy as np
import numpy.typing as npt

from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import Aggregation, aggregate
from theodolite.dimension.ratios import require_neighbors, require_whole
from theodolite.dimension.spread import pair_weights, variance_of_sum
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
    k = require_whole(k, "k", least=2, method="mom", why="one distance is its own mean")
    require_neighbors(graph, k, method="mom")
    farthest = graph.distances[:, k - 1]
    shares = np.divide(graph.distances[:, :k].mean(axis=1), farthest, out=np.ones(len(farthest)), where=farthest > 0)
    tied = graph.distances[:, 0] == farthest
    shares[tied] = 1.0
    pointwise = np.divide(shares, 1 - shares, out=np.full(len(shares), np.inf), where=shares < 1)
    return aggregate(pointwise, graph, k=k, method="mom", aggregation=aggregation)


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
    k = require_whole(k, "k", least=2, method="mada", why="it compares neighbors k and k/2")
    require_neighbors(graph, k, method="mada")
    near, far = graph.distances[:, k // 2 - 1], graph.distances[:, k - 1]
    logs = np.log(np.divide(far, near, out=np.ones(len(far)), where=near > 0))
    pointwise = np.divide(math.log(2), logs, out=np.full(len(far), np.nan), where=logs > 0)
    kept = np.isfinite(pointwise)

    def variance(scores: Floats, voices: Floats) -> float:
        gradients = -np.sqrt(voices[kept]) * pointwise[kept] / math.log(2)
        return variance_of_sum(scores[kept], graph, kept, weights=pair_weights(k // 2, k), gradients=gradients)

    return aggregate(pointwise, graph, k=k, method="mada", aggregation=aggregation, variance=variance)
