"""All squared distances within one small cloud from products of centered rows, ranked, with a bound on their error.

With x' and y' the centered, rounded rows, the computed square s of a pair obeys

    | s - |x - y|^2 | <= unit * (|x'| + |y'|)^2 + tiny,

whatever the order of summation: n_c column chunks of w columns are multiplied one by one, each product errs by
gamma_w |x'| |y'| at most (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1), their sum by
gamma_(n_c); the rest of `unit` pays for centering, for the squares on the diagonal, for three additions and for the
bits of a float64 that hold the index while the squares are sorted.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import blas

from theodolite.neighborhoods.certificate import FLOAT32_UNIT, FLOAT64_UNIT
from theodolite.neighborhoods.products import full_precision

Precision = Literal["float32", "float64"]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_COLUMNS = 128  # of a chunk: narrower ones bound the error more tightly and multiply more slowly
_ROWS = 120  # sorted at a time: they stay in the second-level cache, and no power of two divides their stride
_SAMPLE = 33
_ROUNDINGS = 16  # of centering (2), squares, additions and sorting, with room to spare


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """The nearest of each point by computed square.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_points, n_kept)` int64, without the point itself; good until the next cloud is ranked.
    squares : numpy.ndarray
        `(n_points, n_kept)` float64, ascending, in scaled units; likewise.
    norms : numpy.ndarray
        `(n_points,)` float64, at least the norm of each centered row, in scaled units; not finite where a row is not.
    unit, tiny : float
        The bound on the error of a square: `unit * (|x'| + |y'|)**2 + tiny`.
    """

    indices: Indices
    squares: Floats
    norms: Floats
    unit: float
    tiny: float


class Products:
    """Buffers for clouds of like shape, used again from cloud to cloud."""

    def __init__(self) -> None:
        self.buffers: dict[str, npt.NDArray[Any]] = {}

    def _buffer(self, name: str, size: int, dtype: type) -> npt.NDArray[Any]:
        held = self.buffers.get(name)
        if held is None or held.size < size or held.dtype != dtype:
            held = self.buffers[name] = np.empty(size, dtype=dtype)
        return held[:size]

    def ranked(self, values: torch.Tensor, n_kept: int, precision: Precision, exponent: int) -> Ranked:
        """Rank all pairs of a cloud.

        Parameters
        ----------
        values : torch.Tensor
            `(n_points, n_dims)` float32 or float64.
        n_kept : int
            How many to return for each point, below the number of points.
        precision : {"float32", "float64"}
            Arithmetic of the products.
        exponent : int
            Products see `(values - center) * 2**-exponent`.

        Returns
        -------
        Ranked
            In the order of the points.
        """
        if values.device.type != "cpu":
            return ranked_on_device(values, n_kept, precision, exponent)
        n_points, n_dims = values.shape
        with np.errstate(over="ignore", invalid="ignore"):  # rows that are not finite show in the norms
            lower, split = self._squares(values.numpy(), precision, exponent)
            squares = lower.diagonal() / -2.0
            indices = self._buffer("indices", n_points * n_kept, np.int64).reshape(n_points, n_kept)
            ranked = self._buffer("ranked", n_points * n_kept, np.float64).reshape(n_points, n_kept)
            for start in range(0, n_points, _ROWS):
                rows = slice(start, min(start + _ROWS, n_points))
                self._sort(lower, squares, rows, indices[rows], ranked[rows])
        return _judged(
            indices,
            ranked,
            squares=squares.astype(np.float64),
            n_dims=n_dims,
            split=split,
            precision=precision,
        )

    def _squares(
        self, table: npt.NDArray[Any], precision: Precision, exponent: int
    ) -> tuple[npt.NDArray[Any], tuple[int, int]]:
        """Return -2 x.y of centered rows below the diagonal and on it, and the chunks: their number and width."""
        n_points, n_dims = table.shape
        dtype, routine = (np.float32, blas.ssyrk) if precision == "float32" else (np.float64, blas.dsyrk)
        width = n_dims if precision == "float64" else _COLUMNS
        count = -(-n_dims // width)
        center = np.sort(table[:: max(1, n_points // _SAMPLE)], axis=0)
        center = center[len(center) // 2]  # of each column the median of a few rows: one far row does not move it
        full = self._buffer("products", n_points * n_points, dtype).reshape(n_points, n_points, order="F")
        for chunk in range(count):
            columns = slice(chunk * width, min((chunk + 1) * width, n_dims))
            seen = table[:, columns]
            rows = self._buffer("rows", seen.size, dtype).reshape(seen.shape)
            if exponent == 0:
                wide = np.result_type(table.dtype, dtype)
                np.subtract(seen, center[columns], out=rows, dtype=wide, casting="same_kind")
            else:
                centered = seen.astype(np.float64) - center[columns]
                np.multiply(centered, 2.0**-exponent, out=rows, casting="same_kind")
            full = routine(-2.0, rows.T, beta=min(chunk, 1), c=full, trans=1, overwrite_c=1, lower=0)
        whole = count == 1 or adds_at_the_end(max(4, n_points.bit_length()))
        return full.T, ((count, width) if whole else (1, n_dims))

    def _sort(
        self, lower: npt.NDArray[Any], squares: npt.NDArray[Any], rows: slice, indices: Indices, ranked: Floats
    ) -> None:
        """Put the lowest squares of some rows and the points they belong to in order.

        The bits of a nonnegative float64 are ordered as the number is, and the lowest of them hold the index. Numbers
        that rounding made negative come first, in any order: they are all too near to be trusted.
        """
        n_points, n_kept = len(lower), indices.shape[1]
        start, stop = rows.start, rows.stop
        height = stop - start
        block = self._buffer("block", height * n_points, lower.dtype.type).reshape(height, n_points)
        np.add(lower[rows, :stop], squares[:stop], out=block[:, :stop])
        block[:, :stop] += squares[rows, None]
        rest = self._buffer("rest", height * (n_points - stop), lower.dtype.type).reshape(n_points - stop, height)
        np.add(lower[stop:, rows], squares[rows], out=rest)
        np.add(rest.T, squares[stop:], out=block[:, stop:])
        corner = block[:, start:stop]
        np.copyto(corner, corner.T.copy(), where=~np.tri(height, dtype=np.bool_))
        keys = self._buffer("keys", height * n_points, np.float64).reshape(height, n_points)
        np.copyto(keys, block)
        bits = keys.view(np.int64)
        low = (1 << (n_points - 1).bit_length()) - 1
        if lower.dtype == np.float64:
            bits &= ~low
        bits |= np.arange(n_points)
        bits[np.arange(height), np.arange(start, stop)] = np.iinfo(np.int64).max
        bits.partition(n_kept - 1, axis=1)
        nearest = bits[:, :n_kept]
        nearest.sort(axis=1)
        np.bitwise_and(nearest, low, out=indices)
        nearest &= ~low
        np.maximum(nearest.view(np.float64), 0.0, out=ranked)  # what rounding made negative came first


def ranked_on_device(values: torch.Tensor, n_kept: int, precision: Precision, exponent: int) -> Ranked:
    """Do the same with torch, on the device of the points; only what is kept leaves it."""
    n_points, n_dims = values.shape
    dtype = torch.float32 if precision == "float32" else torch.float64
    center = values[:: max(1, n_points // _SAMPLE)].median(dim=0).values
    products = torch.zeros((n_points, n_points), dtype=dtype, device=values.device)
    width = min(n_dims, 2 * _COLUMNS)
    with full_precision():
        for left in range(0, n_dims, width):
            wide = values[:, left : left + width].to(torch.float64) - center[left : left + width].to(torch.float64)
            rows = wide.mul_(2.0**-exponent).to(dtype)
            products += rows @ rows.T
    squares = products.diagonal().clone()
    products.mul_(-2.0).add_(squares[:, None]).add_(squares).clamp_(min=0.0).fill_diagonal_(torch.inf)
    ranked, indices = products.topk(n_kept, dim=1, largest=False, sorted=True)
    return _judged(
        indices.cpu().numpy(),
        ranked.to(torch.float64).cpu().numpy(),
        squares=squares.to(torch.float64).cpu().numpy(),
        n_dims=n_dims,
        split=(-(-n_dims // width), width),
        precision=precision,
    )


def _judged(
    indices: Indices, ranked: Floats, *, squares: Floats, n_dims: int, split: tuple[int, int], precision: Precision
) -> Ranked:
    """Add the bound: `split` says in how many chunks of how many columns the products were summed."""
    if precision == "float32":
        unit, smallest, beside = FLOAT32_UNIT, 2.0**-126, 0.0
    else:  # beside: the bits taken by the index, and the rounding of the differences that this is to agree with
        beside = 2.0 ** ((len(indices) - 1).bit_length() - 52) + 2.0 * (n_dims + 8) * FLOAT64_UNIT
        unit, smallest = FLOAT64_UNIT, 2.0**-1022
    norms = np.sqrt(squares * (1.0 + 4.0 * unit * (n_dims + _ROUNDINGS)))
    return Ranked(
        indices=indices,
        squares=ranked,
        norms=norms,
        unit=1.01 * unit * (sum(split) + _ROUNDINGS) + beside,
        tiny=16.0 * (n_dims + 2) * smallest * max(1.0, float(norms.max())) ** 2,
    )


@cache
def adds_at_the_end(size: int) -> bool:
    """Say whether the routine finishes a product of `_COLUMNS` columns before it adds it to what is there.

    The reference implementation adds term by term to the sum of the chunks before. Here 2**24 is there, to which
    nothing below 2 can be added by itself, and each product is 128 times 1/64. Tried once for each power of two.
    """
    n_points = min(2**size, 2048) - 5
    rows = np.full((n_points, _COLUMNS), 0.125, dtype=np.float32)
    before = np.full((n_points, n_points), 2.0**24, dtype=np.float32, order="F")
    after = blas.ssyrk(1.0, rows.T, beta=1.0, c=before, trans=1, overwrite_c=1, lower=0)
    return bool((np.triu(after) == np.triu(np.full_like(after, 2.0**24 + 2.0))).all())
