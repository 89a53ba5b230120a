"""Which of the word-vector formats a file is in, from its first bytes: its name does not count.

word2vec (text or binary) begins with a line of two numbers, rows and columns; GloVe has lines of a word and its
numbers from the start; fastText's own format begins with a magic number, or, in its first layout, with the settings of
training.
"""

import re
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from theodolite.core.errors import FormatError
from theodolite.tables.wordvector_stream import Stream

Kind = Literal["word2vec text", "word2vec binary", "glove text", "fasttext"]

FASTTEXT_MAGIC = 793712314
MOST_DIMS = 1 << 17
_HEAD_BYTES = 1 << 20
_LINES = 100
_HEADER = re.compile(rb"^[ \t]*(\d{1,18})[ \t]+(\d{1,9})[ \t]*\r?\n")
_LONG_NUMBER = re.compile(rb"^[-+]?0*([\d.]*)")
_BOM = b"\xef\xbb\xbf"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_TOO_LONG_BY_CHANCE = 256  # binary numbers of this length without a single control character do not happen
_EXACT_DIGITS = 9  # so many decimal digits tell every two float32 apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a word-vector file is to be read.

    Attributes
    ----------
    kind : {"word2vec text", "word2vec binary", "glove text", "fasttext"}
        The format.
    is_gzip : bool
        Whether it is packed.
    n_rows : int or None
        What the header says; None where there is no header.
    n_dims : int
        Columns; 0 for fastText, whose header is read with its dictionary.
    dtype : {"float32", "float64"}
        "float64" where the first lines hold numbers that float32 would round.
    skip : int
        Bytes before the first row.
    """

    kind: Kind
    is_gzip: bool
    n_rows: int | None = None
    n_dims: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    skip: int = 0


def find_layout(path: Path) -> Layout | None:
    """Say how a file is to be read as word vectors; None where it holds something else.

    Raises
    ------
    FormatError
        If it begins as word vectors but its header cannot be true.
    """
    with Stream(path) as stream:
        head = stream.read(_HEAD_BYTES)
        whole = len(head) < _HEAD_BYTES
        is_gzip, most_bytes = stream.is_gzip, stream.most_bytes
    if len(head) >= 8 and struct.unpack_from("<i", head)[0] == FASTTEXT_MAGIC:
        return Layout(kind="fasttext", is_gzip=is_gzip)
    start = len(_BOM) if head.startswith(_BOM) else 0
    header = _HEADER.match(head[start : start + 64])
    if header:
        return _after_header(path, head, start, header, is_gzip=is_gzip, whole=whole, most_bytes=most_bytes)
    if _is_first_fasttext(head):
        return Layout(kind="fasttext", is_gzip=is_gzip)
    if b"\x00" in head:
        return None
    lines = _lines(head[start:], whole=whole)
    widths = Counter(_n_numbers(line) for line in lines)
    n_dims, n_lines = widths.most_common(1)[0] if widths else (0, 0)
    if not 2 <= n_dims <= MOST_DIMS or n_lines * 2 < len(lines):
        return None
    return Layout(kind="glove text", is_gzip=is_gzip, n_dims=n_dims, dtype=_dtype(lines, n_dims), skip=start)


def _after_header(
    path: Path, head: bytes, start: int, header: re.Match[bytes], *, is_gzip: bool, whole: bool, most_bytes: int
) -> Layout:
    """Tell text from binary after a word2vec header, and check what the header claims."""
    n_rows, n_dims, skip = int(header[1]), int(header[2]), start + header.end()
    claims = f"The header of {path} claims {n_rows} words of {n_dims} numbers"
    if n_rows == 0 or not 1 <= n_dims <= MOST_DIMS:
        raise FormatError(f"{claims}; at least one of each and at most {MOST_DIMS} numbers are needed. Is it word2vec?")
    rest = head[skip:]
    lines = _lines(rest, whole=whole)
    first = lines[0] if lines else b""
    found = _n_numbers(first) if b"\x00" not in first else 0
    if found >= n_dims or (found >= 1 and found == len(first.split()) - 1):
        if n_rows * n_dims * 2 > most_bytes:
            raise FormatError(f"{claims}, but the file has only {path.stat().st_size} bytes. {_AGAIN}")
        if found < n_dims:
            raise FormatError(f"{claims}, but its first word has {found}. Correct the header, or remove it.")
        dtype = _dtype(lines, n_dims)
        return Layout(kind="word2vec text", is_gzip=is_gzip, n_rows=n_rows, n_dims=n_dims, dtype=dtype, skip=skip)
    if len(rest) > _TOO_LONG_BY_CHANCE and not _CONTROL.search(rest[:_HEAD_BYTES]):
        raise FormatError(
            f"{claims}, but the line after it is neither a word and its numbers nor binary: {first[:60]!r}. {_AGAIN}"
        )
    if n_rows * (n_dims * 4 + 1) > most_bytes:
        raise FormatError(
            f"{claims}, which takes {n_rows * (n_dims * 4 + 1)} bytes or more, but the file has only "
            f"{path.stat().st_size}. {_AGAIN}"
        )
    return Layout(kind="word2vec binary", is_gzip=is_gzip, n_rows=n_rows, n_dims=n_dims, skip=skip)


_AGAIN = "It is truncated, or no word2vec file: copy or download it again."


def _is_first_fasttext(head: bytes) -> bool:
    """Say whether the bytes begin as fastText's layout without a magic number: thirteen settings, each plausible."""
    if len(head) < 76:
        return False
    dim, ws, epoch, min_count, neg, _, loss, model, bucket, minn, maxn, _ = struct.unpack_from("<12i", head)
    threshold, size, n_words, n_labels, n_tokens = struct.unpack_from("<d3iq", head, 48)
    return bool(
        1 <= dim <= MOST_DIMS
        and min(ws, epoch, min_count, neg, bucket, minn, n_words, n_labels, n_tokens) >= 0
        and 1 <= loss <= 4
        and 1 <= model <= 3
        and 0 <= maxn <= 1000
        and 0 <= threshold <= 1
        and size == n_words + n_labels
        and size > 0
    )


def _lines(text: bytes, *, whole: bool) -> list[bytes]:
    """Return the first complete lines that are not blank."""
    lines = text.split(b"\n", _LINES + 1)
    if not whole or len(lines) > _LINES:
        lines.pop()
    return [line for line in lines[:_LINES] if line.strip()]


def _n_numbers(line: bytes) -> int:
    """Return how many fields at the end of a line are numbers; the first field is never one."""
    count = 0
    for field in reversed(line.split()[1:]):
        if not is_number(field):
            break
        count += 1
    return count


def is_number(field: bytes) -> bool:
    """Say whether a field is a number. Python's float allows 1_000; no word-vector file means it."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def _dtype(lines: list[bytes], n_dims: int) -> Literal["float32", "float64"]:
    """Choose float64 where a number of the first lines has more digits than float32 keeps and is not one itself."""
    for line in lines:
        for field in line.split()[-n_dims:]:
            if len(field) > _EXACT_DIGITS and is_number(field) and not _fits_float32(field):
                return "float64"
    return "float32"


def _fits_float32(field: bytes) -> bool:
    digits = _LONG_NUMBER.match(field.split(b"e")[0].split(b"E")[0])
    n_digits = len(digits[1].replace(b".", b"").strip(b"0")) if digits else 0
    if n_digits <= _EXACT_DIGITS:
        return True
    with np.errstate(over="ignore"):
        return float(np.float32(float(field))) == float(field)
