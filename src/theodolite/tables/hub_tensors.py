"""Tensors of a file on the Hub: headers by range request, numbers only of the tensor that is wanted."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from theodolite.core.errors import FormatError
from theodolite.tables.entries import TensorEntry, find_entry
from theodolite.tables.hub_file import MOST_HEADER, RemoteFile
from theodolite.tables.safetensors_file import read_header


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where the numbers of a tensor are in a file.

    Attributes
    ----------
    begin, end : int
        First byte, and the one after the last.
    strides : tuple of int
        Steps in numbers from one index of each axis to the next.
    """

    begin: int
    end: int
    strides: tuple[int, ...]


class RemoteTensors(ABC):
    """Reads tensors of a remote file whose header is known; where each tensor is, its kind of file knows.

    Parameters
    ----------
    file : RemoteFile
        The file.
    entries : mapping of str to TensorEntry
        What its header says.
    """

    format: str

    def __init__(self, file: RemoteFile, entries: Mapping[str, TensorEntry]) -> None:
        self.path: Path = file.place
        self.entries = entries
        self._file = file

    @abstractmethod
    def _span(self, name: str) -> Span:
        """Return where the numbers of a tensor are."""

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor, mapped from the cache; fetched first if it is not there."""
        entry = find_entry(self.entries, name, str(self.path))
        span = self._span(name)
        if span.begin == span.end:
            return torch.empty(entry.shape, dtype=_dtype(entry))
        kept = self._file.fetch(span.begin, span.end, what=f"tensor {name}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns that it may have to copy
            stored = torch.from_file(str(kept.path), shared=False, size=kept.path.stat().st_size, dtype=torch.uint8)
        dtype = _dtype(entry)
        part = stored[span.begin - kept.begin : span.end - kept.begin]
        numbers = (part if part.storage_offset() % dtype.itemsize == 0 else part.clone()).view(dtype)
        return numbers.as_strided(entry.shape, span.strides, numbers.storage_offset())

    def n_missing(self, name: str) -> int:
        """Return the bytes of a tensor that are not on this machine."""
        span = self._span(name)
        return self._file.n_missing(span.begin, span.end)

    def read_rows(self, name: str, rows: torch.Tensor) -> torch.Tensor:
        """Return some rows of one matrix, fetching no others."""
        entry = find_entry(self.entries, name, str(self.path))
        span, dtype = self._span(name), _dtype(entry)
        size, n_dims = dtype.itemsize, entry.shape[1]
        if span.strides != contiguous(entry.shape) or not n_dims:
            return self.read(name)[rows]
        taken = []
        for row in cast("list[int]", rows.tolist()):
            begin = span.begin + row * n_dims * size
            content = self._file.read_exactly(begin, begin + n_dims * size, what=f"row {row} of {name}")
            taken.append(torch.frombuffer(bytearray(content), dtype=dtype))
        return torch.stack(taken)


class RemoteSafetensors(RemoteTensors):
    """The tensors of a safetensors file on the Hub.

    Parameters
    ----------
    file : RemoteFile
        The file. Only its header is fetched.

    Raises
    ------
    FormatError
        If the header does not describe exactly the bytes that follow it.
    """

    format = "safetensors"

    def __init__(self, file: RemoteFile) -> None:
        header = read_header(file.place, file.open(), file.size, most=MOST_HEADER)
        self._begins = header.begins
        super().__init__(file, header.entries)

    def _span(self, name: str) -> Span:
        begin, entry = self._begins[name], self.entries[name]
        return Span(begin=begin, end=begin + entry.n_bytes, strides=contiguous(entry.shape))


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a tensor that is stored row by row.

    Examples
    --------
    >>> contiguous((5, 3, 2))
    (6, 2, 1)
    """
    strides = [1]
    for length in shape[:0:-1]:
        strides.append(strides[-1] * max(1, length))
    return tuple(reversed(strides)) if shape else ()


def _dtype(entry: TensorEntry) -> torch.dtype:
    dtype = getattr(torch, entry.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise FormatError(
            f"The tensor {entry} in {entry.file} has a dtype that this version of torch does not know. Choose another."
        )
    return dtype
