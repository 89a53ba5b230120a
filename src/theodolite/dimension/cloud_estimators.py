"""GRIDE, TwoNN and maximum likelihood for many clouds in one pass, equal to the functions for one graph."""

import numpy as np

from theodolite.core.errors import ParameterError
from theodolite.dimension.clouds import (
    CloudDimensions,
    Counts,
    Flags,
    Floats,
    cloud_ratios,
    doubling_reach,
    mean_where,
    require_cloud_neighbors,
    require_cloud_radii,
)
from theodolite.dimension.dadapy import solve_as_dadapy
from theodolite.dimension.gride import Convention as GrideConvention
from theodolite.dimension.gride import settings as gride_settings
from theodolite.dimension.gride_likelihood import scores_at, slopes_at, solve
from theodolite.dimension.likelihood import Aggregation, Errors, check_errors, check_settings, local_dimensions
from theodolite.dimension.spread import mean_weights, pair_weights, variances_of_sums
from theodolite.dimension.twonn import Convention as TwonnConvention
from theodolite.dimension.twonn import Method, censored, line
from theodolite.dimension.twonn import settings as twonn_settings
from theodolite.neighborhoods.clouds import CloudNeighbors


def cloud_gride(
    clouds: CloudNeighbors,
    *,
    largest: int | None = None,
    convention: GrideConvention = "exact",
    errors: Errors | None = None,
) -> CloudDimensions:
    """Measure the dimension of each cloud at the doubling scales (1, 2), (2, 4), ...; positive, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        At least two neighbors for each point, or the distances to neighbors 2, 4, ... among its `ranks`.
    largest, convention, errors
        As in `gride`. By default all scales that the clouds hold; of those beyond their `k` there are distances only,
        so `errors` must be `"fisher"` then.

    Returns
    -------
    CloudDimensions
        One column for each scale, nearest first. With `convention="dadapy"` the radius is the mean of both neighbors'
        distances, as there.

    Raises
    ------
    ParameterError
        If `largest` is below 2 or beyond what the clouds hold, or a choice is unknown or contradicts another, or
        `errors` needs more neighbors than are held.

    Notes
    -----
    Equal to `gride(clouds.graph(i))` for each cloud to rounding; one Newton iteration serves all clouds. With
    `errors="neighbors"` each pair of neighbors is looked at once for each scale: at k = 256 that takes several times as
    long as the estimates themselves, and `"fisher"` next to nothing.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).normal(size=(3, 500, 2))
    >>> cloud_gride(cloud_neighbors(clouds, k=8)).value.round(1).tolist()
    [[1.9, 2.0, 2.0], [2.1, 2.0, 2.1], [2.1, 2.2, 2.0]]
    """
    reach = max(clouds.k, doubling_reach(clouds)) if largest is None else largest
    kind, scales = gride_settings(reach, convention, errors)
    require_cloud_radii(clouds, reach, method="gride")
    if kind == "neighbors" and 2 * scales[-1] > clouds.k:
        raise ParameterError(
            f'errors="neighbors" looks at the lists of {2 * scales[-1]} neighbors, but the clouds hold {clouds.k} for '
            f'each point and only distances beyond. Pass errors="fisher", or k={2 * scales[-1]} to cloud_neighbors().'
        )
    shape = (len(clouds.lengths), len(scales))
    value, stderr, radius = np.empty(shape), np.empty(shape), np.empty(shape)
    n_used = np.empty(shape, dtype=np.int64)
    for column, n1 in enumerate(scales):
        measure = _gride_as_dadapy if convention == "dadapy" else _gride
        value[:, column], stderr[:, column], radius[:, column], n_used[:, column] = measure(clouds, n1, kind)
    return CloudDimensions(
        value=value,
        stderr=stderr,
        radius=radius,
        n_used=n_used,
        n_dropped=clouds.lengths[:, None] - n_used,
        n1=np.array(scales),
        n2=2 * np.array(scales),
        method="gride",
        params={"convention": convention, "errors": kind},
        n_dims=clouds.n_dims,
    )


def _gride(clouds: CloudNeighbors, n1: int, errors: Errors) -> tuple[Floats, Floats, Floats, Counts]:
    n2 = 2 * n1
    ratios = cloud_ratios(clouds, n1, n2)
    value = solve(ratios.values, ratios.kept, n1, n2)
    scores, information = scores_at(ratios.values, ratios.kept, value, n1, n2)
    if errors == "fisher":
        return value, 1 / np.sqrt(information), ratios.radius, ratios.n_used
    gradients = slopes_at(ratios.values, value, n1, n2) / value[:, None]
    variance = _variances(scores, ratios.kept, clouds, weights=pair_weights(n1, n2), gradients=gradients)
    return value, np.sqrt(variance) / information, ratios.radius, ratios.n_used


