"""Exact nearest neighbors of some points among others: queries that are no rows of the table they are looked up in."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed, equal_by_entries
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import CleanPoints, Duplicates, Nonfinite, Points, as_points, clean_points
from theodolite.core.progress import Progress, Silent, tracked
from theodolite.neighborhoods.direct import Direct
from theodolite.neighborhoods.graph import Metric
from theodolite.neighborhoods.kernel import Method
from theodolite.neighborhoods.prepare import (
    Prepared,
    directions,
    largest_of,
    measured_as,
    safe_exponent,
    scaled_down,
)
from theodolite.neighborhoods.search import DEFAULT_MEMORY, check_resolved, check_settings, in_units
from theodolite.neighborhoods.searcher import Searcher


@equal_by_entries
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CrossNeighbors(Displayed):
    """For each query its k nearest rows of a reference table, exact, with float64 distances.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_queries, k)` int64: rows of the reference as it was given, nearest first, equal distances by row. A
        reference row that equals the query is a neighbor like any other, at distance exactly 0.
    distances : numpy.ndarray
        `(n_queries, k)` float64, ascending: computed from coordinate differences in float64, in the units of the
        points; for `metric="cosine"` the chord between unit rows.
    queries : numpy.ndarray
        `(n_queries,)` int64: the rows of the queries that were looked up, ascending.
    n_given, n_nonfinite, n_duplicates, n_zero : int
        Rows of the reference, and how many were dropped for which reason, as in `NeighborGraph`.
    n_dims : int
        Extrinsic dimension: the number of columns.
    metric : {"euclidean", "cosine"}
        What was measured.
    exact : bool
        Whether every query is proven to have its k nearest.
    n_redone : int
        Queries whose candidates could not be certified in float32 and were searched again in float64.
    path : str
        The kernel and the device that found the candidates.
    """

    indices: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]
    queries: npt.NDArray[np.int64]
    n_given: int
    n_nonfinite: int
    n_duplicates: int
    n_zero: int
    n_dims: int
    metric: Metric
    exact: bool
    n_redone: int
    path: str

    @property
    def k(self) -> int:
        """Neighbors held for each query."""
        return int(self.indices.shape[1])


def cross_neighbors(
    queries: Points,
    reference: Points,
    *,
    k: int = 64,
    metric: Metric = "euclidean",
    nonfinite: Nonfinite = "error",
    duplicates: Duplicates = "collapse",
    method: Method = "auto",
    max_memory: int = DEFAULT_MEMORY,
    progress: Progress | None = None,
) -> CrossNeighbors:
    """Find for each query its k nearest rows of a reference table: exact, with float64 distances.

    Parameters
    ----------
    queries : torch.Tensor or numpy.ndarray
        `(n_queries, n_dims)`: the points to look up. Equal ones are all answered.
    reference : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`: the points among which neighbors are sought; the queries are moved to its device.
    k : int
        Neighbors to find, from 1 to the number of reference points that remain.
    metric : {"euclidean", "cosine"}
        As in `neighbors`; zero queries have no direction and are left out.
    nonfinite : {"error", "drop"}
        What to do with rows of either table that hold NaN or an infinity.
    duplicates : {"collapse", "keep"}
        Whether equal rows of the reference become one point, named by its first row.
    method : {"auto", "float32", "float64"}
        Arithmetic that finds candidates. It decides the time, never the answer; "int8" means "float32" here.
    max_memory : int
        Bytes for candidates and blocks of scores; beside them many queries want a copy of the reference or two.
    progress : Progress, optional
        Told how many queries are done.

    Returns
    -------
    CrossNeighbors
        Neighbors, distances, and an account of what was dropped and redone.

    Raises
    ------
    PointsError
        If either table cannot be measured, or the reference keeps too few points.
    ParameterError
        If a parameter is outside its range, or the tables differ in their columns.

    Notes
    -----
    The search is that of `neighbors`, proof and second search included. Few queries are multiplied with the reference
    as it is; with more, both tables are searched together, with the queries barred from being anybody's neighbor. Use
    `neighbors(points, queries=rows)` where the queries are rows of the table: a point is then not its own neighbor. Use
    `cross_search` where queries come one after another.

    Examples
    --------
    >>> found = cross_neighbors(np.array([[2.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 0.0], [2.0, 0.0]]), k=2)
    >>> found.indices.tolist(), found.distances.tolist()
    ([[2, 1]], [[0.0, 1.0]])
    """
    search = cross_search(
        reference, k=k, metric=metric, nonfinite=nonfinite, duplicates=duplicates, method=method, max_memory=max_memory
    )
    return search.search(queries, progress=progress)


class CrossSearch:
    """A reference table that queries are looked up in, as often as one likes: it is cleaned and centered once.

    Parameters
    ----------
    held : CleanPoints
        The reference.
    k, metric, nonfinite, method, max_memory
        As in `cross_neighbors`.
    """

    def __init__(
        self, held: CleanPoints, *, k: int, metric: Metric, nonfinite: Nonfinite, method: Method, max_memory: int
    ) -> None:
        self.held = held
        self.k = k
        self.metric: Metric = metric
        self.nonfinite: Nonfinite = nonfinite
        self.method: Method = method
        self.max_memory = max_memory
        self._direct: Direct | None = None

    @cached_property
    def _largest(self) -> float:
        return largest_of(self.held.values)

    def _units(self, queries: torch.Tensor) -> int:
        """Find the power of two to scale both tables down by; squares of float32 are in range as they are."""
        if self.held.values.dtype == queries.dtype == torch.float32:
            return 0
        return safe_exponent(max(self._largest, largest_of(queries)))

    def _usual(self, units: int) -> bool:
        """Say whether these are the units of the reference by itself, in which its centered rows are kept."""
        return units == (0 if self.held.values.dtype == torch.float32 else safe_exponent(self._largest))

    def search(self, queries: Points, *, progress: Progress | None = None) -> CrossNeighbors:
        """Find for each query its k nearest rows of the reference.

        Parameters
        ----------
        queries : torch.Tensor or numpy.ndarray
            `(n_queries, n_dims)`.
        progress : Progress, optional
            Told how many queries are done.

        Returns
        -------
        CrossNeighbors
            What `cross_neighbors` returns.

        Raises
        ------
        PointsError
            If the queries cannot be measured.
        ParameterError
            If they differ from the reference in their columns.
        """
        held = self.held
        asking = _asking(queries, self.nonfinite, self.metric)
        if asking.n_dims != held.n_dims:
            raise ParameterError(
                f"The queries have {asking.n_dims} columns and the reference {held.n_dims}. "
                "Pass points of the same space."
            )
        values = asking.values.to(held.values.device)
        units = self._units(values)
        prepared = Prepared(
            clean=replace(held, values=scaled_down(held.values, units)), units=units, asking=scaled_down(values, units)
        )
        known = self._direct if self._usual(units) else None
        searcher = Searcher(prepared, self.k, method=self.method, max_memory=self.max_memory, direct=known)
        asked = np.arange(held.n_points, prepared.n_points)
        with tracked(progress or Silent(), len(asked), f"{self.k} nearest of {len(asked)} queries") as tracker:
            found = searcher.search(asked, tracker)
        if self._usual(units) and held.values.device.type == "cpu":
            self._direct = searcher.direct
        check_resolved(found, asked, prepared, distinct=False)
        return CrossNeighbors(
            indices=held.rows[found.indices],
            distances=in_units(found.distances, units),
            queries=asking.rows,
            n_given=held.n_given,
            n_nonfinite=held.n_nonfinite,
            n_duplicates=held.n_duplicates,
            n_zero=held.n_zero,
            n_dims=held.n_dims,
            metric=self.metric,
            exact=True,
            n_redone=found.n_redone,
            path=searcher.path,
        )


def cross_search(
    reference: Points,
    *,
    k: int = 64,
    metric: Metric = "euclidean",
    nonfinite: Nonfinite = "error",
    duplicates: Duplicates = "collapse",
    method: Method = "auto",
    max_memory: int = DEFAULT_MEMORY,
) -> CrossSearch:
    """Make a reference table ready for queries that come one after another.

    Parameters
    ----------
    reference : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`: the points among which neighbors are sought.
    k, metric, nonfinite, duplicates, method, max_memory
        As in `cross_neighbors`.

    Returns
    -------
    CrossSearch
        `.search(queries)` gives what `cross_neighbors(queries, reference)` does. From the second call on it holds a
        centered copy of the reference in float32.

    Raises
    ------
    PointsError
        If the reference cannot be measured, or keeps too few points.
    ParameterError
        If a parameter is outside its range.

    Examples
    --------
    >>> search = cross_search(np.array([[0.0, 0.0], [3.0, 0.0], [2.0, 0.0]]), k=1)
    >>> [search.search(np.array([[x, 1.0]])).indices.item() for x in (0.5, 2.9)]
    [0, 1]
    """
    check_settings(k, method, max_memory)
    held = measured_as(reference, metric=metric, nonfinite=nonfinite, duplicates=duplicates)
    if k > held.n_points:
        raise PointsError(
            f"k={k} needs at least {k} reference points but only {held.n_points} of {held.n_given} rows remain. "
            "Lower k."
        )
    return CrossSearch(held, k=k, metric=metric, nonfinite=nonfinite, method=method, max_memory=max_memory)


def _asking(queries: Points, nonfinite: Nonfinite, metric: Metric) -> CleanPoints:
    """Clean the queries; equal ones are welcome, even if all are."""
    values = as_points(queries)
    if len(values) > 1 and bool((values == values[:1]).all()):
        clean = clean_points(values[:1], nonfinite=nonfinite)
        clean = replace(clean, values=values, rows=np.arange(len(values)), n_given=len(values))
    else:
        try:
            clean = clean_points(values, nonfinite=nonfinite, duplicates="keep")
        except PointsError as error:
            raise PointsError(f"Queries: {error}") from error
    if metric == "euclidean":
        return clean
    units, nonzero = directions(clean.values)
    if len(units) == 0:
        raise PointsError("All queries are zero: a zero row has no direction, so there are no angles to measure.")
    return replace(clean, values=units, rows=clean.rows[nonzero.cpu().numpy()])
