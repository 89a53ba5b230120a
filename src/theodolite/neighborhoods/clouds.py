"""Exact nearest neighbors of many small clouds (hidden states of prompts), each searched within itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import index
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed, equal_by_entries
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import CleanPoints, Duplicates, Nonfinite, Points, as_points
from theodolite.core.progress import Progress, Silent, tracked
from theodolite.neighborhoods.certificate import FLOAT32_UNIT
from theodolite.neighborhoods.cloud_memory import Buffers
from theodolite.neighborhoods.cloud_moments import CloudMoments, gather_moments
from theodolite.neighborhoods.cloud_products import Answer
from theodolite.neighborhoods.cloud_rows import Precision
from theodolite.neighborhoods.cloud_search import Account, UnsuitableError, search_cloud
from theodolite.neighborhoods.graph import Metric, NeighborGraph, check_count, check_kept
from theodolite.neighborhoods.prepare import prepare

_NARROWEST, _WIDEST = 1e-30, 1e37  # distances that float32 holds with all its digits


@equal_by_entries
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CloudNeighbors(Displayed):
    """The k nearest of each point within its own cloud, for many clouds; what is absent is -1 or NaN.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_clouds, n_longest, k)` int32: numbers of points of the same cloud, nearest first, equal distances by index.
    distances : numpy.ndarray
        `(n_clouds, n_longest, k)`, ascending, in the units of the points (for cosine: chords of unit rows); float32
        after a search with `precision="float32"`, unless they do not fit, and float64 otherwise.
    ranks : tuple of int
        Neighbors beyond the k nearest of which only the distance was asked for, ascending.
    radii : numpy.ndarray
        `(n_clouds, n_longest, n_ranks)`, in the type of the distances: the distances to those.
    rows : numpy.ndarray
        `(n_clouds, n_longest)` int64: the row of its cloud that each point came from.
    lengths : numpy.ndarray
        `(n_clouds,)` int64: points of each cloud, after dropping.
    n_given, n_nonfinite, n_duplicates, n_zero, n_redone : numpy.ndarray
        `(n_clouds,)` int64, for each cloud as in `NeighborGraph`.
    distance_error : numpy.ndarray
        `(n_clouds,)` float64: proven bound on the relative error of every distance and radius of a cloud.
    n_dims : int
        Extrinsic dimension.
    metric : {"euclidean", "cosine"}
        What was measured.
    path : str
        The kernel and the device.
    moments : CloudMoments or None
        How the rows spread, from the products of all pairs, where that was asked for.
    """

    indices: npt.NDArray[np.int32]
    distances: npt.NDArray[np.floating[Any]]
    ranks: tuple[int, ...]
    radii: npt.NDArray[np.floating[Any]]
    rows: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    n_given: npt.NDArray[np.int64]
    n_nonfinite: npt.NDArray[np.int64]
    n_duplicates: npt.NDArray[np.int64]
    n_zero: npt.NDArray[np.int64]
    n_redone: npt.NDArray[np.int64]
    distance_error: npt.NDArray[np.float64]
    n_dims: int
    metric: Metric
    path: str
    moments: CloudMoments | None = None

    @property
    def k(self) -> int:
        """Neighbors held for each point."""
        return int(self.indices.shape[2])

    @property
    def reach(self) -> int:
        """The farthest neighbor to which the distance is held."""
        return self.ranks[-1] if self.ranks else self.k

    def distances_to(self, rank: int) -> npt.NDArray[np.float64]:
        """Return the distance of each point to one of its neighbors, `(n_clouds, n_longest)` float64, padded with NaN.

        Parameters
        ----------
        rank : int
            Which neighbor, counted from 1.

        Raises
        ------
        ParameterError
            If the distance to that neighbor is not held.
        """
        if 1 <= rank <= self.k:
            return self.distances[:, :, rank - 1].astype(np.float64)
        if rank not in self.ranks:
            beyond = f", and to neighbors {', '.join(map(str, self.ranks))}" if self.ranks else ""
            raise ParameterError(
                f"The distance to neighbor {rank} was asked for, but the clouds hold those to the {self.k} nearest"
                f"{beyond}. Pass k={rank} (or ranks with {rank} among them) to cloud_neighbors()."
            )
        return self.radii[:, :, self.ranks.index(rank)].astype(np.float64)

    def graph(self, cloud: int, k: int | None = None) -> NeighborGraph:
        """Return the neighbor graph of one cloud, with int64 and float64 arrays.

        Parameters
        ----------
        cloud : int
            Which.
        k : int, optional
            Neighbors to hold; by default all.

        Raises
        ------
        ParameterError
            If there is no such cloud, or `k` is below 1 or above what the clouds hold.
        """
        if not -len(self.lengths) <= cloud < len(self.lengths):
            raise ParameterError(f"Clouds are numbered 0 to {len(self.lengths) - 1}, but cloud {cloud} was asked for.")
        if k is not None:
            check_kept(k, self.k)
        n_points = int(self.lengths[cloud])
        return NeighborGraph(
            indices=self.indices[cloud, :n_points, :k].astype(np.int64),
            distances=self.distances[cloud, :n_points, :k].astype(np.float64),
            rows=self.rows[cloud, :n_points],
            n_given=int(self.n_given[cloud]),
            n_nonfinite=int(self.n_nonfinite[cloud]),
            n_duplicates=int(self.n_duplicates[cloud]),
            n_zero=int(self.n_zero[cloud]),
            n_dims=self.n_dims,
            metric=self.metric,
            exact=True,
            n_redone=int(self.n_redone[cloud]),
            distance_error=float(self.distance_error[cloud]),
            path=self.path,
        )


def cloud_neighbors(
    clouds: Points | Sequence[Points],
    *,
    k: int = 64,
    ranks: Sequence[int] = (),
    metric: Metric = "euclidean",
    nonfinite: Nonfinite = "error",
    duplicates: Duplicates = "collapse",
    precision: Precision = "float32",
    moments: bool = False,
    progress: Progress | None = None,
) -> CloudNeighbors:
    """Find for each point its k nearest others in the same cloud: exact, for many small clouds in one call.

    Parameters
    ----------
    clouds : torch.Tensor, numpy.ndarray or sequence of them
        `(n_clouds, n_points, n_dims)`, or clouds `(n_points, n_dims)` of different lengths, on any device.
    k : int
        Neighbors to find; every cloud needs more points than that.
    ranks : sequence of int
        Farther neighbors of which only the distance is wanted, not which points they are: `k=31, ranks=(32, 64, 128)`
        holds an eighth of what `k=256` does. Ascending, beyond k, below the number of points of every cloud.
    metric, nonfinite, duplicates
        As in `neighbors`, for each cloud by itself.
    precision : {"float32", "float64"}
        What is proven beside the set of the k nearest (see Notes). `"float64"` takes about twice as long.
    moments : bool
        Whether to sum the squares of all products as well: `cloud_participation_ratio` and `cloud_cosines`, which are
        given the result, then need no pass over the points. Done on a CPU, for clouds that need no cleaning.
    progress : Progress, optional
        Told how many clouds are done.

    Returns
    -------
    CloudNeighbors
        Padded arrays over all clouds; `graph(i)` is the graph of one.

    Raises
    ------
    PointsError
        If a cloud cannot be measured or keeps too few points; the message names the cloud.
    ParameterError
        If a parameter is outside its range, or clouds differ in their columns.

    Notes
    -----
    With k a good part of n, distances from coordinate differences would cost a hundred times the products. So the
    products of centered rows are used themselves, with a proven bound on their rounding
    (`theodolite.neighborhoods.cloud_products`), and what the bound leaves open is measured from differences in float64.

    * The k neighbors are those of float64 differences, in either precision: candidates that the bound cannot tell from
      the k-th are measured again. Exact duplicates, if kept, are at distance exactly 0.
    * `"float32"`: every distance is within `distance_error` of itself, at most 2e-4 and often a tenth of that; pairs
      for which that cannot be proven (near-duplicates) are measured again. The errors seen are a hundredth of the
      bound. Two neighbors may stand in each other's place if their distances differ by less than twice the bound;
      nothing else can happen to the order. A cloud with many near-duplicates is searched in float64 as a whole, and its
      distances are rounded to float32.
    * `radii` are distances to the neighbor of a rank whoever it is: within `distance_error` of themselves too. Where
      that cannot be proven (more near-duplicates than k) the cloud is searched in float64.
    * `"float64"`: every distance is within 1e-10 of itself, and the order is that of the differences, ties by index.

    The products of one cloud are held at once (4 or 8 bytes for each pair) beside the answer, on the device.

    Examples
    --------
    >>> clouds = [np.array([[0.0], [1.0], [3.0]]), np.array([[5.0], [9.0], [6.0], [5.0]])]
    >>> found = cloud_neighbors(clouds, k=2)
    >>> found.graph(1).indices.tolist(), found.n_duplicates.tolist(), found.lengths.tolist()
    ([[2, 1], [2, 0], [0, 1]], [0, 1], [3, 3])
    """
    check_count(k)
    if precision not in get_args(Precision):
        raise ParameterError(f'precision must be "float32" or "float64", not {precision!r}.')
    wanted = _check_ranks(ranks, k)
    each = list(clouds)
    if not each:
        raise PointsError("There is no cloud among the clouds given.")
    store = _Store(max(int(np.prod(np.shape(points)[:1])) for points in each), len(each), k, wanted, precision)
    buffers = Buffers()
    with tracked(progress or Silent(), len(each), f"{k} nearest in {len(each)} clouds") as tracker:
        for number, points in enumerate(each):
            try:
                clean = _glance(points) if metric == "euclidean" else None
                found = None
                if clean is not None and clean.n_points > store.reach:
                    found = _attempt(buffers, clean, store.answer(number, clean.n_points), precision, moments)
                if (
                    clean is None
                    or found is None
                    or (duplicates == "collapse" and store.holds_zero(number, clean.n_points))
                ):
                    prepared = prepare(points, metric=metric, nonfinite=nonfinite, duplicates=duplicates)
                    clean = prepared.clean
                    _check_enough(clean, k, wanted)
                    answer = Answer.empty(clean.n_points, k, wanted)
                    found = search_cloud(buffers, clean, prepared, answer, precision=precision)
                    np.ldexp(answer.distances, prepared.units, out=answer.distances)
                    np.ldexp(answer.radii, prepared.units, out=answer.radii)
                    store.keep(number, answer)
            except PointsError as error:
                raise PointsError(f"Cloud {number}: {error}") from error
            store.finish(number, clean, found)
            tracker.advance(1)
    return store.result(metric, precision, moments)


def _attempt(
    buffers: Buffers, clean: CleanPoints, answer: Answer, precision: Precision, moments: bool
) -> Account | None:
    """Search points as they are; None if they turn out to need care."""
    try:
        return search_cloud(buffers, clean, None, answer, precision=precision, moments=moments)
    except UnsuitableError:
        return None


def _glance(points: Points) -> CleanPoints | None:
    """Return the points as they are, without a look at most of them; None if they are not on a CPU.

    Rows that are not finite and equal rows show in the search: as norms, and as distances of exactly 0.
    """
    values = as_points(points)
    if values.device.type != "cpu":
        return None
    values = values.contiguous()
    table, n_points = values.numpy(), len(values)
    suspects = np.flatnonzero(table[:, 0] == 0)
    return CleanPoints(
        values=values,
        rows=np.arange(n_points),
        n_given=n_points,
        n_nonfinite=0,
        n_duplicates=0,
        n_zero=int((table[suspects] == 0).all(axis=1).sum()),
    )


def _check_ranks(ranks: Sequence[int], k: int) -> tuple[int, ...]:
    try:
        wanted = tuple(index(rank) for rank in ranks)
    except TypeError:
        raise ParameterError(f"ranks are whole numbers, such as (64, 128), but {ranks!r} was given.") from None
    if any(later <= earlier for earlier, later in pairwise((k, *wanted))):
        raise ParameterError(
            f"ranks must be ascending and beyond k={k}, but {list(wanted)} was given. The distances to the k nearest "
            "are found anyway."
        )
    return wanted


def _check_enough(clean: CleanPoints, k: int, ranks: tuple[int, ...]) -> None:
    """Refuse a cloud of too few points."""
    name, reach, less = ("Rank ", ranks[-1], "Leave far ranks out") if ranks else ("k=", k, "Lower k")
    if reach >= clean.n_points:
        raise PointsError(
            f"{name}{reach} needs at least {reach + 1} points but only {clean.n_points} of {clean.n_given} rows "
            f"remain. {less}, or leave the cloud out."
        )


def _widened(table: npt.NDArray[np.floating[Any]], n_written: int) -> npt.NDArray[np.float64]:
    """Return a table in float64; what was never written to is no number to convert."""
    wide = np.empty(table.shape)
    wide[:n_written] = table[:n_written]
    return wide


class _Store:
    """The arrays of all clouds, filled one cloud after the other."""

    def __init__(self, longest: int, n_clouds: int, k: int, ranks: tuple[int, ...], precision: Precision) -> None:
        self.indices = np.empty((n_clouds, longest, k), dtype=np.int32)
        dtype = np.float32 if precision == "float32" else np.float64
        self.distances: npt.NDArray[np.floating[Any]] = np.empty((n_clouds, longest, k), dtype=dtype)
        self.ranks, self.reach = ranks, ranks[-1] if ranks else k
        self.radii: npt.NDArray[np.floating[Any]] = np.empty((n_clouds, longest, len(ranks)), dtype=dtype)
        self.rows = np.full((n_clouds, longest), -1, dtype=np.int64)
        self.counts: list[tuple[int, ...]] = []
        self.found: list[Account] = []
        self.device = "cpu"

    def answer(self, number: int, n_points: int) -> Answer:
        """Return the place for the neighbors of one cloud."""
        return Answer(
            indices=self.indices[number, :n_points],
            distances=self.distances[number, :n_points],
            ranks=self.ranks,
            radii=self.radii[number, :n_points],
        )

    def holds_zero(self, number: int, n_points: int) -> bool:
        """Say whether two points of a cloud that has just been searched are at distance 0."""
        return bool((self.distances[number, :n_points, 0] == 0).any())

    def keep(self, number: int, answer: Answer) -> None:
        """Write down neighbors that were found elsewhere, in float64 if float32 is too narrow for their distances."""
        n_points = len(answer.indices)
        self.indices[number, :n_points] = answer.indices
        positive = np.concatenate([some[some > 0] for some in (answer.distances, answer.radii)])
        if len(positive) and not _NARROWEST <= positive.min() <= positive.max() <= _WIDEST:
            self.distances, self.radii = _widened(self.distances, number), _widened(self.radii, number)
        self.distances[number, :n_points] = answer.distances
        self.radii[number, :n_points] = answer.radii

    def finish(self, number: int, clean: CleanPoints, found: Account) -> None:
        """Write down the rest about one cloud."""
        n_points = clean.n_points
        self.indices[number, n_points:] = -1
        self.distances[number, n_points:] = np.nan
        self.radii[number, n_points:] = np.nan
        self.rows[number, :n_points] = clean.rows
        self.counts.append(
            (n_points, clean.n_given, clean.n_nonfinite, clean.n_duplicates, clean.n_zero, found.n_redone, clean.n_dims)
        )
        self.found.append(found)
        self.device = clean.values.device.type

    def result(self, metric: Metric, precision: Precision, moments: bool) -> CloudNeighbors:
        """Return what was found."""
        lengths, n_given, n_nonfinite, n_duplicates, n_zero, n_redone, n_dims = np.array(self.counts).T
        if (n_dims != n_dims[0]).any():
            raise ParameterError(
                f"Clouds must have equal numbers of columns, but they have {np.unique(n_dims).tolist()}."
            )
        longest = int(lengths.max())
        rounding = FLOAT32_UNIT if self.distances.dtype == np.float32 else 0.0
        return CloudNeighbors(
            indices=self.indices[:, :longest],
            distances=self.distances[:, :longest],
            ranks=self.ranks,
            radii=self.radii[:, :longest],
            rows=self.rows[:, :longest],
            lengths=lengths,
            n_given=n_given,
            n_nonfinite=n_nonfinite,
            n_duplicates=n_duplicates,
            n_zero=n_zero,
            n_redone=n_redone,
            distance_error=np.array([found.error + 1.01 * rounding for found in self.found]),
            n_dims=int(n_dims[0]),
            metric=metric,
            path=f"{precision} products/{self.device}",
            moments=gather_moments([found.moments for found in self.found]) if moments else None,
        )
