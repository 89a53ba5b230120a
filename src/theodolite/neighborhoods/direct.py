"""Candidates of few points, or of a small table, from one float32 product with rows that are centered as they pass.

Nothing is prepared: the center is the median of a few rows, and what rounding loses is bounded beforehand and not
measured, so the bound is a little wider than with the rows of `theodolite.neighborhoods.rounding`. The scores of a
block of points with all others are held at once. Of each group of scores the least is taken, and the `n_wanted`-th of
those is a cut with at least so many scores up to it; only groups that reach it are looked at.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.certificate import FLOAT32_UNIT, FLOAT64_UNIT, Vector, floating, score_limit
from theodolite.neighborhoods.pool import Scores
from theodolite.neighborhoods.refine import Indices

Floats = npt.NDArray[np.float32]
Limit = Callable[[Vector], Vector]

_LOOKED_AT = 64  # rows whose median is the center
_NUMBERS_PER_CHUNK = 1 << 20  # 4 MiB of float32: rows are multiplied while they are in cache
_SCORES_PER_BLOCK = 1 << 22
_GROUPS = (16, 8, 4, 2)
_GROUPS_PER_WANTED = 4
_SMALLEST = 2.0**-126
_FLATTEST, _STEEPEST = 1e-25, 1e30  # half squares between which products neither vanish nor overflow
_RELATIVE_ERROR = FLOAT32_UNIT * (1.0 + 2.0**-20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Candidates of some points with their scores.

    Attributes
    ----------
    points : numpy.ndarray
        `(m,)` int64 graph points.
    others : numpy.ndarray
        `(m, widest)` int64 graph points.
    scores : numpy.ndarray
        `(m, widest)` in the type of the scores, the highest there is where there is no candidate.
    cut : numpy.ndarray
        `(m,)`: everyone with a score up to it is among the candidates; the lowest there is where that is not known.
    """

    points: Indices
    others: Indices
    scores: Scores
    cut: Scores


