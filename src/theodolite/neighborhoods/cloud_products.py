"""All squared distances within one small cloud from products of centered rows, ranked, with a bound on their error.

With x' and y' the centered, rounded rows, the computed square s of a pair obeys

    | s - |x - y|^2 | <= unit * (|x'| + |y'|)^2 + tiny,

whatever the order of summation: n_c column chunks of w columns are multiplied one by one, each product errs by
gamma_w |x'| |y'| at most (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1), and
2 |x'| |y'| is at most half of (|x'| + |y'|)^2. The rest of `unit` pays for centering, for the squares of the norms (in
float64), for adding the chunks and the squares, for square roots, and for the bits of a key that hold an index; `tiny`
for the grid on which narrow keys lie.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.certificate import FLOAT32_UNIT, FLOAT64_UNIT
from theodolite.neighborhoods.cloud_keys import (
    NARROW_DIMS,
    NARROW_POINTS,
    Grid,
    Indices,
    NarrowSort,
    grid_for,
    sort_wide,
)
from theodolite.neighborhoods.cloud_memory import COLUMNS, PAD, STRIP, Buffers, Few, Strip, Workspace
from theodolite.neighborhoods.cloud_rows import Centered, Floats, Precision
from theodolite.neighborhoods.products import full_precision

_PROBES = 16
_ROWS = 128  # ranked once more at a time
_READ = 1 << 16  # keys taken apart at a time
_ROUNDINGS = 20  # of centering (2), squares, roots, additions and sorting, with room to spare

Points = npt.NDArray[np.int64]
Listener = Callable[[npt.NDArray[Any], int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where the neighbors of one cloud are written to.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_points, k)` int32, without the point itself.
    distances : numpy.ndarray
        `(n_points, k)` float32 or float64, ascending.
    ranks : tuple of int
        Neighbors of which only the distance is wanted, ascending, beyond k.
    radii : numpy.ndarray
        `(n_points, n_ranks)`, in the type of the distances: the distances to those.
    """

    indices: Indices
    distances: npt.NDArray[np.floating[Any]]
    ranks: tuple[int, ...]
    radii: npt.NDArray[np.floating[Any]]

    @classmethod
    def empty(
        cls, n_points: int, k: int, ranks: tuple[int, ...] = (), *, dtype: npt.DTypeLike = np.float64
    ) -> "Answer":
        """Make room for the neighbors of one cloud."""
        return cls(
            indices=np.empty((n_points, k), dtype=np.int32),
            distances=np.empty((n_points, k), dtype=dtype),
            ranks=ranks,
            radii=np.empty((n_points, len(ranks)), dtype=dtype),
        )

    @property
    def k(self) -> int:
        """Neighbors to find."""
        return int(self.indices.shape[1])

    @property
    def reach(self) -> int:
        """The farthest neighbor of which anything is wanted."""
        return self.ranks[-1] if self.ranks else self.k


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """The nearest of each point by computed square.

    Attributes
    ----------
    answer : Answer
        The first k of them and some radii; distances are those of the scaled rows.
    spare_indices, spare_squares : numpy.ndarray
        `(n_points, n_spare)` int32 and float64: those that follow the first k.
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
        k = self.answer.k
        if n_near >= k:
            return self.spare_squares[:, n_near - k]
        squares: Floats = np.square(self.answer.distances[:, n_near], dtype=np.float64)
        return squares

    def far(self, place: int) -> Floats:
        """Return the computed squares of the radii at one of the ranks, `(n_points,)`."""
        squares: Floats = np.square(self.answer.radii[:, place], dtype=np.float64)
        return squares

    def candidates(self, points: Points) -> tuple[Indices, Floats]:
        """Return indices and computed squares of all kept for some points, `(m, n_kept)`."""
        squares = np.square(self.answer.distances[points], dtype=np.float64)
        return (
            np.concatenate([self.answer.indices[points], self.spare_indices[points]], axis=1),
            np.concatenate([squares, self.spare_squares[points]], axis=1),
        )

    def put(self, points: Points | slice, indices: Indices, squares: npt.NDArray[Any]) -> None:
        """Write down what was found for some points: all that is kept, in order."""
        k, spare = self.answer.k, slice(self.answer.k, self.answer.k + self.spare_indices.shape[1])
        self.answer.indices[points] = indices[:, :k]
        self.answer.distances[points] = np.sqrt(squares[:, :k])
        self.answer.radii[points] = np.sqrt(squares[:, [rank - 1 for rank in self.answer.ranks]])
        self.spare_indices[points] = indices[:, spare]
        self.spare_squares[points] = squares[:, spare]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What to rank: chunks of columns, the squared norms of the rows, how many to keep for each, and by which keys."""

    buffers: Buffers
    chunks: tuple[torch.Tensor, ...]
    squares: Floats
    n_kept: int
    narrow: bool


