"""The neighbor graph: what a search for nearest neighbors returns."""

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed, equal_by_entries
from theodolite.core.errors import ParameterError

Metric = Literal["euclidean", "cosine"]


@equal_by_entries
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NeighborGraph(Displayed):
    """For each point its k nearest others, exact, with float64 distances and an account of what was done.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_points, k)` int64: the neighbors of each graph point, as numbers of graph points, nearest first; equal
        distances are ordered by index. A point is never its own neighbor (it is left out by index, not by distance).
    distances : numpy.ndarray
        `(n_points, k)` float64, ascending: computed from coordinate differences in float64 unless `distance_error`
        says otherwise. In the units of the points; for `metric="cosine"` the chord between unit rows, dimensionless,
        in [0, 2].
    rows : numpy.ndarray
        `(n_points,)` int64: the row of the input each graph point came from, so `rows[indices]` are input rows.
    n_given : int
        Rows of the input.
    n_nonfinite : int
        Rows dropped because they hold NaN or an infinity.
    n_duplicates : int
        Rows dropped because an earlier row is equal (after normalisation for the cosine metric).
    n_zero : int
        All-zero rows of the input. They are points like any other under the Euclidean metric and dropped under the
        cosine metric, where they have no direction.
    n_dims : int
        Extrinsic dimension: the number of columns.
    metric : {"euclidean", "cosine"}
        What was measured.
    exact : bool
        Whether every row of the graph is proven to hold the k nearest.
    n_redone : int
        Points whose candidates could not be certified in low precision and were searched again in float64.
    path : str
        The kernel and the device that found the candidates, such as `"float32/cpu"`.
    queries : numpy.ndarray or None
        `(n_queries,)` int64: the graph points that rows of `indices` and `distances` belong to, when only some were
        asked for; None when all were.
    distance_error : float
        Proven bound on the relative error of distances that were not computed from coordinate differences (graphs of
        `cloud_neighbors`); 0 where all were.
    """

    indices: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    n_given: int
    n_nonfinite: int
    n_duplicates: int
    n_zero: int
    n_dims: int
    metric: Metric
    exact: bool
    n_redone: int
    path: str
    queries: npt.NDArray[np.int64] | None = None
    distance_error: float = 0.0

    @property
    def k(self) -> int:
        """Neighbors held for each point."""
        return int(self.indices.shape[1])

    @property
    def n_points(self) -> int:
        """Points that were searched: the input less what was dropped."""
        return len(self.rows)

    @property
    def cosines(self) -> npt.NDArray[np.float64]:
        """Cosine similarity to each neighbor, `(n_points, k)` float64 in [-1, 1], descending.

        Raises
        ------
        ParameterError
            If the graph was not made with `metric="cosine"`.

        Notes
        -----
        For unit rows at chord d the cosine is 1 - d**2 / 2. The chord keeps the digits that the cosine of a small
        angle loses: at an angle of 1e-9 the cosine rounds to 1.
        """
        if self.metric != "cosine":
            raise ParameterError(f'Cosines need a graph made with metric="cosine", but this one is {self.metric}.')
        return np.clip(1.0 - self.distances**2 / 2.0, -1.0, 1.0)

    def truncate(self, k: int) -> "NeighborGraph":
        """Return the graph of the k nearest only, without a new search.

        Parameters
        ----------
        k : int
            Neighbors to keep, from 1 to `self.k`.

        Returns
        -------
        NeighborGraph
            Everything else is equal; the arrays are views.

        Raises
        ------
        ParameterError
            If `k` is below 1 or above what the graph holds.

        Examples
        --------
        >>> from theodolite.neighborhoods import neighbors
        >>> graph = neighbors(np.array([[0.0], [1.0], [3.0], [7.0]]), k=3)
        >>> graph.truncate(1).indices.ravel().tolist()
        [1, 0, 1, 2]
        """
        check_kept(k, self.k)
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values.update(indices=self.indices[:, :k], distances=self.distances[:, :k])
        return NeighborGraph(**values)


def check_whole(k: int) -> None:
    """Refuse what is no whole number."""
    if isinstance(k, bool | np.bool_) or not isinstance(k, int | np.integer):
        raise ParameterError(f"k must be a whole number, but k={k!r} was given.")


def check_kept(k: int, held: int) -> None:
    """Refuse to keep more neighbors than are held, or none."""
    check_whole(k)
    if not 1 <= k <= held:
        raise ParameterError(f"A graph of {held} neighbors can be cut to k from 1 to {held}, not to {k}.")


def check_count(k: int) -> None:
    """Refuse a number of neighbors that is none."""
    check_whole(k)
    if k < 1:
        raise ParameterError(f"k must be at least 1, but k={k} was given.")


def require_graph(graph: NeighborGraph, *, method: str) -> None:
    """Refuse what is no neighbor graph, such as the points themselves, and say how to make one."""
    if isinstance(graph, NeighborGraph):
        return
    shape = getattr(graph, "shape", None)
    given = type(graph).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
    raise ParameterError(
        f"{method} reads a neighbor graph, but was given {given}. Pass neighbors(points, k=64) in place of the points."
    )
