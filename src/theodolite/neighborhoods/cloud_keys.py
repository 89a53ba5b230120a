"""Numbers and the points they belong to, put in order together: both packed into the bits of one integer.

A nonnegative float64 is ordered as its bits are, and the lowest of them can hold an index: the wide key. Where a cloud
is small and its squares are of like size, 32 bits do, and sort twice as fast: the narrow key, a whole number above an
index. What is too large for it reads as the largest there is; a point with such a number among its nearest is to be
ranked by wide keys. What rounding made negative reads as 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int32]

NARROW_POINTS = 2048  # more leave too few bits for the number

_NUMBER_BITS = 23  # that a float32 holds exactly, and one to spare
_UNEVEN = 16.0  # squares that differ by more than this deserve wide keys
_ROOM = 1.2
_SMALLEST = 1e-24
_LARGEST = 1e20  # times what matters: farther points would overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Whole numbers that stand for squares.

    Attributes
    ----------
    scale : float
        A square s is the number `s * scale`, rounded; a power of two, so that whole squares stay exact.
    shift : int
        Bits of the index.
    """

    scale: float
    shift: int

    @property
    def top(self) -> int:
        """The largest number."""
        return (1 << (32 - self.shift)) - 1


def grid_for(reaches: Floats, n_points: int, largest: float) -> Grid | None:
    """Lay a grid over squares; None if none fits.

    Parameters
    ----------
    reaches : numpy.ndarray
        For a few points, how large the largest square is that matters.
    n_points : int
        Points of the cloud.
    largest : float
        The largest square there may be.

    Examples
    --------
    >>> grid_for(np.array([1.0, 2.0]), 1000, 4.0).top
    4194303
    >>> grid_for(np.array([1.0, 200.0]), 1000, 400.0) is None
    True
    """
    low, high = float(reaches.min()), float(reaches.max())
    if not (_SMALLEST < low <= high < _UNEVEN * low and largest < _LARGEST * high):
        return None
    shift = max(32 - _NUMBER_BITS, (n_points - 1).bit_length())
    _, exponent = np.frexp(((1 << (32 - shift)) - 2) / (_ROOM * high))
    return Grid(scale=float(np.ldexp(0.5, exponent)), shift=shift)


class NarrowSort:
    """Puts narrow keys in order, a few rows at a time, in memory of its own.

    Parameters
    ----------
    grid : Grid
        What the keys mean.
    n_rows : int
        Rows at a time, at most.
    k, n_kept : int
        Neighbors to find for each point, and how many to find with those that follow.
    """

    def __init__(self, grid: Grid, n_rows: int, k: int, n_kept: int) -> None:
        self.grid = grid
        self.n_kept = n_kept
        self.mask = np.uint32((1 << grid.shift) - 1)
        self.nearest = np.empty((n_rows, n_kept), dtype=np.uint32)
        self.some = np.empty((n_rows, k), dtype=np.uint32)
        self.squares = np.empty((n_rows, k), dtype=np.float32)

    def sort(self, keys: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Return the lowest keys of each row in order, `(m, n_kept)`; `keys` are used up."""
        keys.partition(self.n_kept - 1, axis=1)
        nearest = self.nearest[: len(keys)]
        np.copyto(nearest, keys[:, : self.n_kept])
        nearest.sort(axis=1)
        return nearest

    def read(self, nearest: npt.NDArray[np.uint32], indices: Indices, distances: Floats) -> None:
        """Take the first k of each row apart, into indices and distances `(m, k)`."""
        some, squares = self.some[: len(nearest)], self.squares[: len(nearest)]
        np.copyto(some, nearest[:, : some.shape[1]])
        np.bitwise_and(some, self.mask, out=indices.view(np.uint32))
        some >>= self.grid.shift
        np.copyto(squares, some.view(np.int32))
        squares *= np.float32(1.0 / self.grid.scale)
        np.sqrt(squares, out=distances)

    def rest(self, nearest: npt.NDArray[np.uint32]) -> tuple[Indices, npt.NDArray[np.float64]]:
        """Take some more apart, into indices and squares."""
        squares = (nearest >> self.grid.shift).astype(np.float64) / self.grid.scale
        return (nearest & self.mask).astype(np.int32), squares


def sort_wide(
    block: Floats, own: npt.NDArray[np.int64], keys: npt.NDArray[np.float64], n_kept: int
) -> tuple[Indices, npt.NDArray[np.float64]]:
    """Put the lowest numbers of each row in order, without the point itself.

    Parameters
    ----------
    block : numpy.ndarray
        `(m, n_points)` float32 or float64. Numbers that rounding made negative come first, in any order, and read 0:
        they are all too near to be trusted.
    own : numpy.ndarray
        `(m,)`: the point that each row is.
    keys : numpy.ndarray
        `(m, n_points)` float64: room to work in.
    n_kept : int
        How many to return of each row.

    Returns
    -------
    indices, squares : numpy.ndarray
        `(m, n_kept)`; the squares are views of `keys`.
    """
    n_points = block.shape[1]
    np.copyto(keys, block)
    bits = keys.view(np.int64)
    low = (1 << (n_points - 1).bit_length()) - 1
    if block.dtype == np.float64:
        bits &= ~low
    bits |= np.arange(n_points)
    bits[np.arange(len(bits)), own] = np.iinfo(np.int64).max
    bits.partition(n_kept - 1, axis=1)
    nearest = bits[:, :n_kept]
    nearest.sort(axis=1)
    indices = (nearest & low).astype(np.int32)
    nearest &= ~low
    squares = nearest.view(np.float64)
    return indices, np.maximum(squares, 0.0, out=squares)
