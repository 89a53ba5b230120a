"""ESS, TLE, local PCA and localised TwoNN for many clouds."""

from collections.abc import Callable, Sequence

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points
from theodolite.dimension.clouds import CloudDimensions, measure_each, require_cloud_neighbors
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import Aggregation
from theodolite.dimension.local_twonn import local_twonn
from theodolite.dimension.principal import local_pca
from theodolite.dimension.skewness import ess
from theodolite.dimension.tight import tle
from theodolite.neighborhoods.clouds import CloudNeighbors
from theodolite.neighborhoods.graph import NeighborGraph


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
        If a point of the clouds is not finite in `points`.

    Examples
    --------
    >>> import numpy as np
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
        If a point of the clouds is not finite in `points`.

    Examples
    --------
    >>> import numpy as np
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).random(size=(2, 500, 2))
    >>> cloud_tle(cloud_neighbors(clouds, k=20), clouds).value.round(1).tolist()
    [[2.1], [2.1]]
    """
    require_cloud_neighbors(clouds, k, method="tle")
    return _each(clouds, points, k, lambda graph, one: tle(graph, one, k=k, epsilon=epsilon, aggregation=aggregation))


def cloud_local_pca(
    clouds: CloudNeighbors,
    points: Points | Sequence[Points],
    *,
    k: int = 100,
    rule: str = "threshold",
    threshold: float = 0.95,
    aggregation: Aggregation = "mean",
) -> CloudDimensions:
    """Measure the dimension of each cloud by principal components of neighborhoods; from 1 to min(k - 1, n_dims).

    Parameters
    ----------
    clouds : CloudNeighbors
        At least `k` neighbors for each point.
    points : torch.Tensor, numpy.ndarray or sequence of them
        The clouds that `cloud_neighbors` was given.
    k, rule, threshold, aggregation
        As in `local_pca`.

    Returns
    -------
    CloudDimensions
        One column; equal to `local_pca(clouds.graph(i), points[i])`.

    Raises
    ------
    ParameterError
        If a setting is out of range, the clouds hold fewer neighbors, or the points are not theirs.
    PointsError
        If a point of the clouds is not finite in `points`.

    Examples
    --------
    >>> import numpy as np
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).normal(size=(2, 300, 3)) @ np.eye(3, 10)
    >>> cloud_local_pca(cloud_neighbors(clouds, k=30), clouds, k=30).value.tolist()
    [[3.0], [3.0]]
    """
    require_cloud_neighbors(clouds, k, method="local_pca")
    return _each(
        clouds,
        points,
        k,
        lambda graph, one: local_pca(graph, one, k=k, rule=rule, threshold=threshold, aggregation=aggregation),
    )


def cloud_local_twonn(
    clouds: CloudNeighbors,
    points: Points | Sequence[Points] | None = None,
    *,
    n_neighbors: int = 128,
    discard: float = 0.1,
    aggregation: Aggregation = "mean",
) -> CloudDimensions:
    """Measure the dimension of each cloud by TwoNN over the neighborhood of each point; positive, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        At least `n_neighbors` neighbors for each point.
    points : torch.Tensor, numpy.ndarray or sequence of them, optional
        The clouds that `cloud_neighbors` was given, to make each neighborhood a cloud of its own, as published.
    n_neighbors, discard, aggregation
        As in `local_twonn`.

    Returns
    -------
    CloudDimensions
        One column; equal to `local_twonn(clouds.graph(i))`, with `points[i]` if given.

    Raises
    ------
    ParameterError
        If a setting is out of range, the clouds hold fewer neighbors, or the points are not theirs.
    PointsError
        If a point of the clouds is not finite in `points`.

    Examples
    --------
    >>> import numpy as np
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).random(size=(2, 500, 2))
    >>> cloud_local_twonn(cloud_neighbors(clouds, k=128)).value.round(1).tolist()
    [[2.0], [1.9]]
    """
    require_cloud_neighbors(clouds, n_neighbors, method="local_twonn")
    each = [None] * len(clouds.lengths) if points is None else _clouds_of(points, clouds)
    return measure_each(
        len(each),
        lambda number: local_twonn(
            clouds.graph(number), each[number], n_neighbors=n_neighbors, discard=discard, aggregation=aggregation
        ),
    )


def _each(
    clouds: CloudNeighbors,
    points: Points | Sequence[Points],
    k: int,
    measure: Callable[[NeighborGraph, Points], DimensionEstimate],
) -> CloudDimensions:
    """Measure cloud after cloud from its graph of k neighbors and its points."""
    each = _clouds_of(points, clouds)
    return measure_each(len(each), lambda number: measure(clouds.graph(number, k), each[number]))


def _clouds_of(points: Points | Sequence[Points], clouds: CloudNeighbors) -> list[Points]:
    """Return the points of each cloud; refuse another number of clouds."""
    each = list(points)
    if len(each) != len(clouds.lengths):
        raise ParameterError(
            f"The neighbors are those of {len(clouds.lengths)} clouds, but {len(each)} clouds of points were given. "
            "Pass the same clouds that cloud_neighbors() was given."
        )
    return each
