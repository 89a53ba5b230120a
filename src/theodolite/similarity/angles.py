"""The angle at each point between its two nearest neighbors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points, as_points
from theodolite.neighborhoods.clouds import CloudNeighbors
from theodolite.neighborhoods.graph import NeighborGraph
from theodolite.similarity.directions import blocks_of, on_cpu

_NEARLY_ALIGNED = 0.99  # from this |cosine| on the angle is taken from unit vectors, which lose no digits

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
    radians = torch.empty(len(own), dtype=torch.float64, device=table.device)
    for block in blocks_of(len(own), graph.n_dims, table.device):
        to_first, to_second = _differences(table, rows[:, block])
        if extreme:
            _shorten(to_first, nearest[block, 0])
            _shorten(to_second, nearest[block, 1])
        cosines = _dots(to_first, to_second)
        cosines /= (_dots(to_first, to_first) * _dots(to_second, to_second)).sqrt_()
        radians[block] = torch.acos(cosines.clamp(-1.0, 1.0))
        near = torch.nonzero(cosines.abs() > _NEARLY_ALIGNED).flatten()
        if len(near):
            u = torch.nn.functional.normalize(to_first[near], dim=1)
            v = torch.nn.functional.normalize(to_second[near], dim=1)
            apart = torch.linalg.vector_norm(u - v, dim=1)
            radians[block.start + near] = 2.0 * torch.atan2(apart, torch.linalg.vector_norm(u + v, dim=1))
    degrees = np.rad2deg(radians.cpu().numpy())
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


def _differences(table: torch.Tensor, rows: npt.NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the vectors from rows `rows[0]` to rows `rows[1]` and `rows[2]`, float64."""
    if on_cpu(table):  # numpy converts and subtracts in one pass
        origin, *others = (table.numpy()[some] for some in rows)
        first, second = (torch.from_numpy(np.subtract(other, origin, dtype=np.float64)) for other in others)
        return first, second
    origin_, *others_ = (table[torch.from_numpy(some).to(table.device)].to(torch.float64) for some in rows)
    return others_[0] - origin_, others_[1] - origin_


def _dots(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the inner product of each pair of rows; numpy's loop is the faster one on a CPU."""
    if on_cpu(first):
        dots: torch.Tensor = torch.from_numpy(np.vecdot(first.numpy(), second.numpy()))
    else:
        dots = torch.linalg.vecdot(first, second)
    return dots


def _shorten(differences: torch.Tensor, distances: npt.NDArray[np.float64]) -> None:
    """Bring rows to about unit length, in place, where their squares would overflow or vanish."""
    lengths = torch.from_numpy(np.where(distances > 0, distances, 1.0)).to(differences.device)
    differences /= lengths[:, None]
