"""Aligned tables seen as unit rows, and the sums over all pairs of their cosines."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points, clean_points
from theodolite.similarity.directions import norms_of, on_cpu

Floats = npt.NDArray[np.float64]

FEWEST = 4  # the moments of the permutation null divide by n - 3
_SAFE = 60  # squares of squares of numbers below 2**60 are far from overflow, even in sums
_NUMBERS_PER_BLOCK = 1 << 21  # 16 MiB of float64: large products, little memory


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRows:
    """A table whose rows are read as unit vectors, after a shift where one is asked for.

    Attributes
    ----------
    values : torch.Tensor
        `(n_points, n_dims)` float32 or float64.
    shift : torch.Tensor or None
        `(n_dims,)` float64: subtracted from each row first.
    scales : torch.Tensor
        `(n_points,)` float64: each row is multiplied by its own.
    """

    values: torch.Tensor
    shift: torch.Tensor | None
    scales: torch.Tensor

    @property
    def n_points(self) -> int:
        """Rows."""
        return int(self.values.shape[0])

    def take(self, rows: slice | torch.Tensor) -> torch.Tensor:
        """Return unit rows `(m, n_dims)` float64."""
        taken = self.values[rows].to(torch.float64, copy=True)
        if self.shift is not None:
            taken -= self.shift
        return taken.mul_(self.scales[rows, None])

    def keep(self, rows: torch.Tensor) -> "UnitRows":
        """Return the rows of a mask only."""
        rows = rows.to(self.values.device)
        return UnitRows(values=self.values[rows], shift=self.shift, scales=self.scales[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSums:
    """Sums over ordered pairs of different rows of a quantity that belongs to pairs.

    Attributes
    ----------
    total : float
        Over all ordered pairs.
    by_row : numpy.ndarray
        `(n_points,)` float64: over the pairs that start at each row.
    """

    total: float
    by_row: Floats


def aligned_unit_rows(tables: Sequence[Points], *, center: bool) -> tuple[list[UnitRows], npt.NDArray[np.int64], int]:
    """Read aligned tables as unit rows and leave out the rows that have no direction in one of them.

    Parameters
    ----------
    tables : sequence of torch.Tensor or numpy.ndarray
        Each `(n_points, its own n_dims)`; row i of every table is the same token.
    center : bool
        Whether the mean row of each table is subtracted first.

    Returns
    -------
    tables : list of UnitRows
        In the order given.
    rows : numpy.ndarray
        `(n_kept,)` int64: the input row of each row kept.
    n_zero : int
        Rows left out.

    Raises
    ------
    ParameterError
        If the tables differ in their rows.
    PointsError
        If rows are not finite, or fewer than 4 are left.
    """
    read = [_unit_rows(table, center=center) for table in tables]
    n_given = require_equal_rows(read)
    directed = np.ones(n_given, dtype=bool)
    for table in read:
        directed &= (table.scales > 0).cpu().numpy()
    kept = np.flatnonzero(directed)
    if len(kept) < FEWEST:
        raise PointsError(
            f"Comparing cosines needs at least {FEWEST} rows with a direction in every table, but {len(kept)} of "
            f"{n_given} are left."
        )
    if len(kept) < n_given:
        read = [table.keep(torch.from_numpy(directed)) for table in read]
    return [narrowed(table) for table in read], kept, n_given - len(kept)


def narrowed(table: UnitRows) -> UnitRows:
    """Return a table of the same inner products that has no more columns than rows: hidden states are often wider."""
    n_points, n_dims = table.values.shape
    if n_dims <= n_points:
        return table
    triangle = torch.linalg.qr(table.take(slice(0, n_points)).T, mode="r").R
    ones = torch.ones(n_points, dtype=torch.float64, device=triangle.device)
    return UnitRows(values=triangle.T.contiguous(), shift=None, scales=ones)


def centered_rows(points: Points) -> UnitRows:
    """Read a table as rows about their mean, all multiplied by one power of two so that no square overflows."""
    values = clean_points(points, duplicates="keep").values
    _, exponent = math.frexp(float(values.abs().max()))
    values = torch.ldexp(values, torch.tensor(-exponent, device=values.device)) if abs(exponent) > _SAFE else values
    ones = torch.ones(len(values), dtype=torch.float64, device=values.device)
    return narrowed(UnitRows(values=values, shift=_mean_row(values), scales=ones))


def require_equal_rows(tables: Sequence[UnitRows]) -> int:
    """Return the number of rows that all tables have, or refuse."""
    lengths = [table.n_points for table in tables]
    if len(set(lengths)) > 1:
        raise ParameterError(
            f"Tables must hold the same tokens row by row, but they have {', '.join(map(str, lengths))} rows. "
            "Align them first."
        )
    return lengths[0]


def cross(first: UnitRows, second: UnitRows, order: npt.NDArray[np.int64] | None = None) -> torch.Tensor:
    """Return the product of all rows of one table with those of another, U'V, `(n_dims, n_dims)` float64.

    Row i of `first` meets row `order[i]` of `second`, or row i where no order is given.
    """
    product = torch.zeros(
        first.values.shape[1], second.values.shape[1], dtype=torch.float64, device=first.values.device
    )
    for block in blocks(first, second):
        met = block if order is None else torch.from_numpy(order[block]).to(second.values.device)
        product += first.take(block).T @ second.take(met)
    return product


def own_sums(table: UnitRows) -> tuple[PairSums, PairSums]:
    """Sum the cosines of all pairs of different rows, and their squares."""
    n_points, n_dims = table.values.shape
    device = table.values.device
    total = torch.zeros(n_dims, dtype=torch.float64, device=device)
    product = torch.zeros(n_dims, n_dims, dtype=torch.float64, device=device)
    for block in blocks(table, table):
        rows = table.take(block)
        total += rows.sum(dim=0)
        product += square_product(rows)
    linear, square = np.empty(n_points), np.empty(n_points)
    for block in blocks(table, table):
        rows = table.take(block)
        linear[block] = (rows @ total).cpu().numpy()
        square[block] = torch.linalg.vecdot(rows @ product, rows).cpu().numpy()
    return (
        PairSums(total=float(total @ total) - n_points, by_row=linear - 1.0),
        PairSums(total=float(product.square().sum()) - n_points, by_row=square - 1.0),
    )


def square_product(rows: torch.Tensor) -> torch.Tensor:
    """Return rows' rows; on a CPU numpy sees the symmetry and computes half."""
    if not on_cpu(rows):
        return rows.T @ rows
    table = rows.numpy()
    product: torch.Tensor = torch.from_numpy(table.T @ table)
    return product


