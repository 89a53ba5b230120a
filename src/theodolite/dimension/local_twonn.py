"""TwoNN in smaller places: a reading for the neighborhood of each point."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import VALUES_PER_BATCH, Aggregation, aggregate, in_range, neighborhoods_of
from theodolite.dimension.ratios import logs_of_ratios, require_neighbors, require_whole
from theodolite.dimension.spread import pair_weights, variance_of_local_sum, variance_of_sum
from theodolite.dimension.twonn import line, settings
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]

_CANDIDATES = 3  # nearest by products; the two nearest of them by differences
_FLAGS_AT_ONCE = 1 << 24  # 16 MiB for which points are in which neighborhoods
_FIRST_LOOK = 16  # entries of a list among which the two nearest inside mostly are


def local_twonn(
    graph: NeighborGraph,
    points: Points | None = None,
    *,
    n_neighbors: int = 128,
    discard: float = 0.1,
    aggregation: Aggregation = "mean",
) -> DimensionEstimate:
    """Measure a dimension for each point by TwoNN over its neighborhood; positive, dimensionless.

    Parameters
    ----------
    graph : NeighborGraph
        At least `n_neighbors` neighbors for each point, all points searched.
    points : torch.Tensor or numpy.ndarray, optional
        `(n_given, n_dims)`: the points the graph was made from. If given, each neighborhood is a cloud of its own, as
        published (see Notes); by default the two nearest neighbors are those in the whole cloud.
    n_neighbors : int
        Points of a neighborhood beside the point itself, at least 2 (3 with `points`).
    discard : float
        Share of the largest ratios of a neighborhood left out of the published fit, in (0, 1). Of no meaning without
        `points`.
    aggregation : {"mean", "median", "harmonic"}
        How the local dimensions become one number.

    Returns
    -------
    DimensionEstimate
        `pointwise` holds a dimension for each point, with a relative error of about 1/sqrt(n_neighbors); NaN where no
        pooled ratio exceeds 1.

    Raises
    ------
    ParameterError
        If `n_neighbors` is too small or beyond the graph, `discard` is outside (0, 1), the graph has queries, or the
        points are not those of the graph.
    PointsError
        If fewer than two neighborhoods fix a dimension.

    Notes
    -----
    By default (m - 1) / sum of ln(r_2 / r_1) over the point and its neighbors, m their number. The two nearest
    neighbors of each are those in the whole cloud, so that points at the rim of a neighborhood are not measured against
    a boundary that is not there.

    With `points`, what arXiv:2506.01034 reports (n_neighbors=128, discard=0.1, mean; duplicates collapsed): the
    neighbors of the point, without the point, are searched among themselves, and the line of `twonn` is fitted to
    their ratios. At the rim of a neighborhood nearer points are missing, and high dimensions read lower. Equal to
    scikit-dimension's `TwoNN(discard_fraction=0.1).fit_pw`. The two nearest inside are the first two of a point's own
    list of neighbors that are in the neighborhood; where a list ends before, and where the graph is approximate or not
    of Euclidean distances, they are measured from `points`.

    Standard error: neighborhoods overlap, and each ratio is read by all of those that hold its point. The influence of
    a point is therefore summed over them, which makes the error that of about one TwoNN reading of the whole cloud,
    and not 1/sqrt(n) of the local scatter. The median has the relative error of the mean.

    References
    ----------
    B. Ruppik et al., Less is more: local intrinsic dimensions of contextual language models, arXiv:2506.01034 (2025).

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.random.default_rng(0).random(size=(500, 2))
    >>> graph = neighbors(points, k=128)
    >>> round(local_twonn(graph).value, 1), round(local_twonn(graph, points).value, 1)
    (2.0, 2.1)
    """
    least = 2 if points is None else 3
    n_neighbors = require_whole(n_neighbors, "n_neighbors", least=least, method="local_twonn")
    require_neighbors(graph, n_neighbors, method="local_twonn")
    if graph.queries is not None:
        raise ParameterError("local_twonn pools the ratios of neighbors: make the graph without queries.")
    if points is None:
        return _pooled(graph, n_neighbors, aggregation)
    share, _ = settings(discard, "fit", "i/N")
    return _inside(graph, points, n_neighbors, share, aggregation)


def _pooled(graph: NeighborGraph, n_neighbors: int, aggregation: Aggregation) -> DimensionEstimate:
    """Pool the ratios that the neighbors have in the whole cloud."""
    n_points = len(graph.rows)
    logs, kept = logs_of_ratios(graph.distances[:, 0], graph.distances[:, 1])
    counts = kept.astype(np.float64)
    nearest = graph.indices[:, :n_neighbors]
    total = logs + logs[nearest].sum(axis=1)
    pooled = counts + counts[nearest].sum(axis=1)
    pointwise = np.full(n_points, np.nan)
    np.divide(pooled - 1, total, out=pointwise, where=(total > 0) & (pooled > 1))
    own = np.isfinite(pointwise) & kept

    def variance(scores: Floats, voices: Floats) -> float:
        change = np.zeros(n_points)  # of a local value by a ratio pooled in it
        np.divide(voices * pointwise**2, pooled - 1, out=change, where=np.isfinite(pointwise))
        change += np.bincount(nearest.ravel(), weights=np.repeat(change, n_neighbors), minlength=n_points)
        read = scores[own] - change[own] * (logs[own] - 1 / pointwise[own])
        return variance_of_sum(read, graph, own, weights=pair_weights(1, 2), gradients=-change[own] / pointwise[own])

    return aggregate(
        pointwise,
        graph,
        k=n_neighbors,
        method="local_twonn",
        aggregation=aggregation,
        params={"inside": False},
        variance=variance,
    )


def _inside(
    graph: NeighborGraph, points: Points, n_neighbors: int, discard: float, aggregation: Aggregation
) -> DimensionEstimate:
    """Fit a line to the ratios that the neighbors have among themselves."""
    n_points = len(graph.rows)
    pointwise = np.full(n_points, np.nan)
    influences = np.zeros((n_points, n_neighbors))
    for batch, near, far in _two_inside(graph, points, n_neighbors):
        logs, kept = logs_of_ratios(near, far)
        order = np.argsort(np.where(kept, logs, np.inf), axis=1, kind="stable")
        n_used = kept.sum(axis=1)
        n_keep = (n_used * (1 - discard)).astype(np.int64)
        slopes, scores, _ = line(np.take_along_axis(logs, order, axis=1), np.maximum(n_used, 1), n_keep, "i/N")
        read = (n_keep >= 2) & np.isfinite(slopes)
        pointwise[batch] = np.where(read, slopes, np.nan)
        scores = np.where(read[:, None] & (np.arange(n_neighbors) < n_used[:, None]), scores, 0.0)
        unsorted = np.empty_like(scores)
        np.put_along_axis(unsorted, order, scores / np.maximum(n_used, 1)[:, None], axis=1)
        influences[batch] = unsorted

    def variance(scores: Floats, voices: Floats) -> float:
        added = (influences * voices[:, None]).ravel()
        total = scores + np.bincount(graph.indices[:, :n_neighbors].ravel(), weights=added, minlength=n_points)
        return variance_of_local_sum(total, graph, np.ones(n_points, dtype=np.bool_), n_pairs=2)

    return aggregate(
        pointwise,
        graph,
        k=n_neighbors,
        method="local_twonn",
        aggregation=aggregation,
        params={"inside": True, "discard": discard},
        variance=variance,
    )


def _two_inside(
    graph: NeighborGraph, points: Points, n_neighbors: int
) -> Iterator[tuple[slice | npt.NDArray[np.int64], Floats, Floats]]:
    """Yield rows of the graph, and of the points of their neighborhoods the distances to the two nearest among these.

    Exact lists of neighbors say which those are: the first two that are in the neighborhood. Neighborhoods where some
    list ends before two are measured from `points`, and all of them where the lists do not say it.
    """
    unread = np.ones(len(graph.rows), dtype=np.bool_)
    if graph.exact and graph.metric == "euclidean":
        size = max(1, min(VALUES_PER_BATCH // (n_neighbors * graph.k), _FLAGS_AT_ONCE // len(graph.rows)))
        inside = np.zeros((min(size, len(graph.rows)), len(graph.rows)), dtype=np.bool_)
        for start in range(0, len(graph.rows), size):
            batch = slice(start, start + size)
            near, far = _from_lists(graph, graph.indices[batch, :n_neighbors], inside)
            unread[batch] = np.isnan(far).any(axis=1)
            yield batch, near, far
    for some, neighborhood in neighborhoods_of(graph, points, n_neighbors, wanted=np.flatnonzero(unread)):
        yield some, *_from_points(in_range(neighborhood, radius=graph.distances[some, n_neighbors - 1]))


def _from_lists(
    graph: NeighborGraph, nearest: npt.NDArray[np.int64], inside: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return the distances of `nearest`, `(n_batch, k)`, to the first two of their own lists that are in their row.

    `inside`, `(n_batch or more, n_points)`, is False on entry and again on return.
    """
    n_batch, k = nearest.shape
    np.put_along_axis(inside[:n_batch], nearest, True, axis=1)
    near, far = np.full(nearest.size, np.nan), np.full(nearest.size, np.nan)
    whom, row = nearest.ravel(), np.repeat(np.arange(n_batch), k)
    going = np.arange(nearest.size)
    for reach in (_FIRST_LOOK, graph.k):
        found = inside[row[going, None], graph.indices[whom[going], :reach]]
        places = np.arange(len(going))
        first = found.argmax(axis=1)
        both = np.count_nonzero(found, axis=1) >= 2
        found[places, first] = False
        done, second = going[both], found.argmax(axis=1)
        near[done], far[done] = (graph.distances[whom[done], one[both]] for one in (first, second))
        going = going[~both]
    np.put_along_axis(inside[:n_batch], nearest, False, axis=1)
    return near.reshape(n_batch, k), far.reshape(n_batch, k)


def _from_points(neighborhood: Floats) -> tuple[Floats, Floats]:
    """Return the distances of the points of each neighborhood to their two nearest inside, `(n_batch, k)` each."""
    n_batch, k, _ = neighborhood.shape
    centered = neighborhood - neighborhood.mean(axis=1, keepdims=True)
    squares = np.einsum("bkd,bkd->bk", centered, centered)
    between = squares[:, :, None] + squares[:, None, :] - 2 * (centered @ centered.transpose(0, 2, 1))
    np.einsum("bii->bi", between)[:] = np.inf
    n_candidates = min(_CANDIDATES, k - 1)
    nearest = np.argpartition(between, n_candidates - 1, axis=2)[:, :, :n_candidates]
    batch = np.arange(n_batch)[:, None]
    found = np.stack(
        [np.linalg.norm(centered - centered[batch, nearest[:, :, place]], axis=2) for place in range(n_candidates)],
        axis=2,
    )
    found.sort(axis=2)
    return found[:, :, 0], found[:, :, 1]
