"""Exact least squares for many curves at once: one line, two joined segments, a smooth approach to a plateau."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.statistics.resampling import Floats

_RATES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Hinges:
    """Two joined segments fitted to each of several curves; NaN where no bend of the wanted kind exists.

    Attributes
    ----------
    knots : numpy.ndarray
        `(n_curves,)` positions where the segments meet.
    levels : numpy.ndarray
        `(n_curves,)` heights there.
    before, after : numpy.ndarray
        `(n_curves,)` slopes of the two segments.
    sums : numpy.ndarray
        `(n_curves,)` weighted sums of squared residuals; those of one line where there is no bend.
    fitted : numpy.ndarray
        `(n_curves, n_points)` heights of the fit.
    """

    knots: Floats
    levels: Floats
    before: Floats
    after: Floats
    sums: Floats
    fitted: Floats


def fit_lines(u: Floats, curves: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Fit one straight line to each curve.

    Parameters
    ----------
    u : numpy.ndarray
        `(n_points,)` positions, ascending.
    curves : numpy.ndarray
        `(n_curves, n_points)`.
    weights : numpy.ndarray
        `(n_points,)`, positive.

    Returns
    -------
    tuple of numpy.ndarray
        Heights `(n_curves, n_points)` and weighted sums of squared residuals `(n_curves,)`.
    """
    design = np.column_stack([np.ones_like(u), u])
    fitted = _solve(design, curves, weights) @ design.T
    return fitted, _sums(curves, fitted, weights)


def fit_hinges(u: Floats, curves: Floats, weights: Floats, bend: str) -> Hinges:
    """Fit two segments that meet to each curve, by exact search over the place where they meet.

    Parameters
    ----------
    u : numpy.ndarray
        `(n_points,)` positions, strictly ascending, at least 4.
    curves : numpy.ndarray
        `(n_curves, n_points)`.
    weights : numpy.ndarray
        `(n_points,)`, positive.
    bend : {"any", "convex", "concave"}
        Which signs of the change of slope to allow.

    Returns
    -------
    Hinges
        The best fit of each curve.
    """
    n_curves, n_points = curves.shape
    line, sums = fit_lines(u, curves, weights)
    slope = (line[:, -1] - line[:, 0]) / (u[-1] - u[0])
    best = [np.full(n_curves, np.nan), np.full(n_curves, np.nan), slope.copy(), slope.copy(), sums.copy()]

    def offer(knots: Floats, levels: Floats, before: Floats, after: Floats, allowed: npt.NDArray[np.bool_]) -> None:
        change = after - before
        allowed = allowed & ((bend != "convex") | (change > 0)) & ((bend != "concave") | (change < 0))
        distance = u - knots[:, None]
        fitted = levels[:, None] + np.where(distance > 0, after[:, None], before[:, None]) * distance
        found = _sums(curves, fitted, weights)
        better = allowed & (found < best[4])
        for kept, candidate in zip(best, (knots, levels, before, after, found), strict=True):
            kept[better] = candidate[better]

    everywhere = np.ones(n_curves, dtype=bool)
    for place in range(1, n_points - 1):
        design = np.column_stack([np.ones_like(u), u - u[place], np.maximum(0.0, u - u[place])])
        level, before, change = _solve(design, curves, weights).T
        offer(np.full(n_curves, u[place]), level, before, before + change, everywhere)
    for place in range(2, n_points - 1):
        left, right = (
            _solve(np.column_stack([np.ones_like(u[part]), u[part]]), curves[:, part], weights[part]).T
            for part in (slice(None, place), slice(place, None))
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            knots = (left[0] - right[0]) / (right[1] - left[1])
        inside = (knots > u[place - 1]) & (knots < u[place])
        knots = np.where(inside, knots, u[place])
        offer(knots, left[0] + left[1] * knots, left[1], right[1], inside)
    knots, levels, before, after, sums = best
    distance = u - np.where(np.isfinite(knots), knots, 0.0)[:, None]
    bent = levels[:, None] + np.where(distance > 0, after[:, None], before[:, None]) * distance
    return Hinges(
        knots=knots,
        levels=levels,
        before=before,
        after=after,
        sums=sums,
        fitted=np.where(np.isfinite(knots)[:, None], bent, line),
    )


def fit_curve(u: Floats, curve: Floats, weights: Floats) -> float:
    """Fit a + b exp(-c u) to one curve and return its weighted sum of squared residuals.

    Parameters
    ----------
    u : numpy.ndarray
        `(n_points,)` positions, ascending.
    curve : numpy.ndarray
        `(n_points,)`.
    weights : numpy.ndarray
        `(n_points,)`, positive.

    Returns
    -------
    float
        The smallest sum over rates c of either sign, from nearly straight to a step at the first pair of points.
    """
    span, step = u[-1] - u[0], np.diff(u).min()
    rates = np.geomspace(0.01 / span, 10 / step, _RATES)
    found = []
    for rate in (*rates, *-rates):
        exponent = -rate * (u - u[0])
        design = np.column_stack([np.ones_like(u), np.exp(exponent - exponent.max())])
        found.append(_sums(curve[None], _solve(design, curve[None], weights) @ design.T, weights)[0])
    return float(min(found))


def _solve(design: Floats, curves: Floats, weights: Floats) -> Floats:
    """Return the weighted least-squares coefficients `(n_curves, n_columns)`."""
    root = np.sqrt(weights)
    found: Floats = (curves * root) @ np.linalg.pinv(design * root[:, None]).T
    return found


def _sums(curves: Floats, fitted: Floats, weights: Floats) -> Floats:
    found: Floats = (weights * (curves - fitted) ** 2).sum(axis=-1)
    return found
