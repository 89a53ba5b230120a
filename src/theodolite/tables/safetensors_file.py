"""A safetensors file: its header is checked here, line by line, before the safetensors library maps a tensor."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open

from theodolite.core.errors import FormatError
from theodolite.tables.entries import TensorEntry, find_entry

# bits of one number, and torch's word for the dtype
_DTYPES = {
    "F64": (64, "float64"),
    "F32": (32, "float32"),
    "F16": (16, "float16"),
    "BF16": (16, "bfloat16"),
    "I64": (64, "int64"),
    "I32": (32, "int32"),
    "I16": (16, "int16"),
    "I8": (8, "int8"),
    "U64": (64, "uint64"),
    "U32": (32, "uint32"),
    "U16": (16, "uint16"),
    "U8": (8, "uint8"),
    "BOOL": (8, "bool"),
    "C64": (64, "complex64"),
    "F8_E4M3": (8, "float8_e4m3fn"),
    "F8_E5M2": (8, "float8_e5m2"),
    "F8_E8M0": (8, "float8_e8m0fnu"),
    "F8_E4M3FNUZ": (8, "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": (8, "float8_e5m2fnuz"),
    "F6_E2M3": (6, "float6_e2m3"),
    "F6_E3M2": (6, "float6_e3m2"),
    "F4": (4, "float4_e2m1fn_x2"),
}
_MOST_HEADER_BYTES = 100_000_000  # the limit of the format itself


class Readable(Protocol):
    """Something that gives its bytes one after the other."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetensorsHeader:
    """What the header of a safetensors file says, checked.

    Attributes
    ----------
    entries : mapping of str to TensorEntry
        Every tensor, in the order of the header.
    begins : mapping of str to int
        The byte of the file at which each tensor begins.
    metadata : mapping of str to str
        What the writer noted.
    """

    entries: Mapping[str, TensorEntry]
    begins: Mapping[str, int]
    metadata: Mapping[str, str]


class SafetensorsFile:
    """The tensors of one safetensors file.

    Parameters
    ----------
    path : pathlib.Path
        The file. Only its header is read.

    Raises
    ------
    FormatError
        If the file is empty or truncated, or its header does not describe exactly the bytes that follow it.
    """

    format = "safetensors"

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            header = read_header(path, file, path.stat().st_size)
        self.entries: Mapping[str, TensorEntry] = header.entries
        self.metadata = header.metadata

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor, memory-mapped: its pages are read when they are used, no others."""
        find_entry(self.entries, name, str(self.path))
        try:
            with safe_open(self.path, framework="pt") as file:
                tensor: torch.Tensor = file.get_tensor(name)
        except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
            raise FormatError(
                f"The tensor {name!r} of {self.path} cannot be mapped: {error}. Copy or download the file again."
            ) from error
        return tensor


def read_header(path: Path, file: Readable, size: int, *, most: int = _MOST_HEADER_BYTES) -> SafetensorsHeader:
    """Read and check the header: every tensor has a place of its own, and together they fill the file.

    Parameters
    ----------
    path : pathlib.Path
        The name of the file in messages and entries.
    file : Readable
        Positioned at its beginning; only the header is read.
    size : int
        Bytes of the whole file.
    most : int
        Bytes that a header may have.

    Raises
    ------
    FormatError
        If the header does not describe exactly the bytes that follow it.
    """
    start = file.read(8)
    if len(start) < 8:
        raise FormatError(
            f"{path} is {'empty' if size == 0 else 'truncated'}: {size} bytes are no safetensors file; that begins "
            "with 8 bytes of length and a header. Copy or download it again."
        )
    length = int.from_bytes(start, "little")
    if length > min(size - 8, most):
        raise FormatError(
            f"{path} is truncated or no safetensors file: it claims a header of {length} bytes, but the file has "
            f"{size} bytes and a header at most {most}. Copy or download it again."
        )
    text = file.read(length)
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise FormatError(f"The header of {path} is not readable: {error}. Copy or download the file again.") from error
    if not isinstance(header, dict):
        raise FormatError(f"The header of {path} is a {type(header).__name__}, not a list of named tensors.")
    metadata = header.pop("__metadata__", {})
    entries = {}
    places = []
    for name, value in header.items():
        entry, begin = _read_entry(path, name, value)
        entries[name] = entry
        places.append((begin, begin + entry.n_bytes, name))
    end = 0
    for begin, stop, name in sorted(places):
        if begin != end:
            problem = "overlaps the tensor before it" if begin < end else "leaves a gap before it"
            raise FormatError(
                f"The header of {path} is not consistent: the tensor {name!r} at byte {begin} {problem}, which ends "
                f"at {end}. The file is damaged or made by hand; save it again with safetensors."
            )
        end = stop
    if end != size - 8 - length:
        raise FormatError(
            f"{path} is truncated or damaged: its header describes {end} bytes of tensors, but {size - 8 - length} "
            "follow it. Copy or download it again."
        )
    return SafetensorsHeader(
        entries=entries,
        begins={name: 8 + length + begin for begin, _, name in places},
        metadata=metadata if isinstance(metadata, dict) else {},
    )


def _read_entry(path: Path, name: str, value: Any) -> tuple[TensorEntry, int]:
    """Check one line of the header; return it with the byte at which its numbers begin."""
    described = f"The header of {path} describes the tensor {name!r} wrongly"
    advice = "The file is damaged or made by hand; save it again with safetensors."
    if not isinstance(value, dict) or not {"dtype", "shape", "data_offsets"} <= set(value):
        raise FormatError(f"{described}: dtype, shape and data_offsets are needed. {advice}")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise FormatError(f"{described}: its dtype is {dtype!r}, which is not one of {', '.join(_DTYPES)}. {advice}")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise FormatError(f"{described}: shape {shape!r:.100} and data_offsets {offsets!r:.100} are no sizes. {advice}")
    bits, torch_dtype = _DTYPES[dtype]
    begin, end = offsets
    if begin > end or (end - begin) * 8 != math.prod(shape) * bits:
        raise FormatError(
            f"{described}: shape {shape!r:.100} in {dtype} needs {math.prod(shape) * bits / 8:.0f} bytes, but "
            f"data_offsets {offsets!r:.100} give {end - begin}. {advice}"
        )
    entry = TensorEntry(name=name, shape=tuple(shape), dtype=torch_dtype, n_bytes=end - begin, file=path)
    return entry, begin


def _are_sizes(values: Any) -> bool:
    """Say whether a value from the header is a list of 64-bit sizes."""
    return (
        isinstance(values, list)
        and len(values) <= 64
        and all(type(value) is int and 0 <= value < 1 << 63 for value in values)
    )


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a dict and refuse keys that occur twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice")
    return result
