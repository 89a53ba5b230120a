"""FisherS: the dimension from how few pairs of points a linear test cannot tell apart."""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import lambertw

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points, clean_points
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import in_range

Floats = npt.NDArray[np.float64]

_ALPHAS = np.arange(0.6, 1.0, 0.02)
_ROWS_PER_BLOCK = 512


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
        `stderr` is NaN: no formula is known. `jackknife(fisher_separability, points)` measures it.

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
    values = clean.values.cpu().numpy().astype(np.float64)
    values = in_range(values)
    values -= values.mean(axis=0)
    left, singular, _ = np.linalg.svd(values, full_matrices=False)
    kept = left[:, singular**2 > singular[0] ** 2 / condition]
    kept = kept / kept.std(axis=0)
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    counts = np.zeros(len(_ALPHAS))
    for start in range(0, len(kept), _ROWS_PER_BLOCK):
        cosines = kept[start : start + _ROWS_PER_BLOCK] @ kept.T
        cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -1.0
        close = np.sort(cosines[cosines >= _ALPHAS[0]])
        counts += len(close) - np.searchsorted(close, _ALPHAS, side="left")
    share = counts / max(1, len(kept) * (len(kept) - 1))
    usable = np.flatnonzero(share > 0)
    if len(usable) == 0:
        raise PointsError(
            f"All {len(kept)} points are separable at every margin: there are too few of them for their dimension."
        )
    wanted = 0.9 * _ALPHAS[usable[-1]]
    chosen = usable[np.abs(_ALPHAS[usable] - wanted).argmin()]
    alpha, p = float(_ALPHAS[chosen]), float(share[chosen])
    decay = math.log(1 - alpha**2)
    argument = -decay / (2 * math.pi * p**2 * alpha**2 * (1 - alpha**2))
    return DimensionEstimate(
        value=float(lambertw(argument).real) / -decay,
        stderr=math.nan,
        method="fisher_separability",
        params={"condition": condition, "margin": round(alpha, 2), "components": int(kept.shape[1])},
        n1=None,
        n2=None,
        radius=math.nan,
        n_used=len(kept),
        n_dropped=clean.n_given - len(kept),
        n_dims=clean.n_dims,
    )
