"""fastText's native `.bin`: settings, dictionary with counts, input matrix of words and character n-grams.

Why not gensim's reader: it refuses supervised models, never ends on a dictionary that breaks off, believes every size
in the header, takes bytes that are no UTF-8 for other n-grams than fastText does, and takes six times as long (50,000
words, 100,000 n-grams). Here the input matrix is memory-mapped. The values are gensim's (a test compares them).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import FormatError
from theodolite.tables.fasttext_ngrams import ngram_rows
from theodolite.tables.wordvector_layout import FASTTEXT_MAGIC, MOST_DIMS
from theodolite.tables.wordvector_stream import BLOCK, Stream
from theodolite.tables.wordvector_words import WordVectors

_VERSIONS = (11, 12)
_SUPERVISED = 3
_MOST_WORD_BYTES = 1 << 16
_WORDS_AT_ONCE = 1 << 14
_AGAIN = "Copy or download it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class FastTextHeader:
    """What is before the input matrix.

    Attributes
    ----------
    words : tuple of bytes
        Without labels.
    counts : numpy.ndarray
        `(n_words,)` int64: how often training saw each.
    n_dims, n_inputs : int
        Columns and rows of the input matrix; its first rows are the words.
    bucket, minn, maxn : int
        Rows for n-grams of characters, and their lengths; `maxn` is 0 where the model has none.
    is_supervised : bool
        Whether it was trained to tell labels.
    matrix_at : int
        Byte at which the matrix begins.
    """

    words: tuple[bytes, ...]
    counts: npt.NDArray[np.int64]
    n_dims: int
    n_inputs: int
    bucket: int
    minn: int
    maxn: int
    is_supervised: bool
    matrix_at: int


class _Reader:
    """Numbers and words from a stream, with a place to say where it ended."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._data, self._at, self._before = stream, b"", 0, 0

    @property
    def at(self) -> int:
        """Bytes read so far."""
        return self._before + self._at

    def _more(self) -> None:
        block = self._stream.read(BLOCK)
        if not block:
            raise FormatError(
                f"{self._stream.path} is truncated: its dictionary ends after {self.at + len(self._data)} bytes before "
                f"all its words. {_AGAIN}"
            )
        self._before += self._at
        self._data, self._at = self._data[self._at :] + block, 0

    def numbers(self, form: str) -> tuple[float, ...]:
        """Read numbers as `struct` describes them."""
        size = struct.calcsize(f"<{form}")
        while self._at + size > len(self._data):
            self._more()
        values = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += size
        return values

    def word(self) -> bytes:
        """Read the bytes before the next NUL."""
        while (end := self._data.find(b"\x00", self._at)) < 0:
            if len(self._data) - self._at > _MOST_WORD_BYTES:
                raise FormatError(f"{self._stream.path} is damaged: a word has no end. {_AGAIN}")
            self._more()
        word = self._data[self._at : end]
        self._at = end + 1
        return word


def read_header(path: Path) -> FastTextHeader:
    """Read everything before the input matrix, and check it against the size of the file.

    Raises
    ------
    FormatError
        If the file is truncated or inconsistent, of another version, or its matrices are quantized (`.ftz`).
    """
    with Stream(path) as stream:
        reader = _Reader(stream)
        first, second = map(int, reader.numbers("2i"))
        is_new, version = first == FASTTEXT_MAGIC, second
        if is_new and version not in _VERSIONS:
            raise FormatError(f"{path} is a fastText model of version {version}; versions 11 and 12 are read.")
        n_dims = int(reader.numbers("2i")[0]) if is_new else first
        settings = reader.numbers("10id")
        model, bucket, minn, maxn = map(int, settings[5:9])
        n_entries, n_words, n_labels, _ = map(int, reader.numbers("3iq"))
        n_pruned = int(reader.numbers("q")[0]) if is_new else -1
        if n_pruned > 0:
            raise FormatError(_quantized(path))
        if (
            not (n_words > 0 and n_labels >= 0 and n_entries == n_words + n_labels)
            or n_entries * 10 > stream.most_bytes
        ):
            raise FormatError(
                f"{path} claims {n_entries} entries, {n_words} words and {n_labels} labels, which cannot be. {_AGAIN}"
            )
        words, counts = [], []
        for _ in range(n_entries):
            word = reader.word()
            count, kind = reader.numbers("qb")
            if kind == 0:
                words.append(word)
                counts.append(int(count))
        if is_new and reader.numbers("?")[0]:
            raise FormatError(_quantized(path))
        n_inputs, width = map(int, reader.numbers("2q"))
        is_supervised = model == _SUPERVISED
        if is_supervised and (not is_new or version < _VERSIONS[1]):
            maxn = 0  # as fastText: supervised models of that time had no n-grams of characters
        fits = width == n_dims and 1 <= n_dims <= MOST_DIMS and n_inputs == n_words + max(bucket, 0)
        if len(words) != n_words or not fits or (maxn > 0 and not (bucket > 0 and 0 <= minn <= maxn <= 1000)):
            raise FormatError(
                f"{path} is damaged: its settings ({n_words} words, {bucket} n-grams of {minn} to {maxn} characters, "
                f"{n_dims} columns) do not fit its matrix of {n_inputs} x {width}. {_AGAIN}"
            )
        if reader.at + 4 * n_inputs * n_dims > stream.most_bytes:
            raise FormatError(
                f"{path} is truncated: its matrix of {n_inputs} x {n_dims} needs {4 * n_inputs * n_dims} bytes after "
                f"byte {reader.at}, but the file has {path.stat().st_size}. {_AGAIN}"
            )
        return FastTextHeader(
            words=tuple(words),
            counts=np.array(counts, dtype=np.int64),
            n_dims=n_dims,
            n_inputs=n_inputs,
            bucket=bucket,
            minn=minn,
            maxn=maxn,
            is_supervised=is_supervised,
            matrix_at=reader.at,
        )


