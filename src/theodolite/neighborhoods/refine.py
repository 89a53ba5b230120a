"""Distances from coordinate differences in float64: the only distances a graph ever holds."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

Indices = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float64]

_NUMBERS_PER_PIECE = 1 << 15  # on a CPU: 256 KiB of float64, which stays in the second-level cache
_POINTS_PER_THREAD = 64
_NUMBERS_PER_PIECE_GPU = 1 << 26


def distances_between(
    values: torch.Tensor, points: Indices, others: Indices, counts: Indices | None = None
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
    if values.device.type != "cpu":
        on_device = _distances_on_device(values, points, others)
        if counts is not None:
            on_device[np.arange(others.shape[1]) >= counts[:, None]] = np.inf
        return on_device
    squares = np.full(others.shape, np.inf)
    if counts is None:
        counts = np.full(len(points), others.shape[1])
    n_threads = min(torch.get_num_threads(), len(points) // _POINTS_PER_THREAD)
    if n_threads > 1:
        pieces = [slice(part[0], part[-1] + 1) for part in np.array_split(np.arange(len(points)), n_threads)]
        with ThreadPoolExecutor(n_threads) as threads:  # numpy lets other threads run while it computes
            for _ in threads.map(
                lambda piece: _measure(values.numpy(), points[piece], others[piece], counts[piece], squares[piece]),
                pieces,
            ):
                pass
    else:
        _measure(values.numpy(), points, others, counts, squares)
    distances: Distances = np.sqrt(squares)
    return distances


def _measure(
    table: npt.NDArray[np.floating], points: Indices, others: Indices, counts: Indices, squares: Distances
) -> None:
    """Write squared distances of some points to their candidates, gathered in pieces that stay in cache."""
    n_dims = table.shape[1]
    step = max(1, _NUMBERS_PER_PIECE // n_dims)
    gathered = np.empty((step, n_dims), dtype=table.dtype)
    difference = np.empty((step, n_dims), dtype=np.float64)
    for row, (point, count) in enumerate(zip(points.tolist(), counts.tolist(), strict=True)):
        origin = table[point].astype(np.float64)
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
        return _distances_on_device(values, points, others[:, None])[:, 0]
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


def _distances_on_device(values: torch.Tensor, points: Indices, others: Indices) -> Distances:
    """Do the same on a GPU, in pieces of points."""
    n_dims = values.shape[1]
    chosen = torch.from_numpy(others).to(values.device)
    origin = torch.from_numpy(points).to(values.device)
    squares = torch.empty(others.shape, dtype=torch.float64, device=values.device)
    step = max(1, _NUMBERS_PER_PIECE_GPU // (n_dims * max(1, others.shape[1])))
    for start in range(0, len(points), step):
        piece = slice(start, start + step)
        apart = values[chosen[piece]].to(torch.float64)
        apart -= values[origin[piece]].to(torch.float64)[:, None, :]
        squares[piece] = apart.square_().sum(dim=2)
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
