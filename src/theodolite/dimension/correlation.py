"""The correlation dimension: how the number of close pairs grows with the radius."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import NoDimensionError
from theodolite.dimension.ratios import require_neighbors, require_whole
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]


def correlation_dimension(graph: NeighborGraph, *, k1: int = 10, k2: int = 20) -> DimensionEstimate:
    """Measure the dimension by the growth of the number of pairs between two radii; at least 0, dimensionless.

    Parameters
    ----------
    graph : NeighborGraph
        Neighbors out to the larger radius for every point: more than `k2`, because dense regions hold more.
    k1, k2 : int
        The radii are the medians of the distances to these neighbors, `k1 < k2`.

    Returns
    -------
    DimensionEstimate
        `radius` is the larger radius, in the units of the points.

    Raises
    ------
    ParameterError
        If `k1 < k2` does not hold, or the graph ends inside the larger radius for some points.
    PointsError
        If the two radii are equal, or no pair is closer than the smaller.

    Notes
    -----
    ln(C2 / C1) / ln(r2 / r1), C the number of pairs closer than r (Grassberger and Procaccia at two radii). Pairs are
    counted from the graph, exactly. Dense regions count most, unlike in estimators that give each point one voice.

    Standard error: influence of each point on both counts, less what belongs to pairs and is counted twice, and on both
    medians, which matters where the number of pairs does not grow as one power of the radius.

    Equal to scikit-dimension's `CorrInt`, which computes all pairs.

    References
    ----------
    P. Grassberger, I. Procaccia, Physica D 9, 189 (1983), doi:10.1016/0167-2789(83)90298-1.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.random.default_rng(0).random(size=(1000, 2))
    >>> round(correlation_dimension(neighbors(points, k=64)).value, 1)
    1.9
    """
    k1, k2 = settings(k1, k2)
    require_neighbors(graph, k2, method="correlation_dimension")
    if graph.queries is not None:
        raise ParameterError(
            "correlation_dimension counts pairs, so it needs all points searched: make the graph without queries."
        )
    return of_pairs(graph.distances, k1, k2, n_dims=graph.n_dims)


def settings(k1: int, k2: int) -> tuple[int, int]:
    """Return both numbers of neighbors as plain whole numbers; refuse them out of order."""
    k1, k2 = (
        require_whole(given, name, least=1, method="correlation_dimension") for given, name in ((k1, "k1"), (k2, "k2"))
    )
    if not k1 < k2:
        raise ParameterError(f"correlation_dimension compares two radii: 1 <= k1 < k2 is needed, not k1={k1}, k2={k2}.")
    return k1, k2


def of_pairs(distances: Floats, k1: int, k2: int, *, n_dims: int) -> DimensionEstimate:
    """Measure the dimension from the distances of all points to their nearest, `(n_points, k)`, ascending."""
    near, far = float(np.median(distances[:, k1 - 1])), float(np.median(distances[:, k2 - 1]))
    unread = DimensionEstimate(
        value=math.nan,
        stderr=math.nan,
        method="correlation_dimension",
        params={"k1": k1, "k2": k2},
        n1=k1,
        n2=k2,
        radius=far,
        n_used=len(distances),
        n_dropped=0,
        n_dims=n_dims,
    )
    if not far > near > 0:
        raise NoDimensionError(
            f"The median distances to neighbors {k1} and {k2} are {near:g} and {far:g}: no scale lies between.", unread
        )
    held = distances.shape[1]
    short = int((distances[:, -1] < far).sum())
    if short and held < len(distances) - 1:
        raise ParameterError(
            f"The graph's {held} neighbors end inside the larger radius for {short} of {len(distances)} points. "
            f"Pass k={min(4 * held, len(distances) - 1)} (or more) to the search, or lower k2."
        )
    inner = np.count_nonzero(distances < near, axis=1)
    outer = np.count_nonzero(distances < far, axis=1)
    n_inner, n_outer = int(inner.sum()), int(outer.sum())
    if n_inner == 0:
        raise NoDimensionError(f"No pair is closer than {near:g}: the distances to neighbor {k1} are tied.", unread)
    rate = 1 / math.log(far / near)
    value = math.log(n_outer / n_inner) * rate
    influence = 2 * (outer / n_outer - inner / n_inner)  # each point is in its own pairs and in its neighbors'
    step = math.sqrt(far / near)

    def growth(low: float, high: float) -> float:
        """Return how the number of pairs grows with the radius between two radii."""
        few, many = (np.count_nonzero(distances < radius) for radius in (low, high))
        return math.log(many / few) / math.log(high / low) if few else value

    influence += (growth(far / step, far) - value) * _of_median(distances[:, k2 - 1])
    influence += (value - growth(near / step, near * step)) * _of_median(distances[:, k1 - 1])
    pairs = n_inner * (1 / n_outer - 1 / n_inner) ** 2 + (n_outer - n_inner) / n_outer**2
    variance = max(float(influence @ influence) - 2 * pairs, 2 * pairs)
    return replace(unread, value=value, stderr=rate * math.sqrt(variance))


def _of_median(distances: Floats) -> Floats:
    """Return the influence of each distance on the logarithm of their median, over their number."""
    width = min(0.25, 0.6 * len(distances) ** -0.2)  # of the order that balances bias and variance of a density
    low, middle, high = np.quantile(distances, [0.5 - width / 2, 0.5, 0.5 + width / 2])
    slope = math.log(high / low) / width if low > 0 else 0.0
    influence: Floats = (0.5 - (distances <= middle)) * (slope / len(distances))
    return influence
