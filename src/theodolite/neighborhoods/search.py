"""The front door: exact nearest neighbors of one table of points."""

import math
from typing import get_args

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Duplicates, Nonfinite, Points
from theodolite.core.progress import Progress, Silent, tracked
from theodolite.core.seeds import generator_from
from theodolite.neighborhoods.graph import Metric, NeighborGraph, check_count
from theodolite.neighborhoods.kernel import Method
from theodolite.neighborhoods.prepare import Prepared, prepare
from theodolite.neighborhoods.searcher import Found, Searcher

METHODS: tuple[Method, ...] = get_args(Method)
_SMALLEST_SQUARED = 2.0**-480
"""Below this the square of a distance loses digits to underflow (smallest normal number: 2**-1022)."""
DEFAULT_MEMORY = 320 << 20


def neighbors(
    points: Points,
    *,
    k: int = 64,
    metric: Metric = "euclidean",
    nonfinite: Nonfinite = "error",
    duplicates: Duplicates = "collapse",
    queries: int | npt.NDArray[np.integer] | None = None,
    seed: int = 0,
    method: Method = "auto",
    max_memory: int = DEFAULT_MEMORY,
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
    queries : int or numpy.ndarray, optional
        Search the neighbors of some points only, among all points: how many, drawn by `seed`, or which, as
        `(n_queries,)` rows of the input. For tables of millions of rows. By default all points are searched.
    seed : int
        Decides which points are drawn if `queries` is a number.
    method : {"auto", "int8", "float32", "float64"}
        Arithmetic that finds candidates. It decides the time, never the answer; "auto" looks at the processor and at a
        sample of the points. On a GPU, and for rows of more than 66,572 columns, "int8" means "float32".
    max_memory : int
        Bytes that pools of candidates and blocks of scores may take beside the rounded copy of the points. With less
        than 8 (2 n_wanted + 96) bytes for each point (n_wanted: k and a few) each product is computed twice.
    progress : Progress, optional
        Told how many points are done.

    Returns
    -------
    NeighborGraph
        Neighbors, distances, and an account of what was dropped and redone.

    Raises
    ------
    PointsError
        If the points cannot be measured, too few remain for k, or some are so near to each other beside the largest
        coordinate (2**-480 of it) that their squares are lost.
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
    check_settings(k, method, max_memory)
    prepared = prepare(points, metric=metric, nonfinite=nonfinite, duplicates=duplicates)
    check_enough(prepared, k, metric)
    asked = None if queries is None else _asked(prepared, queries, seed)
    searcher = Searcher(prepared, k, method=method, max_memory=max_memory)
    return graph_of(searcher, asked, metric=metric, distinct=duplicates == "collapse", progress=progress)


def graph_of(
    searcher: Searcher,
    asked: npt.NDArray[np.int64] | None,
    *,
    metric: Metric,
    distinct: bool,
    progress: Progress | None,
) -> NeighborGraph:
    """Search all points, or those asked for, and give account of it."""
    clean, k = searcher.prepared.clean, searcher.resolver.k
    n_asked = clean.n_points if asked is None else len(asked)
    with tracked(progress or Silent(), n_asked, f"{k} nearest of {n_asked} points") as tracker:
        found = searcher.search(asked, tracker)
    check_resolved(found, asked, searcher.prepared, distinct=distinct)
    return NeighborGraph(
        indices=found.indices,
        distances=in_units(found.distances, searcher.prepared.units),
        rows=clean.rows,
        n_given=clean.n_given,
        n_nonfinite=clean.n_nonfinite,
        n_duplicates=clean.n_duplicates,
        n_zero=clean.n_zero,
        n_dims=clean.n_dims,
        metric=metric,
        exact=True,
        n_redone=found.n_redone,
        path=searcher.path,
        queries=asked,
    )


def _asked(prepared: Prepared, queries: int | npt.NDArray[np.integer], seed: int) -> npt.NDArray[np.int64]:
    """Return the graph points to search, ascending if they are drawn, else in the order given."""
    rows = prepared.clean.rows
    if isinstance(queries, bool | np.bool_):
        raise ParameterError(f"Queries are a number of points or a list of rows, not {queries}.")
    if isinstance(queries, int | np.integer):
        if not 1 <= queries <= len(rows):
            raise ParameterError(f"Queries can number from 1 to the {len(rows)} points, not {queries}.")
        if isinstance(seed, bool | np.bool_) or not isinstance(seed, int | np.integer):
            raise ParameterError(f"seed must be a whole number, but seed={seed!r} was given.")
        drawn: npt.NDArray[np.int64] = np.sort(generator_from("queries", int(seed)).permutation(len(rows))[:queries])
        return drawn
    wanted = np.asarray(queries)
    if wanted.ndim != 1 or wanted.dtype.kind not in "iu" or len(wanted) == 0:
        raise ParameterError(
            "Queries are a number of points or a list of rows, "
            f"not an array of {wanted.dtype} and shape {wanted.shape}."
        )
    if len(np.unique(wanted)) != len(wanted):
        raise ParameterError("A row is named twice among the queries: give each row once.")
    points = np.searchsorted(rows, wanted)
    absent = rows[np.minimum(points, len(rows) - 1)] != wanted
    if absent.any():
        raise ParameterError(
            f"Row {int(wanted[absent][0])} cannot be a query: it is not in the table or was dropped from it. "
            f"{int(absent.sum())} of {len(wanted)} queries are not points."
        )
    return points.astype(np.int64)


def check_settings(k: int, method: str, max_memory: int) -> None:
    """Refuse settings that mean nothing."""
    check_count(k)
    if method not in METHODS:
        raise ParameterError(f"The method must be one of {', '.join(METHODS)}, not {method!r}.")
    if not isinstance(max_memory, int | float | np.integer) or not 1 <= max_memory < math.inf:
        raise ParameterError(f"max_memory is a number of bytes of at least 1, but {max_memory!r} was given.")


def check_enough(prepared: Prepared, k: int, metric: Metric) -> None:
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


def check_resolved(found: Found, asked: npt.NDArray[np.int64] | None, prepared: Prepared, *, distinct: bool) -> None:
    """Refuse distances whose squares were lost beside the largest coordinate, which set the scale."""
    lost = found.distances < _SMALLEST_SQUARED
    if not distinct and lost.any():
        row, column = np.nonzero(found.distances == 0)
        points = row if asked is None else asked[row]
        lost[row, column] = prepared.differ(points, found.indices[row, column])
    if lost.any():
        rows = int(lost.any(axis=1).sum())
        raise PointsError(
            f"{rows} points are so near to each other, beside the largest coordinate of all, that float64 cannot hold "
            "the squares of both. Leave out the points that are far away, or measure the near ones on their own."
        )


def in_units(distances: npt.NDArray[np.float64], units: int) -> npt.NDArray[np.float64]:
    """Undo the scaling of points whose squares would overflow."""
    if units == 0:
        return distances
    with np.errstate(over="ignore"):
        scaled: npt.NDArray[np.float64] = np.ldexp(distances, units)
    if not np.isfinite(scaled).all():
        raise PointsError("Distances between these points exceed the range of float64. Scale the points down.")
    return scaled
