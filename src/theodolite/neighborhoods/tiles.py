"""Candidates from tiles of products on a CPU, each tile used for its rows and, by symmetry, for its columns.

A score is q(x, y) = |y|^2 / 2 - x.y; a tile holds the products. The maximum over groups of eight rows is taken first;
only where it could beat the cut of a row or of a column are the eight elements looked at. Rows of a panel are grouped
by norm, so that the smallest norm of a group stands for all eight. Rounding is monotone, so what the shortcut leaves
out has a computed score above the cut: the shortcut needs no margin of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.pool import Numbers, Pool, Scores, extremes, wanted_rank
from theodolite.neighborhoods.rounding import Rounded

GROUP = 8
PANEL = 1024
WIDTH = 2048
SEED = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Points whose pool has been offered every other point.

    Attributes
    ----------
    points : numpy.ndarray
        `(m,)` int64, rows of the `Rounded`.
    pool : Pool
        Holds their candidates.
    rows : slice
        Their rows in the pool.
    """

    points: Numbers
    pool: Pool
    rows: slice


def symmetric_pass(rounded: Rounded, n_wanted: int) -> Iterator[Finished]:
    """Search every point among all others, each product computed once.

    Parameters
    ----------
    rounded : Rounded
        Rows in random order, float32 or int8, on the CPU.
    n_wanted : int
        Candidates wanted for each point.

    Yields
    ------
    Finished
        Panels of points, in the order of the rows.
    """
    n_points = rounded.rows.shape[0]
    tiles = _Tiles(rounded)
    panels = [np.arange(start, min(start + PANEL, n_points)) for start in range(0, n_points, PANEL)]
    pool = Pool(n_wanted, np.concatenate([tiles.first_cuts(points, n_wanted) for points in panels]))
    milestone = 0
    for points in panels:
        start, stop = int(points[0]), int(points[-1]) + 1
        panel = tiles.panel(points, points)
        tiles.sweep(panel, slice(start, stop), pool, seen=stop / n_points)
        ripe = stop
        for left in range(stop, n_points, WIDTH):
            right = min(left + WIDTH, n_points)
            tiles.sweep(panel, slice(left, right), pool, seen=right / n_points, also_columns=stop / n_points)
            if right >= 2 * ripe and right < n_points:
                pool.tighten(points, right / n_points)
                ripe = right
        if stop >= milestone and stop < n_points:
            pool.tighten(np.arange(stop, n_points), stop / n_points)
            milestone = max(stop + PANEL, int(1.5 * stop))
        yield Finished(points=points, pool=pool, rows=slice(start, stop))


