"""Null clouds: points that share what an estimate must not be credited for."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points, clean_points
from theodolite.core.seeds import generator_from

Floats = npt.NDArray[np.float64]
Kind = Literal["gaussian", "permuted", "covariance"]

_VALUES_PER_BLOCK = 1 << 22


def null_points(points: Points, kind: Kind, *, seed: int) -> torch.Tensor:
    """Draw a cloud of the same shape that keeps only part of the structure of `points`.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, finite.
    kind : {"gaussian", "permuted", "covariance"}
        What is kept: `"gaussian"` the number of points and columns and the total variance (independent, equal in every
        column, mean 0); `"permuted"` the distribution of each column, by permuting each on its own; `"covariance"` the
        mean and the covariance of a Gaussian.
    seed : int
        The same seed gives the same draw, whatever the dtype and device of `points`.

    Returns
    -------
    torch.Tensor
        `(n_points, n_dims)` on the device of `points`, float64 for float64 and integer input, else float32; in the
        units of `points`.

    Raises
    ------
    ParameterError
        If `kind` is unknown.
    PointsError
        If rows are not finite or all are equal.

    Notes
    -----
    Estimators read high-dimensional noise far below its number of columns: 20,000 isotropic Gaussian rows of 300
    columns read about 105 at the two nearest neighbors. The reading of a null of the same shape is therefore what
    to compare with, and `n_dims` is not. It is no ceiling: hubs and mixtures of clusters can read above it.

    "covariance" draws mean + z A with A A^T the covariance (normalised by n), through the smaller side: A comes from an
    eigenbasis of the columns, or, with fewer rows than columns, is the centered table itself over sqrt(n).

    Examples
    --------
    >>> points = np.arange(12.0).reshape(4, 3)
    >>> null = null_points(points, "permuted", seed=0)
    >>> sorted(null[:, 0].tolist())
    [0.0, 3.0, 6.0, 9.0]
    """
    return next(null_draws(points, kind, seeds=[seed]))


def null_draws(points: Points, kind: Kind, *, seeds: Sequence[int]) -> Iterator[torch.Tensor]:
    """Draw several clouds that keep the same part of the structure of `points`, one after the other.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, finite.
    kind : {"gaussian", "permuted", "covariance"}
        As for `null_points`.
    seeds : sequence of int
        One for each draw.

    Yields
    ------
    torch.Tensor
        What `null_points` returns for each seed; what is the same for all, such as the eigenbasis of a covariance, is
        computed once.

    Raises
    ------
    ParameterError
        If `kind` is unknown.
    PointsError
        If rows are not finite or all are equal.

    Examples
    --------
    >>> points = np.arange(12.0).reshape(4, 3)
    >>> draws = list(null_draws(points, "covariance", seeds=[0, 1]))
    >>> torch.equal(draws[1], null_points(points, "covariance", seed=1))
    True
    """
    if kind not in ("gaussian", "permuted", "covariance"):
        raise ParameterError(f'kind must be "gaussian", "permuted" or "covariance", not {kind!r}.')
    values = clean_points(points, duplicates="keep").values
    table = values.cpu().numpy()
    mean = table.mean(axis=0, dtype=np.float64)
    mixing = _mixing(table, mean) if kind == "covariance" else None
    deviation = deviation_of(values) if kind == "gaussian" else 1.0
    for seed in seeds:
        generator = generator_from("null_points", kind, seed)
        drawn = np.empty_like(table)
        if kind == "permuted":
            for column in range(table.shape[1]):
                drawn[:, column] = table[generator.permutation(len(table)), column]
        elif mixing is None:
            _fill_with_noise(drawn, deviation, generator)
        else:
            for block in _blocks(*table.shape):
                drawn[block] = mean + generator.standard_normal((len(table[block]), len(mixing))) @ mixing
        yield torch.from_numpy(drawn).to(values.device)


def gaussian_points(n_points: int, n_dims: int, *, seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Draw independent standard normal points: the Gaussian null of every cloud of this size, up to its scale.

    Parameters
    ----------
    n_points, n_dims : int
        Shape of the cloud, at least 1.
    seed : int
        The same seed gives the same draw, whatever the dtype.
    dtype : torch.dtype
        `torch.float32` or `torch.float64`.

    Returns
    -------
    torch.Tensor
        `(n_points, n_dims)` on the CPU, of mean 0 and variance 1 in every column.

    Raises
    ------
    ParameterError
        If the shape is empty or the dtype another one.

    Notes
    -----
    Times the deviation of a table (`deviation_of`) this is `null_points(table, "gaussian", seed=seed)`. No estimate of
    the dimension depends on that factor.

    Examples
    --------
    >>> gaussian_points(3, 2, seed=0).shape
    torch.Size([3, 2])
    """
    if n_points < 1 or n_dims < 1:
        raise ParameterError(f"A cloud of {n_points} points in {n_dims} columns is empty. Give at least 1 of each.")
    if dtype not in (torch.float32, torch.float64):
        raise ParameterError(f"dtype must be torch.float32 or torch.float64, not {dtype}.")
    drawn = torch.empty((n_points, n_dims), dtype=dtype)
    _fill_with_noise(drawn.numpy(), 1.0, generator_from("null_points", "gaussian", seed))
    return drawn


def deviation_of(values: torch.Tensor) -> float:
    """Return the root of the mean variance of the columns, in the units of the points.

    Parameters
    ----------
    values : torch.Tensor
        `(n_points, n_dims)` float32 or float64, finite.

    Returns
    -------
    float
        0 where all rows are equal.

    Examples
    --------
    >>> deviation_of(torch.tensor([[0.0, 5.0], [2.0, 7.0]]))
    1.0
    """
    table = values.cpu().numpy()
    mean = table.mean(axis=0, dtype=np.float64)
    squares = sum(float(np.square(table[block] - mean).sum()) for block in _blocks(*table.shape))
    return math.sqrt(squares / table.size)


def _fill_with_noise(drawn: npt.NDArray[np.floating], deviation: float, generator: np.random.Generator) -> None:
    for block in _blocks(*drawn.shape):
        drawn[block] = deviation * generator.standard_normal(drawn[block].shape)


def _mixing(table: npt.NDArray[np.floating], mean: Floats) -> Floats:
    """Return A, `(n_sources, n_dims)`, with A^T A the covariance of the table."""
    n_points, n_dims = table.shape
    mixing: Floats
    if n_points < n_dims:
        mixing = (table - mean) / math.sqrt(n_points)
        return mixing
    covariance = np.zeros((n_dims, n_dims))
    for block in _blocks(n_points, n_dims):
        rows = table[block] - mean
        covariance += rows.T @ rows
    spectrum, basis = np.linalg.eigh(covariance / n_points)
    mixing = np.sqrt(np.maximum(spectrum, 0.0))[:, None] * basis.T
    return mixing


def _blocks(n_points: int, n_dims: int) -> list[slice]:
    size = max(1, _VALUES_PER_BLOCK // n_dims)
    return [slice(start, start + size) for start in range(0, n_points, size)]
