"""From a neighbor graph to distance ratios: the policy for zero distances and ties, and the checks of `k`.

The policy, for every estimator of this room that compares neighbor distances:

* a **zero distance** in the denominator (an exact duplicate kept by `duplicates="keep"`) says nothing about a ratio;
  the distance, or the point if nothing else is left, is left out and counted in `n_dropped`;
* a **tie** (ratio exactly 1) is data: its logarithm 0 enters the sum, and where a formula has 0/0 its limit is taken;
* nothing is compared with an absolute number, so multiplying the points by a power of two changes no digit.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods.graph import NeighborGraph, require_graph

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRatios:
    """ln(distance to neighbor n2 / distance to neighbor n1) of the points where it is defined.

    Attributes
    ----------
    values : numpy.ndarray
        `(n_used,)` float64, at least 0, dimensionless.
    kept : numpy.ndarray
        `(n,)` bool: which rows of the graph they belong to.
    radius : float
        Mean distance to neighbor n2 over the points kept, in the units of the points.
    """

    values: Floats
    kept: npt.NDArray[np.bool_]
    radius: float


def log_ratios(graph: NeighborGraph, n1: int, n2: int, *, method: str) -> LogRatios:
    """Return ln(r_n2 / r_n1) for each point with r_n1 > 0.

    Raises
    ------
    ParameterError
        If the graph holds fewer than `n2` neighbors.
    PointsError
        If fewer than two points have a positive r_n1, or all ratios are 1.
    """
    require_neighbors(graph, n2, method=method)
    near, far = graph.distances[:, n1 - 1], graph.distances[:, n2 - 1]
    kept = near > 0
    values = np.log(far[kept] / near[kept])
    require_spread(values, n_points=len(near), method=method, what=f"neighbors {n1} and {n2}")
    return LogRatios(values=values, kept=kept, radius=float(far[kept].mean()))


def logs_of_ratios(near: Floats, far: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return ln(far / near), and where it is defined: where near is above 0. Elsewhere, NaN included, it reads 0.

    >>> [found.tolist() for found in logs_of_ratios(np.array([1.0, 0.0, np.nan]), np.array([1.0, 2.0, np.nan]))]
    [[0.0, 0.0, 0.0], [True, False, False]]
    """
    kept = near > 0
    logs: Floats = np.log(np.divide(far, near, out=np.ones(near.shape), where=kept))
    return logs, kept


def require_whole(given: int, name: str, *, method: str, least: int | None = None, why: str = "") -> int:
    """Return a setting as a plain whole number; refuse what is none or is below `least`.

    >>> require_whole(np.int64(5), "k", method="mle")
    5
    """
    if isinstance(given, bool | np.bool_) or not isinstance(given, int | np.integer):
        raise ParameterError(f"{method} needs a whole number for {name}, but {name}={given!r}.")
    if least is not None and given < least:
        raise ParameterError(f"{method} needs {name} of at least {least}, but {name}={given}{why and ': ' + why}.")
    return int(given)


def require_neighbors(graph: NeighborGraph, k: int, *, method: str) -> None:
    """Refuse a graph that holds fewer than `k` neighbors, and say how to get one that does."""
    require_graph(graph, method=method)
    held = graph.distances.shape[1]
    if held >= k:
        return
    n_points = len(graph.rows)
    remedy = (
        f"Pass k={k} (or more) to neighbors()."
        if n_points > k
        else f"{n_points} points have {n_points - 1} neighbors at most, so ask for less here."
    )
    raise ParameterError(f"{method} compares {k} neighbors, but the graph holds {held} for each point. {remedy}")


def require_spread(values: Floats, *, n_points: int, method: str, what: str) -> None:
    """Refuse log ratios that fix no dimension: fewer than two of them, or all zero."""
    if len(values) < 2:
        raise PointsError(
            f"{method} needs at least 2 points with a positive distance, but {len(values)} of {n_points} have one "
            f'({what}). Collapse the copies: pass duplicates="collapse" to neighbors().'
        )
    if not values.any():
        raise PointsError(
            f"{method} cannot read a dimension: for all {len(values)} points {what} are equally far, as on a grid or "
            "a simplex. Compare neighbors farther apart, or check how the points were rounded."
        )
