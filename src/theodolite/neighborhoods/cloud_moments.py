"""Sums over the products of all pairs of a small cloud: what measures of spread need and a search computes anyway."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.cloud_rows import Centered, Floats

_ROWS = 64  # squared at a time
_LOST = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudMoments:
    """Squared inner products of the rows of each cloud, summed over all pairs, a row with itself included.

    Attributes
    ----------
    centers : numpy.ndarray
        `(n_clouds, n_dims)` float64: a point near the middle of each cloud.
    energies : numpy.ndarray
        `(n_clouds,)` float64: the sum of ((x - c).(y - c))^2 over all pairs of rows x, y of a cloud, with c its center;
        NaN where it was not summed.
    directed_energies : numpy.ndarray
        `(n_clouds,)` float64: the same, each term divided by |x|^2 |y|^2; NaN if a row is zero, or close to it.
    """

    centers: Floats
    energies: Floats
    directed_energies: Floats


class MomentSums:
    """The sums of one cloud, collected strip by strip.

    Parameters
    ----------
    center : numpy.ndarray
        `(n_dims,)`.
    weights : numpy.ndarray
        `(n_points, 2)` float64: one, and one over the squared norm of each row, both over their mean.
    units : numpy.ndarray
        `(2,)` float64: what the sums are to be multiplied with.
    """

    def __init__(self, center: Floats, weights: Floats, units: Floats) -> None:
        self.center = center
        self.weights = weights
        self.narrow = weights.astype(np.float32)
        self.units = units
        self.totals = np.zeros(2)

    @classmethod
    def of(cls, cloud: Centered) -> "MomentSums":
        """Make the sums of a cloud on any device; they stay NaN where its products are not seen."""
        center = cloud.center.to(torch.float64).cpu().numpy()
        wide = cloud.center.to(torch.float64)
        shifts = torch.cat([some.to(torch.float64) @ wide for some in torch.split(cloud.rows, _ROWS)]).cpu().numpy()
        squares = cloud.squares + 2.0 * shifts + center @ center
        # rows near the origin have lost their direction to rounding: without it no sum
        lost = squares < _LOST * (cloud.squares + center @ center)
        directed = np.where(lost.any(), np.nan, 1.0 / np.where(lost, 1.0, squares))
        mean = directed.mean()
        return cls(center, np.stack([np.ones_like(directed), directed / mean], axis=1), np.array([1.0, mean * mean]))

    def add(self, strip: npt.NDArray[Any], start: int, factor: float) -> None:
        """Add the products of rows `start` and up with those up to the last of them, multiplied with `factor`."""
        for first in range(0, len(strip), _ROWS):
            some = strip[first : first + _ROWS]
            squares = np.square(some)
            before = squares[:, :start] @ self.narrow[:start]
            within = squares[:, start:] @ self.narrow[start : start + len(strip)]
            own = self.weights[start + first : start + first + len(some)]
            self.totals += ((2.0 * before + within) * own).sum(axis=0, dtype=np.float64) / factor**2

    @property
    def energies(self) -> Floats:
        """The two sums; NaN where nothing was added."""
        found: Floats = self.totals * self.units if self.totals.any() else np.full(2, np.nan)
        return found


def gather_moments(sums: list[MomentSums | None], n_dims: int) -> CloudMoments:
    """Put the sums of many clouds together; NaN where there are none."""
    energies = np.array([np.full(2, np.nan) if one is None else one.energies for one in sums])
    absent = np.full(n_dims, np.nan)
    return CloudMoments(
        centers=np.array([absent if one is None else one.center for one in sums]),
        energies=energies[:, 0],
        directed_energies=energies[:, 1],
    )