def product_sums(first: UnitRows, second: UnitRows) -> PairSums:
    """Sum the products of the cosines of two tables over all pairs of different rows."""
    product = cross(first, second)
    by_row = np.empty(first.n_points)
    for block in blocks(first, second):
        sums = torch.linalg.vecdot(first.take(block) @ product, second.take(block))
        by_row[block] = sums.cpu().numpy() - 1.0
    return PairSums(total=float(product.square().sum()) - first.n_points, by_row=by_row)


def blocks(first: UnitRows, second: UnitRows) -> Iterator[slice]:
    """Cut the rows of two tables into slices of a few mebibytes."""
    widest = max(first.values.shape[1], second.values.shape[1])
    step = max(1, _NUMBERS_PER_BLOCK // int(widest))
    for start in range(0, first.n_points, step):
        yield slice(start, min(start + step, first.n_points))


def _unit_rows(points: Points, *, center: bool) -> UnitRows:
    values, norms, exponents = norms_of(points)
    shift = None
    if center:
        if exponents is not None:
            raise PointsError(
                "Centering needs rows of comparable size, but some are beyond 1e140 or below 1e-140. "
                "Scale the table, or leave these rows out."
            )
        shift = _mean_row(values)
        moved = UnitRows(values=values, shift=shift, scales=torch.ones_like(norms))
        norms = torch.cat([torch.linalg.vector_norm(moved.take(block), dim=1) for block in blocks(moved, moved)])
    return UnitRows(values=values, shift=shift, scales=torch.where(norms > 0, 1.0 / norms, 0.0))


def _mean_row(values: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(values.shape[1], dtype=torch.float64, device=values.device)
    for start in range(0, len(values), _NUMBERS_PER_BLOCK):
        total += values[start : start + _NUMBERS_PER_BLOCK].sum(dim=0, dtype=torch.float64)
    return total / max(1, len(values))
