"""One stored tensor, whatever the file format: what its header says, and how to get at its numbers."""

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.core.number_format import counted

_FLOATING = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_BYTES_PER_CHUNK = 1 << 22
_NAMES_LISTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """A tensor as its file describes it; nothing of it has been read.

    Attributes
    ----------
    name : str
        Name in the file.
    shape : tuple of int
        As stored.
    dtype : str
        "float32", "bfloat16", "int8", ... in torch's words; a format's own word where torch has none.
    n_bytes : int
        Size on disk.
    file : pathlib.Path
        The file that holds it.
    dequantized : str or None
        The dtype that reading gives, where the stored one is a quantization that reading undoes.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    n_bytes: int
    file: Path
    dequantized: str | None = None

    @property
    def is_table(self) -> bool:
        """Whether it is read as a matrix of floating-point numbers."""
        return len(self.shape) == 2 and (self.dequantized or self.dtype) in _FLOATING

    def __str__(self) -> str:
        """Return the name with shape and dtype, for messages and lists."""
        return f"{self.name} ({' x '.join(map(str, self.shape)) or 'scalar'}, {self.dtype})"


class TensorFile(Protocol):
    """An opened file: entries by name, and a way to map one of them into memory."""

    path: Path
    format: str
    entries: Mapping[str, TensorEntry]

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor, memory-mapped where the format allows."""


@runtime_checkable
class StorageFile(Protocol):
    """A file of which two names may stand for the same numbers."""

    def same_storage(self, one: str, other: str) -> bool:
        """Say whether two names stand for the same numbers in the file, as tied weights do."""


@runtime_checkable
class RowFile(Protocol):
    """A file so far away that a few rows are better read alone."""

    def read_rows(self, name: str, rows: torch.Tensor) -> torch.Tensor:
        """Return some rows of one matrix."""


@runtime_checkable
class FetchedFile(Protocol):
    """A file whose numbers have to be fetched before they can be read."""

    def n_missing(self, name: str) -> int:
        """Return the bytes of a tensor that are not on this machine."""


def find_entry(entries: Mapping[str, TensorEntry], name: str, place: str) -> TensorEntry:
    """Return the entry called `name`.

    Raises
    ------
    NotFoundError
        If there is none; the message names the closest ones.
    """
    if name in entries:
        return entries[name]
    close = difflib.get_close_matches(name, [*entries, "input", "output"], n=3, cutoff=0.6)
    close = close or [other for other in entries if name in other or other.endswith(f".{name}")][:3]
    hint = f"Did you mean {' or '.join(close)}?" if close else list_tables(entries.values())
    raise NotFoundError(f"There is no tensor {name!r} in {place}. {hint}")


def list_tables(entries: Iterable[TensorEntry]) -> str:
    """Name the matrices among `entries` that could be a table, likely ones first, and say how to choose one."""
    tables = sorted((entry for entry in entries if entry.is_table), key=_likelihood)
    if not tables:
        return "It holds no matrix of floating-point numbers."
    named = ", ".join(map(str, tables[:_NAMES_LISTED]))
    more = f" and {len(tables) - _NAMES_LISTED} more" if len(tables) > _NAMES_LISTED else ""
    return f"Matrices that could be meant: {named}{more}. Choose one with #{tables[0].name} after the location."


def _likelihood(entry: TensorEntry) -> tuple[bool, int, str]:
    """Sort names that speak of embeddings first, then by rows: an order to list, never a choice."""
    speaks = any(word in entry.name.lower() for word in ("embed", "wte", "lm_head", "vocab", "shared.weight"))
    return not speaks, -entry.shape[0], entry.name


def check_table(entry: TensorEntry) -> None:
    """Refuse a tensor that is no matrix of floating-point numbers.

    Raises
    ------
    FormatError
        If it has another number of axes, no rows or columns, or is stored as integers, 8-bit floats or packed values.
    """
    if (entry.dequantized or entry.dtype) not in _FLOATING:
        raise FormatError(
            f"The tensor {entry} in {entry.file} is not stored as floating-point numbers: it is quantized or holds "
            "indices, and its values alone say nothing about distances. Give a checkpoint that keeps this tensor in "
            "float32, bfloat16 or float16, or dequantize it and save it as .npy."
        )
    if len(entry.shape) != 2:
        raise FormatError(
            f"The tensor {entry} in {entry.file} has {counted(len(entry.shape), 'axis', 'axes')}, but a table "
            "needs 2, (tokens, dimensions). Name another tensor with #tensor; `theodolite inspect` lists them."
        )
    if 0 in entry.shape:
        raise FormatError(f"The tensor {entry} in {entry.file} is empty. Give a table with rows and columns.")


def hash_tensor(tensor: torch.Tensor) -> str:
    """Return the sha256 hex digest of the tensor's numbers, row-major, in pieces of about 4 MiB.

    Parameters
    ----------
    tensor : torch.Tensor
        `(n_rows, n_dims)`, any dtype, memory-mapped or not.

    Examples
    --------
    >>> hash_tensor(torch.zeros(2, 2)) == hash_tensor(torch.zeros(2, 2).t())
    True
    """
    digest = hashlib.sha256()
    row_bytes = max(1, tensor[:1].numel() * tensor.element_size())
    step = max(1, _BYTES_PER_CHUNK // row_bytes)
    for start in range(0, tensor.shape[0], step):
        chunk = tensor[start : start + step].contiguous()
        digest.update(chunk.view(torch.uint8).numpy().data)
    return digest.hexdigest()
