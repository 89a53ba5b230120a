"""GRIDE: the dimension from ratios of distances to farther neighbors, one estimate for each scale."""

import math
from typing import Literal

import numpy as np

from theodolite.core.errors import ParameterError
from theodolite.dimension.dadapy import gride_as_dadapy
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.gride_likelihood import scores_at, slopes_at, solve
from theodolite.dimension.likelihood import Errors, check_errors
from theodolite.dimension.ratios import log_ratios, require_neighbors, require_whole
from theodolite.dimension.spread import pair_weights, variance_of_sum
from theodolite.neighborhoods.graph import NeighborGraph, require_graph

Convention = Literal["exact", "dadapy"]


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
    require_graph(graph, method="gride")
    reach = graph.k if largest is None else largest
    kind, scales = settings(reach, convention, errors)
    require_neighbors(graph, reach, method="gride")
    if convention == "dadapy":
        return tuple(_dadapy(graph, n1) for n1 in scales)
    return tuple(_exact(graph, n1, 2 * n1, kind) for n1 in scales)


def settings(reach: int, convention: str, errors: str | None) -> tuple[Errors, list[int]]:
    """Check the choices of GRIDE; return the kind of standard error and the nearer neighbor of each scale."""
    if require_whole(reach, "largest", method="gride") < 2:
        raise ParameterError(f"gride compares neighbors 1 and 2 at least, but largest={reach}. Pass k=2 or more.")
    if convention not in ("exact", "dadapy"):
        raise ParameterError(f'convention must be "exact" or "dadapy", not {convention!r}.')
    if convention == "dadapy" and errors == "neighbors":
        raise ParameterError(
            'errors="neighbors" is not what DADApy computes: pass errors=None with convention="dadapy".'
        )
    kind = errors or ("fisher" if convention == "dadapy" else "neighbors")
    check_errors(kind)
    return ("fisher" if kind == "fisher" else "neighbors"), [2**power for power in range(int(reach).bit_length() - 1)]


def _exact(graph: NeighborGraph, n1: int, n2: int, errors: Errors) -> DimensionEstimate:
    ratios = log_ratios(graph, n1, n2, method="gride")
    n_used = len(ratios.values)
    values, everyone = ratios.values[None, :], np.ones((1, n_used), dtype=np.bool_)
    dimensions = solve(values, everyone, n1, n2)
    value = float(dimensions[0])
    scores, informations = scores_at(values, everyone, dimensions, n1, n2)
    information = float(informations[0])
    if errors == "fisher":
        stderr = 1 / math.sqrt(information)
    else:
        gradients = slopes_at(values, dimensions, n1, n2)[0] / value
        variance = variance_of_sum(scores[0], graph, ratios.kept, weights=pair_weights(n1, n2), gradients=gradients)
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
