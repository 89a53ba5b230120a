"""All squared distances within one small cloud from products of centered rows, ranked, with a bound on their error.

With x' and y' the centered, rounded rows, the computed square s of a pair obeys

    | s - |x - y|^2 | <= unit * (|x'| + |y'|)^2 + tiny,

whatever the order of summation: n_c column chunks of w columns are multiplied one by one, each product errs by
gamma_w |x'| |y'| at most (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1), and
2 |x'| |y'| is at most half of (|x'| + |y'|)^2. The rest of `unit` pays for centering, for the squares of the norms (in
float64), for adding the chunks and the squares, for square roots, and for the bits of a key that hold an index; `tiny`
for the grid on which narrow keys lie.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.certificate import FLOAT32_UNIT, FLOAT64_UNIT
from theodolite.neighborhoods.cloud_keys import NARROW_POINTS, Grid, Indices, NarrowSort, grid_for, sort_wide
from theodolite.neighborhoods.cloud_rows import Buffers, Centered, Floats, Precision
from theodolite.neighborhoods.products import full_precision

_COLUMNS = 256  # of a chunk: narrower ones bound the error more tightly and multiply more slowly
_STRIP = 256  # rows multiplied at a time
_ROWS = 128  # rows sorted at a time: they stay in the second-level cache
_PAD = 16  # columns, so that no power of two divides the stride
_PROBES = 16
_ROUNDINGS = 20  # of centering (2), squares, roots, additions and sorting, with room to spare

Chunks = tuple[torch.Tensor, ...]
Points = npt.NDArray[np.int64]
Listener = Callable[[npt.NDArray[Any], int, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where the neighbors of one cloud are written to.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_points, k)` int32, without the point itself.
    distances : numpy.ndarray
        `(n_points, k)` float32 or float64, ascending.
    """

    indices: Indices
    distances: npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """The nearest of each point by computed square.

    Attributes
    ----------
    answer : Answer
        The first k of them; distances are those of the scaled rows.
    spare_indices, spare_squares : numpy.ndarray
        `(n_points, n_spare)` int32 and float64: those that follow.
    norms : numpy.ndarray
        `(n_points,)` float64, at least the norm of each centered row, in scaled units.
    unit, tiny : float
        The bound on the error of a square: `unit * (|x'| + |y'|)**2 + tiny`.
    """

    answer: Answer
    spare_indices: Indices
    spare_squares: Floats
    norms: Floats
    unit: float
    tiny: float

    def place(self, n_near: int) -> Floats:
        """Return the computed squares of one rank, `(n_points,)`, counted from 0."""
        k = self.answer.indices.shape[1]
        if n_near >= k:
            return self.spare_squares[:, n_near - k]
        squares: Floats = np.square(self.answer.distances[:, n_near], dtype=np.float64)
        return squares

    def candidates(self, points: Points) -> tuple[Indices, Floats]:
        """Return indices and computed squares of all kept for some points, `(m, n_kept)`."""
        squares = np.square(self.answer.distances[points], dtype=np.float64)
        return (
            np.concatenate([self.answer.indices[points], self.spare_indices[points]], axis=1),
            np.concatenate([squares, self.spare_squares[points]], axis=1),
        )

    def put(self, points: Points | slice, indices: Indices, squares: npt.NDArray[Any]) -> None:
        """Write down what was found for some points."""
        k = self.answer.indices.shape[1]
        self.answer.indices[points] = indices[:, :k]
        self.answer.distances[points] = np.sqrt(squares[:, :k])
        self.spare_indices[points] = indices[:, k:]
        self.spare_squares[points] = squares[:, k:]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What to rank: chunks of columns, the squared norms of the rows, and how many to keep for each."""

    buffers: Buffers
    chunks: Chunks
    squares: Floats
    n_kept: int


def rank(buffers: Buffers, cloud: Centered, answer: Answer, n_kept: int, *, listener: Listener | None = None) -> Ranked:
    """Rank all pairs of a cloud.

    Parameters
    ----------
    buffers : Buffers
        Memory.
    cloud : Centered
        The rows.
    answer : Answer
        Filled in with the k nearest.
    n_kept : int
        How many to find for each point, at least k and below the number of points.
    listener : callable, optional
        Called with strips of products, the number of their first row, and the factor they were multiplied with: each
        strip holds all products of some rows with the rows up to the last of them.

    Returns
    -------
    Ranked
        In the order of the points.
    """
    n_points, n_dims = cloud.rows.shape
    k = answer.indices.shape[1]
    chunks = torch.split(cloud.rows, n_dims if cloud.rows.dtype == torch.float64 else _COLUMNS, dim=1)
    on_cpu = cloud.rows.device.type == "cpu"
    whole = len(chunks) == 1 or not on_cpu or adds_at_the_end(max(4, n_points.bit_length()))
    split = (len(chunks), chunks[0].shape[1]) if whole else (1, n_dims)
    unit, tiny, norms = _bound(cloud, split)
    grid = None
    with full_precision():
        if on_cpu and cloud.rows.dtype == torch.float32 and n_points <= NARROW_POINTS:
            grid = grid_for(_reaches(cloud.rows, cloud.squares, n_kept), n_points, 4.0 * float(cloud.squares.max()))
        if grid is not None:
            tiny += 0.7 / grid.scale
        ranked = Ranked(
            answer=answer,
            spare_indices=np.empty((n_points, n_kept - k), dtype=np.int32),
            spare_squares=np.empty((n_points, n_kept - k)),
            norms=norms,
            unit=unit,
            tiny=tiny,
        )
        task = _Task(buffers=buffers, chunks=chunks, squares=cloud.squares, n_kept=n_kept)
        if not on_cpu:
            _rank_on_device(task, ranked)
        elif grid is None:
            _rank_wide(task, ranked, listener)
        else:
            beyond = _rank_narrow(task, ranked, grid, listener)
            _rank_some(task, ranked, np.flatnonzero(beyond))
    return ranked


def _rank_narrow(task: _Task, ranked: Ranked, grid: Grid, listener: Listener | None) -> npt.NDArray[np.bool_]:
    """Rank all points by narrow keys; mark those that need wide ones."""
    buffers, chunks, squares, n_kept = task.buffers, task.chunks, task.squares, task.n_kept
    n_points = len(squares)
    scaled = (squares * grid.scale).astype(np.float32)
    offsets = (squares * grid.scale + 0.5).astype(np.float32)  # a half, because fractions are cut off
    numbers = np.arange(n_points, dtype=np.uint32)
    lower = buffers.take("lower", (n_points, n_points + _PAD), torch.float32)
    table = lower.numpy()
    room = buffers.take("keys", (min(_ROWS, n_points), n_points), torch.int32).numpy()
    answer = ranked.answer
    sort = NarrowSort(grid, len(room), answer.indices.shape[1], n_kept)
    last = np.empty((n_points, n_kept - answer.indices.shape[1] + 1), dtype=np.uint32)
    factor = -2.0 * grid.scale
    for start, stop in _strips(n_points):
        strip = lower[start:stop, :stop]
        if listener is None:
            np.add(offsets[start:stop, None], scaled[:stop], out=table[start:stop, :stop])
            _multiply(chunks, slice(start, stop), slice(stop), strip, factor=factor, add=True)
        else:
            _multiply(chunks, slice(start, stop), slice(stop), strip, factor=factor)
            listener(table[start:stop, :stop], start, factor)
            table[start:stop, :stop] += scaled[:stop]
            table[start:stop, :stop] += offsets[start:stop, None]
        strip.clamp_(min=0.0, max=float(grid.top))
        for first in range(start, stop, _ROWS):
            end = min(first + _ROWS, stop)
            whole = room[: end - first]
            np.copyto(whole[:, :stop], table[first:end, :stop], casting="unsafe")
            np.copyto(whole[:, stop:], table[stop:, first:end].T, casting="unsafe")
            keys = whole.view(np.uint32)
            keys <<= grid.shift
            keys |= numbers
            keys.reshape(-1)[first :: n_points + 1] = np.iinfo(np.uint32).max
            nearest = sort.sort(keys)
            sort.read(nearest, answer.indices[first:end], answer.distances[first:end])
            last[first:end] = nearest[:, -last.shape[1] :]
    ranked.spare_indices[:], ranked.spare_squares[:] = sort.rest(last[:, 1:])
    beyond: npt.NDArray[np.bool_] = last[:, -1] >> grid.shift >= grid.top
    return beyond


def _rank_wide(task: _Task, ranked: Ranked, listener: Listener | None) -> None:
    """Rank all points by wide keys."""
    buffers, chunks, squares = task.buffers, task.chunks, task.squares
    n_points = len(squares)
    dtype = chunks[0].dtype
    lower = buffers.take("lower", (n_points, n_points + _PAD), dtype)
    table = lower.numpy()
    known = squares.astype(table.dtype)
    for start, stop in _strips(n_points):
        _multiply(chunks, slice(start, stop), slice(stop), lower[start:stop, :stop])
        if listener is not None:
            listener(table[start:stop, :stop], start, -2.0)
        for first in range(start, stop, _ROWS):
            rows = slice(first, min(first + _ROWS, stop))
            block = buffers.take("block", (rows.stop - first, n_points), dtype).numpy()
            np.add(table[rows, :stop], known[:stop], out=block[:, :stop])
            np.add(table[stop:, rows].T, known[stop:], out=block[:, stop:])
            block += known[rows, None]
            _sort_and_put(task, block, np.arange(first, rows.stop), ranked)


def _rank_some(task: _Task, ranked: Ranked, points: Points) -> None:
    """Rank some points once more, by wide keys."""
    buffers, chunks, squares = task.buffers, task.chunks, task.squares
    known = squares.astype(np.float32)
    for start in range(0, len(points), _ROWS):
        some = points[start : start + _ROWS]
        product = buffers.take("block", (len(some), len(squares)), torch.float32)
        _multiply(chunks, torch.from_numpy(some), slice(None), product)
        block = product.numpy()
        block += known
        block += known[some, None]
        _sort_and_put(task, block, some, ranked)


def _sort_and_put(task: _Task, block: npt.NDArray[Any], points: Points, ranked: Ranked) -> None:
    keys = task.buffers.take("wide keys", (block.shape[0], block.shape[1]), torch.float64).numpy()
    ranked.put(points, *sort_wide(block, points, keys, task.n_kept))


def _rank_on_device(task: _Task, ranked: Ranked) -> None:
    """Rank all points with torch, on the device they are on; only what is kept leaves it."""
    chunks, squares, n_kept = task.chunks, task.squares, task.n_kept
    n_points = len(squares)
    some = chunks[0]
    products = torch.zeros((n_points, n_points), dtype=some.dtype, device=some.device)
    for chunk in chunks:
        products += chunk @ chunk.T
    known = torch.from_numpy(squares).to(some)
    products.mul_(-2.0).add_(known[:, None]).add_(known).clamp_(min=0.0).fill_diagonal_(torch.inf)
    near, indices = products.topk(n_kept, dim=1, largest=False, sorted=True)
    ranked.put(slice(None), indices.to(torch.int32).cpu().numpy(), near.to(torch.float64).cpu().numpy())


def _strips(n_points: int) -> Iterator[tuple[int, int]]:
    """Cut rows into strips, from the last up: each is multiplied with the rows up to its own last only.

    What lies beyond was computed before, for the strips below.
    """
    for start in reversed(range(0, n_points, _STRIP)):
        yield start, min(start + _STRIP, n_points)


def _multiply(
    chunks: Chunks,
    rows: slice | torch.Tensor,
    columns: slice,
    out: torch.Tensor,
    *,
    factor: float = -2.0,
    add: bool = False,
) -> None:
    """Write `factor` times x.y, or add it."""
    for number, chunk in enumerate(chunks):
        torch.addmm(out, chunk[rows], chunk[columns].T, beta=1 if add or number else 0, alpha=factor, out=out)


def _reaches(rows: torch.Tensor, squares: Floats, n_kept: int) -> Floats:
    """Return the farthest square that is kept, of a few points."""
    n_points = len(squares)
    step = max(1, n_points // _PROBES)
    some = slice(step // 2, None, step)
    block = torch.mm(rows[some], rows.T).mul_(-2.0).numpy()
    block += squares.astype(block.dtype)
    block.partition(n_kept, axis=1)
    reaches: Floats = squares[some] + block[:, n_kept]
    return reaches


def _bound(cloud: Centered, split: tuple[int, int]) -> tuple[float, float, Floats]:
    """Return `unit`, `tiny` and norms: `split` says in how many chunks of how many columns products were summed."""
    n_points, n_dims = cloud.rows.shape
    count, width = split
    precision: Precision = "float32" if cloud.rows.dtype == torch.float32 else "float64"
    if precision == "float32":
        unit, smallest, beside = FLOAT32_UNIT, 2.0**-126, (n_dims + 8) * FLOAT64_UNIT
    else:  # beside: the bits taken by the index, the norms, and the rounding of the differences this is to agree with
        unit, smallest = FLOAT64_UNIT, 2.0**-1022
        beside = 2.0 ** ((n_points - 1).bit_length() - 52) + 3.0 * (n_dims + 8) * FLOAT64_UNIT
    norms = np.sqrt(cloud.squares * (1.0 + 4.0 * unit * (n_dims + _ROUNDINGS)))
    tiny = 16.0 * (n_dims + 2) * smallest * max(1.0, float(norms.max())) ** 2
    return 1.01 * unit * (width / 2 + 2 * count + _ROUNDINGS) + beside, tiny, norms


@cache
def adds_at_the_end(size: int) -> bool:
    """Say whether the routine finishes a product of `_COLUMNS` columns before it adds it to what is there.

    Others add term by term to the sum of the chunks before. Here 2**24 is there, to which nothing below 1 can be added
    by itself, and each product is 256 times 1/32. Tried once for each power of two, for a strip of full height and one
    of less.
    """
    n_points = min(1 << size, 2048) - 5
    rows = torch.full((n_points, _COLUMNS), 0.125)
    for height in (min(_STRIP, n_points), max(1, n_points % _STRIP)):
        strip = torch.full((height, n_points + _PAD), -(2.0**24))[:, :n_points]
        torch.addmm(strip, rows[:height], rows.T, alpha=-2.0, out=strip)
        if not bool((strip == -(2.0**24) - _COLUMNS / 32).all()):
            return False
    return True
