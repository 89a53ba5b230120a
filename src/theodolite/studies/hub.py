"""The hub of short rows: whether a handful of rows near the origin makes the headline dimension.

Embedding tables can hold a few hundred rows much shorter than the rest. A row of ordinary length is then closer to
these than to any other ordinary row, its first two neighbors lie at nearly the same distance, and an estimate that
compares them explodes (Quemy 2026, arXiv 2608.29702). Three readings show it: the estimate after the shortest rows are
removed, the estimate on rows of unit length, and the share of neighbor places that the shortest rows take.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.points import Points, as_points
from theodolite.neighborhoods import NeighborGraph, neighbors

_NEIGHBORS_NEEDED = 2


def row_norms(points: Points) -> npt.NDArray[np.float64]:
    """Return the Euclidean length of each row, accumulated in float64.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`.

    Returns
    -------
    numpy.ndarray
        `(n_points,)` float64, in the units of `points`; not finite where the row is not.

    Examples
    --------
    >>> row_norms(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [5.0, 0.0]
    """
    rows = as_points(points).double()
    finite = rows[torch.isfinite(rows)].abs()
    exponent = torch.frexp(finite.max()).exponent if len(finite) else torch.tensor(0)
    scaled = torch.ldexp(rows, -exponent).norm(dim=1)  # squares of the largest numbers would overflow
    norms: npt.NDArray[np.float64] = torch.ldexp(scaled, exponent).cpu().numpy()
    return norms


def without_points(graph: NeighborGraph, dropped: npt.NDArray[np.bool_]) -> NeighborGraph | None:
    """Return the exact graph of the points that remain, as deep as the old graph can tell.

    Removing points can only promote neighbors, so the survivors of each row are its nearest remaining neighbors. The
    new `k` is the smallest number of survivors in any row.

    Parameters
    ----------
    graph : NeighborGraph
        Graph of all points.
    dropped : numpy.ndarray
        `(n_points,)` bool: the points to remove.

    Returns
    -------
    NeighborGraph or None
        None if some row keeps fewer than two neighbors: then only a new search can tell.
    """
    kept = np.flatnonzero(~dropped)
    survives = ~dropped[graph.indices[kept]]
    k = int(survives.sum(axis=1).min()) if len(kept) else 0
    if k < _NEIGHBORS_NEEDED:
        return None
    first = np.argsort(~survives, axis=1, kind="stable")[:, :k]
    renumbered = np.cumsum(~dropped) - 1
    return replace(
        graph,
        indices=renumbered[np.take_along_axis(graph.indices[kept], first, axis=1)],
        distances=np.take_along_axis(graph.distances[kept], first, axis=1),
        rows=graph.rows[kept],
    )


def removal_sweep(
    points: Points, graph: NeighborGraph, *, norms: npt.NDArray[np.float64], removed: Sequence[int], k: int = 2
) -> list[tuple[int, NeighborGraph]]:
    """Return the graph of the points that remain after the shortest ones are removed, for each number removed.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_rows, n_dims)`: the rows that `graph` was made from.
    graph : NeighborGraph
        Graph of all points.
    norms : numpy.ndarray
        `(n_rows,)` length of each row.
    removed : sequence of int
        How many of the shortest points to remove; numbers that would leave fewer than half of the points are left out.
    k : int
        Neighbors that each of the graphs must hold; all others where fewer points remain.

    Returns
    -------
    list of (int, NeighborGraph)
        Number removed, and the graph without them.
    """
    shortest_first = np.argsort(norms[graph.rows], kind="stable")
    sweep = []
    for count in removed:
        if count > len(shortest_first) // 2:
            continue
        dropped = np.zeros(len(shortest_first), dtype=bool)
        dropped[shortest_first[:count]] = True
        remaining = without_points(graph, dropped)
        needed = min(k, int((~dropped).sum()) - 1)
        if remaining is None or remaining.k < needed:
            remaining = neighbors(as_points(points)[graph.rows[~dropped]], k=needed)
        sweep.append((count, remaining))
    return sweep
