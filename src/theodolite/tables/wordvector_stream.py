"""The bytes of a word-vector file from beginning to end, plain or gzip, with a limit on what gzip may unpack to."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from theodolite.core.errors import FormatError, UnsafeFileError

BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
_MOST_RATIO = 100  # text shrinks to a half or a third, float32 hardly at all
_SMALL = 1 << 26
_DEFLATE_RATIO = 1032  # no deflate stream unpacks to more than this


class Stream:
    """A file read once, front to back.

    Parameters
    ----------
    path : pathlib.Path
        Whether it is gzip is seen from its first bytes, not from its name.

    Raises
    ------
    FormatError
        If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._raw: IO[bytes] = path.open("rb")
            self.is_gzip = self._raw.read(2) == _GZIP
            self._raw.seek(0)
            self._size = path.stat().st_size
        except OSError as error:
            raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error
        self._file: IO[bytes] = gzip.GzipFile(fileobj=self._raw) if self.is_gzip else self._raw  # type: ignore[assignment]
        self._given = 0

    def __enter__(self) -> "Stream":
        """Return the stream itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()

    @property
    def most_bytes(self) -> int:
        """The most bytes that the file can hold: its size, or what gzip can make of it."""
        return self._size * (_DEFLATE_RATIO if self.is_gzip else 1)

    def read(self, n_bytes: int = BLOCK) -> bytes:
        """Return the next bytes: fewer than asked for, and at last none, at the end.

        Raises
        ------
        FormatError
            If the gzip stream is damaged.
        UnsafeFileError
            If it unpacks to far more than word vectors do.
        """
        try:
            data = self._file.read(n_bytes)
        except (EOFError, OSError, zlib.error) as error:
            raise FormatError(
                f"{self.path} is truncated or damaged: {str(error).rstrip('.')}. Copy or download it again."
            ) from error
        self._given += len(data)
        if self.is_gzip and self._given > _SMALL and self._given > _MOST_RATIO * self._raw.tell():
            raise UnsafeFileError(
                f"{self.path} unpacks to more than {_MOST_RATIO} times its size, which word vectors never do. If the "
                "file is what you want, unpack it with gunzip first."
            )
        return data

    def blocks(self) -> Iterator[bytes]:
        """Yield the rest of the file in blocks."""
        while block := self.read():
            yield block


def count_lines(path: Path, skip: int, most: int | None = None) -> int:
    """Return the number of lines after the first `skip` bytes, or `most`; blank lines at the end are none."""
    lines = pending = 0
    anything = False
    with Stream(path) as stream:
        stream.read(skip)
        for block in stream.blocks():
            text = block.rstrip(b" \t\r\n")
            if text:
                lines += pending + text.count(b"\n")
                pending, anything = 0, True
            pending += block.count(b"\n", len(text))
            if most is not None and lines + anything >= most:
                return most
    return lines + anything
