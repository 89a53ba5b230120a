"""MOM, MADA and the correlation dimension for many clouds: what distances alone tell."""

import numpy as np

from theodolite.core.errors import ParameterError
from theodolite.dimension.clouds import (
    CloudDimensions,
    Floats,
    aggregate_clouds,
    measure_each,
    require_cloud_neighbors,
)
from theodolite.dimension.correlation import of_pairs
from theodolite.dimension.correlation import settings as correlation_settings
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import Aggregation
from theodolite.dimension.moments import check_mada, check_mom, mada_of_each, mada_variances, mom_of_each, mom_variances
from theodolite.neighborhoods.clouds import CloudNeighbors


def cloud_mom(clouds: CloudNeighbors, *, k: int = 20, aggregation: Aggregation = "mean") -> CloudDimensions:
    """Measure the dimension of each cloud from the mean distance to k neighbors; positive, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        At least `k` neighbors for each point.
    k, aggregation
        As in `mom`.

    Returns
    -------
    CloudDimensions
        One column; equal to `mom(clouds.graph(i))` for each cloud to rounding.

    Raises
    ------
    ParameterError
        If `k` is below 2 or more than the clouds hold, or `aggregation` is unknown.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).random(size=(3, 500, 2))
    >>> cloud_mom(cloud_neighbors(clouds, k=20)).value.round(1).tolist()
    [[2.1], [2.1], [2.2]]
    """
    k = check_mom(k)
    require_cloud_neighbors(clouds, k, method="mom")
    pointwise = mom_of_each(clouds.distances[:, :, :k].astype(np.float64))

    def variances(scores: Floats, voices: Floats) -> Floats:
        return mom_variances(scores, voices, pointwise, clouds.indices, clouds.lengths, k=k)

    return aggregate_clouds(pointwise, clouds, k=k, method="mom", aggregation=aggregation, variances=variances)


def cloud_mada(clouds: CloudNeighbors, *, k: int = 20, aggregation: Aggregation = "mean") -> CloudDimensions:
    """Measure the dimension of each cloud from the distances to neighbors k and k/2; positive, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        At least `k` neighbors for each point.
    k, aggregation
        As in `mada`.

    Returns
    -------
    CloudDimensions
        One column; equal to `mada(clouds.graph(i))` for each cloud to rounding.

    Raises
    ------
    ParameterError
        If `k` is below 2 or more than the clouds hold, or `aggregation` is unknown.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).random(size=(3, 500, 2))
    >>> cloud_mada(cloud_neighbors(clouds, k=20)).value.round(1).tolist()
    [[2.1], [2.0], [2.1]]
    """
    k = check_mada(k)
    require_cloud_neighbors(clouds, k, method="mada")
    pointwise = mada_of_each(clouds.distances_to(k // 2), clouds.distances_to(k))

    def variances(scores: Floats, voices: Floats) -> Floats:
        return mada_variances(scores, voices, pointwise, clouds.indices, clouds.lengths, k=k)

    return aggregate_clouds(pointwise, clouds, k=k, method="mada", aggregation=aggregation, variances=variances)


def cloud_correlation_dimension(clouds: CloudNeighbors, *, k1: int = 10, k2: int = 20) -> CloudDimensions:
    """Measure the dimension of each cloud by the growth of the number of pairs; at least 0, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        Neighbors out to the larger radius for every point: more than `k2`, because dense regions hold more.
    k1, k2
        As in `correlation_dimension`: each cloud has radii of its own.

    Returns
    -------
    CloudDimensions
        One column; equal to `correlation_dimension(clouds.graph(i))`.

    Raises
    ------
    ParameterError
        If `k1 < k2` does not hold, or the neighbors held end inside the larger radius for some points of a cloud; the
        message names the cloud.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).random(size=(3, 500, 2))
    >>> cloud_correlation_dimension(cloud_neighbors(clouds, k=64)).value.round(1).tolist()
    [[1.9], [2.0], [2.0]]
    """
    k1, k2 = correlation_settings(k1, k2)
    require_cloud_neighbors(clouds, k2, method="correlation_dimension")

    def measure(number: int) -> DimensionEstimate:
        distances = clouds.distances[number, : clouds.lengths[number]].astype(np.float64)
        try:
            return of_pairs(distances, k1, k2, n_dims=clouds.n_dims)
        except ParameterError as error:
            raise ParameterError(f"Cloud {number}: {error}") from error

    return measure_each(len(clouds.lengths), measure)
