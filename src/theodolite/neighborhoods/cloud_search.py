"""The nearest neighbors within one small cloud: ranked by products, proven, and measured again where that fails."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.points import CleanPoints
from theodolite.neighborhoods.certificate import difference_error
from theodolite.neighborhoods.cloud_products import Precision, Products, Ranked
from theodolite.neighborhoods.prepare import Prepared
from theodolite.neighborhoods.redo import redo
from theodolite.neighborhoods.refine import distances_of_pairs, nearest

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

TOLERANCE: dict[Precision, float] = {"float32": 2e-4, "float64": 1e-10}
"""Distances whose proven relative error is larger are measured again from coordinate differences."""

_BEYOND = 8
_PAIRS_FOR_EACH_POINT = 8  # more pairs than this to measure again cost more than products in float64
_SAFE = {"float32": (2.0**-30, 2.0**50), "float64": (2.0**-400, 2.0**400)}
_LARGEST_UNIT = 1e-3  # the reasoning of `_noise` is good for bounds up to this
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
    """

    error: float
    n_redone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where the neighbors of one cloud are written to.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_points, k)` int64.
    distances : numpy.ndarray
        `(n_points, k)` float64, ascending, in the units of the points searched.
    """

    indices: Indices
    distances: Floats


class UnsuitableError(Exception):
    """The points must be cleaned or scaled before they can be searched."""


def search_cloud(
    products: Products, clean: CleanPoints, prepared: Prepared | None, answer: Answer, *, precision: Precision
) -> Account:
    """Find the k nearest of each point of a cloud.

    Parameters
    ----------
    products : Products
        Buffers.
    clean : CleanPoints
        The points, more than k.
    prepared : Prepared or None
        The same points with their scale, where that is known already.
    answer : Answer
        Filled in; its width is k.
    precision : {"float32", "float64"}
        Arithmetic to begin with; float32 gives way to float64 where too much would have to be measured again.

    Returns
    -------
    Account
        The bound that holds, and how many points were measured again.

    Raises
    ------
    UnsuitableError
        If `prepared` is None and the points are not finite, far from unit scale, or tied beyond the candidates.
    """
    n_points, k = answer.indices.shape
    n_kept = min(k + _BEYOND, n_points - 1)
    exponent = 0 if prepared is None else prepared.exponent
    ranked = products.ranked(clean.values, n_kept, precision, exponent)
    smallest, largest = _SAFE[precision]
    if prepared is None and not smallest <= float(ranked.norms.max()) <= largest:
        raise UnsuitableError
    last = ranked.squares[:, k - 1]
    noise = _noise(ranked, last)
    near = ranked.squares[:, :k] < noise[:, None] / (1.8 * TOLERANCE[precision])
    crowded = np.count_nonzero(near) > _PAIRS_FOR_EACH_POINT * n_points
    if precision == "float32" and (crowded or ranked.unit > _LARGEST_UNIT):
        return search_cloud(products, clean, prepared, answer, precision="float64")
    lost = (ranked.squares[:, -1] <= last + 2.0 * noise) & (n_kept < n_points - 1)
    if lost.any() and prepared is None:
        raise UnsuitableError
    again = _doubtful(ranked, k, noise, order=precision == "float64")
    again[:, :k] |= near
    again[lost] = False
    answer.indices[:] = ranked.indices[:, :k]
    np.sqrt(ranked.squares[:, :k], out=answer.distances)
    if exponent:
        np.ldexp(answer.distances, exponent, out=answer.distances)
    points = np.flatnonzero(again.any(axis=1))
    if len(points):
        answer.indices[points], answer.distances[points] = _measured(
            again[points], points, clean.values, ranked, exponent=exponent, k=k
        )
    if lost.any() and prepared is not None:
        rows = np.flatnonzero(lost)
        radius = np.sqrt(last[rows] + noise[rows]) * (1.0 + 4.0 * difference_error(clean.n_dims))
        answer.indices[rows], answer.distances[rows] = redo(prepared, rows, radius, k, max_memory=_MEMORY)
    return Account(
        error=_worst_error(ranked.squares[:, :k], noise, near.sum(axis=1)), n_redone=len(points) + int(lost.sum())
    )


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


def _doubtful(ranked: Ranked, k: int, noise: Floats, *, order: bool) -> Flags:
    """Mark candidates that may or may not be among the k nearest and, if `order` matters, may change places."""
    squares = ranked.squares
    again = np.zeros(squares.shape, dtype=np.bool_)
    if squares.shape[1] > k:
        rows = np.flatnonzero(squares[:, k] - squares[:, k - 1] <= 2.0 * noise)
        apart = np.abs(squares[rows] - squares[rows, k - 1 : k])
        again[rows] = apart <= 2.0 * noise[rows, None]
    if order:
        close = np.diff(squares[:, : k + 1], axis=1) <= 2.0 * noise[:, None]
        width = close.shape[1]
        again[:, :width] |= close
        again[:, 1 : width + 1] |= close
    return again


def _measured(
    again: Flags, points: Indices, values: torch.Tensor, ranked: Ranked, *, exponent: int, k: int
) -> tuple[Indices, Floats]:
    """Measure the marked candidates of some points from coordinate differences, and keep the k nearest."""
    candidates = ranked.indices[points]
    distances = np.ldexp(np.sqrt(ranked.squares[points]), exponent)
    distances[:, k:] = np.inf
    row, column = np.nonzero(again)
    distances[row, column] = distances_of_pairs(values, points[row], candidates[row, column])
    return nearest(distances, candidates, k)


def _worst_error(squares: Floats, noise: Floats, n_near: Indices) -> float:
    """Bound the relative error of every distance that was not measured again; the nearest of them is the worst.

    |sqrt(s) - d| / d is at most E / (2 s) and a few E / s of that.
    """
    rows = np.flatnonzero(n_near < squares.shape[1])
    return float((0.51 * noise[rows] / squares[rows, n_near[rows]]).max(initial=0.0))
