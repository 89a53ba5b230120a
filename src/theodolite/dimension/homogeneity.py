"""Is the model behind the estimate true here? Straightness of the TwoNN plot, and how far density is constant."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension.ratios import log_ratios, require_neighbors, require_whole
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]

_REJECT = 23.92812698  # chi-square of one degree of freedom at 1e-6, as in the papers
SMALLEST = 3
_FEWEST_RATIOS = 4


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Linearity(Displayed):
    """How straight -ln(1 - F) is against ln(r_2 / r_1).

    Attributes
    ----------
    distance : float
        Largest gap between the measured and the fitted distribution function over the ratios kept, in [0, 1].
    expected : float
        What 95 in 100 straight samples of this size stay below (1.06 / sqrt(N), Lilliefors' value for exponentials).
    lower_slope, upper_slope : float
        Dimension read from the smaller and from the larger half of the ratios kept.
    n_used : int
        Ratios N.
    """

    distance: float
    expected: float
    lower_slope: float
    upper_slope: float
    n_used: int

    @property
    def straight(self) -> bool:
        """Whether the plot is as straight as a sample of a constant density would be."""
        return self.distance <= self.expected


def twonn_linearity(graph: NeighborGraph, *, discard: float = 0.1, n1: int = 1) -> Linearity:
    """Measure how straight the TwoNN plot is; a bend means that density or dimension change within two neighbors.

    Parameters
    ----------
    graph : NeighborGraph
        At least 2 `n1` neighbors for each point.
    discard : float
        Share of the largest ratios left out, in (0, 1).
    n1 : int
        Inner neighbor; the ratios are those of neighbors n1 and 2 n1.

    Returns
    -------
    Linearity
        Gap and slopes; `lower_slope` above `upper_slope` means a tail of large ratios.

    Raises
    ------
    ParameterError
        If n1 is below 1 or the graph holds fewer neighbors.
    PointsError
        If fewer than four ratios remain, or all of them are 1.

    Notes
    -----
    Only the ratios of neighbors 1 and 2 follow a Pareto law, whose plot is straight. Under constant density those of 2
    and 4 have -ln(1 - F) = 2 d ln mu - ln(3 - 2 mu^-d), which begins flat: a bend there is no sign against GRIDE.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> cloud = np.random.default_rng(0).random(size=(1000, 2))
    >>> twonn_linearity(neighbors(cloud, k=2)).straight
    True
    """
    n1 = require_whole(n1, "n1", least=1, method="twonn_linearity", why="the nearest neighbor is 1")
    if not 0 < discard < 1:
        raise ParameterError(f"discard={discard} must be a share between 0 and 1.")
    x = np.sort(log_ratios(graph, n1, 2 * n1, method="twonn_linearity").values)
    n_points, n_keep = len(x), int(len(x) * (1 - discard))
    if n_keep < _FEWEST_RATIOS or not x[:n_keep].any():
        raise PointsError(
            f"twonn_linearity needs {_FEWEST_RATIOS} ratios that are not all 1, but {n_keep} of {n_points} remain."
        )
    below = np.arange(1, n_keep + 1) / n_points
    x = x[:n_keep]
    y = -np.log1p(-below)
    slope = float(x @ y / (x @ x))
    half = n_keep // 2
    rise = np.polyfit(x[half:], y[half:], 1)[0]
    return Linearity(
        distance=float(np.abs(below + np.expm1(-slope * x)).max()),
        expected=1.06 / math.sqrt(n_points),
        lower_slope=float(x[:half] @ y[:half] / (x[:half] @ x[:half])),
        upper_slope=float(rise),
        n_used=n_points,
    )


def constant_density_neighbors(graph: NeighborGraph, dimension: float) -> npt.NDArray[np.int64]:
    """Count for each point how many neighbors lie where the density is compatible with its own (k*).

    Parameters
    ----------
    graph : NeighborGraph
        At least 4 neighbors for each point, all points searched; more than k* ever gets, or it ends at `graph.k - 1`.
    dimension : float
        Dimension of the volumes compared.

    Returns
    -------
    numpy.ndarray
        `(n,)` int64, from 3 to `graph.k - 1`.

    Raises
    ------
    ParameterError
        If the graph is too small or has queries, or `dimension` is not positive and finite.

    Notes
    -----
    For growing k the volume v_i of the ball of point i to its k-th neighbor is compared with v_j, that of its neighbor
    number k + 1: under one density, D = -2 k ln(4 v_i v_j / (v_i + v_j)^2) is a likelihood ratio with one degree of
    freedom. k* is the last k before D exceeds 23.9 (a probability of 1e-6), and the first k compared, 3, where that one
    exceeds it already. DADApy's `compute_kstar` returns the k that exceeded it: one more, but for those of 3.

    References
    ----------
    A. Rodriguez, M. d'Errico, E. Facco, A. Laio, J. Chem. Theory Comput. 14, 1206 (2018), doi:10.1021/acs.jctc.7b00916.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> cloud = np.random.default_rng(0).random(size=(300, 2))
    >>> int(constant_density_neighbors(neighbors(cloud, k=30), 2.0).max())
    29
    """
    require_neighbors(graph, SMALLEST + 1, method="constant_density_neighbors")
    if not 0 < dimension < math.inf:
        raise ParameterError(
            f"dimension={dimension} must be positive and finite. Pass twonn(graph).value, for example."
        )
    if graph.queries is not None:
        raise ParameterError("constant_density_neighbors compares points with their neighbors: no queries, please.")
    return constant_within(density_limits(graph), dimension)


def density_limits(graph: NeighborGraph) -> Floats:
    """Return, `(k - 3, n)`, the largest dimension in which each point's density is constant to neighbor 4, 5 ... k.

    D = 4 k ln cosh(x / 2) with x = d |ln(r_j / r_i)|: it exceeds its limit where x exceeds one that k alone decides.
    """
    held = graph.distances.shape[1]
    limits = np.empty((held - SMALLEST, len(graph.rows)))
    for limit, k in zip(limits, range(SMALLEST, held), strict=True):
        own, other = graph.distances[:, k - 1], graph.distances[graph.indices[:, k], k - 1]
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            apart = np.abs(np.log(np.divide(own, other, out=np.ones(len(own)), where=own != other)))
            np.divide(2 * math.acosh(math.exp(_REJECT / (4 * k))), apart, out=limit)
    np.minimum.accumulate(limits, axis=0, out=limits)
    return limits


def constant_within(limits: Floats, dimension: float) -> npt.NDArray[np.int64]:
    """Return k* in a dimension."""
    reached: npt.NDArray[np.int64] = np.maximum(SMALLEST - 1 + np.count_nonzero(limits >= dimension, axis=0), SMALLEST)
    return reached
