"""The front door: exact nearest neighbors of one table of points."""

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Duplicates, Nonfinite, Points
from theodolite.core.progress import Progress, Silent, tracked
from theodolite.neighborhoods.certificate import FLOAT32_UNIT, FLOAT64_UNIT, difference_error, floating, score_limit
from theodolite.neighborhoods.graph import Metric, NeighborGraph
from theodolite.neighborhoods.prepare import Prepared, Rounded, prepare, rounded_to
from theodolite.neighborhoods.products import Candidates, product_candidates
from theodolite.neighborhoods.redo import redo
from theodolite.neighborhoods.refine import distances_between, nearest

Method = Literal["auto", "float32", "float64"]
METHODS: tuple[Method, ...] = get_args(Method)
_DEFAULT_MEMORY = 256 << 20


def neighbors(
    points: Points,
    *,
    k: int = 64,
    metric: Metric = "euclidean",
    nonfinite: Nonfinite = "error",
    duplicates: Duplicates = "collapse",
    method: Method = "auto",
    max_memory: int = _DEFAULT_MEMORY,
    progress: Progress | None = None,
) -> NeighborGraph:
    """Find for each point its k nearest others: exact, with float64 distances.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, any real dtype, any device; read-only and memory-mapped arrays are fine.
    k : int
        Neighbors to find, from 1 to one less than the points that remain.
    metric : {"euclidean", "cosine"}
        Distance between rows, or between their directions: cosine measures the chord between unit rows, which orders
        neighbors as the angle does. Zero rows have no direction: they are dropped and counted in `n_zero`.
    nonfinite : {"error", "drop"}
        What to do with rows that hold NaN or an infinity.
    duplicates : {"collapse", "keep"}
        Whether equal rows (for cosine: equal directions) become one point; if kept they are at distance exactly 0.
    method : {"auto", "float32", "float64"}
        Arithmetic that finds candidates. It decides the time, never the answer.
    max_memory : int
        Bytes that blocks of scores may take beside the rounded copy of the points.
    progress : Progress, optional
        Told how many points are done.

    Returns
    -------
    NeighborGraph
        Neighbors, distances, and an account of what was dropped and redone.

    Raises
    ------
    PointsError
        If the points cannot be measured, or too few remain for k.
    ParameterError
        If a parameter is outside its range.

    Notes
    -----
    Points are centered in float64 and rounded; blocked products of rounded rows rank candidates, a few more than k. A
    proof with the actual rounding norms (see `theodolite.neighborhoods.certificate`) shows for each point that no
    other can be nearer than the k-th; points for which it fails are searched again in float64 (`n_redone`). Kept
    distances are recomputed from differences of the given coordinates in float64. There is no tolerance anywhere.

    Peers rank and report float32 values of |x|^2 + |y|^2 - 2 x.y without centering (FAISS flat, torch.cdist), which
    is off by up to 18 % in the nearest distance when points share a large coordinate; they find themselves by
    distance 0, which duplicates make ambiguous.

    Examples
    --------
    >>> graph = neighbors(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]), k=2)
    >>> graph.indices.tolist(), graph.distances[0].tolist()
    ([[2, 1], [2, 0], [0, 1]], [1.0, 5.0])
    """
    _check_settings(k, method, max_memory)
    prepared = prepare(points, metric=metric, nonfinite=nonfinite, duplicates=duplicates)
    _check_enough(prepared, k, metric)
    n_points, n_dims = prepared.clean.values.shape
    indices = np.empty((n_points, k), dtype=np.int64)
    distances = np.empty((n_points, k), dtype=np.float64)
    certified = np.zeros(n_points, dtype=np.bool_)
    to_scaled = 2.0**-prepared.exponent
    widen = 1.0 + 4.0 * difference_error(n_dims)

    double = method == "float64"
    rounded = rounded_to(prepared, torch.float64 if double else torch.float32)
    unit, smallest = (FLOAT64_UNIT, 2.0**-1022) if double else (FLOAT32_UNIT, 2.0**-126)
    arithmetic = floating(n_dims, unit=unit, smallest=smallest)
    worst_error, relative_error = rounded.worst_error, rounded.relative_error
    with tracked(progress or Silent(), n_points, f"{k} nearest of {n_points} points") as tracker:
        for found in _candidates(rounded, k, max_memory):
            rows = found.points
            measured = distances_between(prepared.clean.values, rows, found.others)
            indices[rows], distances[rows] = nearest(measured, found.others, k)
            limit = score_limit(
                radius=distances[rows, -1] * (to_scaled * widen),
                norms=rounded.norms[rows],
                errors=rounded.errors[rows],
                worst_error=worst_error,
                relative_error=relative_error,
                arithmetic=arithmetic,
            )
            certified[rows] = (limit < found.cut) | (found.others.shape[1] == n_points - 1)
            tracker.advance(int(certified[rows].sum()))
        again = np.flatnonzero(~certified)
        if len(again):
            indices[again], distances[again] = redo(
                prepared,
                again,
                distances[again, -1] * (to_scaled * widen),
                k,
                max_memory=max_memory,
                advance=tracker.advance,
            )
    clean = prepared.clean
    return NeighborGraph(
        indices=indices,
        distances=_in_units(distances, prepared.units),
        rows=clean.rows,
        n_given=clean.n_given,
        n_nonfinite=clean.n_nonfinite,
        n_duplicates=clean.n_duplicates,
        n_zero=clean.n_zero,
        n_dims=n_dims,
        metric=metric,
        exact=True,
        n_redone=len(again),
        path=f"{'float64' if double else 'float32'}/{clean.values.device.type}",
    )


def _candidates(rounded: Rounded, k: int, max_memory: int) -> Iterator[Candidates]:
    """Choose the kernel."""
    n_points = rounded.rows.shape[0]
    spare = min(n_points - 1, k + max(16, k // 4))
    return product_candidates(rounded, np.arange(n_points), spare, max_memory=max_memory)


def _check_settings(k: int, method: str, max_memory: int) -> None:
    """Refuse settings that mean nothing."""
    if k < 1:
        raise ParameterError(f"k must be at least 1, but k={k} was given.")
    if method not in METHODS:
        raise ParameterError(f"The method must be one of {', '.join(METHODS)}, not {method!r}.")
    if max_memory < 1:
        raise ParameterError(f"max_memory is a number of bytes of at least 1, but {max_memory} was given.")


def _check_enough(prepared: Prepared, k: int, metric: Metric) -> None:
    """Refuse more neighbors than there are others, and say where the points went."""
    clean = prepared.clean
    if k < clean.n_points:
        return
    reasons = {
        "duplicates": clean.n_duplicates,
        "rows that are not finite": clean.n_nonfinite,
        "zero rows": clean.n_zero if metric == "cosine" else 0,
    }
    dropped = " and ".join(f"{count} {what}" for what, count in reasons.items() if count)
    remain = f"remain after dropping {dropped}" if dropped else "were given"
    advice = "Lower k." if clean.n_points > 1 else "Give more points."
    raise PointsError(f"k={k} needs at least {k + 1} points but only {clean.n_points} {remain}. {advice}")


def _in_units(distances: npt.NDArray[np.float64], units: int) -> npt.NDArray[np.float64]:
    """Undo the scaling of points whose squares would overflow."""
    if units == 0:
        return distances
    with np.errstate(over="ignore"):
        scaled: npt.NDArray[np.float64] = np.ldexp(distances, units)
    if not np.isfinite(scaled).all():
        raise PointsError("Distances between these points exceed the range of float64. Scale the points down.")
    return scaled
