"""Neighborhood overlap: how many nearest neighbors two clouds of the same points share."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods.clouds import CloudNeighbors
from theodolite.neighborhoods.graph import NeighborGraph, require_graph
from theodolite.similarity.positions import positions_in

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Overlap(Displayed):
    """Share of common neighbors among the k nearest in two clouds, for several k.

    Attributes
    ----------
    k_values : numpy.ndarray
        `(n_k,)` int64, ascending.
    values : numpy.ndarray
        `(n_k,)` float64: mean over points of (common neighbors) / k, in [0, 1].
    stderr : numpy.ndarray
        `(n_k,)` float64: standard deviation over points over the root of their number; NaN for one point.
    chance : numpy.ndarray
        `(n_k,)` float64: expectation for two clouds that have nothing to do with each other, k / (n - 1).
    counts : numpy.ndarray
        `(n_points, n_k)` int16: common neighbors of each point compared.
    rows : numpy.ndarray
        `(n_points,)` int64: the row of the input each of them came from, ascending.
    n_only_first, n_only_second : int
        Points of one graph that the other does not have (an equal row before it was kept in their place).
    """

    k_values: Indices
    values: Floats
    stderr: Floats
    chance: Floats
    counts: npt.NDArray[np.int16]
    rows: Indices
    n_only_first: int
    n_only_second: int

    @property
    def n_points(self) -> int:
        """Points compared."""
        return len(self.rows)


def neighborhood_overlap(
    first: NeighborGraph, second: NeighborGraph, *, k_values: Sequence[int] | None = None
) -> Overlap:
    """Measure which share of their k nearest neighbors points have in common in two graphs, in [0, 1].

    Parameters
    ----------
    first, second : NeighborGraph
        Graphs of two tables or clouds whose rows are the same tokens in the same order.
    k_values : sequence of int, optional
        Neighbors compared, each from 1 to what both graphs hold; by default all of these.

    Returns
    -------
    Overlap
        Mean, standard error and chance level for each k, and the counts of each point.

    Raises
    ------
    ParameterError
        If the graphs come from different numbers of rows, or a k is out of range.
    PointsError
        If no row is a point of both graphs.

    Notes
    -----
    With N_k(i) the k nearest of point i, itself left out by index,

        overlap(k) = mean over i of |N_k^first(i) & N_k^second(i)| / k.

    Points are matched by the row they came from. A row that one graph collapsed into an equal earlier row is no point
    of that graph: it is not compared (`n_only_first`, `n_only_second`), and where it is a neighbor in the other graph
    it counts as not shared. With n_1 and n_2 points and c common ones the chance level is
    k (c - 1) / ((n_1 - 1) (n_2 - 1)), which is k / (n - 1) when nothing was dropped.

    The standard error takes points as independent; they share neighbors, so it is 0.6 to 0.9 times what it should be
    (simulated). `overlap_stderr` allows for that, at one k, and needs one neighbor more.

    Between consecutive layers this is the neighborhood overlap of Doimo et al.; between graphs of two models made with
    `metric="cosine"` it is the mutual k-NN alignment of Huh et al. Every k costs the same pass: a common neighbor with
    ranks p and q counts from k = max(p, q) on.

    References
    ----------
    D. Doimo, A. Glielmo, A. Ansuini, A. Laio, arXiv:2007.03506 (2020), equation 1.
    M. Huh, B. Cheung, T. Wang, P. Isola, arXiv:2405.07987 (2024), mutual k-NN.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> line = np.array([[0.0], [1.0], [3.0], [7.0]])
    >>> found = neighborhood_overlap(neighbors(line, k=2), neighbors(-line**2, k=2))
    >>> found.values.tolist(), found.chance.round(2).tolist()
    ([1.0, 1.0], [0.33, 0.67])
    """
    for graph in (first, second):
        require_graph(graph, method="neighborhood_overlap")
    chosen = compared(first, second, k_values)
    largest = int(chosen[-1])
    if first.queries is None and second.queries is None and np.array_equal(first.rows, second.rows):
        counts = common_counts(first.indices[:, :largest], second.indices[:, :largest], n_ids=first.n_points)
        per_neighbor = 1.0 / (first.n_points - 1)
        return summarize_counts(counts, chosen, first.rows, per_neighbor=per_neighbor, n_only_first=0, n_only_second=0)
    some, others = _rows(first), _rows(second)
    rows, here, there = np.intersect1d(some, others, assume_unique=True, return_indices=True)
    if len(rows) == 0:
        raise PointsError("The two graphs have no row in common, so there is nothing to compare.")
    counts = common_counts(
        first.rows[first.indices[here, :largest]], second.rows[second.indices[there, :largest]], n_ids=first.n_given
    )
    both = len(np.intersect1d(first.rows, second.rows, assume_unique=True))
    expected = (both - 1) / ((first.n_points - 1) * (second.n_points - 1))
    return summarize_counts(
        counts,
        chosen,
        rows,
        per_neighbor=expected,
        n_only_first=len(some) - len(rows),
        n_only_second=len(others) - len(rows),
    )


def cloud_overlaps(
    found: CloudNeighbors,
    *,
    pairs: str | Sequence[tuple[int, int]] = "consecutive",
    k_values: Sequence[int] | None = None,
) -> dict[tuple[int, int], Overlap]:
    """Apply `neighborhood_overlap` to pairs of clouds: layers of one prompt.

    Parameters
    ----------
    found : CloudNeighbors
        Clouds of the same tokens in the same order.
    pairs : {"consecutive", "all"} or sequence of (int, int)
        Which clouds to compare: each with the next, each with every later one, or those named.
    k_values : sequence of int, optional
        As in `neighborhood_overlap`.

    Returns
    -------
    dict
        For each pair of cloud numbers its `Overlap`.

    Raises
    ------
    ParameterError
        If `pairs` is an unknown word or names a cloud that is not there, or as in `neighborhood_overlap`.
    PointsError
        If two clouds have no row in common.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> layers = np.array([[[0.0], [1.0], [3.0]], [[0.0], [2.0], [3.0]], [[5.0], [1.0], [2.0]]])
    >>> {pair: float(overlap.values[0].round(2)) for pair, overlap in
    ...  cloud_overlaps(cloud_neighbors(layers, k=1)).items()}
    {(0, 1): 0.67, (1, 2): 0.67}
    """
    n_clouds = len(found.lengths)
    if isinstance(pairs, str):
        if pairs not in ("consecutive", "all"):
            raise ParameterError(f'pairs must be "consecutive", "all" or pairs of cloud numbers, not {pairs!r}.')
        wanted = list(pairwise(range(n_clouds)) if pairs == "consecutive" else combinations(range(n_clouds), 2))
    else:
        wanted = list(pairs)
        for pair in wanted:
            if not all(0 <= number < n_clouds for number in pair):
                raise ParameterError(f"Clouds are numbered 0 to {n_clouds - 1}, but the pair {pair} was asked for.")
    largest = int(_chosen(k_values, found.k)[-1])
    graphs = {number: found.graph(number, largest) for number in {number for pair in wanted for number in pair}}
    return {(one, other): neighborhood_overlap(graphs[one], graphs[other], k_values=k_values) for one, other in wanted}


def overlap_of_distances(first: npt.NDArray[Any], second: npt.NDArray[Any], *, largest: int = 31) -> Overlap:
    """Measure neighborhood overlap as the code of Viswanathan et al. does, from two distance matrices; in [0, 1].

    Parameters
    ----------
    first, second : numpy.ndarray
        `(n_points, n_points)` distances of the same points.
    largest : int
        Overlap is given for k = 1 .. `largest`.

    Returns
    -------
    Overlap
        For parity only: use `neighborhood_overlap` otherwise.

    Raises
    ------
    ParameterError
        If the matrices are not square and of one shape, or `largest` is out of range.

    Notes
    -----
    Each row is sorted by `numpy.argsort` with its default (unstable) algorithm and rank 0 is skipped in the belief that
    it is the point itself. Where a copy of the point comes first, the point counts as its own neighbor and the copy as
    none. No duplicate is dropped. Given the distances the authors stored, this equals their published
    numbers; index k of their arrays is `values[k - 1]` here.

    References
    ----------
    K. Viswanathan et al., arXiv:2501.10573 (2025), Figure 5.

    Examples
    --------
    >>> line = np.abs(np.subtract.outer([0.0, 1.0, 3.0], [0.0, 1.0, 3.0]))
    >>> overlap_of_distances(line, line, largest=2).values.tolist()
    [1.0, 1.0]
    """
    if first.ndim != 2 or first.shape[0] != first.shape[1] or first.shape != second.shape:
        raise ParameterError(
            f"Distances must be two square matrices of one shape, but they have shapes {first.shape} and "
            f"{second.shape}."
        )
    n_points = len(first)
    if not 1 <= largest < n_points:
        raise ParameterError(f"largest must lie in 1 to {n_points - 1} for {n_points} points, not {largest}.")
    one, other = (np.argsort(distances, axis=1)[:, 1 : largest + 1] for distances in (first, second))
    return summarize_counts(
        common_counts(one, other, n_ids=n_points),
        np.arange(1, largest + 1),
        np.arange(n_points),
        per_neighbor=1.0 / (n_points - 1),
        n_only_first=0,
        n_only_second=0,
    )


def common_counts(first: Indices, second: Indices, *, n_ids: int) -> npt.NDArray[np.int16]:
    """Count for each point and each k the members that the first k of both lists share.

    Parameters
    ----------
    first, second : numpy.ndarray
        `(n_points, largest)` int64: ids below `n_ids`, distinct within a row.
    n_ids : int
        Number of ids.

    Returns
    -------
    numpy.ndarray
        `(n_points, largest)` int16; column k - 1 belongs to k.

    Examples
    --------
    >>> common_counts(np.array([[0, 1, 2]]), np.array([[2, 0, 5]]), n_ids=6).tolist()
    [[0, 1, 2]]
    """
    n_points, largest = first.shape
    counts = np.empty((n_points, largest), dtype=np.int16)
    ranks = np.arange(largest, dtype=np.int16)
    for chunk, places in positions_in(first, second, n_ids=n_ids):
        later = np.maximum(places, ranks)  # `largest` for those that are not shared
        cells = np.arange(len(places))[:, None] * (largest + 1) + later
        arrivals = np.bincount(cells.ravel(), minlength=len(places) * (largest + 1)).reshape(-1, largest + 1)
        counts[chunk] = torch.from_numpy(arrivals[:, :largest]).cumsum(dim=1, dtype=torch.int16)  # numpy takes longer
    return counts


def summarize_counts(
    counts: npt.NDArray[np.int16],
    k_values: Indices,
    rows: Indices,
    *,
    per_neighbor: float,
    n_only_first: int,
    n_only_second: int,
) -> Overlap:
    """Make an `Overlap` of the counts for all k: keep those of `k_values`; chance is `per_neighbor * k`."""
    kept = counts[:, k_values - 1]
    n_points = len(kept)
    if n_points > 1:
        stderr = kept.std(axis=0, ddof=1, dtype=np.float64) / k_values / np.sqrt(n_points)
    else:
        stderr = np.full(len(k_values), np.nan)
    return Overlap(
        k_values=k_values,
        values=kept.sum(axis=0, dtype=np.int64) / (n_points * k_values),
        stderr=stderr,
        chance=per_neighbor * k_values.astype(np.float64),
        counts=kept,
        rows=rows,
        n_only_first=n_only_first,
        n_only_second=n_only_second,
    )


def _rows(graph: NeighborGraph) -> Indices:
    """Return the input rows that the rows of `indices` belong to."""
    return graph.rows if graph.queries is None else graph.rows[graph.queries]


def compared(first: NeighborGraph, second: NeighborGraph, k_values: Sequence[int] | None) -> Indices:
    """Return the k at which two graphs are compared, ascending; refuse graphs of different tables."""
    if first.n_given != second.n_given:
        raise ParameterError(
            f"Overlap compares the same points twice, but the graphs come from {first.n_given} and {second.n_given} "
            "rows. Align the tables first."
        )
    return _chosen(k_values, min(first.k, second.k))


def _chosen(k_values: Sequence[int] | None, available: int) -> Indices:
    chosen = np.arange(1, available + 1) if k_values is None else np.unique(np.asarray(k_values, dtype=np.int64))
    if len(chosen) == 0 or chosen[0] < 1 or chosen[-1] > available:
        raise ParameterError(
            f"k must lie in 1 to {available}, which the graphs hold, but k_values={list(k_values or [])} was given. "
            "Search for more neighbors, or lower k."
        )
    return chosen
