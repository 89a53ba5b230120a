"""The memory in which clouds are multiplied and ranked, with every view of it made once for all clouds of a shape.

To make a view takes about as long as the arithmetic on a few rows of a small cloud.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Keys = npt.NDArray[np.uint32]

STRIP = 128  # rows multiplied at a time, at most
_CACHED = 1 << 19  # bytes of those put in order at a time: they stay in the second-level cache
COLUMNS = 256  # multiplied at a time in float32: fewer bound the error more tightly and take longer
PAD = 16  # columns, so that no power of two divides the stride
_HUGE = 1 << 22  # from this size on numpy asks for pages of two mebibytes, of which a table needs fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Few:
    """A few rows: their products with all up to the last of them; what lies beyond was handed up by the rows below.

    Attributes
    ----------
    rows : slice
        Which points they are.
    products : torch.Tensor
        `(m, rows.stop)`.
    others, own : torch.Tensor
        `(rows.stop,)` and `(m, 1)`: the numbers that belong to the points, and to the rows.
    shared, above : torch.Tensor
        `(rows.start, m)`: what the rows above share with these, and where they keep it.
    squares : numpy.ndarray
        `(m, n_points)`.
    bits : torch.Tensor
        The same as int32, if it is float32.
    keys : numpy.ndarray
        The same as uint32.
    selves : numpy.ndarray
        `(m,)`: of the keys, those of the rows themselves.
    """

    rows: slice
    products: torch.Tensor
    others: torch.Tensor
    own: torch.Tensor
    shared: torch.Tensor
    above: torch.Tensor
    squares: npt.NDArray[Any]
    bits: torch.Tensor
    keys: Keys
    selves: Keys

    def complete(self, scale: float = 1.0) -> None:
        """Turn products into own numbers + (numbers of others + scale * products)."""
        torch.add(self.others, self.products, alpha=scale, out=self.products)
        self.products.add_(self.own)

    def share(self) -> None:
        """Hand up what rows above share with these, which may be written over then."""
        self.above.copy_(self.shared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Rows that are multiplied at once with all up to the last of them.

    Attributes
    ----------
    start, stop : int
        Which points they are.
    factors : tuple of tuple of torch.Tensor
        For each chunk of columns the rows, and all up to the last of them, transposed.
    products : torch.Tensor
        `(stop - start, stop)`.
    few : tuple of Few
        The rows, a few at a time, from the last up.
    """

    start: int
    stop: int
    factors: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    products: torch.Tensor
    few: tuple[Few, ...]


class Workspace:
    """Memory for clouds of one shape.

    Parameters
    ----------
    buffers : Buffers
        Where it is taken from.
    shape : tuple of int
        `(n_points, n_dims)`.
    dtype : torch.dtype
        float32 or float64.

    Attributes
    ----------
    rows : torch.Tensor
        `(n_points, n_dims)`: for the centered rows of a cloud.
    others, own : torch.Tensor
        `(n_points,)`: for the numbers that belong to each point as a column, and as a row.
    chunks : tuple of torch.Tensor
        The rows by chunks of columns.
    strips : tuple of Strip
        From the last rows up.
    """

    def __init__(self, buffers: "Buffers", shape: tuple[int, int], dtype: torch.dtype) -> None:
        n_points = shape[0]
        self.shape, self.dtype = shape, dtype
        self.rows = buffers.take("rows", shape, dtype)
        self.others, self.own = (torch.empty(n_points, dtype=dtype, device="cpu") for _ in range(2))
        self.chunks = column_chunks(self.rows)
        self._table = buffers.take("table", (n_points, n_points + PAD), dtype)
        self.strips = tuple(self._strip(start, stop) for start, stop in _cut(0, n_points, -(-n_points // STRIP)))

    def _strip(self, start: int, stop: int) -> Strip:
        size = (stop - start) * self.shape[0] * self.dtype.itemsize
        return Strip(
            start=start,
            stop=stop,
            factors=tuple((chunk[start:stop], chunk[:stop].T) for chunk in self.chunks),
            products=self._table[start:stop, :stop],
            few=tuple(self._few(first, last) for first, last in _cut(start, stop, -(-size // _CACHED))),
        )

    def _few(self, start: int, stop: int) -> Few:
        n_points = self.shape[0]
        some = self._table[start:stop]
        bits = some.view(torch.int32)
        keys = bits.numpy().view(np.uint32)
        return Few(
            rows=slice(start, stop),
            products=some[:, :stop],
            others=self.others[:stop],
            own=self.own[start:stop, None],
            shared=some[:, :start].T,
            above=self._table[:start, start:stop],
            squares=some.numpy()[:, :n_points],
            bits=bits[:, :n_points],
            keys=keys[:, :n_points],
            selves=keys.reshape(-1)[start :: keys.shape[1] + 1],
        )


class Buffers:
    """Memory that is used again from cloud to cloud."""

    def __init__(self) -> None:
        self.held: dict[str, torch.Tensor] = {}
        self.last: Workspace | None = None

    def workspace(self, shape: tuple[int, int], dtype: torch.dtype) -> Workspace:
        """Return memory for clouds of a shape; what it holds is from before."""
        if self.last is None or (self.last.shape, self.last.dtype) != (shape, dtype):
            self.last = None  # lets go of memory that is too small now
            self.last = Workspace(self, shape, dtype)
        return self.last

    def take(self, name: str, shape: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
        """Return a table of some memory; what it holds is from before."""
        size = shape[0] * shape[1] * dtype.itemsize
        held = self.held.get(name)
        if held is None or len(held) < size:
            memory = np.empty(max(size, _HUGE) + 64, dtype=np.uint8)
            start = -memory.ctypes.data % 64  # a line of the cache
            held = self.held[name] = torch.from_numpy(memory[start:])
        return held[:size].view(dtype).view(shape)


def _cut(start: int, stop: int, n_parts: int) -> Iterator[tuple[int, int]]:
    """Cut rows into parts of like height, from the last up; some routines multiply a few rows in another way."""
    edges = [start + (stop - start) * number // n_parts for number in range(n_parts + 1)]
    return reversed(tuple(pairwise(edges)))


def column_chunks(rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Cut rows into the chunks of columns whose products are computed one by one."""
    return torch.split(rows, rows.shape[1] if rows.dtype == torch.float64 else COLUMNS, dim=1)
