"""The angle at each point between its two nearest neighbors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points, as_points
from theodolite.neighborhoods.clouds import CloudNeighbors
from theodolite.neighborhoods.graph import NeighborGraph, require_graph
from theodolite.similarity.directions import blocks_of, on_cpu

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_NEARLY_ALIGNED = 0.99  # from this |cosine| on the angle is taken from unit vectors, which lose no digits

_ROWS = 32  # measured at a time on a CPU
_SMALLEST, _LARGEST = 1e-70, 1e70  # fourth powers of such distances neither vanish nor overflow


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NeighborAngles(Displayed):
    """Angles between the directions to the first and to the second neighbor.

    Attributes
    ----------
    mean : float
        Mean over the points that have an angle, in degrees, from 0 to 180.
    stderr : float
        Standard deviation over points over the root of their number; NaN for one point.
    pointwise : numpy.ndarray
        `(n_points,)` float64, degrees; NaN where a neighbor is at distance 0.
    n_used, n_dropped : int
        Points with and without an angle.
    """

    mean: float
    stderr: float
    pointwise: npt.NDArray[np.float64]
    n_used: int
    n_dropped: int


def neighbor_angles(graph: NeighborGraph, points: Points) -> NeighborAngles:
    """Measure the angle at each point between the directions to its two nearest neighbors, in degrees.

    Parameters
    ----------
    graph : NeighborGraph
        At least two neighbors for each point.
    points : torch.Tensor or numpy.ndarray
        `(n_given, n_dims)`: the points the graph was made from, on any device.

    Returns
    -------
    NeighborAngles
        One angle for each row of `graph.indices`, and their mean.

    Raises
    ------
    ParameterError
        If the graph holds one neighbor only, or the points are not those of the graph.
    PointsError
        If no point has two neighbors at positive distance.

    Notes
    -----
    The angle between x - n_1 and x - n_2 for the nearest neighbors n_1, n_2 of x, from coordinate differences in
    float64. Where they are nearly parallel it is 2 atan2(|u - v|, |u + v|) for the unit vectors u, v (Kahan), because
    an arc cosine near 1 has lost half of its digits. Two random directions in high dimension make 90 degrees; the two
    nearest of three independent points at equal distances make 60.

    References
    ----------
    K. Viswanathan et al., arXiv:2501.10573 (2025), Figure 4.
    W. Kahan, "Miscalculating area and angles of a needle-like triangle" (2014).

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> corner = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.5]])
    >>> neighbor_angles(neighbors(corner, k=2), corner).pointwise.round(1).tolist()
    [90.0, 56.3, 33.7]
    """
    require_graph(graph, method="neighbor_angles")
    if graph.k < 2:
        raise ParameterError("Angles need two neighbors, but the graph holds 1. Pass k=2 (or more) to neighbors().")
    table = as_points(points)
    if table.shape != (graph.n_given, graph.n_dims):
        raise ParameterError(
            f"The graph was made from {graph.n_given} rows of {graph.n_dims} columns, but these points have shape "
            f"{tuple(table.shape)}. Pass the same points that neighbors() was given."
        )
    own = graph.rows if graph.queries is None else graph.rows[graph.queries]
    rows = np.stack([own, *graph.rows[graph.indices[:, :2]].T])
    nearest = graph.distances[:, :2]
    extreme = nearest.max() > _LARGEST or nearest.min(where=nearest > 0, initial=1.0) < _SMALLEST
    if on_cpu(table) and not extreme:
        radians = _radians_on_cpu(table.numpy(), rows)
    else:
        pieces = [
            _radians(*_differences(table, rows[:, block], nearest[block] if extreme else None))
            for block in blocks_of(len(own), graph.n_dims, table.device)
        ]
        radians = np.concatenate(pieces)
    degrees = np.rad2deg(radians)
    degrees[graph.distances[:, 0] == 0] = np.nan
    used = degrees[np.isfinite(degrees)]
    if len(used) == 0:
        raise PointsError("No point has its two nearest neighbors at positive distance, so there is no angle.")
    return NeighborAngles(
        mean=float(used.mean()),
        stderr=float(used.std(ddof=1)) / math.sqrt(len(used)) if len(used) > 1 else math.nan,
        pointwise=degrees,
        n_used=len(used),
        n_dropped=len(degrees) - len(used),
    )


def cloud_angles(found: CloudNeighbors, clouds: Points | Sequence[Points]) -> tuple[NeighborAngles, ...]:
    """Apply `neighbor_angles` to each of many clouds.

    Parameters
    ----------
    found : CloudNeighbors
        At least two neighbors for each point.
    clouds : torch.Tensor, numpy.ndarray or sequence of them
        The clouds that `cloud_neighbors` was given.

    Returns
    -------
    tuple of NeighborAngles
        One for each cloud.

    Raises
    ------
    ParameterError
        If the clouds are not those that were searched; the message names the first that is not.
    PointsError
        If a cloud has no angle; the message names it.

    Examples
    --------
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> clouds = np.array([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 0.0], [2.5, 0.0]]])
    >>> [round(angles.mean, 1) for angles in cloud_angles(cloud_neighbors(clouds, k=2), clouds)]
    [60.0, 60.0]
    """
    if len(clouds) != len(found.lengths):
        raise ParameterError(f"{len(found.lengths)} clouds were searched, but {len(clouds)} were given.")
    measured = []
    for number, points in enumerate(clouds):
        try:
            measured.append(neighbor_angles(found.graph(number, 2), points))
        except (ParameterError, PointsError) as error:
            raise type(error)(f"Cloud {number}: {error}") from error
    return tuple(measured)


def _radians_on_cpu(table: npt.NDArray[np.floating[Any]], rows: Indices) -> Floats:
    """Measure all angles: a few rows at a time, whose float64 differences stay in the cache."""
    n_points, n_dims = rows.shape[1], table.shape[1]
    dots = np.empty((3, n_points))
    gathered = np.empty((_ROWS, n_dims), dtype=table.dtype)
    wide = np.empty((3, _ROWS, n_dims))
    for start in range(0, n_points, _ROWS):
        some = slice(start, min(start + _ROWS, n_points))
        origin, first, second = wide[:, : some.stop - start]
        for place, out in zip(rows[:, some], (origin, first, second), strict=True):
            near = gathered[: len(place)]
            table.take(place, 0, near, "clip")
            np.copyto(out, near)
        first -= origin
        second -= origin
        for number, (one, other) in enumerate(((first, second), (first, first), (second, second))):
            np.vecdot(one, other, out=dots[number, some])
    with np.errstate(invalid="ignore"):  # a neighbor at distance 0
        cosines = dots[0] / np.sqrt(dots[1] * dots[2])
    radians: Floats = np.arccos(np.clip(cosines, -1.0, 1.0))
    near = np.flatnonzero(np.abs(cosines) > _NEARLY_ALIGNED)
    if len(near):
        radians[near] = _radians(*_differences(torch.from_numpy(table), rows[:, near], None))
    return radians


def _radians(to_first: torch.Tensor, to_second: torch.Tensor) -> Floats:
    """Return the angle between each pair of rows."""
    dot = torch.linalg.vecdot
    cosines = dot(to_first, to_second) / (dot(to_first, to_first) * dot(to_second, to_second)).sqrt_()
    radians = torch.acos(cosines.clamp(-1.0, 1.0))
    near = torch.nonzero(cosines.abs() > _NEARLY_ALIGNED).flatten()
    if len(near):
        u = torch.nn.functional.normalize(to_first[near], dim=1)
        v = torch.nn.functional.normalize(to_second[near], dim=1)
        apart = torch.linalg.vector_norm(u - v, dim=1)
        radians[near] = 2.0 * torch.atan2(apart, torch.linalg.vector_norm(u + v, dim=1))
    found: Floats = radians.cpu().numpy()
    return found


def _differences(table: torch.Tensor, rows: Indices, lengths: Floats | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the vectors from rows `rows[0]` to rows `rows[1]` and `rows[2]`, float64, over `lengths` if given."""
    origin, *others = (table[torch.from_numpy(some).to(table.device)].to(torch.float64) for some in rows)
    first, second = (other - origin for other in others)
    if lengths is not None:
        _shorten(first, lengths[:, 0])
        _shorten(second, lengths[:, 1])
    return first, second


def _shorten(differences: torch.Tensor, distances: Floats) -> None:
    """Bring rows to about unit length, in place, where their squares would overflow or vanish."""
    lengths = torch.from_numpy(np.where(distances > 0, distances, 1.0)).to(differences.device)
    differences /= lengths[:, None]
