"""TLE: maximum likelihood that also measures from the neighbors' own points of view (tight locality)."""

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.grams import grams_of
from theodolite.dimension.local import Aggregation, aggregate
from theodolite.dimension.ratios import require_neighbors, require_whole
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]

_TWINS = 0.01  # closer points at the rim of a neighborhood make a small error of their distance a large one


def tle(
    graph: NeighborGraph,
    points: Points,
    *,
    k: int = 20,
    epsilon: float = 1e-4,
    aggregation: Aggregation = "mean",
) -> DimensionEstimate:
    """Measure the dimension by tight-locality estimation; positive, dimensionless.

    Parameters
    ----------
    graph : NeighborGraph
        At least `k` neighbors for each point.
    points : torch.Tensor or numpy.ndarray
        `(n_given, n_dims)`: the points the graph was made from.
    k : int
        Neighbors in a neighborhood, at least 3.
    epsilon : float
        Measurements below this fraction of the neighborhood's radius are left out, in [0, 1).
    aggregation : {"mean", "median", "harmonic"}
        How the local dimensions become one number.

    Returns
    -------
    DimensionEstimate
        `pointwise` holds one dimension for each point; NaN where all k neighbors are copies of it or all measurements
        are equal (counted in `n_dropped`).

    Raises
    ------
    ParameterError
        If a setting is out of range, the graph holds fewer neighbors, or the points are not those of the graph.

    Notes
    -----
    For each pair of neighbors i, j of a point at radius r, the formula measures j from i inside the ball of the point
    (s_ij), and once more with i reflected at the center (t_ij), each rescaled to the boundary; the dimension is minus
    the inverse mean of ln(s/r), ln(t/r) and ln(d_i/r), about k^2 measurements instead of k.

    Difference from scikit-dimension's `TLE`: its epsilon is an absolute length, which makes it return 0 for points in
    units of 1e-6; here it is a share of the radius. Where neither leaves anything out the values agree to rounding.

    References
    ----------
    L. Amsaleg et al., Intrinsic dimensionality estimation within tight localities, SDM (2019),
    doi:10.1137/1.9781611975673.21.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.random.default_rng(0).random(size=(500, 2))
    >>> round(tle(neighbors(points, k=20), points).value, 1)
    2.1
    """
    k = require_whole(k, "k", least=3, method="tle")
    if not 0 <= epsilon < 1:
        raise ParameterError(f"epsilon is a fraction of the radius in [0, 1), not {epsilon}.")
    require_neighbors(graph, k, method="tle")
    pointwise = np.full(len(graph.indices), np.nan)
    for found in grams_of(graph, points, k, apart=_TWINS):
        some = found.solid & (found.radius > 0)
        products = found.products[some] / found.radius[some, None, None] ** 2
        squares = np.einsum("bii->bi", products)
        between = squares[:, :, None] + squares[:, None, :] - 2 * products
        np.maximum(between, 0.0, out=between)
        radii = graph.distances[found.batch, :k][some]
        of_some = np.full(len(some), np.nan)
        of_some[some] = _local(radii / radii[:, -1:], between, epsilon)
        pointwise[found.batch] = of_some
    return aggregate(pointwise, graph, k=k, method="tle", aggregation=aggregation, params={"epsilon": epsilon})


def _local(radii: Floats, between: Floats, epsilon: float) -> Floats:
    """Return the dimension of each neighborhood of radius 1, from `(n, k)` radii and `(n, k, k)` squared distances."""
    squares = radii * radii
    near, far = squares[:, :, None], squares[:, None, :]
    reflected = np.maximum(2 * near + 2 * far - between, 0.0)
    s, t = _to_boundary(squares, between), _to_boundary(squares, reflected)
    if not radii.all():
        center_i, center_j = (np.broadcast_to(zero, s.shape) for zero in (near == 0, far == 0))
        gap = np.sqrt(between)
        for measured in (s, t):
            np.copyto(measured, np.broadcast_to(radii[:, None, :], s.shape), where=center_i)
            np.copyto(measured, gap / (1 + gap), where=center_j & ~center_i)
    counted = (s >= epsilon) & (t >= epsilon) & (between != 0)  # false for NaN
    np.einsum("bii->bi", counted)[:] = False
    s *= t
    s[~counted] = 1.0
    of_center = (radii >= epsilon) & (radii > 0)
    total = np.log(s).sum(axis=(1, 2)) + 2 * np.log(np.where(of_center, radii, 1.0)).sum(axis=1)
    counts = np.count_nonzero(counted, axis=(1, 2)) + np.count_nonzero(of_center, axis=1)
    dimensions = np.full(len(radii), np.nan)
    np.divide(-2.0 * counts, total, out=dimensions, where=total < 0)
    return dimensions


def _to_boundary(squares: Floats, between: Floats) -> Floats:
    """Return the distance from i to j rescaled to the unit ball around the point; all arguments are squares."""
    inside = 1.0 - squares
    side = between + (squares[:, :, None] - squares[:, None, :])
    root: Floats = 4 * between
    root *= inside[:, :, None]
    root += side * side
    np.sqrt(root, out=root)
    root -= side
    root *= np.divide(0.5, inside, out=np.zeros(inside.shape), where=inside > 0)[:, :, None]
    edge = np.nonzero(inside == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        root[edge] = between[edge] / (1.0 + between[edge] - squares[edge[0]])
    return root