class Direct:
    """Multiplies rows of one table with others; centered rows are kept from the second pass on.

    Parameters
    ----------
    values : torch.Tensor
        `(n_points, n_dims)` float32 or float64, on a CPU: points that may be neighbors.
    n_wanted : int
        Candidates for each point, at most as many as there are.
    max_memory : int
        Bytes for blocks of scores.
    """

    def __init__(self, values: torch.Tensor, n_wanted: int, *, max_memory: int) -> None:
        self.values = values
        self.n_wanted = n_wanted
        self.n_points, self.n_dims = values.shape
        n_groups = [self.n_points // size for size in _GROUPS]
        wide = [size for size, n in zip(_GROUPS, n_groups, strict=True) if n >= _GROUPS_PER_WANTED * n_wanted]
        self.group = wide[0] if wide else 1
        self.n_groups = -(-self.n_points // self.group)
        self.allowed = max_memory // (8 * self.group * self.n_groups)
        self.height = max(1, min(self.allowed, max(64, _SCORES_PER_BLOCK // self.n_points)))
        self.n_passes = 0
        usual = floating(self.n_dims, unit=FLOAT32_UNIT, smallest=_SMALLEST)
        self.arithmetic = replace(usual, square=usual.product)

    @cached_property
    def center(self) -> torch.Tensor:
        """The median of some rows, `(n_dims,)` float32: any center is right, and this one no outlier moves."""
        step = -(-self.n_points // _LOOKED_AT)
        return self.values[::step].median(dim=0).values.to(torch.float32)

    @cached_property
    def kept(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All centered rows and their half squares, for tables that are passed more than once."""
        rows = torch.empty((self.n_points, self.n_dims), dtype=torch.float32, device=self.values.device)
        half = torch.empty(self.n_points, dtype=torch.float32, device=self.values.device)
        for chunk in self._chunks():
            self._center(self.values[chunk], rows[chunk], half[chunk])
        return rows, half

    def candidates(self, points: Indices, asking: torch.Tensor | None = None) -> Iterator[tuple[Offered, Limit]]:
        """Offer candidates to some points, block by block; to nobody if float32 cannot hold the squares.

        Parameters
        ----------
        points : numpy.ndarray
            `(m,)` int64 graph points.
        asking : torch.Tensor, optional
            Points that only ask, numbered after those of the table; by default the table asks itself.

        Yields
        ------
        Offered
            Candidates; a point is none of its own.
        callable
            Bounds the score of everyone within a radius, `(m,)`, of each of them.
        """
        scores = np.empty((min(self.height, len(points)), self.group * self.n_groups), dtype=np.float32)
        scores[:, self.n_points :] = np.inf
        for start in range(0, len(points), self.height):
            some = points[start : start + self.height]
            chosen = (
                self.values[torch.from_numpy(some)]
                if asking is None
                else asking[torch.from_numpy(some - self.n_points)]
            )
            rows = (chosen - self.center).to(torch.float32)
            norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64).numpy()
            block = scores[: len(some)]
            if not self._multiply(rows, block, again=len(points) > self.height):
                return
            if asking is None:
                block[np.arange(len(some)), some] = np.inf
            yield self._offered(some, block), partial(self._limit, norms)

    def _limit(self, norms: Vector, radius: Vector) -> Vector:
        """Bound the score of everything within `radius` of points of these norms, `(m,)`."""
        limit = score_limit(
            radius=radius,
            norms=norms,
            errors=norms * _RELATIVE_ERROR + 2.0 * self.n_dims * _SMALLEST,
            worst_error=np.inf,
            relative_error=_RELATIVE_ERROR,
            arithmetic=self.arithmetic,
        )
        widened: Vector = np.nextafter(limit + np.abs(limit) * (4.0 * FLOAT64_UNIT), np.inf)
        return widened

    def _chunks(self) -> Iterator[slice]:
        step = max(256, _NUMBERS_PER_CHUNK // self.n_dims)
        for start in range(0, self.n_points, step):
            yield slice(start, min(start + step, self.n_points))

    def _center(self, values: torch.Tensor, rows: torch.Tensor, half: torch.Tensor) -> None:
        """Write centered rows, each coordinate rounded once, and half their squares."""
        if values.dtype == torch.float32:
            torch.sub(values, self.center, out=rows)
        else:
            rows.copy_(values - self.center)
        with np.errstate(over="ignore"):  # looked for when all scores are there
            np.vecdot(rows.numpy(), rows.numpy(), out=half.numpy())
        half.mul_(0.5)

    def _multiply(self, asking: torch.Tensor, scores: Floats, *, again: bool) -> bool:
        """Write the scores of all others; False if they are out of the range of float32."""
        self.n_passes += 1
        into = torch.from_numpy(scores)
        keep = again or self.n_passes > 1
        step = next(self._chunks()).stop
        buffer = torch.empty((0 if keep else step, self.n_dims), dtype=torch.float32, device=self.values.device)
        squares = torch.empty(step, dtype=torch.float32, device=self.values.device)
        highest = 0.0
        for chunk in self._chunks():
            if keep:
                rows, half = self.kept[0][chunk], self.kept[1][chunk]
            else:
                rows, half = buffer[: chunk.stop - chunk.start], squares[: chunk.stop - chunk.start]
                self._center(self.values[chunk], rows, half)
            torch.addmm(half, asking, rows.T, alpha=-1.0, out=into[:, chunk])
            highest = max(highest, float(half.max()))
        largest = max(highest, float(asking.square().sum(dim=1).max()))
        return highest >= _FLATTEST and largest <= _STEEPEST

    def _offered(self, points: Indices, scores: Floats) -> Offered:
        """Take everyone up to a cut that holds at least as many as are wanted."""
        size, n_groups = self.group, self.n_groups
        least = np.minimum.reduce(scores.reshape(len(points), size, n_groups), axis=1) if size > 1 else scores
        cut: Floats = np.partition(least, self.n_wanted - 1, axis=1)[:, self.n_wanted - 1]
        row, group = np.divmod(np.flatnonzero(least <= cut[:, None]), n_groups)
        first = row * (size * n_groups) + group
        looked_at = scores.reshape(-1).take(first[:, None] + np.arange(size) * n_groups)
        hit = np.flatnonzero(looked_at <= cut[row, None])
        which, member = np.divmod(hit, size)
        row, column = row[which], group[which] + member * n_groups
        counts = np.bincount(row, minlength=len(points))
        slot = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        widest = min(int(counts.max()), 2 * self.n_wanted + 64)
        held = slot < widest  # ties beyond that cannot be told apart anyway
        offered = np.full((len(points), widest), np.inf, dtype=np.float32)
        others = np.zeros((len(points), widest), dtype=np.int64)
        offered[row[held], slot[held]] = looked_at.reshape(-1)[hit[held]]
        others[row[held], slot[held]] = column[held]
        return Offered(
            points=points,
            others=others,
            scores=offered,
            cut=np.where(counts > widest, np.float32(-np.inf), cut),
        )
