"""TwoNN: the dimension from the ratio of the distances to the two nearest neighbors."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.likelihood import Errors, check_errors
from theodolite.dimension.ratios import log_ratios
from theodolite.dimension.spread import pair_weights, variance_of_sum
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Method = Literal["fit", "ml"]
Convention = Literal["i/N", "(i-1)/N", "N-1", "N"]

_CONVENTIONS: dict[str, tuple[Convention, Convention]] = {"fit": ("i/N", "(i-1)/N"), "ml": ("N-1", "N")}


def twonn(
    graph: NeighborGraph,
    *,
    discard: float | None = None,
    method: Method = "fit",
    convention: Convention | None = None,
    errors: Errors = "neighbors",
) -> DimensionEstimate:
    """Measure the dimension from the two nearest neighbors of each point; positive, dimensionless.

    Parameters
    ----------
    graph : NeighborGraph
        At least two neighbors for each point.
    discard : float or None
        Share of the largest ratios left out, in [0, 1). None means 0.1 for `"fit"` (the published heuristic against
        points whose second neighbor is far) and 0 for `"ml"`. In `"ml"` the ratios left out count as censored: known
        to be at least the largest one kept.
    method : {"fit", "ml"}
        Line through the origin, or maximum likelihood.
    convention : {"i/N", "(i-1)/N", "N-1", "N"} or None
        For `"fit"`, the empirical distribution function of the i-th smallest of N ratios (default `"i/N"`). For
        `"ml"`, what is divided by the sum of the logarithms (default `"N-1"`, without bias for independent ratios).
    errors : {"neighbors", "fisher"}
        Standard error that allows for shared neighbors, or the formula for independent points.

    Returns
    -------
    DimensionEstimate
        `n_used` counts all N ratios, the discarded tenth included: it decides the distribution function.
        `n_dropped` counts points whose nearest neighbor is at distance 0. `radius` is the mean distance to the second.

    Raises
    ------
    ParameterError
        If `discard` is outside [0, 1), a choice is unknown, or `discard=0` with `"i/N"` (an infinite last ordinate).
    PointsError
        If fewer than two ratios remain or all are 1.

    Notes
    -----
    mu = r_2 / r_1 follows a Pareto law with exponent d where the density is constant out to r_2, so -ln(1 - F(mu)) =
    d ln mu. `"fit"`: slope sum(x y) / sum(x**2) of y = -ln(1 - i/N) on x = ln mu over the int(N (1 - discard)) smallest
    ratios. `"ml"`: (N - 1) / sum(ln mu), equal to `gride` at (1, 2); with `convention="N"` equal to `mle` with k=2.

    Ties (mu = 1) stay in; points with r_1 = 0 are dropped and counted.

    Standard error: from the influence of each ratio on the slope (an L-statistic). `"fisher"` takes the ratios for
    independent (for `"ml"` this is d / sqrt(number kept)), which is 10 to 25 % too small in 1 to 10 dimensions, because
    mutual nearest neighbors share a distance; `"neighbors"` adds the effect of each point on those that have it for a
    neighbor (`theodolite.dimension.spread`).

    Differences from peers: DADApy's and scikit-dimension's default is `"fit"`, `"i/N"`, 0.1 (equal to rounding);
    torchid starts F at 0, the variant `"(i-1)/N"`; DADApy's `algorithm="ml"` is `"ml"`, `"N-1"`; scikit-dimension's
    `method="mle"` censors a tenth by default: `method="ml", discard=0.1`.

    References
    ----------
    E. Facco, M. d'Errico, A. Rodriguez, A. Laio, Sci. Rep. 7, 12140 (2017), doi:10.1038/s41598-017-11873-y.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.random.default_rng(0).normal(size=(1000, 3))
    >>> print(twonn(neighbors(points, k=2)))
    2.89 ± 0.10 (twonn, neighbors 1 and 2, method=fit, discard=0.1, convention=i/N, 1000 points, 3 columns)
    """
    share, rule = settings(discard, method, convention)
    check_errors(errors)
    ratios = log_ratios(graph, 1, 2, method="twonn")
    n_used = len(ratios.values)
    n_keep = int(n_used * (1 - share))
    if n_keep < 2:
        raise PointsError(f"twonn needs at least 2 ratios, but {n_keep} of {n_used} remain after discarding {share:g}.")
    order = np.argsort(ratios.values, kind="stable")
    ascending = ratios.values[order]
    if not ascending[:n_keep].any():
        raise PointsError(f"twonn cannot read a dimension: the {n_keep} smallest of {n_used} ratios are all 1 (ties).")
    if n_keep == n_used and method == "fit" and rule == "i/N":
        raise PointsError(f"twonn discards nothing of {n_used} ratios, so its last ordinate is infinite: discard more.")
    solver = line if method == "fit" else censored
    found = solver(ascending[None, :], np.array([n_used]), np.array([n_keep]), rule)
    value, scores, gradients = float(found[0][0]), np.empty(n_used), np.empty(n_used)
    scores[order], gradients[order] = found[1][0], found[2][0]
    if errors == "neighbors":
        variance = variance_of_sum(scores, graph, ratios.kept, weights=pair_weights(1, 2), gradients=gradients / value)
    else:
        variance = float(scores @ scores) if method == "fit" else value**2 * n_used**2 / n_keep
    return DimensionEstimate(
        value=value,
        stderr=math.sqrt(variance) / n_used,
        method="twonn",
        params={"method": method, "discard": share, "convention": rule, "errors": errors},
        n1=1,
        n2=2,
        radius=ratios.radius,
        n_used=n_used,
        n_dropped=len(graph.distances) - n_used,
        n_dims=graph.n_dims,
    )


def settings(discard: float | None, method: str, convention: str | None) -> tuple[float, Convention]:
    """Check the choices of TwoNN; return the share that is discarded and the convention."""
    if method not in _CONVENTIONS:
        raise ParameterError(f'method must be "fit" or "ml", not {method!r}.')
    rules = _CONVENTIONS[method]
    rule = next((known for known in rules if known == (convention or rules[0])), None)
    if rule is None:
        raise ParameterError(
            f'convention must be {" or ".join(map(repr, rules))} for method="{method}", not {convention!r}.'
        )
    share = (0.1 if method == "fit" else 0.0) if discard is None else discard
    if not 0 <= share < 1:
        raise ParameterError(f"discard is a share of the ratios in [0, 1), not {share}.")
    if share == 0 and rule == "i/N":
        raise ParameterError(
            'discard=0 puts the last point of the fit at -ln(1 - N/N) = infinity. Pass convention="(i-1)/N", '
            'or discard a share, or use method="ml".'
        )
    return share, rule


def line(ascending: Floats, n_used: Counts, n_keep: Counts, rule: str) -> tuple[Floats, Floats, Floats]:
    """Fit lines through the origin, one for each cloud.

    Parameters
    ----------
    ascending : numpy.ndarray
        `(n_clouds, n_points)` ln mu, sorted in each row; what lies beyond `n_used` does not matter.
    n_used, n_keep : numpy.ndarray
        `(n_clouds,)` ratios, and how many of the smallest are fitted.
    rule : {"i/N", "(i-1)/N"}
        The empirical distribution function.

    Returns
    -------
    slopes : numpy.ndarray
        `(n_clouds,)`, NaN where nothing kept is above 0.
    influences, gradients : numpy.ndarray
        `(n_clouds, n_points)` of each ratio on the slope, and the derivative of the influence by the ratio.

    Notes
    -----
    The slope is A/B with A = int_0^q y(u) x(u) du and B = int_0^q x(u)**2 du over the quantile function x(u). A value t
    shifts the distribution function by [t <= x] - F(x), hence the influence
    -1/B * int ([t <= x] - F) (y(F) - 2 s x) dx over the part that is kept.
    """
    places = np.arange(ascending.shape[1])
    kept = places < n_keep[:, None]
    share = np.where(kept, places / n_used[:, None], 0.0)
    rise = -np.log1p(-share)
    y = rise if rule == "(i-1)/N" else -np.log1p(-np.where(kept, (places + 1) / n_used[:, None], 0.0))
    x = np.where(kept, ascending, 0.0)
    squares = np.einsum("cp,cp->c", x, x)
    squares[squares == 0] = np.nan
    slopes = np.einsum("cp,cp->c", x, y) / squares
    steps = np.where(kept, np.diff(x, axis=1, prepend=0.0), 0.0)  # dx between order statistics, F = 0, 1/n, 2/n, ...
    weights = (rise - 2 * slopes[:, None] * (x - steps / 2)) * steps
    after = np.zeros_like(x)
    after[:, :-1] = weights[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]  # the integral at or beyond each value
    scale = (n_used / squares)[:, None]
    influences = -(after - np.einsum("cp,cp->c", share, weights)[:, None]) * scale
    gradients = np.where(kept, rise - 2 * slopes[:, None] * x, 0.0) * scale
    return slopes, influences, gradients


def censored(ascending: Floats, n_used: Counts, n_keep: Counts, rule: str) -> tuple[Floats, Floats, Floats]:
    """Fit rates of ln mu by maximum likelihood, the largest censored; arguments and results as in `line`."""
    kept = np.arange(ascending.shape[1]) < n_keep[:, None]
    last = np.take_along_axis(ascending, np.maximum(n_keep - 1, 0)[:, None], axis=1)
    present = np.arange(ascending.shape[1]) < n_used[:, None]
    clipped = np.where(present, np.minimum(ascending, last), 0.0)
    totals = clipped.sum(axis=1)
    totals[totals == 0] = np.nan
    rates = (n_keep - (1 if rule == "N-1" else 0)) / totals
    scale = (rates * n_used / np.maximum(n_keep, 1))[:, None]
    rates_of = rates[:, None]
    return rates, (kept - rates_of * clipped) * scale, np.where(kept, -rates_of * scale, 0.0)
