"""What a word-vector reader hands on: numbers, and the words that they belong to."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import FormatError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WordVectors:
    """Words and their vectors; of a word that occurs twice, the first.

    Attributes
    ----------
    points : numpy.ndarray
        `(n_words, n_dims)` float32 or float64.
    words : tuple of bytes
        As stored, without the blanks around them.
    rows : numpy.ndarray
        `(n_words,)` int64: the row of the file that each word has.
    n_rows : int
        Rows read, repeated words included.
    counts : numpy.ndarray or None
        `(n_words,)` int64: how often training saw each word, where the file says.
    """

    points: npt.NDArray[np.floating]
    words: tuple[bytes, ...]
    rows: npt.NDArray[np.int64]
    n_rows: int
    counts: npt.NDArray[np.int64] | None = None


class Collector:
    """Rows put into one matrix as they are read; a word that was there before is left out.

    Parameters
    ----------
    n_rows, n_dims : int
        The most rows that may come, and their width.
    dtype : str
        "float32" or "float64".
    """

    def __init__(self, n_rows: int, n_dims: int, dtype: str) -> None:
        self._points = np.empty((n_rows, n_dims), dtype=dtype)
        self._words: dict[bytes, int] = {}
        self.n_rows = 0

    def add(self, words: list[bytes], values: npt.NDArray[np.floating]) -> None:
        """Add rows.

        Parameters
        ----------
        words : list of bytes
            `n` words.
        values : numpy.ndarray
            `(n, n_dims)`, of the matrix's dtype.
        """
        before = len(self._words)
        fresh = []
        for i, word in enumerate(words):
            if word not in self._words:
                self._words[word] = self.n_rows + i
                fresh.append(i)
        self.n_rows += len(words)
        self._points[before : before + len(fresh)] = values if len(fresh) == len(words) else values[fresh]

    def ended_early(self, path: Path, n_rows: int) -> FormatError:
        """Return the error of a file that ends before the last row that its header counts."""
        return FormatError(
            f"{path} is truncated or its header is wrong: the header counts {n_rows} words, but there are "
            f"{self.n_rows}. Copy or download it again, or read what is there with #first{max(self.n_rows, 1)} after "
            "the path."
        )

    def finish(self) -> WordVectors:
        """Return what was added."""
        n_words = len(self._words)
        return WordVectors(
            points=self._points[:n_words],
            words=tuple(self._words),
            rows=np.fromiter(self._words.values(), dtype=np.int64, count=n_words),
            n_rows=self.n_rows,
        )