def _quantized(path: Path) -> str:
    return (
        f"{path} is a quantized fastText model (.ftz): its vectors are stored as codes of a product quantizer. Give "
        "the .bin it was made from, or write vectors with `fasttext print-word-vectors`."
    )


def read_fasttext(path: Path, header: FastTextHeader, *, limit: int | None) -> WordVectors:
    """Compose the vector of each word from its row and those of its character n-grams.

    Parameters
    ----------
    path : pathlib.Path
        Plain (memory-mapped) or gzip (the input matrix is unpacked into memory).
    header : FastTextHeader
        As `read_header` gave it.
    limit : int or None
        Read only so many words.

    Returns
    -------
    WordVectors
        The mean of the word's row and its n-gram rows; its row alone where the model has no n-grams. As in gensim and
        in fastText's early releases, "</s>" has n-grams like every word (fastText now gives it its row alone).

    Raises
    ------
    FormatError
        If the file ends inside the matrix.
    """
    n_words = min(len(header.words), limit or len(header.words))
    matrix = _input_matrix(path, header, n_words if header.maxn == 0 else header.n_inputs)
    positions: dict[bytes, int] = {}
    for i, word in enumerate(header.words[:n_words]):
        positions.setdefault(word, i)
    rows = np.fromiter(positions.values(), dtype=np.int64, count=len(positions))
    words = tuple(positions)
    if header.maxn == 0:
        points = matrix[:n_words] if len(rows) == n_words else matrix[rows]
    else:
        points = _compose(matrix, words, rows, header)
    return WordVectors(points=points, words=words, rows=rows, n_rows=n_words, counts=header.counts[rows])


def _input_matrix(path: Path, header: FastTextHeader, n_rows: int) -> npt.NDArray[np.float32]:
    """Map the first rows of the input matrix, or unpack them."""
    with Stream(path) as stream:
        if not stream.is_gzip:
            shape = (n_rows, header.n_dims)
            return np.memmap(path, dtype="<f4", mode="c", offset=header.matrix_at, shape=shape)
        left = header.matrix_at
        while left > 0:
            left -= len(stream.read(min(BLOCK, left))) or left
        parts = bytearray()
        n_bytes = n_rows * header.n_dims * 4
        while len(parts) < n_bytes:
            block = stream.read(min(BLOCK, n_bytes - len(parts)))
            if not block:
                raise FormatError(
                    f"{path} is truncated: its matrix ends after {len(parts)} of {n_bytes} bytes. {_AGAIN}"
                )
            parts += block
    return np.frombuffer(parts, dtype="<f4").reshape(n_rows, header.n_dims)


def _compose(
    matrix: npt.NDArray[np.float32], words: Sequence[bytes], rows: npt.NDArray[np.int64], header: FastTextHeader
) -> npt.NDArray[np.float32]:
    """Average rows, some thousand words at a time."""
    weights = torch.from_numpy(matrix)
    points = np.empty((len(words), header.n_dims), dtype=np.float32)
    for start in range(0, len(words), _WORDS_AT_ONCE):
        some = slice(start, start + _WORDS_AT_ONCE)
        owners, grams = ngram_rows(words[some], minn=header.minn, maxn=header.maxn, bucket=header.bucket)
        n_some = len(words[some])
        owners = np.concatenate([np.arange(n_some), owners])
        members = np.concatenate([rows[some], grams + len(header.words)])
        order = np.argsort(owners, kind="stable")
        offsets = np.searchsorted(owners[order], np.arange(n_some))
        averaged = torch.nn.functional.embedding_bag(
            torch.from_numpy(members[order]), weights, torch.from_numpy(offsets), mode="mean"
        )
        points[some] = averaged.numpy()
    return points
