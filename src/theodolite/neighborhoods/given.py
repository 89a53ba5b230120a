"""Graphs from what others computed: indices with distances, or a full matrix of distances. Nothing is believed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods.graph import Metric, NeighborGraph, check_count
from theodolite.neighborhoods.refine import Distances, Indices

_TOLERANCE = 1e-3
"""Relative difference between the two directions of a pair: above what float32 products do, below any mix-up."""
_NUMBERS_AT_ONCE = 1 << 22


def graph_from_neighbors(
    indices: npt.ArrayLike,
    distances: npt.ArrayLike,
    *,
    n_dims: int,
    metric: Metric = "euclidean",
    self_included: bool = False,
    exact: bool = False,
    tolerance: float = _TOLERANCE,
) -> NeighborGraph:
    """Make a graph of neighbors that another program found, after checking that they can be what they claim to be.

    Parameters
    ----------
    indices : array_like
        `(n_points, k)` whole numbers: for each point its nearest others, as rows of the same table.
    distances : array_like
        `(n_points, k)`: the distances to them, ascending, not squared. For `metric="cosine"` the chord between unit
        rows, sqrt(2 - 2 cosine).
    n_dims : int
        Columns of the points, for the redundancy.
    metric : {"euclidean", "cosine"}
        What was measured.
    self_included : bool
        Whether each point may stand in its own row, as in what scikit-learn and FAISS return for the table itself. It
        is taken out wherever it stands; where it is not there (another point at distance 0 took its place) the last
        neighbor is dropped. The graph then has k - 1 neighbors.
    exact : bool
        Whether you vouch that nobody nearer is missing. Refused where the graph itself shows the contrary.
    tolerance : float
        Largest relative difference between the two distances of points that have each other for a neighbor.

    Returns
    -------
    NeighborGraph
        With `path="given"`. Equal distances are put in the order of their indices.

    Raises
    ------
    PointsError
        If the arrays have other shapes or types, an index lies outside the table, a point names itself or another
        twice, distances are negative, not finite, not ascending or for cosine above 2, the two directions of pairs
        disagree, or `exact` is contradicted.
    ParameterError
        If `n_dims` or `tolerance` is no such number.

    Examples
    --------
    >>> graph = graph_from_neighbors([[1, 2], [0, 2], [1, 0]], [[1.0, 3.0], [1.0, 2.0], [2.0, 3.0]], n_dims=1)
    >>> graph.k, graph.path
    (2, 'given')
    """
    _check_settings(n_dims, metric, tolerance)
    whom, apart = np.asarray(indices), np.asarray(distances)
    if whom.ndim != 2 or whom.shape != apart.shape or whom.shape[1] == 0 or len(whom) < 2:
        raise PointsError(
            f"Indices and distances need one shape (n_points, k), but these have {whom.shape} and {apart.shape}."
        )
    if whom.dtype.kind not in "iu":
        raise PointsError(f"Indices must be whole numbers, but these have dtype {whom.dtype}.")
    whom, apart = whom.astype(np.int64), _as_distances(apart)
    n_points = len(whom)
    _refuse_rows((whom < 0) | (whom >= n_points), f"names a point outside 0 to {n_points - 1}")
    if self_included:
        whom, apart = _without_self(whom, apart)
    _refuse_rows(whom == np.arange(n_points)[:, None], "names itself. Leave the point out, or pass self_included=True")
    ranked = np.sort(whom, axis=1)
    _refuse_rows(ranked[:, 1:] == ranked[:, :-1], "names the same neighbor twice")
    _refuse_rows(apart[:, 1:] < apart[:, :-1], "is not ascending: sort each row by distance")
    order = np.lexsort((whom, apart), axis=1)
    whom, apart = np.take_along_axis(whom, order, axis=1), np.take_along_axis(apart, order, axis=1)
    _check_pairs(whom, apart, tolerance=tolerance, exact=exact)
    return _graph(whom, apart, n_dims=n_dims, metric=metric, exact=exact)


def graph_from_distances(
    matrix: npt.ArrayLike,
    *,
    n_dims: int,
    k: int = 64,
    metric: Metric = "euclidean",
    tolerance: float = 1e-6,
) -> NeighborGraph:
    """Make the graph of the k nearest others from a full matrix of distances.

    Parameters
    ----------
    matrix : array_like
        `(n_points, n_points)`: symmetric, not negative, zero on the diagonal; not squared.
    n_dims : int
        Columns of the points, for the redundancy.
    k : int
        Neighbors to keep, from 1 to `n_points - 1`.
    metric : {"euclidean", "cosine"}
        What was measured; for cosine the chord between unit rows.
    tolerance : float
        Largest difference between the matrix and its transpose, and largest entry of the diagonal, relative to the
        largest distance.

    Returns
    -------
    NeighborGraph
        With `path="given"` and `exact=True`: no other distance of the matrix is smaller. Equal ones are in the order of
        their indices.

    Raises
    ------
    PointsError
        If the matrix is not square, not finite, negative, not symmetric, not zero on its diagonal, or for cosine above
        2, or holds too few points for k.
    ParameterError
        If `k`, `n_dims` or `tolerance` is no such number.

    Examples
    --------
    >>> places = np.array([0.0, 1.0, 3.0])
    >>> graph_from_distances(abs(places[:, None] - places), n_dims=1, k=1).indices.ravel().tolist()
    [1, 0, 1]
    """
    _check_settings(n_dims, metric, tolerance)
    check_count(k)
    apart = np.asarray(matrix)
    if apart.ndim != 2 or apart.shape[0] != apart.shape[1]:
        raise PointsError(f"A matrix of distances is square, (n_points, n_points), but this array has {apart.shape}.")
    n_points = len(apart)
    if k >= n_points:
        raise PointsError(f"k={k} needs at least {k + 1} points, but the matrix has {n_points}. Lower k.")
    apart = _as_distances(apart)
    allowed = tolerance * float(apart.max())
    if float(np.abs(np.diagonal(apart)).max()) > allowed:
        point = int(np.abs(np.diagonal(apart)).argmax())
        raise PointsError(
            f"Point {point} is at distance {apart[point, point]:g} of itself. Give distances, not similarities."
        )
    indices = np.empty((n_points, k), dtype=np.int64)
    distances = np.empty((n_points, k))
    step = max(1, _NUMBERS_AT_ONCE // n_points)
    for start in range(0, n_points, step):
        rows = slice(start, min(start + step, n_points))
        block = apart[rows].copy()
        _refuse_rows(
            np.abs(block - apart[:, rows].T) > allowed, "differs from its column: make the matrix symmetric", start
        )
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = np.inf
        indices[rows], distances[rows] = _smallest(block, k)
    return _graph(indices, distances, n_dims=n_dims, metric=metric, exact=True)


def _check_settings(n_dims: int, metric: str, tolerance: float) -> None:
    if isinstance(n_dims, bool) or not isinstance(n_dims, int | np.integer) or n_dims < 1:
        raise ParameterError(f"n_dims is the number of columns of the points, at least 1, not {n_dims!r}.")
    if metric not in ("euclidean", "cosine"):
        raise ParameterError(f'The metric must be "euclidean" or "cosine", not {metric!r}.')
    if not 0 <= tolerance < 1:
        raise ParameterError(f"tolerance is a relative difference in [0, 1), not {tolerance}.")


def _as_distances(values: npt.NDArray[Any]) -> Distances:
    """Return the distances as float64, or say which row holds something else."""
    if values.dtype.kind not in "fiu":
        raise PointsError(f"Distances must be real numbers, but these have dtype {values.dtype}.")
    real: Distances = values.astype(np.float64)
    _refuse_rows(~np.isfinite(real), "holds a distance that is not finite")
    _refuse_rows(real < 0, "holds a negative distance: give distances, not similarities")
    return real


def _refuse_rows(wrong: npt.NDArray[np.bool_], what: str, first: int = 0) -> None:
    """Refuse arrays of which some rows are wrong, and name the first."""
    rows = np.flatnonzero(wrong.any(axis=1))
    if len(rows):
        raise PointsError(f"Row {first + int(rows[0])} {what}. {len(rows)} of {len(wrong)} rows do.")


def _without_self(whom: Indices, apart: Distances) -> tuple[Indices, Distances]:
    """Drop each point from its own row, or the last entry where it is not there."""
    if whom.shape[1] < 2:
        raise PointsError("Rows of one entry hold no neighbor beside the point itself. Ask for one neighbor more.")
    own = whom == np.arange(len(whom))[:, None]
    repeated = own.sum(axis=1) > 1
    if repeated.any():
        raise PointsError(f"Row {int(np.flatnonzero(repeated)[0])} names itself twice.")
    own[~own.any(axis=1), -1] = True
    shape = len(whom), whom.shape[1] - 1
    return whom[~own].reshape(shape), apart[~own].reshape(shape)


def _check_pairs(whom: Indices, apart: Distances, *, tolerance: float, exact: bool) -> None:
    """Compare what two points say of each other: equal distances, and nobody nearer than the last left out."""
    n_points, k = whom.shape
    who = np.repeat(np.arange(n_points), k)
    there, back = who * n_points + whom.ravel(), whom.ravel() * n_points + who
    order = np.argsort(there)
    place = np.minimum(np.searchsorted(there, back, sorter=order), len(there) - 1)
    partner = order[place]
    mutual = there[partner] == back
    forth = apart.ravel()
    other = forth[partner]
    differ = mutual & (np.abs(forth - other) > tolerance * np.maximum(forth, other))
    if differ.any():
        edge = int(np.flatnonzero(differ)[0])
        raise PointsError(
            f"Points {who[edge]} and {whom.flat[edge]} are {forth[edge]:g} apart in one row and {other[edge]:g} in the "
            f"other; {int(differ.sum()) // 2} pairs disagree. Check that indices and distances belong together, or "
            "raise the tolerance."
        )
    missing = ~mutual & (forth < apart[whom.ravel(), -1] * (1 - tolerance))
    if exact and missing.any():
        edge = int(np.flatnonzero(missing)[0])
        raise PointsError(
            f"The graph is not exact: point {who[edge]} is not among the {k} neighbors of point {whom.flat[edge]}, but "
            f"with a distance of {forth[edge]:g} nearer than the last of them. Pass exact=False."
        )


def _smallest(block: Distances, k: int) -> tuple[Indices, Distances]:
    """Return the k smallest entries of each row, ascending, equal ones by column."""
    limit = np.partition(block, k - 1, axis=1)[:, k - 1 : k]
    row, column = np.nonzero(block <= limit)
    values = block[row, column]
    order = np.lexsort((column, values, row))
    row, column, values = row[order], column[order], values[order]
    kept = np.arange(len(row)) - np.searchsorted(row, row) < k
    return column[kept].reshape(-1, k), values[kept].reshape(-1, k)


def _graph(indices: Indices, distances: Distances, *, n_dims: int, metric: Metric, exact: bool) -> NeighborGraph:
    farthest = float(distances.max())
    if metric == "cosine" and farthest > 2.0 * (1.0 + _TOLERANCE):
        raise PointsError(
            f"A distance of {farthest:g} is no chord of unit rows, which is at most 2. For cosine similarities pass "
            "sqrt(2 - 2 cosine), for other distances leave the metric out."
        )
    return NeighborGraph(
        indices=indices,
        distances=distances,
        rows=np.arange(len(indices)),
        n_given=len(indices),
        n_nonfinite=0,
        n_duplicates=0,
        n_zero=0,
        n_dims=n_dims,
        metric=metric,
        exact=exact,
        n_redone=0,
        path="given",
    )
