"""A neighborhood of its own for each point, as large as its density is constant; for one cloud and for many."""

import math
from dataclasses import replace

import numpy as np

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension.clouds import CloudDimensions, measure_each, require_cloud_neighbors
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.homogeneity import SMALLEST, constant_within, density_limits
from theodolite.dimension.local import NoDimensionError
from theodolite.dimension.ratios import require_neighbors
from theodolite.dimension.spread import variance_of_local_sum
from theodolite.dimension.twonn import twonn
from theodolite.neighborhoods.clouds import CloudNeighbors
from theodolite.neighborhoods.graph import NeighborGraph

_ROUNDS = 20
_CLOSE_ENOUGH = 1e-4


def adaptive(graph: NeighborGraph) -> DimensionEstimate:
    """Measure the dimension with a neighborhood of its own for each point, as large as its density is constant.

    Parameters
    ----------
    graph : NeighborGraph
        Neighbors for each point, all points searched; 64 or more, so that neighborhoods end before the graph does.

    Returns
    -------
    DimensionEstimate
        `n2` is the median k*; `params` hold the share of points whose k* ends with the graph (`at_ceiling`): if it is
        large, the graph is too small to decide. `radius` is the mean distance to neighbor k*.

    Raises
    ------
    ParameterError
        If the graph is too small or has queries.
    PointsError
        If TwoNN reads no dimension to start from, or no neighbor lies inside any of the inner balls.

    Notes
    -----
    In the manner of ABIDE. Start from TwoNN and repeat: k* for the dimension d at hand, then count how many of the
    k* - 1 neighbors inside the ball lie within the fraction tau = 0.2032^(1/d) of its radius; under constant density
    each does with probability tau^d, so d = ln(sum of counts / sum of (k* - 1)) / ln(tau). It ends when d changes by
    less than 1e-4 of itself, or after 20 rounds.

    Standard error: binomial scores with the products of near pairs (`spread`), k* taken as given: 70 to 130 % of the
    spread over repeated samples.

    References
    ----------
    A. Di Noia, I. Macocco, A. Glielmo, A. Laio, C. Zeni, Beyond the noise: intrinsic dimension estimation with optimal
    neighbourhood identification, arXiv:2405.15132 (2024).

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> cloud = np.random.default_rng(0).random(size=(500, 2))
    >>> round(adaptive(neighbors(cloud, k=64)).value, 1)  # neighborhoods of 63 of 500 points meet the boundary
    1.8
    """
    require_neighbors(graph, SMALLEST + 1, method="adaptive")
    if graph.queries is not None:
        raise ParameterError("adaptive compares points with their neighbors: make the graph without queries.")
    n_points, held = graph.distances.shape
    unread = DimensionEstimate(
        value=math.nan,
        stderr=math.nan,
        method="adaptive",
        params={"rounds": 0, "at_ceiling": math.nan},
        n1=1,
        n2=None,
        radius=math.nan,
        n_used=0,
        n_dropped=n_points,
        n_dims=graph.n_dims,
    )
    try:
        dimension = twonn(graph, method="ml", errors="fisher").value
    except PointsError as error:
        raise NoDimensionError(str(error), unread) from error
    limits = density_limits(graph)
    every = np.arange(n_points)
    rounds, before = 0, math.inf
    while rounds < _ROUNDS and abs(dimension - before) >= _CLOSE_ENOUGH * dimension:
        rounds += 1
        reached = constant_within(limits, dimension)
        fraction = 0.2032 ** (1 / dimension)
        radius = graph.distances[every, reached - 1]
        counts = np.count_nonzero(graph.distances < (fraction * radius)[:, None], axis=1)
        trials = reached - 1
        probability = float(counts.sum() / trials.sum())
        if probability == 0:
            raise NoDimensionError(
                f"No neighbor lies within {fraction:.3f} of the distance to neighbor k*: adaptive can read nothing.",
                unread,
            )
        before, dimension = dimension, math.log(probability) / math.log(fraction)
    total = variance_of_local_sum(counts - probability * trials, graph, np.ones(n_points, dtype=np.bool_))
    return replace(
        unread,
        value=dimension,
        stderr=math.sqrt(total) / (float(trials.sum()) * probability * abs(math.log(fraction))),
        params={"rounds": rounds, "at_ceiling": float(np.mean(reached == held - 1))},
        n2=int(np.median(reached)),
        radius=float(radius.mean()),
        n_used=n_points,
        n_dropped=0,
    )


def cloud_adaptive(clouds: CloudNeighbors) -> CloudDimensions:
    """Measure the dimension of each cloud with a neighborhood of its own for each point; positive, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        Neighbors for each point; 64 or more, so that neighborhoods end before the lists do.

    Returns
    -------
    CloudDimensions
        One column; equal to `adaptive(clouds.graph(i))`. `n2`, one for each cloud, is the median k*; `choices` hold
        `rounds` and `at_ceiling`.

    Raises
    ------
    ParameterError
        If the clouds hold fewer than 4 neighbors.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).random(size=(2, 500, 2))
    >>> found = cloud_adaptive(cloud_neighbors(clouds, k=64))
    >>> found.value.round(1).tolist(), found.n2.tolist()
    ([[1.8], [1.8]], [[63], [63]])
    """
    require_cloud_neighbors(clouds, SMALLEST + 1, method="adaptive")
    return measure_each(
        len(clouds.lengths), lambda number: adaptive(clouds.graph(number)), choices=("n2", "rounds", "at_ceiling")
    )
