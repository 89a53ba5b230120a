"""The estimators of scikit-dimension that have no counterpart here (DANCo, KNN, MiND_ML), behind our door."""

from importlib import import_module
from inspect import isclass, signature
from typing import Any

import numpy as np

from theodolite.core.errors import ParameterError, PointsError, TheodoliteError
from theodolite.core.points import Duplicates, Nonfinite, Points, clean_points
from theodolite.dimension.estimate import DimensionEstimate


def scikit_dimension(
    points: Points,
    estimator: str = "DANCo",
    *,
    seed: int = 0,
    nonfinite: Nonfinite = "error",
    duplicates: Duplicates = "collapse",
    **settings: str | int | float | bool,
) -> DimensionEstimate:
    """Measure the dimension with an estimator of scikit-dimension; dimensionless.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, any real dtype, any device.
    estimator : str
        Name of a class of `skdim.id`: `"DANCo"`, `"KNN"`, `"MiND_ML"` have no counterpart in this package; the others
        are there for comparison.
    seed : int
        Passed on as `random_state` to estimators that draw; global random state is left alone otherwise.
    nonfinite, duplicates
        As in `theodolite.core.points.clean_points`: scikit-dimension sees what remains, in float64.
    **settings
        Passed on to the class, such as `k=10`.

    Returns
    -------
    DimensionEstimate
        `stderr` is NaN (scikit-dimension gives none for these), `n1`, `n2` are None, `radius` is NaN.

    Raises
    ------
    TheodoliteError
        If scikit-dimension is not installed.
    ParameterError
        If there is no such estimator, or it knows no such setting.
    PointsError
        If the points cannot be measured, or the estimator fails on them or returns no finite number.

    Notes
    -----
    A thin adapter: the number is theirs. It searches neighbors anew at every call, in float64 with scikit-learn.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(200, 3)) @ np.eye(3, 8)
    >>> round(scikit_dimension(points, "MiND_ML", k=10).value, 1)
    3.3
    """
    found = _estimator(estimator)
    known = signature(found).parameters
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ParameterError(
            f"{estimator} of scikit-dimension has no setting {unknown[0]!r}. It knows: {', '.join(known)}."
        )
    if "random_state" in known:
        settings = {"random_state": seed, **settings}
    clean = clean_points(points, nonfinite=nonfinite, duplicates=duplicates)
    values = clean.values.cpu().numpy().astype(np.float64)
    try:
        value = float(np.ravel(found(**settings).fit(values).dimension_)[0])
    except (ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError) as error:
        raise PointsError(f"{estimator} of scikit-dimension failed on {clean.n_points} points: {error}") from error
    if not np.isfinite(value):
        raise PointsError(f"{estimator} of scikit-dimension returned {value} for {clean.n_points} points.")
    return DimensionEstimate(
        value=value,
        stderr=np.nan,
        method=f"scikit-dimension {estimator}",
        params={**settings, "version": import_module("skdim").__version__},
        n1=None,
        n2=None,
        radius=np.nan,
        n_used=clean.n_points,
        n_dropped=clean.n_given - clean.n_points,
        n_dims=clean.n_dims,
    )


def _estimator(name: str) -> Any:
    try:
        room = import_module("skdim.id")
    except ImportError as error:
        raise TheodoliteError(
            "This estimator comes from scikit-dimension, which is not installed. Install theodolite[skdim]."
        ) from error
    known = sorted(each for each in dir(room) if isclass(getattr(room, each)) and not each.startswith("_"))
    if name not in known:
        raise ParameterError(f"scikit-dimension has no estimator {name!r}. It has: {', '.join(known)}.")
    return getattr(room, name)