def rank(
    buffers: Buffers, cloud: Centered, answer: Answer, n_spare: int, *, listener: Listener | None = None
) -> Ranked:
    """Rank all pairs of a cloud.

    Parameters
    ----------
    buffers : Buffers
        Memory.
    cloud : Centered
        The rows.
    answer : Answer
        Filled in with the k nearest, and the radii at its ranks.
    n_spare : int
        How many to find for each point beyond the k nearest; with them fewer than there are points.
    listener : callable, optional
        Called with blocks of -2 x.y and the number of their first row, from the last rows up: each holds the products
        of a few rows with all up to the last of them.

    Returns
    -------
    Ranked
        In the order of the points.
    """
    n_points, n_dims = cloud.rows.shape
    n_kept = max(answer.k + n_spare, answer.reach)
    chunks = cloud.chunks
    whole = len(chunks) == 1 or cloud.memory is None or adds_at_the_end(max(4, n_points.bit_length()))
    split = (len(chunks), chunks[0].shape[1]) if whole else (1, n_dims)
    unit, tiny, norms = _bound(cloud, split)
    ranked = Ranked(
        answer=answer,
        spare_indices=np.empty((n_points, n_spare), dtype=np.int32),
        spare_squares=np.empty((n_points, n_spare)),
        norms=norms,
        unit=unit,
        tiny=tiny,
    )
    narrow = cloud.rows.dtype == torch.float32 and n_points <= NARROW_POINTS and n_dims >= NARROW_DIMS
    task = _Task(buffers=buffers, chunks=chunks, squares=cloud.squares, n_kept=n_kept, narrow=narrow)
    with full_precision():
        if cloud.memory is not None:
            return replace(ranked, tiny=tiny + _rank_on_cpu(task, cloud.memory, ranked, listener))
        _rank_on_device(task, ranked)
    return ranked


def _rank_on_cpu(task: _Task, memory: Workspace, ranked: Ranked, listener: Listener | None) -> float:
    """Rank all points, by narrow keys if the first strip shows that they fit; return what these add to the error."""
    narrow = None
    for strip in memory.strips:
        for number, (rows, columns) in enumerate(strip.factors):
            _multiply(rows, columns, number, strip.products)
        if strip.stop == len(task.squares):
            narrow = _Narrow.fit(task, ranked, memory, strip) if task.narrow else None
            if narrow is None:
                memory.others.copy_(torch.from_numpy(task.squares))
                memory.own.copy_(memory.others)
        for few in strip.few:
            if listener is not None:
                listener(few.squares[:, : few.rows.stop], few.rows.start)
            if narrow is None:
                few.complete()
                few.share()
                _sort_and_put(task, few.squares, np.arange(few.rows.start, few.rows.stop), ranked)
            else:
                narrow.rank(few)
    if narrow is None:
        return 0.0
    _rank_some(task, ranked, np.flatnonzero(narrow.finish()))
    return narrow.sort.grid.error


