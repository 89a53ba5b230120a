"""Exact nearest neighbors of many small clouds (hidden states of prompts), each searched within itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Duplicates, Nonfinite, Points
from theodolite.core.progress import Progress, Silent, tracked
from theodolite.neighborhoods.certificate import FLOAT64_UNIT
from theodolite.neighborhoods.graph import Metric, NeighborGraph
from theodolite.neighborhoods.prepare import Prepared, prepare
from theodolite.neighborhoods.refine import Distances, Indices, distances_between, nearest

_RELATIVE = 1e-10  # distances whose proven relative error is larger are recomputed from coordinate differences


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudNeighbors:
    """The k nearest of each point within its own cloud, for many clouds; what is absent is -1 or NaN.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_clouds, n_longest, k)` int64: numbers of points of the same cloud, nearest first, equal distances by index.
    distances : numpy.ndarray
        `(n_clouds, n_longest, k)` float64, ascending, in the units of the points (for cosine: chords of unit rows).
    rows : numpy.ndarray
        `(n_clouds, n_longest)` int64: the row of its cloud that each point came from.
    lengths : numpy.ndarray
        `(n_clouds,)` int64: points of each cloud, after dropping.
    n_given, n_nonfinite, n_duplicates, n_zero, n_redone : numpy.ndarray
        `(n_clouds,)` int64, for each cloud as in `NeighborGraph`.
    n_dims : int
        Extrinsic dimension.
    metric : {"euclidean", "cosine"}
        What was measured.
    path : str
        The kernel and the device.
    """

    indices: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    n_given: npt.NDArray[np.int64]
    n_nonfinite: npt.NDArray[np.int64]
    n_duplicates: npt.NDArray[np.int64]
    n_zero: npt.NDArray[np.int64]
    n_redone: npt.NDArray[np.int64]
    n_dims: int
    metric: Metric
    path: str

    @property
    def k(self) -> int:
        """Neighbors held for each point."""
        return int(self.indices.shape[2])

    def graph(self, cloud: int) -> NeighborGraph:
        """Return the neighbor graph of one cloud; its arrays are views."""
        n_points = int(self.lengths[cloud])
        return NeighborGraph(
            indices=self.indices[cloud, :n_points],
            distances=self.distances[cloud, :n_points],
            rows=self.rows[cloud, :n_points],
            n_given=int(self.n_given[cloud]),
            n_nonfinite=int(self.n_nonfinite[cloud]),
            n_duplicates=int(self.n_duplicates[cloud]),
            n_zero=int(self.n_zero[cloud]),
            n_dims=self.n_dims,
            metric=self.metric,
            exact=True,
            n_redone=int(self.n_redone[cloud]),
            path=self.path,
        )


def cloud_neighbors(
    clouds: Points | Sequence[Points],
    *,
    k: int = 64,
    metric: Metric = "euclidean",
    nonfinite: Nonfinite = "error",
    duplicates: Duplicates = "collapse",
    progress: Progress | None = None,
) -> CloudNeighbors:
    """Find for each point its k nearest others in the same cloud: exact, for many small clouds in one call.

    Parameters
    ----------
    clouds : torch.Tensor, numpy.ndarray or sequence of them
        `(n_clouds, n_points, n_dims)`, or clouds `(n_points, n_dims)` of different lengths, on any device.
    k : int
        Neighbors to find; every cloud needs more points than that.
    metric, nonfinite, duplicates
        As in `neighbors`, for each cloud by itself.
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
    products are float64 here, of centered points, and their rounding is bounded: a point is searched again by
    differences if its order is not certain up to the k-th neighbor, or if a distance is not certain to 1e-10 of itself
    (near-duplicates, ties). Order and sets are therefore those of the differences; distances agree with them to 1e-10.

    Examples
    --------
    >>> clouds = [np.array([[0.0], [1.0], [3.0]]), np.array([[5.0], [9.0], [6.0], [5.0]])]
    >>> found = cloud_neighbors(clouds, k=2)
    >>> found.graph(1).indices.tolist(), found.n_duplicates.tolist(), found.lengths.tolist()
    ([[2, 1], [2, 0], [0, 1]], [0, 1], [3, 3])
    """
    if k < 1:
        raise ParameterError(f"k must be at least 1, but k={k} was given.")
    each = list(clouds)
    if not each:
        raise PointsError("There is no cloud among the clouds given.")
    found: list[tuple[Prepared, Indices, Distances, int]] = []
    with tracked(progress or Silent(), len(each), f"{k} nearest in {len(each)} clouds") as tracker:
        for number, points in enumerate(each):
            try:
                prepared = prepare(points, metric=metric, nonfinite=nonfinite, duplicates=duplicates)
            except PointsError as error:
                raise PointsError(f"Cloud {number}: {error}") from error
            if k >= prepared.clean.n_points:
                raise PointsError(
                    f"Cloud {number}: k={k} needs at least {k + 1} points but only {prepared.clean.n_points} of "
                    f"{prepared.clean.n_given} rows remain. Lower k, or leave the cloud out."
                )
            found.append((prepared, *_search(prepared, k)))
            tracker.advance(1)
    widths = {prepared.clean.n_dims for prepared, *_ in found}
    if len(widths) > 1:
        raise ParameterError(f"Clouds must have equal numbers of columns, but they have {sorted(widths)}.")
    return _padded(found, k, metric)


def _padded(found: list[tuple[Prepared, Indices, Distances, int]], k: int, metric: Metric) -> CloudNeighbors:
    """Put the clouds side by side."""
    cleans = [prepared.clean for prepared, *_ in found]
    longest = max(clean.n_points for clean in cleans)
    indices = np.full((len(found), longest, k), -1, dtype=np.int64)
    distances = np.full((len(found), longest, k), np.nan)
    rows = np.full((len(found), longest), -1, dtype=np.int64)
    for number, (prepared, some, apart, _) in enumerate(found):
        n_points = prepared.clean.n_points
        indices[number, :n_points] = some
        distances[number, :n_points] = np.ldexp(apart, prepared.units)
        rows[number, :n_points] = prepared.clean.rows
    return CloudNeighbors(
        indices=indices,
        distances=distances,
        rows=rows,
        lengths=np.array([clean.n_points for clean in cleans]),
        n_given=np.array([clean.n_given for clean in cleans]),
        n_nonfinite=np.array([clean.n_nonfinite for clean in cleans]),
        n_duplicates=np.array([clean.n_duplicates for clean in cleans]),
        n_zero=np.array([clean.n_zero for clean in cleans]),
        n_redone=np.array([n_redone for *_, n_redone in found]),
        n_dims=cleans[0].n_dims,
        metric=metric,
        path=f"float64 gram/{cleans[0].values.device.type}",
    )


def _search(prepared: Prepared, k: int) -> tuple[Indices, Distances, int]:
    """Search one cloud: neighbors, distances, and how many points were searched by differences."""
    clean = prepared.clean
    n_points, n_dims = clean.values.shape
    kept = min(k + 1, n_points - 1)  # one more than asked for: its distance decides whether the k-th is certain
    if clean.values.device.type == "cpu":
        x = prepared.seen(slice(0, n_points)).numpy()
        scores = x @ x.T  # numpy sees the symmetry and computes half
        norms2 = scores.diagonal().copy()
        np.subtract(norms2 / 2.0, scores, out=scores)
        np.fill_diagonal(scores, np.inf)
        indices = np.argpartition(scores, kept - 1, axis=1)[:, :kept]
        low = 2.0 * np.take_along_axis(scores, indices, axis=1) + norms2[:, None]
        order = np.argsort(low, axis=1)
        indices = np.take_along_axis(indices, order, axis=1)
        low = np.take_along_axis(low, order, axis=1)
    else:
        y = prepared.seen(slice(0, n_points))
        gram = y @ y.T
        own = gram.diagonal().clone()
        torch.sub(own / 2.0, gram, out=gram).fill_diagonal_(torch.inf)
        values, places = gram.topk(kept, dim=1, largest=False)
        norms2, scores, indices = own.cpu().numpy(), gram.cpu().numpy(), places.cpu().numpy()
        low = 2.0 * values.cpu().numpy() + norms2[:, None]
    norms = np.sqrt(norms2)[:, None]
    # |y| <= |x| + d; products and squares err by gamma (|x| + |y|)^2, centering by a few roundings of each row
    reach = 2.0 * norms + np.sqrt(np.maximum(low, 0.0))
    error = 2.0 * (n_dims + 32) * FLOAT64_UNIT * reach**2 * (1.0 + 1e-6)
    doubtful = (low[:, 1:] - low[:, :-1] <= error[:, 1:] + error[:, :-1]).any(axis=1)
    doubtful |= (error >= _RELATIVE * low).any(axis=1)
    distances = np.ldexp(np.sqrt(np.maximum(low[:, :k], 0.0)), prepared.exponent)
    indices = indices[:, :k]
    again = np.flatnonzero(doubtful)
    for point in again.tolist():
        limit = (low[point, k - 1] - norms2[point]) / 2.0 + 4.0 * error[point, k - 1]
        others = np.flatnonzero(scores[point] <= limit)[None, :]
        measured = distances_between(clean.values, np.array([point]), others)
        indices[point : point + 1], distances[point : point + 1] = nearest(measured, others, k)
    return indices, distances, len(again)