def _gride_as_dadapy(clouds: CloudNeighbors, n1: int, _: Errors) -> tuple[Floats, Floats, Floats, Counts]:
    near, far = clouds.distances_to(n1), clouds.distances_to(2 * n1)
    value, stderr, n_used = solve_as_dadapy(near, far, clouds.lengths, n1, 2 * n1)
    present = np.arange(near.shape[1]) < clouds.lengths[:, None]
    return value, stderr, (mean_where(near, present) + mean_where(far, present)) / 2, n_used


def cloud_twonn(
    clouds: CloudNeighbors,
    *,
    discard: float | None = None,
    method: Method = "fit",
    convention: TwonnConvention | None = None,
    errors: Errors = "neighbors",
) -> CloudDimensions:
    """Measure the dimension of each cloud from the two nearest neighbors of each point; positive, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        At least two neighbors for each point.
    discard, method, convention, errors
        As in `twonn`.

    Returns
    -------
    CloudDimensions
        One column; equal to `twonn(clouds.graph(i))` for each cloud to rounding.

    Raises
    ------
    ParameterError
        If a setting is out of range, unknown or contradicts another.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).normal(size=(3, 500, 2))
    >>> cloud_twonn(cloud_neighbors(clouds, k=2)).value.round(1).tolist()
    [[1.9], [2.1], [2.0]]
    """
    share, rule = twonn_settings(discard, method, convention)
    check_errors(errors)
    require_cloud_neighbors(clouds, 2, method="twonn")
    ratios = cloud_ratios(clouds, 1, 2)
    n_used, kept = ratios.n_used, ratios.kept
    n_keep = (n_used * (1 - share)).astype(np.int64)
    order = np.argsort(np.where(kept, ratios.values, np.inf), axis=1, kind="stable")
    ascending = np.take_along_axis(ratios.values, order, axis=1)
    infinite = (n_keep == n_used) & (rule == "i/N")
    fixes = (n_keep >= 2) & ~infinite
    n_keep = np.where(fixes, n_keep, 0)
    solver = line if method == "fit" else censored
    value, sorted_scores, sorted_gradients = solver(ascending, np.maximum(n_used, 1), n_keep, rule)
    scores, gradients = np.empty_like(sorted_scores), np.empty_like(sorted_scores)
    np.put_along_axis(scores, order, sorted_scores, axis=1)
    np.put_along_axis(gradients, order, sorted_gradients, axis=1)
    if errors == "neighbors":
        slopes = gradients / value[:, None]
        variance = _variances(scores, kept, clouds, weights=pair_weights(1, 2), gradients=slopes)
    elif method == "fit":
        variance = np.einsum("cp,cp,cp->c", scores, scores, kept)
    else:
        variance = value**2 * n_used**2 / np.maximum(n_keep, 1)
    return CloudDimensions(
        value=value[:, None],
        stderr=(np.sqrt(variance) / np.maximum(n_used, 1))[:, None],
        radius=ratios.radius[:, None],
        n_used=n_used[:, None],
        n_dropped=(clouds.lengths - n_used)[:, None],
        n1=np.array([1]),
        n2=np.array([2]),
        method="twonn",
        params={"method": method, "discard": share, "convention": rule, "errors": errors},
        n_dims=clouds.n_dims,
    )


