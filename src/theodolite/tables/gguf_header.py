"""The header of a GGUF file: metadata and where each tensor is.

Why not the reader of the gguf library: it makes numpy views of every string in the header (for 150,000 tokens with
their merges it takes 30 times as long as this one, and 25 times the memory), and it believes every length that a
damaged header claims. The library's tables of types and its dequantization are used as they are.
"""

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from theodolite.core.errors import FormatError

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = dict(zip(range(8), "BbHhIiif", strict=False)) | {6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_AXES = 4
_AGAIN = "Copy or download it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufTensor:
    """Where a tensor is.

    Attributes
    ----------
    name : str
        Such as "token_embd.weight".
    shape : tuple of int
        Rows first (the file has them last).
    kind : int
        ggml's number for how it is stored.
    begin : int
        Byte of the file at which it begins.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    begin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """Metadata and tensors of a GGUF file.

    Attributes
    ----------
    metadata : mapping of str to Any
        Numbers, bytes, arrays as lists of bytes or numpy arrays.
    tensors : tuple of GgufTensor
        In the order of the file.
    """

    metadata: Mapping[str, Any]
    tensors: tuple[GgufTensor, ...]

    def text(self, key: str) -> str:
        """Return a string of the metadata; "" where there is none."""
        value = self.metadata.get(key)
        return value.decode("utf-8", errors="backslashreplace") if isinstance(value, bytes) else ""

    def number(self, key: str) -> float | None:
        """Return a number of the metadata; None where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


class _Cursor:
    """A place in the bytes of the header that moves on as values are read."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self.at = data, 0

    def number(self, form: str) -> Any:
        (value,) = struct.unpack_from(f"<{form}", self._data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return value

    def count(self, bytes_each: int) -> int:
        """Read how many values follow; more than the file could hold are refused."""
        count = int(self.number("Q"))
        if count * bytes_each > len(self._data) - self.at:
            raise ValueError(f"{count} values are claimed at byte {self.at}, more than the file holds")
        return count

    def string(self) -> bytes:
        length = self.count(1)
        self.at += length
        return self._data[self.at - length : self.at]

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind != _ARRAY:
            raise ValueError(f"unknown kind {kind} of value at byte {self.at}")
        inner = self.number("I")
        if inner == _STRING:
            return [self.string() for _ in range(self.count(8))]
        if inner not in _SCALARS:
            raise ValueError(f"an array of kind {inner} at byte {self.at}")
        form = _SCALARS[inner]
        n_bytes = self.count(struct.calcsize(form)) * struct.calcsize(form)
        self.at += n_bytes
        return np.frombuffer(self._data[self.at - n_bytes : self.at], dtype=f"<{form}" if form != "?" else "?")


def read_gguf_header(path: Path) -> GgufHeader:
    """Read the header of a GGUF file; of the tensors only where they are.

    Raises
    ------
    FormatError
        If the file is none, is truncated, of another version or byte order, or its header is not consistent.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(path, data)
    except (struct.error, ValueError, OverflowError, UnicodeDecodeError) as error:
        if isinstance(error, FormatError):
            raise
        reason = "it ends inside its header" if isinstance(error, struct.error) else str(error)
        raise FormatError(f"{path} is truncated or damaged, or no GGUF file: {reason}. {_AGAIN}") from error


def _parse(path: Path, data: mmap.mmap) -> GgufHeader:
    cursor = _Cursor(data)
    if data[:4] != MAGIC:
        raise FormatError(f"{path} is damaged or no GGUF file: it does not begin with GGUF. {_AGAIN}")
    cursor.at = 4
    version = cursor.number("I")
    if version not in _VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "big"), "little")
        problem = "big-endian" if swapped in _VERSIONS else f"of version {version}"
        raise FormatError(
            f"{path} is a GGUF file {problem}, or damaged; little-endian ones of version 2 and 3 are read."
        )
    n_tensors, n_values = cursor.count(24), cursor.count(12)
    metadata: dict[str, Any] = {}
    for _ in range(n_values):
        key = cursor.string().decode("utf-8", errors="backslashreplace")
        if key in metadata:
            raise ValueError(f"the key {key!r:.60} occurs twice")
        metadata[key] = cursor.value(cursor.number("I"))
    places = []
    for _ in range(n_tensors):
        name = cursor.string().decode("utf-8", errors="backslashreplace")
        n_axes = cursor.number("I")
        if n_axes > _MOST_AXES:
            raise ValueError(f"the tensor {name!r:.60} has {n_axes} axes")
        shape = tuple(cursor.number("Q") for _ in range(n_axes))[::-1]
        places.append((name, shape, cursor.number("I"), cursor.number("Q")))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise ValueError(f"the alignment {alignment!r:.40} is no power of two")
    start = math.ceil(cursor.at / alignment) * alignment
    if len({name for name, *_ in places}) < len(places):
        raise ValueError("a tensor occurs twice")
    tensors = tuple(
        GgufTensor(name=name, shape=shape, kind=kind, begin=start + offset) for name, shape, kind, offset in places
    )
    return GgufHeader(metadata=metadata, tensors=tensors)
