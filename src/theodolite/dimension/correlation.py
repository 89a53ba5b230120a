"""The correlation dimension: how the number of close pairs grows with the radius."""

import math

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.ratios import require_neighbors
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

    Standard error: influence of each point on both counts, less what belongs to pairs and is counted twice.

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
    if not 1 <= k1 < k2:
        raise ParameterError(f"correlation_dimension compares two radii: 1 <= k1 < k2 is needed, not k1={k1}, k2={k2}.")
    require_neighbors(graph, k2, method="correlation_dimension")
    if graph.queries is not None:
        raise ParameterError(
            "correlation_dimension counts pairs, so it needs all points searched: make the graph without queries."
        )
    near, far = float(np.median(graph.distances[:, k1 - 1])), float(np.median(graph.distances[:, k2 - 1]))
    if not far > near > 0:
        raise PointsError(
            f"The median distances to neighbors {k1} and {k2} are {near:g} and {far:g}: no scale lies between."
        )
    held = graph.distances.shape[1]
    short = int((graph.distances[:, -1] < far).sum())
    if short and held < len(graph.rows) - 1:
        raise ParameterError(
            f"The graph's {held} neighbors end inside the larger radius for {short} of {len(graph.rows)} points. "
            f"Pass k={min(4 * held, len(graph.rows) - 1)} (or more) to neighbors(), or lower k2."
        )
    inner = (graph.distances < near).sum(axis=1)
    outer = (graph.distances < far).sum(axis=1)
    n_inner, n_outer = int(inner.sum()), int(outer.sum())
    if n_inner == 0:
        raise PointsError(f"No pair is closer than {near:g}: the distances to neighbor {k1} are tied.")
    rate = 1 / math.log(far / near)
    influence = 2 * (outer / n_outer - inner / n_inner)  # each point is in its own pairs and in its neighbors'
    pairs = n_inner * (1 / n_outer - 1 / n_inner) ** 2 + (n_outer - n_inner) / n_outer**2
    variance = max(float(influence @ influence) - 2 * pairs, 2 * pairs)
    return DimensionEstimate(
        value=math.log(n_outer / n_inner) * rate,
        stderr=rate * math.sqrt(variance),
        method="correlation_dimension",
        params={"k1": k1, "k2": k2},
        n1=k1,
        n2=k2,
        radius=far,
        n_used=len(graph.rows),
        n_dropped=0,
        n_dims=graph.n_dims,
    )
