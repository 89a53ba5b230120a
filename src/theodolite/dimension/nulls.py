"""Null clouds: points that share what an estimate must not be credited for."""

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
    if kind not in ("gaussian", "permuted", "covariance"):
        raise ParameterError(f'kind must be "gaussian", "permuted" or "covariance", not {kind!r}.')
    values = clean_points(points, duplicates="keep").values
    table = values.cpu().numpy()
    generator = generator_from("null_points", kind, seed)
    if kind == "gaussian":
        drawn = _gaussian(table, generator)
    elif kind == "permuted":
        drawn = np.empty_like(table)
        for column in range(table.shape[1]):
            drawn[:, column] = table[generator.permutation(len(table)), column]
    else:
        drawn = _same_covariance(table, generator)
    return torch.from_numpy(drawn).to(values.device)


def _gaussian(table: npt.NDArray[np.floating], generator: np.random.Generator) -> npt.NDArray[np.floating]:
    deviation = float(np.sqrt(np.mean(np.var(table, axis=0, dtype=np.float64))))
    drawn = np.empty_like(table)
    for block in _blocks(*table.shape):
        drawn[block] = deviation * generator.standard_normal(table[block].shape)
    return drawn


def _same_covariance(table: npt.NDArray[np.floating], generator: np.random.Generator) -> npt.NDArray[np.floating]:
    n_points, n_dims = table.shape
    mean = table.mean(axis=0, dtype=np.float64)
    mixing: Floats
    if n_points < n_dims:
        mixing = (table - mean) / np.sqrt(n_points)
    else:
        covariance = np.zeros((n_dims, n_dims))
        for block in _blocks(n_points, n_dims):
            rows = table[block] - mean
            covariance += rows.T @ rows
        spectrum, basis = np.linalg.eigh(covariance / n_points)
        mixing = np.sqrt(np.maximum(spectrum, 0.0))[:, None] * basis.T
    drawn = np.empty_like(table)
    for block in _blocks(n_points, n_dims):
        drawn[block] = mean + generator.standard_normal((len(table[block]), len(mixing))) @ mixing
    return drawn


def _blocks(n_points: int, n_dims: int) -> list[slice]:
    size = max(1, _VALUES_PER_BLOCK // n_dims)
    return [slice(start, start + size) for start in range(0, n_points, size)]
