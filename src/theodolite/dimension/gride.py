"""GRIDE: the dimension from ratios of distances to farther neighbors, one estimate for each scale."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.dimension.dadapy import gride_as_dadapy
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.likelihood import Errors, check_errors
from theodolite.dimension.ratios import log_ratios, require_neighbors
from theodolite.dimension.spread import pair_weights, variance_of_sum
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]
Convention = Literal["exact", "dadapy"]

_STEPS = 60  # Newton needs about 5; the bisection it falls back to needs at most 60


def gride(
    graph: NeighborGraph,
    *,
    largest: int | None = None,
    convention: Convention = "exact",
    errors: Errors | None = None,
) -> tuple[DimensionEstimate, ...]:
    """Measure the dimension at the doubling scales (1, 2), (2, 4), (4, 8), ...; each positive, dimensionless.

    Parameters
    ----------
    graph : NeighborGraph
        At least two neighbors for each point.
    largest : int or None
        The farthest neighbor to compare (`range_max` in DADApy); scales go up to the largest power of two within it.
        None means as far as the graph reaches.
    convention : {"exact", "dadapy"}
        `"dadapy"` repeats that package digit for digit: its cut of large ratios, its nudge of ties, its floor and
        bisection, its error and its radius (the mean of both neighbors' distances).
    errors : {"neighbors", "fisher"} or None
        Standard error that allows for shared neighbors, or 1/sqrt(Fisher information). None means `"neighbors"`, and
        `"fisher"` (the only one there) with `convention="dadapy"`.

    Returns
    -------
    tuple of DimensionEstimate
        One for each scale, nearest first. `radius` is the mean distance to neighbor n2.

    Raises
    ------
    ParameterError
        If `largest` is below 2 or beyond the graph, or a choice is unknown or contradicts another.
    PointsError
        If at some scale fewer than two points have a positive distance, or all ratios are 1.

    Notes
    -----
    With mu_i = r_n2 / r_n1 and n2 = 2 n1, the log-likelihood maximised is

        (N-1) ln d + (n2-n1-1) sum ln(mu_i^d - 1) - sum ((n2-1) d + 1) ln mu_i + constant,

    strictly concave in d; N-1 in place of N makes scale (1, 2) free of bias and equal to `twonn(method="ml")`. The
    root of its derivative is found by Newton steps in ln d kept inside a bracket, to a relative 1e-13.

    Points with r_n1 = 0 are dropped and counted. Ties (mu = 1) stay in: ln(mu) / (1 - mu^-d) has the limit 1/d. No
    ratio is cut for being large, because a cut biases low dimensions upward; heavy tails show in the scatter over
    scales.

    Standard error: `"fisher"` is the curvature alone, as if points were independent. `"neighbors"` puts the
    influence of each point, on others included (`theodolite.dimension.spread`), between two such curvatures.

    Differences from peers: DADApy (2025) adds 10 machine epsilons to ties, drops mu >= q50 + 20 (q95 - q50), floors
    1 - mu^-d at 2e-7, bisects to 1e-7 and takes the error from the ratios before the cut; scikit-dimension drops ties
    and makes the same cut. Where there are no ties and the cut removes nothing both agree with `"exact"`, to 1e-7 and
    to rounding.

    References
    ----------
    F. Denti, D. Doimo, A. Laio, A. Mira, Sci. Rep. 12, 20005 (2022), doi:10.1038/s41598-022-20991-1.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.random.default_rng(0).normal(size=(1000, 3))
    >>> [(one.n1, one.n2, round(one.value, 1)) for one in gride(neighbors(points, k=8))]
    [(1, 2, 2.9), (2, 4, 2.9), (4, 8, 3.1)]
    """
    reach = graph.distances.shape[1] if largest is None else largest
    if reach < 2:
        raise ParameterError(f"gride compares neighbors 1 and 2 at least, but largest={reach}. Pass k=2 or more.")
    require_neighbors(graph, reach, method="gride")
    if convention not in ("exact", "dadapy"):
        raise ParameterError(f'convention must be "exact" or "dadapy", not {convention!r}.')
    if convention == "dadapy" and errors == "neighbors":
        raise ParameterError(
            'errors="neighbors" is not what DADApy computes: pass errors=None with convention="dadapy".'
        )
    kind: Errors = errors or ("fisher" if convention == "dadapy" else "neighbors")
    check_errors(kind)
    scales = [2**power for power in range(int(reach).bit_length() - 1)]
    if convention == "dadapy":
        return tuple(_dadapy(graph, n1) for n1 in scales)
    return tuple(_exact(graph, n1, 2 * n1, kind) for n1 in scales)


def _exact(graph: NeighborGraph, n1: int, n2: int, errors: Errors) -> DimensionEstimate:
    ratios = log_ratios(graph, n1, n2, method="gride")
    n_used = len(ratios.values)
    value = solve(ratios.values, n1, n2)
    scores, information = _score(ratios.values, value, n1, n2)
    if errors == "fisher":
        stderr = 1 / math.sqrt(information)
    else:
        gradients = _slope(ratios.values, value, n1, n2) / value
        variance = variance_of_sum(scores, graph, ratios.kept, weights=pair_weights(n1, n2), gradients=gradients)
        stderr = math.sqrt(variance) / information
    return DimensionEstimate(
        value=value,
        stderr=stderr,
        method="gride",
        params={"n1": n1, "n2": n2, "convention": "exact", "errors": errors},
        n1=n1,
        n2=n2,
        radius=ratios.radius,
        n_used=n_used,
        n_dropped=len(graph.distances) - n_used,
        n_dims=graph.n_dims,
    )


def _dadapy(graph: NeighborGraph, n1: int) -> DimensionEstimate:
    n2 = 2 * n1
    near, far = graph.distances[:, n1 - 1], graph.distances[:, n2 - 1]
    value, stderr, n_used = gride_as_dadapy(near, far, n1, n2)
    return DimensionEstimate(
        value=value,
        stderr=stderr,
        method="gride",
        params={"n1": n1, "n2": n2, "convention": "dadapy", "errors": "fisher"},
        n1=n1,
        n2=n2,
        radius=float((near.mean() + far.mean()) / 2),
        n_used=n_used,
        n_dropped=len(near) - n_used,
        n_dims=graph.n_dims,
    )


def solve(values: Floats, n1: int, n2: int) -> float:
    """Return the maximum-likelihood dimension of log ratios `values` `(n,)`, not all zero.

    The equation solved is (N-1)/d + (n2-n1-1) sum(l / (1 - exp(-d l))) = (n2-1) sum(l): decreasing in d, from infinity
    down to -n1 sum(l), so it has one root.
    """
    total = float(values.sum())
    if n2 == n1 + 1:
        return (len(values) - 1) / (n1 * total)
    low, high = 0.0, math.inf
    dimension = (_harmonic(n2) - _harmonic(n1)) * len(values) / total  # the mean of l under the model is this over d
    for _ in range(_STEPS):
        scores, information = _score(values, dimension, n1, n2)
        slope = float(scores.sum()) - 1 / dimension  # the scores sum to N/d - ..., the equation has N-1
        low, high = (dimension, high) if slope > 0 else (low, dimension)
        step = slope / (dimension * information)  # Newton in ln d, where the curve is closer to a line
        following = dimension * math.exp(max(-1.0, min(1.0, step)))
        if not low < following < high:
            following = (low + high) / 2 if high < math.inf else 2 * dimension
        if abs(following - dimension) <= 1e-13 * dimension:
            return following
        dimension = following
    return dimension


def _score(values: Floats, dimension: float, n1: int, n2: int) -> tuple[Floats, float]:
    """Return the derivative of each point's log-likelihood `(n,)` and minus the second derivative of their sum."""
    inner = n2 - n1 - 1
    if inner == 0:
        return 1 / dimension - n1 * values, len(values) / dimension**2
    gap = -np.expm1(-dimension * values)
    decay = 1.0 - gap
    tied = values == 0
    if tied.any():
        gap[tied] = 1.0
    quotient = values / gap
    if tied.any():
        quotient[tied] = 1 / dimension
    scores: Floats = 1 / dimension + inner * quotient - (n2 - 1) * values
    information = len(values) / dimension**2 + inner * float((quotient * quotient) @ decay)
    return scores, information


def _slope(values: Floats, dimension: float, n1: int, n2: int) -> Floats:
    """Return the derivative of each point's score by its log ratio, `(n,)`, negative."""
    inner = n2 - n1 - 1
    if inner == 0:
        return np.full(len(values), -float(n1))
    scaled = dimension * values
    gap = -np.expm1(-scaled)
    small = scaled < 1e-4  # the derivative of x / (1 - exp(-x)) is 1/2 + x/6 near 0
    gap[small] = 1.0
    rise = (1 - (1 + scaled) * np.exp(-scaled)) / (gap * gap)
    rise[small] = 0.5 + scaled[small] / 6
    slopes: Floats = inner * rise - (n2 - 1)
    return slopes


def _harmonic(n: int) -> float:
    """Return 1 + 1/2 + ... + 1/(n-1)."""
    return math.fsum(1 / i for i in range(1, n))
