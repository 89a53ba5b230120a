"""Rows as a product sees them: rounded, with the norms of what rounding lost, as the certificate needs them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.certificate import (
    FLOAT32_UNIT,
    FLOAT64_UNIT,
    Arithmetic,
    Vector,
    floating,
    score_limit,
    whole,
)
from theodolite.neighborhoods.prepare import Prepared

LEVELS = 127
_INT8_COLUMNS = 16
_SLACK = 1.0 + 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounded:
    """Rounded rows and what is known about them.

    Attributes
    ----------
    rows : torch.Tensor
        `(n_points, n_dims)` float64, float32 or int8; int8 rows are filled with zeros to a multiple of 16 columns.
    half_squares : torch.Tensor
        `(n_points,)` |y'|^2 / 2 in the dtype of scores: that of the rows, or int32 for int8.
    order : numpy.ndarray
        `(n_points,)` int64: the graph point that each row is.
    norms : numpy.ndarray
        `(n_points,)` float64 |y'| in scaled units.
    errors : numpy.ndarray
        `(n_points,)` float64, at least |y - y'|, in scaled units.
    unit : float
        What a score of 1 means, in squares of scaled units.
    arithmetic : Arithmetic
        How products of these rows are rounded.
    """

    rows: torch.Tensor
    half_squares: torch.Tensor
    order: npt.NDArray[np.int64]
    norms: Vector
    errors: Vector
    unit: float
    arithmetic: Arithmetic

    @property
    def worst_error(self) -> float:
        """Largest rounding error of a row."""
        return float(self.errors.max())

    @property
    def relative_error(self) -> float:
        """Largest rounding error of a row relative to the norm of the rounded row (infinite if that is zero)."""
        with np.errstate(divide="ignore"):
            return float((self.errors / self.norms).max())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Says from which score on a point is certainly farther than a radius."""

    rounded: Rounded
    worst_error: float
    relative_error: float

    @classmethod
    def of(cls, rounded: Rounded) -> "Judge":
        """Look at the errors of all rows once."""
        return cls(rounded=rounded, worst_error=rounded.worst_error, relative_error=rounded.relative_error)

    def limit(self, rows: npt.NDArray[np.int64], radius: Vector) -> Vector:
        """Bound the score of everything within `radius` (scaled units) of the given rows, `(m,)`."""
        limit = score_limit(
            radius=radius,
            norms=self.rounded.norms[rows],
            errors=self.rounded.errors[rows],
            worst_error=self.worst_error,
            relative_error=self.relative_error,
            arithmetic=self.rounded.arithmetic,
        )
        scaled = limit / self.rounded.unit
        widened: Vector = np.nextafter(scaled + np.abs(scaled) * (4.0 * FLOAT64_UNIT), np.inf)
        return widened


def rounded_to(prepared: Prepared, dtype: torch.dtype, order: npt.NDArray[np.int64] | None = None) -> Rounded:
    """Round centered and scaled points and measure what that loses.

    Parameters
    ----------
    prepared : Prepared
        The points.
    dtype : torch.dtype
        float64, float32, or int8: whole multiples of 1/127 of the largest coordinate.
    order : numpy.ndarray, optional
        `(n_points,)` int64: the order in which to put the rows; by default as they are.

    Returns
    -------
    Rounded
        Rows and norms.
    """
    values = prepared.values
    n_points, n_dims = values.shape
    device = values.device
    step = prepared.largest / LEVELS if dtype == torch.int8 else 1.0
    n_columns = -(-n_dims // _INT8_COLUMNS) * _INT8_COLUMNS if dtype == torch.int8 else n_dims
    rows = torch.zeros((n_points, n_columns), dtype=dtype, device=device)
    squares = torch.empty(n_points, dtype=torch.float64, device=device)  # in steps
    losses = torch.empty_like(squares)
    places = None if order is None else torch.from_numpy(order).to(device)
    for chunk in prepared.chunks():
        seen = prepared.seen(chunk if places is None else places[chunk])
        if dtype == torch.int8:
            low = seen.div(step).round_().clamp_(-LEVELS, LEVELS)
            rows[chunk, :n_dims] = low
        else:
            rows[chunk] = seen
            low = rows[chunk].to(torch.float64)
        squares[chunk] = low.square().sum(dim=1)
        losses[chunk] = seen.sub_(low.mul_(step)).square_().sum(dim=1)
    norms = (squares.sqrt() * step).cpu().numpy()
    smallest = 2.0**-1022 if dtype == torch.float64 else 2.0**-126
    # beside the rounding itself: the rounding of the centering, and numbers so small that they may be flushed to zero
    errors = np.sqrt(losses.cpu().numpy()) * _SLACK + norms * (8.0 * FLOAT64_UNIT) + float(n_dims) * smallest
    if dtype == torch.int8:
        half_squares, arithmetic = squares.div(2.0).floor().to(torch.int32), whole(n_dims, step=step)
    else:
        half_squares = (squares / 2.0).to(dtype)
        unit = FLOAT64_UNIT if dtype == torch.float64 else FLOAT32_UNIT
        arithmetic = floating(n_dims, unit=unit, smallest=smallest)
    if prepared.asking is not None:  # points that only ask have the worst of all scores
        asking = np.arange(n_points) if order is None else order
        half_squares[torch.from_numpy(asking >= prepared.clean.n_points).to(device)] = torch.inf
    return Rounded(
        rows=rows,
        half_squares=half_squares,
        order=np.arange(n_points) if order is None else order,
        norms=norms,
        errors=errors,
        unit=step * step,
        arithmetic=arithmetic,
    )
