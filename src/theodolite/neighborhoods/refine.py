"""Distances from coordinate differences in float64: the only distances a graph ever holds."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

Indices = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float64]
Tables = tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]  # that of the candidates, that of the points

_NUMBERS_PER_PIECE = 1 << 15  # on a CPU: 256 KiB of float64, which stays in the second-level cache
_POINTS_PER_THREAD = 64
_NUMBERS_PER_PIECE_GPU = 1 << 26


def distances_between(
    values: torch.Tensor,
    points: Indices,
    others: Indices,
    counts: Indices | None = None,
    *,
    origins: torch.Tensor | None = None,
) -> Distances:
    """Measure the distance from each point to each of its candidates.

    Parameters
    ----------
    values : torch.Tensor
        `(n_points, n_dims)` float32 or float64, not centered, any device.
    points : numpy.ndarray
        `(m,)` int64.
    others : numpy.ndarray
        `(m, n_candidates)` int64.
    counts : numpy.ndarray, optional
        `(m,)` int64: how many of the candidates are to be measured, the first ones; by default all.
    origins : torch.Tensor, optional
        `(n_origins, n_dims)` on the same device: the table that `points` are rows of, where it is another one.

    Returns
    -------
    numpy.ndarray
        `(m, n_candidates)` float64, in the units of `values`, infinite where nothing was to be measured. Equal rows
        are at distance exactly 0, and the value for a pair does not depend on which of the two is asked for, nor on
        the other candidates.

    Examples
    --------
    >>> values = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    >>> distances_between(values, np.array([0]), np.array([[1, 0]])).tolist()
    [[5.0, 0.0]]
    """
    origins = values if origins is None else origins
    if values.device.type != "cpu":
        on_device = _distances_on_device(values, origins, points, others)
        if counts is not None:
            on_device[np.arange(others.shape[1]) >= counts[:, None]] = np.inf
        return on_device
    squares = np.full(others.shape, np.inf)
    tables = values.numpy(), origins.numpy()

    def measure(some: slice) -> None:
        if counts is None:
            _measure_all(tables, points[some], others[some], squares[some])
        else:
            _measure_first(tables, points[some], others[some], counts[some], squares[some])

    n_threads = min(torch.get_num_threads(), len(points) // _POINTS_PER_THREAD)
    if n_threads > 1:
        bounds = np.arange(n_threads + 1) * len(points) // n_threads
        with ThreadPoolExecutor(n_threads) as threads:  # numpy lets other threads run while it computes
            for _ in threads.map(measure, map(slice, bounds[:-1], bounds[1:])):
                pass
    else:
        measure(slice(None))
    distances: Distances = np.sqrt(squares, out=squares)
    return distances


def _measure_all(tables: Tables, points: Indices, others: Indices, squares: Distances) -> None:
    """Write squared distances of points to all their candidates, several points at once where those are few."""
    table, origins = tables
    n_points, n_candidates = others.shape
    n_dims = table.shape[1]
    height = max(1, _NUMBERS_PER_PIECE // max(1, n_candidates * n_dims))
    if height == 1:
        _measure_first(tables, points, others, np.full(n_points, n_candidates), squares)
        return
    gathered = np.empty((height * n_candidates, n_dims), dtype=table.dtype)
    difference = np.empty((height, n_candidates, n_dims), dtype=np.float64)
    for start in range(0, n_points, height):
        piece = slice(start, min(start + height, n_points))
        apart = difference[: piece.stop - start]
        near = gathered[: apart.shape[0] * n_candidates]
        table.take(others[piece].ravel(), 0, near, "clip")
        np.copyto(apart, near.reshape(apart.shape))
        apart -= origins[points[piece], None].astype(np.float64)
        np.vecdot(apart, apart, out=squares[piece])


def _measure_first(tables: Tables, points: Indices, others: Indices, counts: Indices, squares: Distances) -> None:
    """Write squared distances of points to their first candidates, gathered in pieces that stay in cache."""
    table, origins = tables
    n_dims = table.shape[1]
    step = max(1, _NUMBERS_PER_PIECE // n_dims)
    gathered = np.empty((step, n_dims), dtype=table.dtype)
    difference = np.empty((step, n_dims), dtype=np.float64)
    asking = np.flatnonzero(counts)
    for row, point, count in zip(asking.tolist(), points[asking].tolist(), counts[asking].tolist(), strict=True):
        origin = origins[point].astype(np.float64)
        for start in range(0, count, step):
            stop = min(start + step, count)
            near = gathered[: stop - start]
            apart = difference[: stop - start]
            table.take(others[row, start:stop], 0, near, "clip")
            np.copyto(apart, near)
            np.subtract(apart, origin, out=apart)
            np.vecdot(apart, apart, out=squares[row, start:stop])


def distances_of_pairs(values: torch.Tensor, points: Indices, others: Indices) -> Distances:
    """Measure the distances of single pairs, to the bit as `distances_between` does.

    Parameters
    ----------
    values : torch.Tensor
        `(n_points, n_dims)` float32 or float64, any device.
    points, others : numpy.ndarray
        `(n_pairs,)` int64.

    Returns
    -------
    numpy.ndarray
        `(n_pairs,)` float64, in the units of `values`.

    Examples
    --------
    >>> distances_of_pairs(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), np.array([0, 1]), np.array([1, 1])).tolist()
    [5.0, 0.0]
    """
    if values.device.type != "cpu":
        return _distances_on_device(values, values, points, others[:, None])[:, 0]
    table = values.numpy()
    step = max(1, _NUMBERS_PER_PIECE // table.shape[1])
    squares = np.empty(len(points))
    for start in range(0, len(points), step):
        piece = slice(start, start + step)
        apart = table[others[piece]].astype(np.float64)
        apart -= table[points[piece]]
        np.vecdot(apart, apart, out=squares[piece])
    distances: Distances = np.sqrt(squares)
    return distances


def _distances_on_device(values: torch.Tensor, origins: torch.Tensor, points: Indices, others: Indices) -> Distances:
    """Do the same on a GPU, in pieces of pairs."""
    n_dims = values.shape[1]
    chosen = torch.from_numpy(others).to(values.device)
    asking = torch.from_numpy(points).to(values.device)
    squares = torch.empty(others.shape, dtype=torch.float64, device=values.device)
    wide = max(1, min(others.shape[1], _NUMBERS_PER_PIECE_GPU // n_dims))
    tall = max(1, _NUMBERS_PER_PIECE_GPU // (n_dims * wide))
    for start in range(0, len(points), tall):
        some = slice(start, start + tall)
        origin = origins[asking[some]].to(torch.float64)[:, None, :]
        for left in range(0, others.shape[1], wide):
            piece = slice(left, left + wide)
            apart = values[chosen[some, piece]].to(torch.float64)
            apart -= origin
            squares[some, piece] = apart.square_().sum(dim=2)
    distances: Distances = squares.sqrt_().cpu().numpy()
    return distances


def nearest(distances: Distances, others: Indices, k: int) -> tuple[Indices, Distances]:
    """Keep the k nearest candidates, ascending, equal distances by index.

    Parameters
    ----------
    distances : numpy.ndarray
        `(m, n_candidates)` float64.
    others : numpy.ndarray
        `(m, n_candidates)` int64, distinct within a row.
    k : int
        How many to keep.

    Returns
    -------
    indices : numpy.ndarray
        `(m, k)` int64.
    distances : numpy.ndarray
        `(m, k)` float64.

    Examples
    --------
    >>> nearest(np.array([[2.0, 1.0, 1.0]]), np.array([[3, 8, 5]]), 2)[0].tolist()
    [[5, 8]]
    """
    order = np.argsort(distances, axis=1)
    ranked = np.take_along_axis(distances, order, axis=1)
    first = ranked[:, : k + 1]
    tied = np.flatnonzero((first[:, 1:] == first[:, :-1]).any(axis=1))
    if len(tied):
        order[tied] = np.lexsort((others[tied], distances[tied]), axis=1)
    order = order[:, :k]
    return np.take_along_axis(others, order, axis=1), ranked[:, :k]
