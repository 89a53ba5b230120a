"""Seeded bootstrap draws, and the axes on which curves are read."""

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.seeds import generator_from

Floats = npt.NDArray[np.float64]
Axis = Literal["linear", "log2", "log10"]

_DRAWS_PER_BLOCK = 1 << 22


def bootstrap_counts(n_items: int, n_bootstrap: int, *, seed: int) -> Iterator[Floats]:
    """Yield how often each item occurs in each resample, in blocks of resamples.

    Parameters
    ----------
    n_items : int
        Items to draw from, with replacement, `n_items` times for each resample.
    n_bootstrap : int
        Resamples in all.
    seed : int
        Changes the draws.

    Yields
    ------
    numpy.ndarray
        `(n_resamples, n_items)` float64 counts; each row sums to `n_items`.
    """
    generator = generator_from("bootstrap", n_items, seed)
    size = max(1, _DRAWS_PER_BLOCK // n_items)
    for start in range(0, n_bootstrap, size):
        n_resamples = min(size, n_bootstrap - start)
        drawn = generator.integers(n_items, size=(n_resamples, n_items))
        drawn += n_items * np.arange(n_resamples)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_items)
        yield counts.reshape(n_resamples, n_items).astype(np.float64)


def on_axis(x: Floats, axis: Axis) -> Floats:
    """Return positions as they lie on an axis: themselves, or their logarithm.

    Raises
    ------
    ParameterError
        If the axis is not known.
    PointsError
        If a position that is not positive should lie on a logarithmic axis.
    """
    if axis not in get_args(Axis):
        raise ParameterError(f"axis must be {', '.join(map(repr, get_args(Axis)))}, not {axis!r}.")
    if axis == "linear":
        return x
    if (x <= 0).any():
        raise PointsError(
            f'x holds {x.min():g}, which has no place on a logarithmic axis. Leave it out, or pass axis="linear".'
        )
    return np.log2(x) if axis == "log2" else np.log10(x)


def off_axis(u: Floats, axis: Axis) -> Floats:
    """Return the positions that lie at `u` on an axis; undoes `on_axis`."""
    if axis == "linear":
        return u
    return np.exp2(u) if axis == "log2" else np.power(10.0, u)


def check_bootstrap(n_bootstrap: int, confidence: float) -> None:
    """Refuse a bootstrap that could give no interval."""
    if n_bootstrap < 20:
        raise ParameterError(f"n_bootstrap={n_bootstrap} draws give no interval. Take at least 20, better 2000.")
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence={confidence} is no probability between 0 and 1. Take 0.95, for example.")


def percentile_interval(values: Floats, confidence: float) -> tuple[float, float]:
    """Return the central interval of bootstrap values, those that are not finite left out; NaN if none remains."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(kept, [tail, 1 - tail])
    return float(low), float(high)


def as_vector(values: npt.ArrayLike, name: str) -> Floats:
    """Return `values` as a float64 vector.

    Raises
    ------
    PointsError
        If it is not one-dimensional or not of real numbers.
    """
    return _as_floats(values, name, 1)


def as_columns(values: npt.ArrayLike, name: str) -> Floats:
    """Return `values` as a float64 table; a vector becomes one column.

    Raises
    ------
    PointsError
        If it has more than two axes or is not of real numbers.
    """
    array = np.asarray(values)
    return _as_floats(array[:, None] if array.ndim == 1 else array, name, 2)


def _as_floats(values: npt.ArrayLike, name: str, n_axes: int) -> Floats:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise PointsError(f"{name} must be real numbers, but has dtype {array.dtype}.")
    if array.ndim != n_axes:
        wanted = "one number for each point" if n_axes == 1 else "one row for each point"
        raise PointsError(f"{name} needs {wanted}, but has shape {array.shape}.")
    return array.astype(np.float64)
