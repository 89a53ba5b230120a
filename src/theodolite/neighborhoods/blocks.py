"""One table in blocks: each searched on its own, wherever that is, and merged into the graph of a single search."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.core.points import CleanPoints, Duplicates, Nonfinite, Points
from theodolite.core.progress import Progress
from theodolite.neighborhoods.graph import Metric, NeighborGraph
from theodolite.neighborhoods.kernel import Method
from theodolite.neighborhoods.prepare import prepare
from theodolite.neighborhoods.search import DEFAULT_MEMORY, check_enough, check_settings, graph_of
from theodolite.neighborhoods.searcher import Searcher

_SAME = ("n_given", "n_nonfinite", "n_duplicates", "n_zero", "n_dims", "metric", "k")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSearch:
    """A table made ready for the search of one block of its points after another.

    Attributes
    ----------
    searcher : Searcher
        The points, the kernel, the rounded rows.
    metric : {"euclidean", "cosine"}
        What is measured.
    distinct : bool
        Whether equal rows were collapsed.
    """

    searcher: Searcher
    metric: Metric
    distinct: bool

    @property
    def clean(self) -> CleanPoints:
        """The points that remain, and what was dropped."""
        return self.searcher.prepared.clean

    def search(self, block: int, n_blocks: int, *, progress: Progress | None = None) -> NeighborGraph:
        """Find the neighbors of the points of one block among all points.

        Parameters
        ----------
        block : int
            Which one, from 0.
        n_blocks : int
            How many blocks of consecutive points there are; their sizes differ by one at most.
        progress : Progress, optional
            Told how many points are done.

        Returns
        -------
        NeighborGraph
            `queries` names the points of the block; with a single block it is None.

        Raises
        ------
        ParameterError
            If there are more blocks than points, or no such block.
        """
        bounds = block_bounds(self.clean.n_points, n_blocks)
        if not 0 <= block < n_blocks:
            raise ParameterError(
                f"There is no block {block} of {n_blocks}: they are numbered from 0 to {n_blocks - 1}."
            )
        asked = np.arange(bounds[block], bounds[block + 1]) if n_blocks > 1 else None
        return graph_of(self.searcher, asked, metric=self.metric, distinct=self.distinct, progress=progress)


def block_search(
    points: Points,
    *,
    k: int = 64,
    metric: Metric = "euclidean",
    nonfinite: Nonfinite = "error",
    duplicates: Duplicates = "collapse",
    method: Method = "auto",
    max_memory: int = DEFAULT_MEMORY,
) -> BlockSearch:
    """Make a table ready for a search block by block: what every block needs is computed here, once.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, any real dtype, any device.
    k, metric, nonfinite, duplicates, method, max_memory
        As in `neighbors`.

    Returns
    -------
    BlockSearch
        `.search(block, n_blocks)` gives the graph of one block; `merge_graphs` puts them together.

    Raises
    ------
    PointsError
        If the points cannot be measured, or too few remain for k.
    ParameterError
        If a parameter is outside its range.

    Notes
    -----
    Every point is compared with the whole table, cleaned, centered and scaled as a whole, so a block has the neighbors
    and distances that the single search gives it, to the bit, ties and duplicates included. What is lost is symmetry:
    `neighbors` computes each product once for both points, a block computes those of its own points.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.arange(12.0)[:, None] ** 2
    >>> search = block_search(points, k=2)
    >>> merged = merge_graphs(search.search(block, 3) for block in range(3))
    >>> bool((merged.indices == neighbors(points, k=2).indices).all())
    True
    """
    check_settings(k, method, max_memory)
    prepared = prepare(points, metric=metric, nonfinite=nonfinite, duplicates=duplicates)
    check_enough(prepared, k, metric)
    searcher = Searcher(prepared, k, method=method, max_memory=max_memory)
    return BlockSearch(searcher=searcher, metric=metric, distinct=duplicates == "collapse")


def block_bounds(n_points: int, n_blocks: int) -> npt.NDArray[np.int64]:
    """Cut points into blocks of consecutive ones whose sizes differ by one at most.

    Parameters
    ----------
    n_points, n_blocks : int
        How many there are of each.

    Returns
    -------
    numpy.ndarray
        `(n_blocks + 1,)` int64: block i holds the points from entry i up to entry i + 1.

    Raises
    ------
    ParameterError
        If there is no block, or more than points.

    Examples
    --------
    >>> block_bounds(10, 3).tolist()
    [0, 3, 6, 10]
    """
    if not 1 <= n_blocks <= n_points:
        raise ParameterError(
            f"{n_points} points can be cut into 1 to {n_points} blocks, not into {n_blocks}. Take fewer blocks."
        )
    return np.arange(n_blocks + 1, dtype=np.int64) * n_points // n_blocks


def merge_graphs(parts: Iterable[NeighborGraph]) -> NeighborGraph:
    """Merge graphs of some points of a table into one.

    Parameters
    ----------
    parts : iterable of NeighborGraph
        Graphs of the same table, with the same settings and different `queries`. An iterator is read as it comes: one
        part is held beside the merged graph.

    Returns
    -------
    NeighborGraph
        Rows in the order of the points; `queries` is None where every point was asked for. `n_redone` is the sum, and
        `path` names each kernel once.

    Raises
    ------
    ParameterError
        If there is no part, the parts are of different tables or settings, or a point is in two of them.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.arange(5.0)[:, None] ** 2
    >>> halves = [neighbors(points, k=2, queries=np.array(rows)) for rows in ([3, 4], [0, 1, 2])]
    >>> merge_graphs(halves).indices.tolist() == neighbors(points, k=2).indices.tolist()
    True
    """
    first: NeighborGraph | None = None
    n_redone, paths, exact, error = 0, dict[str, None](), True, 0.0
    for part in parts:
        if first is None:
            first = part
            indices = np.empty((part.n_points, part.k), dtype=np.int64)
            distances = np.empty((part.n_points, part.k), dtype=np.float64)
            known = np.zeros(part.n_points, dtype=np.bool_)
        _refuse_other(first, part)
        asked = np.arange(part.n_points) if part.queries is None else part.queries
        if known[asked].any():
            point = int(asked[known[asked]][0])
            raise ParameterError(
                f"Point {point} (row {int(part.rows[point])}) is in two parts. Merge parts without common points."
            )
        indices[asked], distances[asked], known[asked] = part.indices, part.distances, True
        n_redone, exact, error = n_redone + part.n_redone, exact and part.exact, max(error, part.distance_error)
        paths[part.path] = None
    if first is None:
        raise ParameterError("There is no graph to merge: give at least one.")
    missing = not known.all()
    return replace(
        first,
        indices=indices[known] if missing else indices,
        distances=distances[known] if missing else distances,
        exact=exact,
        n_redone=n_redone,
        path=" ".join(paths),
        queries=np.flatnonzero(known) if missing else None,
        distance_error=error,
    )


def _refuse_other(first: NeighborGraph, part: NeighborGraph) -> None:
    """Refuse a part that is not of the same table and settings as the first."""
    for name in _SAME:
        one, other = getattr(first, name), getattr(part, name)
        if one != other:
            raise ParameterError(f"The parts are of different searches: {name} is {one} in one and {other} in another.")
    if part.rows is not first.rows and not np.array_equal(part.rows, first.rows):
        raise ParameterError("The parts are of different tables: their points come from different rows.")
