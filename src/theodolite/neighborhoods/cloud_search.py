"""The nearest neighbors within one small cloud: ranked by products, proven, and measured again where that fails."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.core.points import CleanPoints
from theodolite.neighborhoods.certificate import difference_error
from theodolite.neighborhoods.cloud_memory import Buffers
from theodolite.neighborhoods.cloud_moments import CloudMoment, MomentSums
from theodolite.neighborhoods.cloud_products import Answer, Ranked, rank
from theodolite.neighborhoods.cloud_rows import Floats, Precision, center_rows, find_center
from theodolite.neighborhoods.prepare import Prepared
from theodolite.neighborhoods.redo import redo
from theodolite.neighborhoods.refine import distances_of_pairs, nearest

Points = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

TOLERANCE: dict[Precision, float] = {"float32": 2e-4, "float64": 1e-10}
"""Distances whose proven relative error is larger are measured again from coordinate differences."""

_BEYOND = 8
_PAIRS_FOR_EACH_POINT = 8  # more pairs than this to measure again cost more than products in float64
_LARGEST_UNIT = 1e-3  # the reasoning of `_noise` is good for bounds up to this
_END = 24  # places in which most lists that are open at their end change
_MEMORY = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What was done to find the neighbors of one cloud.

    Attributes
    ----------
    error : float
        Proven bound on the relative error of the distances.
    n_redone : int
        Points of which at least one distance was measured from coordinate differences.
    moments : CloudMoment or None
        Sums over all products, where they were asked for and the points were searched as they are.
    """

    error: float
    n_redone: int
    moments: CloudMoment | None = None


class UnsuitableError(Exception):
    """The points must be cleaned or scaled before they can be searched."""


def search_cloud(
    buffers: Buffers,
    clean: CleanPoints,
    prepared: Prepared | None,
    answer: Answer,
    *,
    precision: Precision,
    moments: bool = False,
) -> Account:
    """Find the k nearest of each point of a cloud, and the distances of some that follow.

    Parameters
    ----------
    buffers : Buffers
        Memory.
    clean : CleanPoints
        The points, more than the neighbors asked for.
    prepared : Prepared or None
        The same points with their scale, where that is known already.
    answer : Answer
        Filled in. Its distances are float64 where the points are prepared.
    precision : {"float32", "float64"}
        Arithmetic to begin with; float32 gives way to float64 where too much would have to be measured again.
    moments : bool
        Whether to sum the products as well; only of points that are not prepared.

    Returns
    -------
    Account
        The bound that holds, and how many points were measured again.

    Raises
    ------
    UnsuitableError
        If `prepared` is None and the points are not finite, not distinct, far from unit scale, tied beyond the
        candidates, or too near to each other for float32.
    """
    n_points, k = answer.indices.shape
    n_spare = min(_BEYOND, n_points - 1 - k)
    exponent = 0 if prepared is None else prepared.exponent
    center = find_center(clean.values)
    sums = MomentSums(center.numpy().astype(np.float64), n_points) if moments and prepared is None else None
    cloud = center_rows(buffers, clean.values, center, precision, exponent, listener=None if sums is None else sums.see)
    if prepared is None and not cloud.suit(precision):
        raise UnsuitableError
    ranked = rank(buffers, cloud, answer, n_spare, listener=None if sums is None else sums.add)
    last = ranked.place(k - 1)
    noise = _noise(ranked, last)
    outer = ranked.far(-1) if answer.ranks else last
    outer_noise = _noise(ranked, outer) if answer.ranks else noise
    n_near = _count_near(ranked, noise / (1.8 * TOLERANCE[precision]))
    blurred, far_error = _judge_radii(ranked, outer_noise, TOLERANCE[precision])
    crowded = n_near.sum() > _PAIRS_FOR_EACH_POINT * n_points or blurred.any()
    lost = (ranked.place(k + n_spare - 1) <= last + 2.0 * noise) & (k + n_spare < n_points - 1)
    if precision == "float32" and (crowded or ranked.unit > _LARGEST_UNIT):
        if prepared is None:
            raise UnsuitableError
        return search_cloud(buffers, clean, prepared, answer, precision="float64")
    lost |= blurred
    if lost.any() and prepared is None:
        raise UnsuitableError
    error = max(_worst_error(ranked, noise, n_near), far_error)
    points = _doubtful(ranked, noise, n_near, skip=lost, order=precision == "float64")
    found = _measured(ranked, points, n_near, noise, clean, exponent=exponent, order=precision == "float64")
    if exponent:
        np.ldexp(answer.distances, exponent, out=answer.distances)
        np.ldexp(answer.radii, exponent, out=answer.radii)
    for rows, indices, distances in found:
        answer.indices[rows], answer.distances[rows] = indices, distances
    if lost.any() and prepared is not None:
        rows = np.flatnonzero(lost)
        radius = np.sqrt(outer[rows] + outer_noise[rows]) * (1.0 + 4.0 * difference_error(clean.n_dims))
        indices, distances = redo(prepared, rows, radius, answer.reach, max_memory=_MEMORY)
        answer.indices[rows], answer.distances[rows] = indices[:, :k], distances[:, :k]
        answer.radii[rows] = distances[:, [rank - 1 for rank in answer.ranks]]
    moment = None if sums is None else sums.finish(cloud.rows)
    return Account(error=error, n_redone=len(points) + int(lost.sum()), moments=moment)


