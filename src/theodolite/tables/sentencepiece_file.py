"""A SentencePiece model file: its list of pieces, read from the protobuf without the sentencepiece library."""

from collections.abc import Iterator
from pathlib import Path

from theodolite.core.errors import FormatError

_MOST_BYTES = 1 << 26
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_CONTROL_TYPES = {2, 3}  # unknown, control


def read_pieces(path: Path) -> tuple[list[str], frozenset[int]]:
    """Return the pieces by id, and the ids that are unknown or control marks.

    Raises
    ------
    FormatError
        If the file is no SentencePiece model or is truncated.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise FormatError(f"{path} has {size} bytes, too many for a SentencePiece model. Is it another file?")
    pieces: list[str] = []
    control = set()
    try:
        for field, kind, value in _fields(path.read_bytes()):
            if field != 1 or kind != _BYTES or not isinstance(value, bytes):
                continue
            piece, piece_type = b"", 1
            for inner, inner_kind, inner_value in _fields(value):
                if inner == 1 and inner_kind == _BYTES and isinstance(inner_value, bytes):
                    piece = inner_value
                elif inner == 3 and inner_kind == _VARINT and isinstance(inner_value, int):
                    piece_type = inner_value
            if piece_type in _CONTROL_TYPES:
                control.add(len(pieces))
            pieces.append(piece.decode("utf-8", errors="surrogateescape"))
    except (IndexError, ValueError) as error:
        raise FormatError(
            f"{path} is no SentencePiece model or is truncated: {error}. Copy or download it again."
        ) from error
    if not pieces:
        raise FormatError(f"{path} holds no pieces, so it is no SentencePiece model. Copy or download it again.")
    return pieces, frozenset(control)


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield (field number, wire type, value) of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, kind, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if at + length > len(data):
            raise ValueError(f"a field of {length} bytes at byte {at} of {len(data)}")
        yield key >> 3, kind, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length integer; return it and the byte after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"an integer without end at byte {at}")