def one_sided_pass(rounded: Rounded, points: Numbers, n_wanted: int) -> Iterator[Finished]:
    """Search some points among all others.

    Parameters
    ----------
    rounded : Rounded
        Rows in random order, float32 or int8, on the CPU.
    points : numpy.ndarray
        `(m,)` int64, rows of `rounded`.
    n_wanted : int
        Candidates wanted for each point.

    Yields
    ------
    Finished
        Panels of points, in the order given.
    """
    n_points = rounded.rows.shape[0]
    tiles = _Tiles(rounded)
    for start in range(0, len(points), PANEL):
        some = points[start : start + PANEL]
        pool = Pool(n_wanted, tiles.first_cuts(some, n_wanted))
        numbers = np.arange(len(some))
        panel = tiles.panel(some, numbers)
        ripe = SEED
        for left in range(0, n_points, WIDTH):
            right = min(left + WIDTH, n_points)
            tiles.sweep(panel, slice(left, right), pool, seen=right / n_points)
            if right >= 1.5 * ripe and right < n_points:
                pool.tighten(numbers, right / n_points)
                ripe = right
        yield Finished(points=some, pool=pool, rows=slice(0, len(some)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """Rows of one height of tiles, arranged so that slots s, s + n_groups, s + 2 n_groups ... have similar norms."""

    rows: torch.Tensor  # (GROUP * n_groups, n_dims); the last rows may repeat one
    points: Numbers  # (GROUP * n_groups,) rows of the Rounded
    pool_rows: Numbers  # (GROUP * n_groups,)
    half: Scores  # (GROUP, n_groups)
    least_half: Scores  # (n_groups, 1)
    filler: npt.NDArray[np.bool_]  # (GROUP, n_groups): slots that repeat a row


class _Tiles:
    """Products of rows, and the buffers they are written to."""

    def __init__(self, rounded: Rounded) -> None:
        self.rounded = rounded
        self.half: Scores = rounded.half_squares.numpy()
        self.lowest = extremes(self.half.dtype)[1]
        self.trusted: dict[tuple[int, int], bool] = {}
        n_products = (PANEL + GROUP) * max(WIDTH, PANEL, SEED)
        self.products = torch.empty(n_products, dtype=rounded.half_squares.dtype, device=rounded.rows.device)

    def panel(self, points: Numbers, pool_rows: Numbers) -> _Panel:
        """Group points by norm."""
        n_groups = -(-len(points) // GROUP)
        half = self.half[points]
        order = np.argsort(half, kind="stable")
        order = np.concatenate([order, np.repeat(order[-1], GROUP * n_groups - len(order))])
        filler = np.arange(len(order)) >= len(points)
        order = order.reshape(n_groups, GROUP).T.ravel()
        arranged = half[order].reshape(GROUP, n_groups)
        return _Panel(
            rows=self.rounded.rows[torch.from_numpy(points[order])],
            points=points[order],
            pool_rows=pool_rows[order],
            half=arranged,
            least_half=arranged.min(axis=0)[:, None],
            filler=filler.reshape(n_groups, GROUP).T,
        )

    def multiply(self, rows: torch.Tensor, columns: slice) -> Scores:
        """Return the products of some rows with a slice of all rows, in a buffer that the next call overwrites."""
        others = self.rounded.rows[columns]
        tile = self.products[: len(rows) * len(others)].view(len(rows), len(others))
        if rows.dtype == torch.int8:
            self._multiply_whole(rows, others, tile)
        else:
            torch.mm(rows, others.T, out=tile)
        products: Scores = tile.numpy()
        return products

    def _multiply_whole(self, rows: torch.Tensor, others: torch.Tensor, tile: torch.Tensor) -> None:
        """Multiply int8 rows; the first tile of each shape is compared with float64, which is exact here.

        The routine is not a public one of torch, and it has been seen to return zeros (rows of one column, torch 2.13).
        """
        shape = (len(rows), len(others))
        if self.trusted.get(shape, True):
            torch._int_mm(rows, others.T, out=tile)
        if shape not in self.trusted:
            x, y = rows.to(torch.float64), others.to(torch.float64)
            few = slice(0, GROUP)
            self.trusted[shape] = torch.equal(tile[few].to(torch.float64), x[few] @ y.T) and torch.equal(
                tile[:, few].to(torch.float64), x @ y[few].T
            )
        if not self.trusted[shape]:
            tile.copy_(rows.to(torch.float64) @ others.to(torch.float64).T)

    def first_cuts(self, points: Numbers, n_wanted: int) -> Scores:
        """Estimate from a sample, the first rows of all, where the cut of each point will be."""
        n_points = len(self.half)
        sample = min(SEED, n_points)
        rank = wanted_rank(n_wanted, sample / n_points)
        if rank > sample - 1:  # too small a sample: a cut above every score, but below that of a point with itself
            loosest = -self.lowest - 1 if self.half.dtype.kind == "i" else np.finfo(self.half.dtype).max
            return np.full(len(points), loosest, dtype=self.half.dtype)
        products = self.multiply(self.rounded.rows[torch.from_numpy(points)], slice(0, sample))
        scores = self.half[:sample] - products
        inside = np.flatnonzero(points < sample)
        scores[inside, points[inside]] = extremes(scores.dtype)[0]
        cuts: Scores = np.partition(scores, rank - 1, axis=1)[:, rank - 1].copy()
        return np.minimum(cuts, np.finfo(cuts.dtype).max) if cuts.dtype.kind == "f" else cuts

    def sweep(
        self, panel: _Panel, columns: slice, pool: Pool, *, seen: float, also_columns: float | None = None
    ) -> None:
        """Compute one tile and offer what it holds to its rows and, if `also_columns` says so, to its columns.

        `seen` and `also_columns` are the fractions of all points that rows and columns have then been offered.
        """
        tile = self.multiply(panel.rows, columns)
        width = tile.shape[1]
        inside = np.flatnonzero((panel.points >= columns.start) & (panel.points < columns.stop))
        tile[inside, panel.points[inside] - columns.start] = self.lowest
        flat = tile.reshape(GROUP, -1)
        top = np.maximum.reduce(flat, axis=0).reshape(-1, width)
        half = self.half[columns]
        cut = np.where(panel.filler, self.lowest, pool.cut[panel.pool_rows].reshape(GROUP, -1))
        hits = np.flatnonzero(top - half >= -cut.max(axis=0)[:, None])
        group, column = np.divmod(hits, width)
        scores = half.take(column) - flat.take(hits, axis=1)
        member, which = _places(scores <= cut.take(group, axis=1))
        slot = member * len(top) + group.take(which)
        pool.offer(panel.pool_rows[slot], column.take(which) + columns.start, scores[member, which], seen)
        if also_columns is None:
            return
        column_cut = pool.cut[columns]
        top -= panel.least_half
        hits = np.flatnonzero(top >= -column_cut)
        group, column = np.divmod(hits, width)
        scores = panel.half.take(group, axis=1) - flat.take(hits, axis=1)
        good = scores <= column_cut.take(column)
        if panel.filler.any():
            good &= ~panel.filler.take(group, axis=1)
        member, which = _places(good)
        where = column.take(which)
        order = np.argsort(where.astype(np.uint16), kind="stable")
        member, which, where = member[order], which[order], where[order]
        slot = member * len(top) + group.take(which)
        pool.offer(where + columns.start, panel.points[slot], scores[member, which], also_columns)


def _places(chosen: npt.NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """Return row and column of what is chosen, row by row (`np.nonzero` takes twice as long)."""
    width = max(1, chosen.shape[1])
    flat = np.flatnonzero(chosen)
    row = flat // width
    return row, flat - row * width
