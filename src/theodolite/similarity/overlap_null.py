"""What neighborhood overlap is where tokens are permuted: exactly, without drawing permutations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods.graph import NeighborGraph, require_graph
from theodolite.similarity.overlap import compared

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OverlapNull(Displayed):
    """Neighborhood overlap over all ways to assign the points of one graph to those of the other.

    Attributes
    ----------
    k_values : numpy.ndarray
        `(n_k,)` int64, ascending.
    mean : numpy.ndarray
        `(n_k,)` float64: k / (n - 1) where both graphs have the same points.
    std : numpy.ndarray
        `(n_k,)` float64: standard deviation of the overlap over all assignments.
    n_points : int
        Points that both graphs have.
    """

    k_values: Indices
    mean: Floats
    std: Floats
    n_points: int


def overlap_null(first: NeighborGraph, second: NeighborGraph, *, k_values: Sequence[int] | None = None) -> OverlapNull:
    """Return mean and standard deviation of `neighborhood_overlap` when the points of one graph are permuted.

    Parameters
    ----------
    first, second : NeighborGraph
        Graphs of two tables or clouds whose rows are the same tokens in the same order.
    k_values : sequence of int, optional
        Neighbors compared, each from 1 to what both graphs hold; by default all of these.

    Returns
    -------
    OverlapNull
        For each k.

    Raises
    ------
    ParameterError
        If the graphs come from different numbers of rows, hold the neighbors of some points only, or a k is out of
        range.
    PointsError
        If fewer than two rows are points of both graphs.

    Notes
    -----
    The overlap is a sum over ordered pairs of points, sum_ij a_ij b_ij / (n k), with a_ij = 1 where j is among the k
    nearest of i. Under a permutation of the points of b, two ordered pairs are the same, each other's reverse, or share
    their first points, their last ones, the last of one and the first of the other (two ways), or none; the second
    moment is the sum over these kinds of (pairs of a) (pairs of b) / (pairs there are), Hubert's moments of a
    comparison of two matrices. Hubs raise it: popular points of one graph meet those of the other now and then. Cost
    n k log(n k) for each k; no permutation is drawn.

    Points that only one graph kept are left out, and so are their edges.

    References
    ----------
    L. Hubert, J. Schultz, Br. J. Math. Stat. Psychol. 29, 190 (1976).

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> line = np.array([[0.0], [1.0], [3.0], [7.0]])
    >>> found = overlap_null(neighbors(line, k=1), neighbors(-line**2, k=1))
    >>> found.mean.round(3).tolist(), found.std.round(3).tolist()
    ([0.333], [0.257])
    """
    for graph in (first, second):
        require_graph(graph, method="overlap_null")
        if graph.queries is not None:
            raise ParameterError(
                "The null of an overlap needs the neighbors of every point, but a graph holds those of some. "
                "Search again without queries."
            )
    chosen = compared(first, second, k_values)
    rows = np.intersect1d(first.rows, second.rows, assume_unique=True)
    if len(rows) < _FEWEST:
        raise PointsError(f"The two graphs have {len(rows)} rows in common, but a null needs {_FEWEST} or more.")
    place = np.full(first.n_given, -1)
    place[rows] = np.arange(len(rows))
    n_points = len(rows)
    mean, std = np.empty(len(chosen)), np.empty(len(chosen))
    for at, k in enumerate(chosen.tolist()):
        middle, spread = _moments(_pairs(first, place, k), _pairs(second, place, k), n_points)
        mean[at], std[at] = middle / (n_points * k), spread / (n_points * k)
    return OverlapNull(k_values=chosen, mean=mean, std=std, n_points=n_points)


def _pairs(graph: NeighborGraph, place: Indices, k: int) -> tuple[int, ...]:
    """Count the ordered pairs of edges of each kind, after the number of edges.

    Kinds: the same, reverse, common first point, common last point, chain (of the two ways, one), disjoint.
    """
    n_points = int(place.max()) + 1
    ends = place[graph.rows[graph.indices[:, :k]]]
    starts = np.repeat(place[graph.rows], k).reshape(ends.shape)
    known = (ends >= 0) & (starts >= 0)
    starts, ends = starts[known], ends[known]
    n_edges = len(starts)
    leaving, arriving = (np.bincount(side, minlength=n_points) for side in (starts, ends))
    codes = starts * n_points + ends
    reverse = len(np.intersect1d(codes, ends * n_points + starts, assume_unique=True))
    first, last = (int(degrees @ degrees) - n_edges for degrees in (leaving, arriving))
    chain = int(leaving @ arriving) - reverse
    disjoint = n_edges**2 - n_edges - reverse - first - last - 2 * chain
    return n_edges, n_edges, reverse, first, last, 2 * chain, disjoint


def _moments(first: tuple[int, ...], second: tuple[int, ...], n_points: int) -> tuple[float, float]:
    """Return mean and standard deviation of the number of common edges; chains are counted in both ways."""
    two = n_points * (n_points - 1)
    three, four = two * (n_points - 2), two * (n_points - 2) * (n_points - 3)
    mean = first[0] * second[0] / two
    there = (two, two, three, three, 2 * three, four)
    square = sum(a * b / pairs for a, b, pairs in zip(first[1:], second[1:], there, strict=True) if a and b)
    return mean, math.sqrt(max(square - mean**2, 0.0))
