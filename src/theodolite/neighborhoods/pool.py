"""A bounded pool of candidates for each of many points, filled in bulk, with a cut that only ever falls."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Scores = npt.NDArray[Any]

_DEVIATIONS = 4.0


class Pool:
    """Candidates and cuts of `n_rows` points.

    The invariant: every point offered to row i with a score of at most `cut[i]` is in the pool of row i. A row whose
    pool overflows without a lower cut in sight gives up: its cut becomes the lowest there is and certifies nothing.

    Parameters
    ----------
    n_wanted : int
        Candidates each row wants among all points.
    cut : numpy.ndarray
        `(n_rows,)` first cuts; their dtype is that of the scores.
    """

    __slots__ = ("capacity", "cut", "fill", "highest", "index", "lowest", "n_wanted", "score")

    def __init__(self, n_wanted: int, cut: Scores) -> None:
        self.n_wanted = n_wanted
        self.capacity = capacity_for(n_wanted)
        self.cut = cut
        self.highest, self.lowest = extremes(cut.dtype)
        self.fill = np.zeros(len(cut), dtype=np.int64)
        self.score = np.full((len(cut), self.capacity), self.highest, dtype=cut.dtype)
        self.index = np.zeros((len(cut), self.capacity), dtype=np.int32)

    def offer(self, rows: Numbers, others: npt.NDArray[np.integer], scores: Scores, seen: float) -> None:
        """Add candidates.

        Parameters
        ----------
        rows : numpy.ndarray
            `(m,)` row numbers, equal ones side by side.
        others : numpy.ndarray
            `(m,)` the candidates.
        scores : numpy.ndarray
            `(m,)` their scores, each at most the cut of its row.
        seen : float
            Fraction of all points that these rows have been offered by the end of this call.
        """
        if len(rows) == 0:
            return
        starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
        counts = np.diff(np.append(starts, len(rows)))
        named = rows[starts]
        over = self.fill[named] + counts > self.capacity
        if over.any():
            full = named[over]
            self.tighten(full, seen, compact=True)
            rest = scores <= self.cut[rows]
            added = np.bincount(rows[rest], minlength=len(self.cut))[full]
            self.cut[full[self.fill[full] + added > self.capacity]] = self.lowest
            rest &= scores <= self.cut[rows]
            self.offer(rows[rest], others[rest], scores[rest], seen)
            return
        slots = np.arange(len(rows)) + np.repeat(self.fill[named] + named * self.capacity - starts, counts)
        self.score.reshape(-1)[slots] = scores
        self.index.reshape(-1)[slots] = others
        self.fill[named] += counts

    def tighten(self, rows: Numbers, seen: float, *, compact: bool = False) -> None:
        """Lower the cuts to what the fraction seen so far suggests; `compact` also drops what lies above them."""
        rank = wanted_rank(self.n_wanted, seen)
        rows = rows[self.fill[rows] >= rank]
        if len(rows) == 0:
            return
        width = int(self.fill[rows].max())
        scores = self.score[rows, :width]
        cut = np.minimum(np.partition(scores, rank - 1, axis=1)[:, rank - 1], self.cut[rows])
        self.cut[rows] = cut
        if compact:
            dropped = scores > cut[:, None]
            order = np.argsort(dropped, axis=1, kind="stable")
            scores[dropped] = self.highest
            self.score[rows, :width] = np.take_along_axis(scores, order, axis=1)
            self.index[rows, :width] = np.take_along_axis(self.index[rows, :width], order, axis=1)
            self.fill[rows] = width - dropped.sum(axis=1)

    def contents(self, rows: slice) -> tuple[Scores, Numbers]:
        """Return scores and candidates of some rows, `(m, widest)`; what is not below the cut has the highest score."""
        width = max(1, int(self.fill[rows].max(initial=0)))
        scores = self.score[rows, :width].copy()
        scores[scores > self.cut[rows, None]] = self.highest
        return scores, self.index[rows, :width].astype(np.int64)


def extremes(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the score of an empty slot, and one below every real score whose negative is representable."""
    if dtype.kind == "i":
        return np.iinfo(dtype).max, np.iinfo(dtype).min // 2
    return np.inf, -np.inf


def capacity_for(n_wanted: int) -> int:
    """Slots of a pool that wants `n_wanted` candidates: enough for the looser cuts of the beginning."""
    return 2 * n_wanted + 96


def wanted_rank(n_wanted: int, seen: float) -> int:
    """Rank of the cut among the points seen so far, so that at the end `n_wanted` lie below it, almost surely.

    Of the wanted points a fraction `seen` is expected so far, with a binomial spread; four deviations are added.

    Examples
    --------
    >>> wanted_rank(80, 1.0), wanted_rank(80, 0.25)
    (80, 39)
    """
    expected = n_wanted * seen
    spread = _DEVIATIONS * math.sqrt(expected * (1.0 - seen))
    return max(1, min(n_wanted, math.ceil(expected + spread + _DEVIATIONS * (1.0 - seen))))
