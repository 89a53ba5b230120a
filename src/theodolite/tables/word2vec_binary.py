"""word2vec's binary format: each word, a blank, its float32 numbers, and in most files a line end.

Why not gensim's reader: it takes two and a half times as long (100,000 words of 100 numbers), it allocates what a
header claims before it looks at the file, and it says nothing of rows after the last one that the header counts.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import FormatError
from theodolite.tables.wordvector_stream import BLOCK, Stream
from theodolite.tables.wordvector_words import Collector, WordVectors

_MOST_WORD_BYTES = 1 << 16


def read_binary(path: Path, *, skip: int, n_rows: int, n_dims: int, limit: int | None) -> WordVectors:
    """Read a word2vec binary file into one matrix.

    Parameters
    ----------
    path : pathlib.Path
        Plain or gzip.
    skip : int
        Bytes of the header.
    n_rows, n_dims : int
        What the header says.
    limit : int or None
        Read only so many rows.

    Returns
    -------
    WordVectors
        In float32. Line ends before a word belong to the row before it.

    Raises
    ------
    FormatError
        If the file ends before the header's last row, goes on after it, or has no blank where a word must end.
    """
    wanted = n_rows if limit is None else min(n_rows, limit)
    collector = Collector(wanted, n_dims, "float32")
    n_bytes = 4 * n_dims
    rest = b""
    with Stream(path) as stream:
        stream.read(skip)
        while collector.n_rows < wanted:
            block = stream.read(max(BLOCK, 2 * n_bytes))
            data = rest + block
            words, starts, used = _split(data, n_bytes, wanted - collector.n_rows)
            if words:
                collector.add(words, _gather(data, starts, n_bytes))
            rest = data[used:]
            if not block:
                raise collector.ended_early(path, n_rows)
            if collector.n_rows < wanted and len(rest) > n_bytes + _MOST_WORD_BYTES:
                raise FormatError(
                    f"{path} is damaged: no word ends within {_MOST_WORD_BYTES} bytes after row {collector.n_rows}. "
                    "Copy or download it again."
                )
        if limit is None and (rest.strip(b"\n") or any(block.strip(b"\n") for block in stream.blocks())):
            raise FormatError(
                f"{path} goes on after the {n_rows} words that its header counts. It is damaged or its header is "
                f"wrong: copy it again, or read only these with #first{n_rows} after the path."
            )
    return collector.finish()


def _split(data: bytes, n_bytes: int, most: int) -> tuple[list[bytes], list[int], int]:
    """Return the words of all complete rows, where the numbers of each begin, and where the last of them ends."""
    words, starts, at = [], [], 0
    for _ in range(most):
        blank = data.find(b" ", at, at + _MOST_WORD_BYTES)
        if blank < 0 or blank + 1 + n_bytes > len(data):
            break
        words.append(data[at:blank].lstrip(b"\n"))
        starts.append(blank + 1)
        at = blank + 1 + n_bytes
    return words, starts, at


def _gather(data: bytes, starts: list[int], n_bytes: int) -> npt.NDArray[np.float32]:
    """Copy rows of `n_bytes` from anywhere in `data` into one matrix."""
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, dtype=np.uint8), n_bytes)
    rows: npt.NDArray[np.float32] = windows[np.array(starts)].view("<f4").astype(np.float32, copy=False)
    return rows
