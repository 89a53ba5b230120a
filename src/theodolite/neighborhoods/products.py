"""Candidates from float32 or float64 products with torch: the kernel that runs on every device."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.refine import Indices
from theodolite.neighborhoods.rounding import Rounded

_WIDTH = 1 << 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Candidates of some points.

    Attributes
    ----------
    points : numpy.ndarray
        `(m,)` int64.
    others : numpy.ndarray
        `(m, n_candidates)` int64, ascending in each row, without the point itself.
    cut : numpy.ndarray
        `(m,)` float64: every point that is not among the candidates has a computed score of at least this.
    """

    points: Indices
    others: Indices
    cut: npt.NDArray[np.float64]


def product_candidates(
    rounded: Rounded, points: Indices, n_candidates: int, *, max_memory: int
) -> Iterator[Candidates]:
    """Find the points of lowest score |y|^2 / 2 - x.y for some points, block by block, in `full_precision`.

    Parameters
    ----------
    rounded : Rounded
        Rows in float32 or float64, on any device.
    points : numpy.ndarray
        `(m,)` int64.
    n_candidates : int
        How many to return for each, below the number of points.
    max_memory : int
        Bytes for the block of scores and its copies.

    Yields
    ------
    Candidates
        In the order of `points`.
    """
    rows, half_squares = rounded.rows, rounded.half_squares
    n_points = rows.shape[0]
    width = min(n_points, max(_WIDTH, 2 * n_candidates))
    height = int(min(len(points), 2048, max(1, max_memory // (3 * rows.element_size() * width))))
    for start in range(0, len(points), height):
        some = points[start : start + height]
        chosen = torch.from_numpy(some).to(rows.device)
        x = rows[chosen]
        best: torch.Tensor | None = None
        whom = chosen
        for left in range(0, n_points, width):
            right = min(left + width, n_points)
            scores = torch.addmm(half_squares[left:right], x, rows[left:right].T, alpha=-1.0)
            own = (some >= left) & (some < right)
            scores[np.flatnonzero(own), some[own] - left] = torch.inf
            lowest, where = scores.topk(min(n_candidates, right - left), dim=1, largest=False, sorted=False)
            where += left
            if best is not None:
                lowest, where = torch.cat([best, lowest], dim=1), torch.cat([whom, where], dim=1)
                lowest, kept = lowest.topk(min(n_candidates, lowest.shape[1]), dim=1, largest=False, sorted=False)
                where = where.gather(1, kept)
            best, whom = lowest, where
        assert best is not None
        yield Candidates(
            points=some,
            others=whom.sort(dim=1).values.cpu().numpy(),
            cut=best.amax(dim=1).to(torch.float64).cpu().numpy(),
        )


@contextmanager
def full_precision() -> Iterator[None]:
    """Switch TF32, bfloat16 products and autocast off inside, and restore the settings of the caller.

    A proof with the rounding of float32 is void if a setting lets products round as they like: on a GPU
    `torch.set_float32_matmul_precision("high")`, on some processors `"medium"`, in a training step autocast. The first
    is a setting of the process: where searches of several threads overlap, the last one to end restores it.
    """
    with ExitStack() as stack:
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        with _SHARED.lock:
            if _SHARED.n_inside == 0:
                _SHARED.restore = _highest()
            _SHARED.n_inside += 1
        try:
            yield
        finally:
            with _SHARED.lock:
                _SHARED.n_inside -= 1
                if _SHARED.n_inside == 0:
                    _SHARED.restore.close()


class _Shared:
    """How many searches are inside `full_precision`, and what restores the settings from before the first."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.n_inside = 0
        self.restore = ExitStack()


_SHARED = _Shared()


def _highest() -> ExitStack:
    """Let products of float32 be no less, in this process, and return what takes that back."""
    stack = ExitStack()
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:  # the caller has used the newer settings, one for each library
        before = "highest"
    if before != "highest":
        torch.set_float32_matmul_precision("highest")
        stack.callback(torch.set_float32_matmul_precision, before)
    for backend in (torch.backends.cuda, torch.backends.mkldnn) if before == "highest" else ():
        library: Any = getattr(backend, "matmul", None)
        chosen = getattr(library, "fp32_precision", "ieee")
        if chosen not in ("ieee", "none"):
            library.fp32_precision = "ieee"
            stack.callback(setattr, library, "fp32_precision", chosen)
    return stack