def _judge_radii(ranked: Ranked, noise: Floats, tolerance: float) -> tuple[Flags, float]:
    """Say of which points a radius is not proven within the tolerance, and how far off the others may be.

    The r-th of some numbers moves no farther than the number that moves most: so the square of a radius errs by the
    bound for all within the farthest rank, whoever the neighbor there is. The nearest radius is the worst.
    """
    if not ranked.answer.ranks:
        return np.zeros(len(noise), dtype=np.bool_), 0.0
    squares = ranked.far(0)
    blurred: Flags = squares < noise / (1.8 * tolerance)
    return blurred, float((0.51 * noise[~blurred] / squares[~blurred]).max(initial=0.0))


def _count_near(ranked: Ranked, limit: Floats) -> Points:
    """Count for each point the computed squares below its limit, among the k nearest; they come first."""
    counts = np.zeros(len(limit), dtype=np.int64)
    rows = np.flatnonzero(ranked.place(0) < limit)
    squares = np.square(ranked.answer.distances[rows], dtype=np.float64)
    counts[rows] = (squares < limit[rows, None]).sum(axis=1)
    return counts


def _noise(ranked: Ranked, last: Floats) -> Floats:
    """Bound the error of the square of each point x with everyone who may be among its k nearest.

    With s the k-th computed square and a bound E of at most (2 |x| + r)^2 / 1000 on all within r of x, where r^2 =
    2 s + |x|^2 / 10: the k-th true square is at most s + E, all truly as near as that have a computed square of at
    most s + 2 E, and all of those are truly nearer than s + 3 E <= r^2. Nobody else needs to be bounded, and their
    norms are at most |x| + r: the largest norm there is below that takes its place, once more with s + 3 E for r^2.
    """
    norms, unit, tiny = ranked.norms, ranked.unit, ranked.tiny
    ordered = np.sort(norms)
    reach = 2.0 * last + 0.1 * norms**2 + 10.0 * tiny
    for _ in range(2):
        most = ordered[np.searchsorted(ordered, norms + np.sqrt(reach), side="right") - 1]
        noise: Floats = unit * (norms + most) ** 2 + tiny
        reach = np.minimum(reach, last + 3.0 * noise)
    return noise


def _doubtful(ranked: Ranked, noise: Floats, n_near: Points, *, skip: Flags, order: bool) -> Points:
    """Find the points with candidates to measure again.

    They have some that are near, that may or may not be among the k nearest, or, if `order` matters, that may change
    places.
    """
    doubtful = (n_near > 0) | _open_ended(ranked, noise, slice(None))
    if order:
        squares = np.square(ranked.answer.distances, dtype=np.float64)
        doubtful |= (np.diff(squares, axis=1) <= 2.0 * noise[:, None]).any(axis=1)
    return np.flatnonzero(doubtful & ~skip)


def _open_ended(ranked: Ranked, noise: Floats, points: Points | slice) -> Flags:
    """Say for which points the next beyond the k nearest may be one of them."""
    n_points, k = ranked.answer.indices.shape
    if ranked.spare_squares.shape[1] == 0:
        return np.zeros(len(np.arange(n_points)[points]), dtype=np.bool_)
    gap = ranked.place(k)[points] - ranked.place(k - 1)[points]
    open_ended: Flags = gap <= 2.0 * noise[points]
    return open_ended


def _measured(
    ranked: Ranked, points: Points, n_near: Points, noise: Floats, clean: CleanPoints, *, exponent: int, order: bool
) -> list[tuple[Points, Points, Floats]]:
    """Measure doubtful candidates from coordinate differences; return points, their k nearest, and the distances.

    Where nothing but the end of a list is open, only the end is put in order again.
    """
    k = ranked.answer.indices.shape[1]
    if len(points) == 0:
        return []
    held, squares = ranked.candidates(points)
    candidates = held.astype(np.int64)
    again: Flags = np.arange(squares.shape[1]) < n_near[points, None]
    open_ended = _open_ended(ranked, noise, points)
    again |= open_ended[:, None] & (np.abs(squares - squares[:, k - 1 : k]) <= 2.0 * noise[points, None])
    if order:
        close = np.diff(squares[:, : k + 1], axis=1) <= 2.0 * noise[points, None]
        again[:, : close.shape[1]] |= close
        again[:, 1 : close.shape[1] + 1] |= close
    distances = np.ldexp(np.sqrt(squares), exponent)
    distances[:, k:] = np.inf
    row, column = np.nonzero(again)
    distances[row, column] = distances_of_pairs(clean.values, points[row], candidates[row, column])
    start = max(0, k - _END)
    ends = squares[:, k - 1] - squares[:, start] > 4.0 * noise[points]
    ends &= ~again[:, : start + 1].any(axis=1)
    found = []
    for some, first in ((ends, start), (~ends, 0)):
        indices, nearest_ = candidates[some, :k].copy(), distances[some, :k].copy()
        indices[:, first:], nearest_[:, first:] = nearest(distances[some, first:], candidates[some, first:], k - first)
        found.append((points[some], indices, nearest_))
    return found


def _worst_error(ranked: Ranked, noise: Floats, n_near: Points) -> float:
    """Bound the relative error of every distance that was not measured again; the nearest of them is the worst.

    |sqrt(s) - d| / d is at most E / (2 s) and a few E / s of that.
    """
    distances = ranked.answer.distances
    rows = np.flatnonzero(n_near < distances.shape[1])
    squares = np.square(distances[rows, n_near[rows]], dtype=np.float64)
    return float((0.51 * noise[rows] / squares).max(initial=0.0))
