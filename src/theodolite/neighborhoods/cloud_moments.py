"""Sums over the products of all pairs of a small cloud: what measures of spread need and a search computes anyway.

With x' the centered rows, c the center, n points and G_ij = x'_i.x'_j, a search sees G block by block. Two measures
need a sum of squared products around other points, and get it from that around c by terms of low rank:

* around the mean, with m the mean of x' and g_i = x'_i.m: ||H G H||_F^2 = ||G||_F^2 - 2 n sum g_i^2 + n^2 |m|^4, for
  H = 1 - 11'/n;
* of unit rows u_i = w_i + a_i c, with a_i = 1 / |x_i| and w_i = a_i x'_i, around their mean: v_i = u_i - mean u
  = w_i + (a_i - mean a) c - mean w, and with B = [p, r, alpha, 1], p = W c, r = W mean(w), alpha = a - mean(a),
  VV' = WW' + B S B' for a matrix S of 4 x 4.

What is subtracted must not leave too few digits; where it would, the sums are NaN.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.cloud_rows import Floats

_READ = 128  # read at a time: what is read twice stays in the second-level cache
_LOST = 1e-4
_CANCELS = 30.0  # from this ratio on, what is subtracted leaves too few digits


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudMoments:
    """How the rows of each cloud spread, in length and in direction; NaN where it was not summed, or digits are lost.

    Attributes
    ----------
    traces : numpy.ndarray
        `(n_clouds,)` float64: the sum of |x - mean|^2 over all rows.
    energies : numpy.ndarray
        `(n_clouds,)` float64: the sum of ((x - mean).(y - mean))^2 over all pairs of rows, a row with itself included.
    cosine_means, cosine_variances : numpy.ndarray
        `(n_clouds,)` float64: of the cosines between all pairs of rows, a row with itself included.
    """

    traces: Floats
    energies: Floats
    cosine_means: Floats
    cosine_variances: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudMoment:
    """The numbers of `CloudMoments` for one cloud."""

    trace: float = math.nan
    energy: float = math.nan
    cosine_mean: float = math.nan
    cosine_variance: float = math.nan


class MomentSums:
    """The sums of one cloud, collected from blocks of its rows and then from blocks of their products.

    Parameters
    ----------
    center : numpy.ndarray
        `(n_dims,)` float64: what the rows are centered on.
    n_points : int
        Rows to come.
    """

    def __init__(self, center: Floats, n_points: int) -> None:
        self.center = center
        self.size = float(center @ center)
        self.squares, self.along = np.empty(n_points), np.empty(n_points)  # |x'|^2 and x'.c
        self.weights = np.ones((n_points, 2))  # of the terms of both sums: one, and a_i^2
        self.inverse = np.ones((n_points, 2))  # one, and a_i
        self.totals = np.zeros((2, len(center)))  # the sums of x' and a x'
        self.energies = np.zeros(2)
        self.lost = False
        self.mean = math.nan  # of the a_i^2, by which they are divided in float32
        self.twice = np.empty((n_points, 2), dtype=np.float32)  # the weights, doubled for rows to come
        self.room = np.empty(0, dtype=np.float32)  # for the squares of a block

    def see(self, start: int, rows: Floats, squares: Floats) -> None:
        """Take in centered rows, those from `start` on, and the squares of their norms."""
        some = slice(start, start + len(rows))
        self.squares[some] = squares
        self.along[some] = rows @ self.center
        lengths2 = squares + 2.0 * self.along[some] + self.size
        # rows near the origin have lost their direction to rounding: without it no cosine
        near = ~(lengths2 > _LOST * (squares + self.size))
        self.lost |= bool(near.any())
        self.weights[some, 1] = 1.0 / np.where(near, 1.0, lengths2)
        self.inverse[some, 1] = np.sqrt(self.weights[some, 1])
        self.totals += self.inverse[some].T @ rows

    def add(self, block: npt.NDArray[Any], start: int) -> None:
        """Add -2 times the products of rows `start` and up with those up to the last of them; from the last rows up.

        Products with rows before `start` are met once and count twice.
        """
        stop = start + len(block)
        if stop == len(self.squares):
            self.mean = float(self.weights[:, 1].mean())
            self.twice[:] = 2.0 * self.weights / (1.0, self.mean)
            self.room = np.empty(block.size, dtype=np.float32)
        self.twice[start:stop] *= 0.5
        with np.errstate(over="ignore", invalid="ignore"):  # seen in the sums
            squares = np.square(block, out=self.room[: block.size].reshape(block.shape))
            sums = squares @ self.twice[:stop]
            self.energies += (sums * self.twice[start:stop]).sum(axis=0, dtype=np.float64)

    def finish(self, rows: torch.Tensor) -> CloudMoment:
        """Return the moments, given all centered rows once more."""
        if not (self.energies.all() and np.isfinite(self.energies).all()):
            return CloudMoment()
        self.energies *= (0.25, 0.25 * self.mean**2)
        n_points = len(rows)
        mean, shared = means = self.totals / n_points
        sides, moved, along_mean = self._pass(rows.numpy(), means)
        total, directed = self.energies
        shift = float(mean @ mean)
        energy = total - 2.0 * n_points * float(along_mean @ along_mean) + (n_points * shift) ** 2
        found = CloudMoment(
            trace=float(self.squares.sum()) - n_points * shift, energy=energy if total < _CANCELS * energy else math.nan
        )
        return found if self.lost else replace(found, **self._cosines(sides, moved, shared, float(directed)))

    def _pass(self, table: npt.NDArray[Any], means: Floats) -> tuple[Floats, Floats, Floats]:
        """Return B', B'W, and x'.m of each row; the centered rows are read once."""
        n_points, scales = len(table), self.inverse[:, 1]
        along_mean = np.empty(n_points)
        sides = np.stack([scales * self.along, np.empty(n_points), scales - scales.mean(), np.ones(n_points)])
        moved = np.zeros((4, table.shape[1]))
        moved[3] = n_points * means[1]
        directions = means.T.astype(table.dtype)
        for start in range(0, n_points, _READ):
            some = slice(start, start + _READ)
            along_mean[some], along_shared = (table[some] @ directions).T
            sides[1, some] = scales[some] * along_shared
            moved[:3] += (sides[:3, some] * scales[some]).astype(table.dtype) @ table[some]
        return sides, moved, along_mean

    def _cosines(self, sides: Floats, moved: Floats, shared: Floats, energy: float) -> dict[str, float]:
        """Return mean and variance of the cosines of all pairs, given B', B'W, mean(w) and ||WW'||_F^2."""
        n_points = len(self.squares)
        p, r, alpha, _ = sides
        mixed, size, apart = float(self.center @ shared), self.size, float(shared @ shared)
        core = np.array([[0, 0, 1, 0], [0, 0, 0, -1], [1, 0, size, -mixed], [0, -1, -mixed, apart]], dtype=np.float64)
        cross = 2.0 * float((core * (moved @ moved.T)).sum())
        low = core @ (sides @ sides.T)
        added = float((low * low.T).sum())
        products = energy + cross + added
        if not energy + abs(cross) + added < _CANCELS * products:
            return {}
        lengths2 = self.weights[:, 1] * self.squares + 2.0 * alpha * p + size * alpha**2 - 2.0 * mixed * alpha - apart
        lengths2 -= 2.0 * (r - apart)  # of mean 0 but for rounding
        return {
            "cosine_mean": 1.0 - float(lengths2.mean()),
            "cosine_variance": float(lengths2.var()) / 2.0 + products / n_points**2,
        }


def gather_moments(found: list[CloudMoment | None]) -> CloudMoments:
    """Put the moments of many clouds together; NaN where there are none."""
    each = [one or CloudMoment() for one in found]
    return CloudMoments(
        traces=np.array([one.trace for one in each]),
        energies=np.array([one.energy for one in each]),
        cosine_means=np.array([one.cosine_mean for one in each]),
        cosine_variances=np.array([one.cosine_variance for one in each]),
    )
