"""Word vectors as text: a word and its numbers on each line, as word2vec, GloVe and fastText's `.vec` write them.

Why not gensim's reader: it converts each number by itself and each line to Unicode. It takes five times as
long as reading blocks of lines and handing their numbers to numpy at once (100,000 words of 100 numbers, tokens made
ready for display included), it takes the first field for the word where glove.840B has words with blanks in them, and
it cannot say in which line a number is missing. Memory is about the same: the matrix, the words, and little more.
"""

import re
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import FormatError
from theodolite.tables.wordvector_layout import is_number
from theodolite.tables.wordvector_stream import BLOCK, Stream
from theodolite.tables.wordvector_words import Collector, WordVectors

_MOST_LINE_BYTES = 1 << 24
_FRACTION = re.compile(rb"^[-+]?\d*\.\d{3,}(?:[eE][-+]?\d+)?$")
_BLANKS = b" \t\r"


def read_text(
    path: Path, *, skip: int, n_rows: int, n_dims: int, dtype: str, has_header: bool, limit: int | None
) -> WordVectors:
    """Read lines of a word and `n_dims` numbers into one matrix.

    Parameters
    ----------
    path : pathlib.Path
        Plain or gzip.
    skip : int
        Bytes before the first row.
    n_rows, n_dims : int
        Size of the matrix that is stored.
    dtype : str
        "float32" or "float64".
    has_header : bool
        Whether `n_rows` is the word of a header, which may be wrong.
    limit : int or None
        Read only so many rows.

    Returns
    -------
    WordVectors
        The last `n_dims` fields of a line are its numbers and what is before them is the word, blanks inside it
        included. Numbers are rounded to nearest; one too small for the dtype becomes 0.

    Raises
    ------
    FormatError
        If a line has too few or too many numbers, or one that is none or too large; or the header counts other
        rows than there are.
    """
    wanted = n_rows if limit is None else min(n_rows, limit)
    collector = Collector(wanted, n_dims, dtype)
    first_line = 2 if has_header else 1
    rest = b""
    with Stream(path) as stream:
        stream.read(skip)
        while collector.n_rows < wanted:
            block = stream.read(BLOCK)
            lines = (rest + block).split(b"\n")
            rest = lines.pop() if block else b""
            if len(rest) > _MOST_LINE_BYTES:
                raise FormatError(
                    f"{path} has a line of more than {_MOST_LINE_BYTES} bytes, so it is no word vectors as text. "
                    "Copy or download it again."
                )
            lines = [line.rstrip(_BLANKS) for line in lines]
            if not block:
                while lines and not lines[-1]:
                    lines.pop()
            surplus = [line for line in lines[wanted - collector.n_rows :] if line]
            lines = lines[: wanted - collector.n_rows]
            if lines:
                collector.add(*_parse(path, lines, n_dims, dtype, collector.n_rows + first_line))
            if not block and collector.n_rows < wanted:
                raise collector.ended_early(path, n_rows)
        if limit is None and has_header and (surplus or rest.strip() or any(b.strip() for b in stream.blocks())):
            raise FormatError(
                f"{path} goes on after the {n_rows} words that its header counts. Correct the header, or read only "
                f"these with #first{n_rows} after the path."
            )
    return collector.finish()


def _parse(
    path: Path, lines: list[bytes], n_dims: int, dtype: str, first_line: int
) -> tuple[list[bytes], npt.NDArray[np.floating]]:
    """Return the words and numbers of some lines: all at once where every line is plain, otherwise one by one."""
    parts = [line.partition(b" ") for line in lines]
    values = None
    if all(numbers.count(b" ") == n_dims - 1 for _, _, numbers in parts):
        values = _numbers(b" ".join([numbers for _, _, numbers in parts]), len(lines) * n_dims)
    if values is not None:
        words = [word for word, _, _ in parts]
    else:
        pairs = [_parse_line(path, line, n_dims, first_line + i) for i, line in enumerate(lines)]
        words = [word for word, _ in pairs]
        values = np.array([numbers for _, numbers in pairs], dtype=np.float64)
    values = values.reshape(len(lines), n_dims)
    with np.errstate(over="ignore"):
        stored = values.astype(dtype, copy=False)
    if not np.isfinite(stored).all():
        _refuse_too_large(path, lines, stored, first_line)
    return words, stored


def _numbers(text: bytes, count: int) -> npt.NDArray[np.float64] | None:
    """Convert numbers between single blanks; None where there are not `count`, or one is none."""
    if b"  " in text:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # numpy's word for text that is no number
        try:
            values = np.fromstring(text, dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    return values if len(values) == count else None


def _parse_line(path: Path, line: bytes, n_dims: int, number: int) -> tuple[bytes, list[float]]:
    """Return the word and the numbers of one line, whatever blanks and tabs are between them."""
    for fields in (line.rsplit(b" ", n_dims), line.rsplit(None, n_dims)):
        if len(fields) == n_dims + 1 and all(map(is_number, fields[1:])):
            word = fields[0].rstrip(_BLANKS)
            if b" " in word and _FRACTION.match(word.rsplit(b" ", 1)[1]):
                break
            return word, [float(field) for field in fields[1:]]
    fields = line.split()
    odd = next((field for field in fields[1:][-n_dims:] if not is_number(field)), None)
    if len(fields) <= n_dims or odd is None:
        problem = f"has {max(len(fields) - 1, 0)} numbers after its word, but {n_dims} are needed"
    else:
        problem = f"has {odd[:40]!r} where a number is needed"
    raise FormatError(
        f"Line {number} of {path} {problem}. The file is truncated or damaged there: copy or download it again, or "
        f"read only the lines before with #first{max(number - 2, 1)} after the path."
    )


def _refuse_too_large(path: Path, lines: list[bytes], values: npt.NDArray[np.floating], first_line: int) -> None:
    """Refuse a finite number that became infinite; `inf` and `nan` that are written as such stay."""
    for row in np.flatnonzero(np.isinf(values).any(axis=1)):
        n_written = sum(b"inf" in field.lower() for field in lines[row].split()[-values.shape[1] :])
        if n_written < np.isinf(values[row]).sum():
            raise FormatError(
                f"Line {first_line + int(row)} of {path} holds a number too large for {values.dtype}. No word vector "
                "has such numbers: copy or download the file again."
            )
