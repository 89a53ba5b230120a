"""Sums of squares and products of paired rows: all that a linear map needs, in float64, without copying the tables."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_ROWS_PER_BLOCK = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a pair of tables, read in blocks as float64.

    Attributes
    ----------
    points : torch.Tensor
        `(n_tokens, n_dims)`, any floating dtype.
    gain : numpy.ndarray or None
        `(n_dims,)` factors of the columns (the gain of the final norm), or None.
    """

    points: torch.Tensor
    gain: Floats | None = None

    @property
    def n_dims(self) -> int:
        """Columns."""
        return int(self.points.shape[1])

    def take(self, rows: Rows) -> Floats:
        """Return some rows in float64, times the gain."""
        values: Floats = self.points[torch.from_numpy(rows).to(self.points.device)].to("cpu", torch.float64).numpy()
        return values if self.gain is None else values * self.gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Second moments of paired rows x and y, about the origin or about their means.

    Attributes
    ----------
    n_rows : int
        Pairs.
    xx : numpy.ndarray
        `(d_x, d_x)`: sum of x x'.
    xy : numpy.ndarray
        `(d_x, d_y)`: sum of x y'.
    yy : float
        Sum of the squares of y.
    mean_x, mean_y : numpy.ndarray
        `(d_x,)` and `(d_y,)`: means, also where the moments are about the origin.
    """

    n_rows: int
    xx: Floats
    xy: Floats
    yy: float
    mean_x: Floats
    mean_y: Floats

    def centered(self) -> "Moments":
        """Return the moments about the means; needs moments about the origin."""
        n = self.n_rows
        return Moments(
            n_rows=n,
            xx=self.xx - n * np.outer(self.mean_x, self.mean_x),
            xy=self.xy - n * np.outer(self.mean_x, self.mean_y),
            yy=self.yy - n * float(self.mean_y @ self.mean_y),
            mean_x=self.mean_x,
            mean_y=self.mean_y,
        )

    def squared_error(self, matrix: Floats, bias: Floats | None) -> float:
        """Return the sum of squares of y - (matrix x + bias)."""
        error = self.yy - 2 * float(np.sum(matrix.T * self.xy)) + float(np.sum((matrix @ self.xx) * matrix))
        if bias is not None:
            gap = self.mean_y - matrix @ self.mean_x
            error += self.n_rows * (float(bias @ bias) - 2 * float(bias @ gap))
        return max(error, 0.0)

    def spread_about(self, center: Floats) -> float:
        """Return the sum of squares of y about a given center."""
        return self.yy - 2 * self.n_rows * float(self.mean_y @ center) + self.n_rows * float(center @ center)

    def __add__(self, other: "Moments") -> "Moments":
        n = self.n_rows + other.n_rows
        return Moments(
            n_rows=n,
            xx=self.xx + other.xx,
            xy=self.xy + other.xy,
            yy=self.yy + other.yy,
            mean_x=(self.n_rows * self.mean_x + other.n_rows * other.mean_x) / n,
            mean_y=(self.n_rows * self.mean_y + other.n_rows * other.mean_y) / n,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Which row of one table belongs to which row of the other.

    Attributes
    ----------
    x, y : Side
        The two tables; a map is fitted from x to y.
    rows_x, rows_y : numpy.ndarray
        `(n_pairs,)` int64.
    """

    x: Side
    y: Side
    rows_x: Rows
    rows_y: Rows

    def __len__(self) -> int:
        return len(self.rows_x)

    def part(self, chosen: slice) -> "Pairs":
        """Return some of the pairs."""
        return replace(self, rows_x=self.rows_x[chosen], rows_y=self.rows_y[chosen])

    def moments(self) -> Moments:
        """Return the moments about the origin; there must be at least one pair."""
        n_x, n_y = self.x.n_dims, self.y.n_dims
        xx, xy, yy = np.zeros((n_x, n_x)), np.zeros((n_x, n_y)), 0.0
        sum_x, sum_y = np.zeros(n_x), np.zeros(n_y)
        for block in blocks(len(self)):
            a, b = self.x.take(self.rows_x[block]), self.y.take(self.rows_y[block])
            xx += a.T @ a
            xy += a.T @ b
            yy += float(np.sum(b * b))
            sum_x += a.sum(axis=0)
            sum_y += b.sum(axis=0)
        return Moments(n_rows=len(self), xx=xx, xy=xy, yy=yy, mean_x=sum_x / len(self), mean_y=sum_y / len(self))


def blocks(n_rows: int) -> Iterator[slice]:
    """Cut rows into slices that fit the cache of any machine.

    Examples
    --------
    >>> [block.stop for block in blocks(10000)]
    [8192, 16384]
    """
    for start in range(0, n_rows, _ROWS_PER_BLOCK):
        yield slice(start, start + _ROWS_PER_BLOCK)
