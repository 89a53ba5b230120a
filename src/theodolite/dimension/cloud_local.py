"""ESS and TLE for many clouds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points
from theodolite.dimension.clouds import CloudDimensions, require_cloud_neighbors
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import Aggregation
from theodolite.dimension.skewness import ess
from theodolite.dimension.tight import tle
from theodolite.neighborhoods.clouds import CloudNeighbors


def cloud_ess(
    clouds: CloudNeighbors,
    points: Points | Sequence[Points],
    *,
    k: int = 10,
    version: str = "a",
    aggregation: Aggregation = "mean",
) -> CloudDimensions:
    """Measure the dimension of each cloud by expected simplex skewness; at least 1, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        At least `k` neighbors for each point.
    points : torch.Tensor, numpy.ndarray or sequence of them
        The clouds that `cloud_neighbors` was given.
    k, version, aggregation
        As in `ess`.

    Returns
    -------
    CloudDimensions
        One column; equal to `ess(clouds.graph(i), points[i])`.

    Raises
    ------
    ParameterError
        If a setting is out of range, the clouds hold fewer neighbors, or the points are not theirs.
    PointsError
        If fewer than two neighborhoods of a cloud fix a dimension.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).normal(size=(2, 500, 3)) @ np.eye(3, 10)
    >>> cloud_ess(cloud_neighbors(clouds, k=20), clouds, k=20).value.round(1).tolist()
    [[3.1], [3.0]]
    """
    require_cloud_neighbors(clouds, k, method="ess")
    return _each(clouds, points, k, lambda graph, one: ess(graph, one, k=k, version=version, aggregation=aggregation))


def cloud_tle(
    clouds: CloudNeighbors,
    points: Points | Sequence[Points],
    *,
    k: int = 20,
    epsilon: float = 1e-4,
    aggregation: Aggregation = "mean",
) -> CloudDimensions:
    """Measure the dimension of each cloud by tight-locality estimation; positive, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        At least `k` neighbors for each point.
    points : torch.Tensor, numpy.ndarray or sequence of them
        The clouds that `cloud_neighbors` was given.
    k, epsilon, aggregation
        As in `tle`.

    Returns
    -------
    CloudDimensions
        One column; equal to `tle(clouds.graph(i), points[i])`.

    Raises
    ------
    ParameterError
        If a setting is out of range, the clouds hold fewer neighbors, or the points are not theirs.
    PointsError
        If fewer than two neighborhoods of a cloud fix a dimension.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).random(size=(2, 500, 2))
    >>> cloud_tle(cloud_neighbors(clouds, k=20), clouds).value.round(1).tolist()
    [[2.1], [2.1]]
    """
    require_cloud_neighbors(clouds, k, method="tle")
    return _each(clouds, points, k, lambda graph, one: tle(graph, one, k=k, epsilon=epsilon, aggregation=aggregation))


def _each(
    clouds: CloudNeighbors,
    points: Points | Sequence[Points],
    k: int,
    measure: Callable[[Any, Points], DimensionEstimate],
) -> CloudDimensions:
    """Measure cloud after cloud: the neighborhoods of one fill the cache, and all its points are done at once."""
    each = list(points)
    if len(each) != len(clouds.lengths):
        raise ParameterError(
            f"The neighbors are those of {len(clouds.lengths)} clouds, but {len(each)} clouds of points were given. "
            "Pass the same clouds that cloud_neighbors() was given."
        )
    found = [measure(clouds.graph(number, k), one) for number, one in enumerate(each)]
    return CloudDimensions(
        value=np.array([[one.value] for one in found]),
        stderr=np.array([[one.stderr] for one in found]),
        radius=np.array([[one.radius] for one in found]),
        n_used=np.array([[one.n_used] for one in found]),
        n_dropped=np.array([[one.n_dropped] for one in found]),
        n1=np.array([1]),
        n2=np.array([k]),
        method=found[0].method,
        params=found[0].params,
        n_dims=clouds.n_dims,
    )
