"""Numbers and the points they belong to, put in order together: both packed into the bits of one integer.

A nonnegative float64 is ordered as its bits are, and the lowest of them can hold an index: the wide key. Where a cloud
is small and its squares are of like size, 32 bits do, and sort twice as fast: the narrow key, a whole number above an
index. The number costs no conversion: a float32 between 2^23 and 2^24 holds a whole number in its lowest 23 bits, so
squares are scaled, lifted above 2^23 by the addition that completes them, and taken as they lie in memory. What is too
large reads as the largest number; a point with such a number among its nearest is to be ranked by wide keys. What
rounding made negative reads as 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.cloud_memory import Few, Keys, Workspace

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int32]

NARROW_POINTS = 2048  # more leave too few bits for the number
NARROW_DIMS = 16  # in fewer, neighbors are so much nearer than the cloud is wide that a grid would be coarse

_NEVER = 2**32 - 1  # the key of the point itself
_LIFT = 2.0**23  # from here to twice that a float32 is a whole number, and its lowest bits count from 0
_NUMBER_BITS = 23
_UNEVEN = 16.0  # squares that differ by more than this deserve wide keys
_ROOM = 1.2
_FAR = 32  # one point in so many may reach farther than the grid
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

    @property
    def error(self) -> float:
        """How far a square may be from what its number says: a half for a norm, a half for the sum, some before."""
        return 1.2 / self.scale


def grid_for(reaches: Floats, norms2: Floats, squares: Floats) -> Grid | None:
    """Lay a grid over the squared distances that matter; None if none fits.

    Parameters
    ----------
    reaches : numpy.ndarray
        For a few points, the largest squared distance that matters.
    norms2 : numpy.ndarray
        The squared norms of these points, to which those of the others are compared: longer rows reach farther.
    squares : numpy.ndarray
        `(n_points,)`: the squared norms of all points.

    Examples
    --------
    >>> grid_for(np.array([1.0, 2.0]), np.array([0.5, 1.5]), np.ones(1000)).top
    4194303
    >>> grid_for(np.array([1.0, 200.0]), np.array([0.5, 100.0]), np.ones(1000)) is None
    True
    """
    n_points = len(squares)
    usual, largest = np.sort(squares)[[n_points - 1 - n_points // _FAR, -1]].tolist()
    low, high = float(reaches.min()), float(reaches.max())
    high *= max(_ROOM, usual / max(float(norms2.max()), _SMALLEST))
    if not (_SMALLEST < low <= high < _UNEVEN * low and 4.0 * largest < _LARGEST * high):
        return None
    shift = max(32 - _NUMBER_BITS, (n_points - 1).bit_length())
    _, exponent = np.frexp(((1 << (32 - shift)) - 2) / high)
    return Grid(scale=float(np.ldexp(0.5, exponent)), shift=shift)


class NarrowSort:
    """Makes narrow keys and puts them in order, a few rows at a time.

    Parameters
    ----------
    grid : Grid
        What the keys mean.
    squares : numpy.ndarray
        `(n_points,)` float64: squares of the norms.
    memory : Workspace
        Holds -2 x.y; its numbers of points are filled in.
    n_kept : int
        Neighbors to put in order for each point.
    """

    def __init__(self, grid: Grid, squares: npt.NDArray[np.float64], memory: Workspace, n_kept: int) -> None:
        self.grid = grid
        self.n_kept = n_kept
        scaled = squares * grid.scale
        memory.others.numpy()[:], memory.own.numpy()[:] = scaled, scaled + _LIFT
        self.numbers = torch.arange(len(squares), dtype=torch.int32, device="cpu")
        self.mask = np.uint32((1 << grid.shift) - 1)

    def sort(self, few: Few) -> Keys:
        """Make keys of -2 x.y and return the lowest of each row in order, `(m, n_kept)`, where the products were."""
        few.complete(self.grid.scale)
        few.products.clamp_(min=_LIFT, max=_LIFT + self.grid.top)
        few.share()
        torch.add(self.numbers, few.bits, alpha=1 << self.grid.shift, out=few.bits)  # the exponent leaves on the left
        few.selves.fill(_NEVER)
        few.keys.partition(self.n_kept - 1, axis=1)
        nearest = few.keys[:, : self.n_kept]
        nearest.sort(axis=1)
        return nearest

    def read(self, nearest: Keys, indices: Indices, distances: Floats) -> None:
        """Take keys apart, into indices and distances `(m, k)`."""
        np.bitwise_and(nearest, self.mask, out=indices.view(np.uint32))
        squares = (nearest >> self.grid.shift).view(np.int32).astype(np.float32)
        squares *= np.float32(1.0 / self.grid.scale)
        np.sqrt(squares, out=distances)

    def rest(self, nearest: Keys) -> tuple[Indices, npt.NDArray[np.float64]]:
        """Take keys apart, into indices and squares in float64."""
        return (nearest & self.mask).astype(np.int32), (nearest >> self.grid.shift) / self.grid.scale


def sort_wide(
    squares: npt.NDArray[np.float64], own: npt.NDArray[np.int64], n_kept: int
) -> tuple[Indices, npt.NDArray[np.float64]]:
    """Put the lowest numbers of each row in order, without the point itself.

    Parameters
    ----------
    squares : numpy.ndarray
        `(m, n_points)`, written over. Numbers that rounding made negative come first, in any order, and read 0: they
        are all too near to be trusted.
    own : numpy.ndarray
        `(m,)`: the point that each row is.
    n_kept : int
        How many to return of each row.

    Returns
    -------
    indices, squares : numpy.ndarray
        `(m, n_kept)`; the squares are views of what was given.
    """
    n_points = squares.shape[1]
    bits = squares.view(np.int64)
    low = (1 << (n_points - 1).bit_length()) - 1
    bits &= ~low
    bits |= np.arange(n_points)
    bits[np.arange(len(bits)), own] = np.iinfo(np.int64).max
    bits.partition(n_kept - 1, axis=1)
    nearest = bits[:, :n_kept]
    nearest.sort(axis=1)
    indices = (nearest & low).astype(np.int32)
    nearest &= ~low
    found = nearest.view(np.float64)
    return indices, np.maximum(found, 0.0, out=found)
