"""FisherS: the dimension from how few pairs of points a linear test cannot tell apart."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.special import lambertw

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points, clean_points
from theodolite.dimension.clouds import CloudDimensions, measure_points
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import NoDimensionError, in_range

Floats = npt.NDArray[np.float64]

_ALPHAS = np.arange(0.6, 1.0, 0.02)
_ROWS_PER_BLOCK = 512
_PRODUCTS_SERVE = 1e4  # components of this small a share of the largest variance have all the digits they need
_POWERS = 12


def fisher_separability(points: Points, *, condition: float = 10.0) -> DimensionEstimate:
    """Measure the dimension by Fisher separability of whitened points on the sphere; positive, dimensionless.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, finite; duplicates are collapsed.
    condition : float
        Principal components with less than 1/condition of the largest variance are left out, above 1.

    Returns
    -------
    DimensionEstimate
        With `n1`, `n2` None and `radius` NaN (all pairs enter). `params["margin"]` is the margin alpha that was used;
        `params["components"]` how many directions were kept.

    Raises
    ------
    ParameterError
        If `condition` is not above 1.
    PointsError
        If all pairs are separable at every margin: too few points for their dimension.

    Notes
    -----
    After centering, projection on the leading components, whitening and projection on the unit sphere, x is inseparable
    from y at margin alpha if x.y > alpha. The mean share p of inseparable others is compared with that of the uniform
    distribution on the sphere in n dimensions, p = (1 - alpha^2)^((n-1)/2) / (alpha sqrt(2 pi n)), solved for n with
    Lambert's W. Of the margins 0.60, 0.62 ... 0.98 the one nearest to 0.9 times the largest with p > 0 is used.

    Standard error: influence of each point on p, less what belongs to pairs and is counted twice, with margin and
    components taken as given: 95 to 140 % of the spread over repeated samples. Where another sample may keep another
    number of components, because some variance is near 1/condition of the largest, it is as little as a quarter;
    `jackknife(fisher_separability, points)` tells.

    Whitening removes all linear structure, so that the reading says how many equal directions there would be: it is the
    estimator least affected by decaying spectra and the most by the choice of `condition`. Equal to scikit-dimension's
    `FisherS`.

    References
    ----------
    L. Albergante, J. Bac, A. Zinovyev, Estimating the effective dimension of large biological datasets using Fisher
    separability analysis, IJCNN (2019), arXiv:1901.06328.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(500, 5))
    >>> abs(fisher_separability(points).value - 5) < 0.5
    True
    """
    if not condition > 1:
        raise ParameterError(f"condition is a ratio of variances above 1, not {condition}.")
    clean = clean_points(points)
    values = in_range(clean.values.cpu().numpy().astype(np.float64))
    kept = _whitened(values - values.mean(axis=0), condition)
    n_points, n_components = kept.shape
    counts = _close_to_each(kept)
    total = counts.sum(axis=0)
    usable = np.flatnonzero(total > 0)
    unread = DimensionEstimate(
        value=math.nan,
        stderr=math.nan,
        method="fisher_separability",
        params={"condition": condition, "margin": math.nan, "components": n_components},
        n1=None,
        n2=None,
        radius=math.nan,
        n_used=n_points,
        n_dropped=clean.n_given - n_points,
        n_dims=clean.n_dims,
    )
    if len(usable) == 0:
        raise NoDimensionError(
            f"All {clean.n_points} points are separable at every margin: there are too few for their dimension.",
            unread,
        )
    chosen = usable[np.abs(_ALPHAS[usable] - 0.9 * _ALPHAS[usable[-1]]).argmin()]
    alpha, n_close = float(_ALPHAS[chosen]), int(total[chosen])
    p = n_close / (n_points * (n_points - 1))
    decay = -math.log(1 - alpha**2)
    solved = float(lambertw(decay / (2 * math.pi * p**2 * alpha**2 * (1 - alpha**2))).real)
    influence = 2 * (counts[:, chosen] / n_close - 1 / n_points)  # each point is in its own pairs and in others'
    variance = max(float(influence @ influence) - 2 / n_close, 2 / n_close)
    return replace(
        unread,
        value=solved / decay,
        stderr=2 * solved / (1 + solved) / decay * math.sqrt(variance),
        params=dict(unread.params) | {"margin": round(alpha, 2)},
    )


def cloud_fisher_separability(clouds: Points | Sequence[Points], *, condition: float = 10.0) -> CloudDimensions:
    """Measure the dimension of each cloud by Fisher separability; positive, dimensionless.

    Parameters
    ----------
    clouds : torch.Tensor, numpy.ndarray or sequence of them
        `(n_clouds, n_points, n_dims)`, or clouds `(n_points, n_dims)` of different lengths, finite.
    condition
        As in `fisher_separability`.

    Returns
    -------
    CloudDimensions
        One column; equal to `fisher_separability(clouds[i])`. `choices` hold `margin` and `components`.

    Raises
    ------
    ParameterError
        If `condition` is not above 1, or clouds differ in their columns.
    PointsError
        If a cloud is not finite; the message names it.

    Examples
    --------
    >>> clouds = np.random.default_rng(0).normal(size=(2, 500, 5))
    >>> cloud_fisher_separability(clouds).value.round(1).tolist()
    [[5.0], [5.0]]
    """
    return measure_points(
        clouds, lambda points: fisher_separability(points, condition=condition), choices=("margin", "components")
    )


def _whitened(centered: Floats, condition: float) -> Floats:
    """Return the points on the unit sphere of their leading components, each of the same variance.

    A point at the very middle has no direction and is left out.
    """
    if condition > _PRODUCTS_SERVE:
        left, singular, _ = np.linalg.svd(centered, full_matrices=False)
        kept = left[:, singular**2 > singular[0] ** 2 / condition]
    else:
        wide = centered.shape[0] < centered.shape[1]
        kept, variances = _leading(centered @ centered.T if wide else centered.T @ centered, condition)
        if not wide:
            kept = centered @ (kept / np.sqrt(variances))
    norms = np.linalg.norm(kept, axis=1)
    found: Floats = kept[norms > 0] / norms[norms > 0, None]
    return found


def _leading(product: Floats, condition: float) -> tuple[Floats, Floats]:
    """Return the eigenvectors, in columns, and the eigenvalues above 1/condition of the largest."""
    largest = int(np.diagonal(product).argmax())
    if product[largest, largest] == 0:
        return np.empty((len(product), 0)), np.empty(0)
    direction = product[largest]
    for _ in range(_POWERS):
        direction = product @ (direction / np.linalg.norm(direction))
    direction /= np.linalg.norm(direction)
    least = direction @ product @ direction / condition * (1 - 1e-6)  # no quotient is above the largest eigenvalue
    variances, vectors = eigh(product, subset_by_value=(least, math.inf))
    above = variances > variances[-1] / condition
    return vectors[:, above], variances[above]


def _close_to_each(kept: Floats) -> Floats:
    """Count for each point how many others it cannot be told apart from at each margin, `(n_points, n_margins)`."""
    n_points, n_bins = len(kept), len(_ALPHAS) + 1
    counts = np.empty((n_points, n_bins))
    for start in range(0, n_points, _ROWS_PER_BLOCK):
        cosines = kept[start : start + _ROWS_PER_BLOCK] @ kept.T
        n_rows = len(cosines)
        cosines[np.arange(n_rows), np.arange(start, start + n_rows)] = -1.0
        row, column = np.nonzero(cosines >= _ALPHAS[0])
        bins = row * n_bins + np.searchsorted(_ALPHAS, cosines[row, column], side="right")
        counts[start : start + n_rows] = np.bincount(bins, minlength=n_rows * n_bins).reshape(n_rows, n_bins)
    at_least: Floats = counts[:, :0:-1].cumsum(axis=1)[:, ::-1]
    return at_least
