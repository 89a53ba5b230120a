"""Rows as directions: norms that neither overflow nor vanish, and unit rows in float64."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import PointsError
from theodolite.core.points import Points, as_points, clean_points

Floats = npt.NDArray[np.float64]

_NUMBERS_PER_BLOCK = 1 << 17  # 1 MiB of float64 stays in cache
_SAFE = 1e-140, 1e140  # squares of norms in between are exact to rounding


def norms_of(points: Points) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Return points as a finite tensor and the Euclidean norms of their rows.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`.

    Returns
    -------
    values : torch.Tensor
        `(n_points, n_dims)` float32 or float64; rows are multiplied by powers of two where their squares would
        overflow or vanish, which changes norms but no direction.
    norms : torch.Tensor
        `(n_points,)` float64: norms of the rows of `values`, 0 for zero rows.
    exponents : torch.Tensor or None
        `(n_points,)`: rows were multiplied by 2 to the power of minus these; None where no row was.

    Raises
    ------
    PointsError
        If rows are not finite, or the points are no table.

    Examples
    --------
    >>> norms_of(np.array([[3.0, 4.0], [0.0, 0.0]]))[1].tolist()
    [5.0, 0.0]
    """
    values = as_points(points)
    norms = _norms(values)
    if values.dtype == torch.float32:
        usual = torch.isfinite(norms)
    else:
        largest = values.abs().amax(dim=1)
        usual = (largest == 0) | ((largest > _SAFE[0]) & (largest < _SAFE[1]))
    if bool(usual.all()):
        return values, norms, None
    values = clean_points(points, duplicates="keep").values  # refuses what is not finite, by row number
    _, exponents = torch.frexp(values.abs().amax(dim=1))
    values = torch.ldexp(values, -exponents[:, None])
    return values, _norms(values), exponents


def on_cpu(tensor: torch.Tensor) -> bool:
    """Say whether numpy can work on the same memory; everything else is done by torch, on whatever device it is."""
    return tensor.device.type == "cpu"


def blocks_of(n_points: int, n_dims: int, device: torch.device) -> Iterator[slice]:
    """Cut rows into slices of about a mebibyte of float64 (much larger ones on a GPU)."""
    numbers = _NUMBERS_PER_BLOCK if device.type == "cpu" else _NUMBERS_PER_BLOCK << 7
    step = max(1, numbers // n_dims)
    for start in range(0, n_points, step):
        yield slice(start, min(start + step, n_points))


def directed_rows(values: torch.Tensor, norms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Leave zero rows out: they have no direction. Return what remains, and how many were left out."""
    directed = norms > 0
    n_zero = len(norms) - int(directed.sum())
    if len(norms) - n_zero < 2:
        raise PointsError(
            f"Cosines need at least 2 rows that are not zero, but {len(norms) - n_zero} of {len(norms)} are. "
            "Check that the table was read as it should be."
        )
    return (values, norms, 0) if n_zero == 0 else (values[directed], norms[directed], n_zero)


def _norms(values: torch.Tensor) -> torch.Tensor:
    norms = torch.empty(values.shape[0], dtype=torch.float64, device=values.device)
    for block in blocks_of(values.shape[0], values.shape[1], values.device):
        torch.linalg.vector_norm(values[block], dim=1, dtype=torch.float64, out=norms[block])
    return norms
