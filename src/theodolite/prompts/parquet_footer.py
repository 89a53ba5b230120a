"""Where in a parquet file the columns are: its footer alone says it, so the rest need not be fetched.

Parquet writes its footer in Thrift's compact protocol; what is not asked for is skipped. Whatever a damaged or hostile
footer says, nothing is read outside the bytes given and no number is believed before it is compared with the file.
"""

from dataclasses import dataclass
from typing import Any

from theodolite.core.errors import FormatError

MAGIC = b"PAR1"
TAIL = 8
"""Bytes at the end of a file: the length of the footer, and the magic word."""

_STOP, _TRUE, _FALSE = range(3)
_LONG = 15
"""Where the length of a list does not fit beside the kind of its values, and stands behind it."""
_DEEPEST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Rows of a parquet file that lie together.

    Attributes
    ----------
    start, n_rows : int
        Its first row in the file, and how many.
    columns : dict
        Name of a column to the bytes that hold it, as pairs of first byte and the one after the last.
    """

    start: int
    n_rows: int
    columns: dict[str, tuple[tuple[int, int], ...]]


def footer_length(tail: bytes, size: int, *, place: str) -> int:
    """Return the bytes of the footer, which lies before the last eight.

    Parameters
    ----------
    tail : bytes
        The last eight bytes of the file.
    size : int
        Bytes of the file.
    place : str
        The file, for messages.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    FormatError
        If this is no end of a parquet file.
    """
    length = int.from_bytes(tail[:4], "little")
    if len(tail) != TAIL or tail[4:] != MAGIC or length + TAIL + len(MAGIC) > size:
        raise FormatError(f"{place} does not end as a parquet file does. Is it damaged, or of another kind?")
    return length


def row_groups(footer: bytes, *, size: int, place: str) -> tuple[RowGroup, ...]:
    """Return the row groups that a footer describes.

    Parameters
    ----------
    footer : bytes
        Its bytes.
    size : int
        Bytes of the file.
    place : str
        The file, for messages.

    Returns
    -------
    tuple of RowGroup
        In the order of the file.

    Raises
    ------
    FormatError
        If the footer is damaged, or points outside the file.
    """
    try:
        stated = _Reader(footer).struct(0)
        found, start = [], 0
        for group in stated.get(4, []):
            columns: dict[str, list[tuple[int, int]]] = {}
            for chunk in group[1]:
                about = chunk[3]
                begin = min(about[9], about.get(11) or about[9])
                end = begin + about[7]
                if not len(MAGIC) <= begin <= end <= size or chunk.get(1):
                    raise ValueError("a column outside the file")
                columns.setdefault(about[3][0].decode(), []).append((begin, end))
            if type(group[3]) is not int or group[3] < 0:
                raise ValueError("no number of rows")
            found.append(RowGroup(start=start, n_rows=group[3], columns={k: tuple(v) for k, v in columns.items()}))
            start += group[3]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"The footer of {place} is damaged ({error}). Is it a parquet file?") from None
    return tuple(found)


class _Reader:
    """Reads values of the compact protocol, one behind the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def struct(self, depth: int) -> dict[int, Any]:
        """Return the fields of a struct by number."""
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != _STOP:
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            fields[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:  # noqa: PLR0911 - one for each kind
        if depth > _DEEPEST:
            raise ValueError("values too deep")
        match kind:
            case 1 | 2 | 3:  # true, false and bytes, where they stand in a list
                return self._byte()
            case 4 | 5 | 6:  # whole numbers of 16, 32 and 64 bits
                return self._signed()
            case 7:  # a number in double precision
                return self._bytes(8)
            case 8:  # a text
                return self._bytes(self._unsigned())
            case 9 | 10:  # a list, a set
                head = self._byte()
                length = head >> 4 if head >> 4 < _LONG else self._unsigned()
                return [self._value(head & 15, depth + 1) for _ in range(self._bounded(length))]
            case 11:  # a map
                length = self._bounded(self._unsigned())
                kinds = self._byte() if length else 0
                return [(self._value(kinds >> 4, depth + 1), self._value(kinds & 15, depth + 1)) for _ in range(length)]
            case 12:
                return self.struct(depth + 1)
        raise ValueError(f"a value of the unknown kind {kind}")

    def _bounded(self, length: int) -> int:
        """Refuse a list of more values than there are bytes left."""
        if length > len(self._content) - self._at:
            raise ValueError("a list longer than the footer")
        return length

    def _byte(self) -> int:
        value = self._content[self._at]
        self._at += 1
        return value

    def _bytes(self, length: int) -> bytes:
        begin = self._at
        self._at += self._bounded(length)
        return self._content[begin : self._at]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a number too long")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
