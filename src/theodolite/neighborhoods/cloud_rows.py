"""The rows of one small cloud as its products see them: centered, scaled, in the precision of the products."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.cloud_memory import Buffers, Workspace, column_chunks

Precision = Literal["float32", "float64"]
Floats = npt.NDArray[np.float64]
Listener = Callable[[int, Floats, Floats], None]

SAFE = {"float32": (2.0**-30, 2.0**50), "float64": (2.0**-400, 2.0**400)}
"""Norms between which nothing over- or underflows."""

_SAMPLE = 27  # a power of 3
_CONVERTED = 64  # rows at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Centered:
    """Rows less a center, scaled.

    Attributes
    ----------
    rows : torch.Tensor
        `(n_points, n_dims)` float32 or float64: `(values - center) * 2**-exponent`, rounded; good until the next cloud.
    squares : numpy.ndarray
        `(n_points,)` float64: the squares of their norms; not finite where a row is not.
    memory : Workspace or None
        What the rows lie in, on a CPU.
    """

    rows: torch.Tensor
    squares: Floats
    memory: Workspace | None = None

    @property
    def chunks(self) -> tuple[torch.Tensor, ...]:
        """The rows by chunks of columns, whose products are computed one by one."""
        return column_chunks(self.rows) if self.memory is None else self.memory.chunks

    def suit(self, precision: Precision) -> bool:
        """Say whether all is finite and of a size that products bear, and no two rows are seen to be equal."""
        smallest, largest = SAFE[precision]
        most = math.sqrt(float(self.squares.max()))
        if not smallest <= most <= largest:  # false for NaN
            return False
        order = np.argsort(self.squares)
        ordered = self.squares[order]
        same = np.flatnonzero(ordered[1:] == ordered[:-1])
        if len(same) == 0:
            return True
        return not bool((self.rows[order[same]] == self.rows[order[same + 1]]).all(dim=1).any())


def find_center(values: torch.Tensor) -> torch.Tensor:
    """Return a point near the middle of a cloud, `(n_dims,)`: rows far out, if they are few, do not move it.

    Of each column the median of threes, of their medians, and so on, over a few rows spread evenly over the cloud.
    """
    places = np.arange(_SAMPLE) * (len(values) - 1) // (_SAMPLE - 1)
    on_cpu = values.device.type == "cpu"
    some = values.numpy()[places] if on_cpu else values[torch.from_numpy(places).to(values.device)].cpu().numpy()
    while len(some) > 1:
        first, second, third = some.reshape(3, len(some) // 3, -1)
        low, high = np.minimum(first, second), np.maximum(first, second)
        some = np.maximum(low, np.minimum(high, third))
    return torch.from_numpy(some[0]).to(values.device)


def center_rows(
    buffers: Buffers,
    values: torch.Tensor,
    center: torch.Tensor,
    precision: Precision,
    exponent: int,
    *,
    listener: Listener | None = None,
) -> Centered:
    """Center and scale the points of a cloud.

    Parameters
    ----------
    buffers : Buffers
        Memory.
    values : torch.Tensor
        `(n_points, n_dims)` float32 or float64, on any device.
    center : torch.Tensor
        `(n_dims,)`, of the same kind.
    precision : {"float32", "float64"}
        Of the rows returned.
    exponent : int
        They are `(values - center) * 2**-exponent`.
    listener : callable, optional
        Called with blocks of the rows returned, in float64: the number of the first row, the rows, and the squares of
        their norms. On a CPU only.

    Returns
    -------
    Centered
        On the device of the points.
    """
    n_points, n_dims = values.shape
    dtype = torch.float32 if precision == "float32" else torch.float64
    if values.device.type != "cpu":
        wide = (values.to(torch.float64) - center.to(torch.float64)).mul_(2.0**-exponent)
        rows = wide.to(dtype)
        squares = rows.to(torch.float64).square().sum(dim=1)
        return Centered(rows=rows, squares=squares.cpu().numpy())
    memory = buffers.workspace((n_points, n_dims), dtype)
    given, middle, seen, squares_ = values.numpy(), center.numpy(), memory.rows.numpy(), np.empty(n_points)
    block = np.empty((min(n_points, _CONVERTED), n_dims))
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite shows in the norms
        for start in range(0, n_points, _CONVERTED):
            some = slice(start, min(start + _CONVERTED, n_points))
            _subtract(given[some], middle, exponent, seen[some])
            exact = block[: some.stop - start]
            np.copyto(exact, seen[some])
            np.vecdot(exact, exact, out=squares_[some])
            if listener is not None:
                listener(start, exact, squares_[some])
    return Centered(rows=memory.rows, squares=squares_, memory=memory)


def _subtract(given: npt.NDArray[Any], middle: npt.NDArray[Any], exponent: int, out: npt.NDArray[Any]) -> None:
    if exponent == 0:
        np.subtract(given, middle, out=out, dtype=np.result_type(given, out), casting="same_kind")
    else:
        centered = given.astype(np.float64) - middle
        np.multiply(centered, 2.0**-exponent, out=out, casting="same_kind")
