"""Reciprocity and transitivity of neighbor graphs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError
from theodolite.neighborhoods.graph import NeighborGraph, require_graph

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_RANKS_PER_CHUNK = 1 << 22  # 8 MiB of int16
_TRIPLES_PER_CHUNK = 1 << 16  # small enough for the cache


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GraphStatistics(Displayed):
    """How mutual and how clustered the directed graph "j is among the k nearest of i" is.

    Attributes
    ----------
    k_values : numpy.ndarray
        `(n_k,)` int64, ascending.
    reciprocity : numpy.ndarray
        `(n_k,)` float64 in [0, 1]: share of the edges whose reverse is an edge too.
    transitivity : numpy.ndarray
        `(n_k,)` float64 in [0, 1]: share of the ordered pairs of neighbors (j, l) of a point where l is a
        neighbor of j; 0 at k = 1, where there is no pair.
    chance : numpy.ndarray
        `(n_k,)` float64: expectation of both (of transitivity from k = 2 on) when neighbors are drawn at random,
        k / (n_points - 1).
    n_points : int
        Points of the graph.
    """

    k_values: Indices
    reciprocity: Floats
    transitivity: Floats
    chance: Floats
    n_points: int


def graph_statistics(graph: NeighborGraph, *, k_values: Sequence[int] | None = None) -> GraphStatistics:
    """Measure reciprocity and transitivity of the directed graph of the k nearest, each in [0, 1].

    Parameters
    ----------
    graph : NeighborGraph
        The neighbors of all points.
    k_values : sequence of int, optional
        Neighbors looked at, each from 1 to what the graph holds; by default all of these.

    Returns
    -------
    GraphStatistics
        Both numbers for each k.

    Raises
    ------
    ParameterError
        If a k is out of range, or the graph holds the neighbors of some points only.

    Notes
    -----
    With an edge i -> j where j is among the k nearest of i,

        reciprocity(k) = #{i -> j with j -> i} / (n k),
        transitivity(k) = #{(i, j, l), j != l, with i -> j, i -> l, j -> l} / (n k (k - 1)).

    These are networkx's `overall_reciprocity` and `transitivity` of that `DiGraph`; the latter looks along the
    directions of the edges, unlike the transitivity of the undirected graph. All k are found in one pass: an edge to
    neighbor p exists from k = p on, a pattern from the largest of its ranks on. Cost n_points * k^2.

    References
    ----------
    K. Viswanathan et al., arXiv:2501.10573 (2025), repository of the authors (reciprocity of the neighbor graph).

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> found = graph_statistics(neighbors(np.array([[0.0], [1.0], [3.0], [7.0]]), k=2))
    >>> found.reciprocity.tolist(), found.transitivity.tolist()
    ([0.5, 0.75], [0.0, 1.0])
    """
    require_graph(graph, method="graph_statistics")
    if graph.queries is not None:
        raise ParameterError(
            "Reciprocity needs the neighbors of every point, but the graph holds those of some. "
            "Search again without queries."
        )
    chosen = np.arange(1, graph.k + 1) if k_values is None else np.unique(np.asarray(k_values, dtype=np.int64))
    if len(chosen) == 0 or chosen[0] < 1 or chosen[-1] > graph.k:
        raise ParameterError(f"k must lie in 1 to {graph.k}, but k_values={list(k_values or [])} was given.")
    largest = int(chosen[-1])
    n_points = graph.n_points
    mutual, triangles = _patterns(np.ascontiguousarray(graph.indices[:, :largest]))
    mutual, triangles = mutual.cumsum()[chosen - 1], triangles.cumsum()[chosen - 1]
    pairs = n_points * chosen * (chosen - 1)
    return GraphStatistics(
        k_values=chosen,
        reciprocity=mutual / (n_points * chosen),
        transitivity=np.divide(triangles, pairs, out=np.zeros(len(chosen)), where=pairs > 0),
        chance=chosen / (n_points - 1),
        n_points=n_points,
    )


def _patterns(indices: Indices) -> tuple[Indices, Indices]:
    """Count mutual edges and transitive triples by the k from which on they exist, each `(largest,)`.

    For each point the ranks of its neighbors are written into a row of `ranks`; reading the lists of those neighbors
    through it finds the neighbors of neighbors that are neighbors, and the point itself is marked by the rank -1.
    """
    n_points, largest = indices.shape
    mutual, triangles = (np.zeros(largest, dtype=np.int64) for _ in range(2))
    step = max(1, min(n_points, _RANKS_PER_CHUNK // n_points, _TRIPLES_PER_CHUNK // largest**2))
    ranks = np.full(step * n_points, largest, dtype=np.int16)
    place = np.arange(largest, dtype=np.int16)
    reached = np.maximum(place[:, None], place)  # rank of the first edge or of the last, whichever is later
    for start in range(0, n_points, step):
        chunk = indices[start : start + step]
        offset = np.arange(len(chunk))[:, None] * n_points
        itself = offset[:, 0] + np.arange(start, start + len(chunk))
        ranks[offset + chunk] = place
        ranks[itself] = -1
        second = indices[chunk]  # (point, its neighbor, that one's neighbor)
        second += offset[:, :, None]
        closing = ranks.take(second)
        ranks[offset + chunk] = largest
        ranks[itself] = largest
        later = np.maximum(closing, reached)
        back = closing < 0
        mutual += np.bincount(later[back], minlength=largest)
        triangles += np.bincount(later[(later < largest) & ~back], minlength=largest)
    return mutual, triangles