def cloud_mle(
    clouds: CloudNeighbors,
    *,
    k: int = 20,
    aggregation: Aggregation = "harmonic",
    unbiased: bool = False,
    errors: Errors = "neighbors",
) -> CloudDimensions:
    """Measure the dimension of each cloud by maximum likelihood from k neighbors; positive, dimensionless.

    Parameters
    ----------
    clouds : CloudNeighbors
        At least `k` neighbors for each point.
    k, aggregation, unbiased, errors
        As in `mle`.

    Returns
    -------
    CloudDimensions
        One column; equal to `mle(clouds.graph(i))` for each cloud to rounding.

    Raises
    ------
    ParameterError
        If `k` is too small or more than the clouds hold, or `aggregation` or `errors` is unknown.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.random.default_rng(0).normal(size=(3, 500, 2))
    >>> cloud_mle(cloud_neighbors(clouds, k=10), k=10).value.round(1).tolist()
    [[2.0], [2.1], [2.1]]
    """
    check_settings(k, aggregation, unbiased, errors)
    require_cloud_neighbors(clouds, k, method="mle")
    n_clouds, n_longest, _ = clouds.distances.shape
    present = np.arange(n_longest) < clouds.lengths[:, None]
    lids, inverse, kept = (np.zeros((n_clouds, n_longest)) for _ in range(3))
    lids[present], inverse[present], kept[present] = local_dimensions(
        clouds.distances[present, :k].astype(np.float64), unbiased=unbiased
    )
    some = kept.astype(np.bool_)
    fixes = (some.sum(axis=1) >= 2) & np.where(some, inverse, 0.0).any(axis=1)
    if aggregation == "mean":
        some &= np.isfinite(lids)
    used = some.sum(axis=1)
    counts = np.maximum(used, 1)
    if aggregation == "harmonic":
        value = 1 / np.where(fixes, mean_where(inverse, some), np.nan)
        scores, gradients = inverse, np.repeat(1 / value[:, None], n_longest, axis=1)
        factor = value**2
    elif aggregation == "mean":
        value, scores, gradients = np.where(fixes, mean_where(lids, some), np.nan), lids, -lids
        factor = np.full(n_clouds, 1.0 if k > 3 else np.nan)
    else:
        value, scores = _medians(lids, some)
        value = np.where(fixes & np.isfinite(value), value, np.nan)
        gradients = np.repeat(-value[:, None], n_longest, axis=1)
        factor = np.where(np.isnan(value), np.nan, 1.0)
    if errors == "neighbors":
        variance = _variances(scores, some, clouds, weights=mean_weights(k), gradients=gradients)
        stderr = factor * np.sqrt(variance) / counts
    elif aggregation == "harmonic":
        stderr = value / np.sqrt(counts * (k - 1))
    else:
        factor = np.where(np.isfinite(np.where(some, scores, 0.0)).all(axis=1), factor, np.nan)
        scores = np.where(np.isfinite(scores), scores, 0.0)
        centered = np.where(some, scores - mean_where(scores, some)[:, None], 0.0)
        stderr = factor * np.sqrt(np.einsum("cp,cp->c", centered, centered)) / counts
    return CloudDimensions(
        value=value[:, None],
        stderr=stderr[:, None],
        radius=mean_where(clouds.distances[:, :, k - 1].astype(np.float64), some)[:, None],
        n_used=used[:, None],
        n_dropped=(clouds.lengths - used)[:, None],
        n1=np.array([1]),
        n2=np.array([k]),
        method="mle",
        params={"k": k, "aggregation": aggregation, "unbiased": unbiased, "errors": errors},
        n_dims=clouds.n_dims,
        pointwise=np.where(present, lids, np.nan),
    )


def _medians(values: Floats, kept: Flags) -> tuple[Floats, Floats]:
    """Return the median of each cloud and the influence of each value on it (see `likelihood`)."""
    ascending = np.sort(np.where(kept, values, np.inf), axis=1)
    counts = np.maximum(kept.sum(axis=1), 1)
    medians = _quantiles(ascending, counts, np.full(len(values), 0.5))
    width = np.minimum(0.25, 0.6 * counts**-0.2)
    low = _quantiles(ascending, counts, 0.5 - width / 2)
    high = _quantiles(ascending, counts, 0.5 + width / 2)
    below: Flags = values <= medians[:, None]
    scores = (0.5 - below) * ((high - low) / width)[:, None]
    return medians, scores


def _quantiles(ascending: Floats, counts: Counts, shares: Floats) -> Floats:
    """Interpolate linearly between the first `counts` order statistics of each row."""
    place = shares * (counts - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, counts - 1)
    rows = np.arange(len(counts))
    first, second = ascending[rows, below], ascending[rows, above]
    with np.errstate(invalid="ignore"):  # between two infinities there is nothing to interpolate
        between: Floats = np.where(first == second, first, first + (second - first) * (place - below))
    return between


def _variances(scores: Floats, kept: Flags, clouds: CloudNeighbors, *, weights: Floats, gradients: Floats) -> Floats:
    """Return the variance of the sum of the scores of each cloud; NaN where the scores are."""
    known: Floats = np.where(np.isfinite(scores) | ~kept, 0.0, np.nan).sum(axis=1)  # NaN where a score is not finite
    scores = np.where(np.isfinite(scores), scores, 0.0)
    gradients = np.where(np.isfinite(gradients), gradients, 0.0)
    empty = ~kept.any(axis=1)
    some = kept | (empty.reshape(-1, 1) & (np.arange(kept.shape[1]) == 0))
    variances = variances_of_sums(scores, some, clouds.indices, clouds.lengths, weights=weights, gradients=gradients)
    return np.where(empty, np.nan, variances) + known