class _Narrow:
    """Ranks points by narrow keys; what is found is read at the end."""

    def __init__(self, task: _Task, ranked: Ranked, memory: Workspace, grid: Grid) -> None:
        n_points, answer, n_spare = len(task.squares), ranked.answer, ranked.spare_indices.shape[1]
        self.ranked = ranked
        self.sort = NarrowSort(grid, task.squares, memory, task.n_kept)
        self.n_listed = answer.k + n_spare
        kept = task.buffers.take("kept", (n_points, self.n_listed + len(answer.ranks)), torch.int32)
        self.kept = kept.numpy().view(np.uint32)

    @classmethod
    def fit(cls, task: _Task, ranked: Ranked, memory: Workspace, strip: Strip) -> "_Narrow | None":
        """Lay a grid by the products of the last points with all; None if none fits."""
        n_rows = strip.stop - strip.start
        some = slice(0, None, max(1, n_rows // _PROBES))
        block = strip.products[some].numpy() + task.squares.astype(np.float32)
        block.partition(task.n_kept, axis=1)  # the point itself is the first
        norms2 = task.squares[strip.start :][some]
        grid = grid_for(norms2 + block[:, task.n_kept], norms2, task.squares)
        return None if grid is None else cls(task, ranked, memory, grid)

    def rank(self, few: Few) -> None:
        """Rank a few points, whose products are known."""
        nearest, kept = self.sort.sort(few), self.kept[few.rows]
        kept[:, : self.n_listed] = nearest[:, : self.n_listed]
        for place, far in enumerate(self.ranked.answer.ranks, start=self.n_listed):
            kept[:, place] = nearest[:, far - 1]

    def finish(self) -> npt.NDArray[np.bool_]:
        """Write down what was found; mark the points that reach beyond the grid."""
        ranked, answer, k, grid = self.ranked, self.ranked.answer, self.ranked.answer.k, self.sort.grid
        n_rows = max(1, _READ // k)
        for start in range(0, len(self.kept), n_rows):
            rows = slice(start, start + n_rows)
            self.sort.read(self.kept[rows, :k], answer.indices[rows], answer.distances[rows])
        indices, squares = self.sort.rest(self.kept[:, k:])
        n_spare = self.n_listed - k
        ranked.spare_indices[:], ranked.spare_squares[:] = indices[:, :n_spare], squares[:, :n_spare]
        np.sqrt(squares[:, n_spare:], out=answer.radii, casting="same_kind")
        farthest = self.kept[:, [self.n_listed - 1, -1]].max(axis=1)
        beyond: npt.NDArray[np.bool_] = farthest >> grid.shift >= grid.top
        return beyond


def _rank_some(task: _Task, ranked: Ranked, points: Points) -> None:
    """Rank some points once more, by wide keys."""
    buffers, chunks, squares = task.buffers, task.chunks, task.squares
    known = squares.astype(np.float32)
    for start in range(0, len(points), _ROWS):
        some = points[start : start + _ROWS]
        product = buffers.take("some", (len(some), len(squares)), torch.float32)
        for number, chunk in enumerate(chunks):
            _multiply(chunk[torch.from_numpy(some)], chunk.T, number, product)
        block = product.numpy()
        block += known
        block += known[some, None]
        _sort_and_put(task, block, some, ranked)


def _sort_and_put(task: _Task, squares: npt.NDArray[Any], points: Points, ranked: Ranked) -> None:
    if squares.dtype != np.float64:
        wide = task.buffers.take("wide keys", (squares.shape[0], squares.shape[1]), torch.float64).numpy()
        np.copyto(wide, squares)
        squares = wide
    ranked.put(points, *sort_wide(squares, points, task.n_kept))


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


def _multiply(rows: torch.Tensor, columns: torch.Tensor, number: int, out: torch.Tensor) -> None:
    """Write -2 x.y of the first chunk of columns, and add that of the others."""
    torch.addmm(out, rows, columns, beta=1 if number else 0, alpha=-2.0, out=out)


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
    """Say whether the routine finishes a product of `COLUMNS` columns before it adds it to what is there.

    Others add term by term to the sum of the chunks before. Here 2**24 is there, to which nothing below 1 can be added
    by itself, and each product is 256 times 1/32. Tried once for each power of two, for a strip of full height and one
    of half.
    """
    n_points = min(1 << size, 2048) - 5
    rows = torch.full((n_points, COLUMNS), 0.125, device="cpu")
    for height in (min(STRIP, n_points), min(STRIP, n_points) // 2 + 1):
        strip = torch.full((height, n_points + PAD), -(2.0**24), device="cpu")[:, :n_points]
        torch.addmm(strip, rows[:height], rows.T, alpha=-2.0, out=strip)
        if not bool((strip == -(2.0**24) - COLUMNS / 32).all()):
            return False
    return True
