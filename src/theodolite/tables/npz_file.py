"""Arrays saved by `numpy.savez`: tables by name, mapped where they are stored as they are."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import FormatError, UnsafeFileError
from theodolite.tables.entries import TensorEntry, find_entry

_MOST_RATIO = 100
_SMALL = 1 << 26
_LOCAL_HEADER = 30
_BLOCK = 1 << 22
_AGAIN = "Save it again with numpy.savez."


class NpzFile:
    """The arrays of a `.npz` file.

    Parameters
    ----------
    path : pathlib.Path
        The file. Only its directory and the header of each array are read.

    Raises
    ------
    UnsafeFileError
        If an array holds Python objects, or unpacks to far more than it holds.
    FormatError
        If the file is no zip of `.npy` arrays or is damaged.
    """

    format = "npz"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: dict[str, zipfile.ZipInfo] = {}
        entries = {}
        with self._archive() as archive:
            for member in archive.infolist():
                if member.filename.endswith(".npy"):
                    name = member.filename.removesuffix(".npy")
                    entries[name] = self._entry(archive, member, name)
                    self._members[name] = member
        if not entries:
            raise FormatError(f"{path} is a zip file without .npy arrays. {_AGAIN}")
        self.entries: Mapping[str, TensorEntry] = entries

    def read(self, name: str) -> torch.Tensor:
        """Return one array: memory-mapped where it is not compressed, in the machine's byte order."""
        entry = find_entry(self.entries, name, str(self.path))
        member = self._members[name]
        with self._archive() as archive, self._open(archive, member) as file:
            shape, fortran, dtype = _read_header(file)
            if member.compress_type == zipfile.ZIP_STORED:
                begin = self._begin(member) + file.tell()
                order: Literal["F", "C"] = "F" if fortran else "C"
                array: npt.NDArray[Any] = np.memmap(self.path, dtype, "c", offset=begin, shape=shape, order=order)
            else:
                flat = self._unpack(file, name, entry.n_bytes).view(dtype)
                array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
        return torch.from_numpy(array.astype(dtype.newbyteorder("="), copy=False))

    def _unpack(self, file: IO[bytes], name: str, n_bytes: int) -> npt.NDArray[np.uint8]:
        """Read the rest of a compressed member."""
        flat = np.empty(n_bytes, dtype=np.uint8)
        done = 0
        try:
            while done < n_bytes and (block := file.read(min(_BLOCK, n_bytes - done))):
                flat[done : done + len(block)] = np.frombuffer(block, dtype=np.uint8)
                done += len(block)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise FormatError(f"{self.path} is damaged in {name!r:.80}: {error}. {_AGAIN}") from error
        if done < n_bytes:
            raise FormatError(f"{self.path} is damaged: {name!r:.80} has {done} of {n_bytes} bytes. {_AGAIN}")
        return flat

    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise FormatError(f"{self.path} is truncated, damaged or no .npz file: {error}. {_AGAIN}") from error

    def _open(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
        try:
            return archive.open(member)
        except Exception as error:  # a damaged directory makes zipfile fail in many ways
            raise FormatError(
                f"{self.path} is damaged: {member.filename!r:.80} cannot be opened ({error}). {_AGAIN}"
            ) from error

    def _entry(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> TensorEntry:
        if member.file_size > _SMALL and member.file_size > _MOST_RATIO * member.compress_size:
            raise UnsafeFileError(
                f"{self.path} holds {member.filename!r:.80}, {member.compress_size} bytes that claim to unpack to "
                f"{member.file_size}. No table shrinks like that; save it again uncompressed with numpy.savez."
            )
        with self._open(archive, member) as file:
            try:
                shape, _, dtype = _read_header(file)
                at = file.tell()
            except Exception as error:  # a damaged header makes numpy's parser fail in every way there is
                raise FormatError(
                    f"{self.path} is damaged: the header of {member.filename!r:.80} is not readable. {_AGAIN}"
                ) from error
        if dtype.hasobject:
            raise UnsafeFileError(
                f"{self.path} holds Python objects in {member.filename!r:.80}, which only running code could restore. "
                "Save the array as numbers: numpy.savez(path, table=array.astype('float32'))."
            )
        n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if min(shape, default=0) < 0 or at + n_bytes != member.file_size:
            raise FormatError(
                f"{self.path} is damaged: {member.filename!r:.80} describes {n_bytes} bytes of shape {shape}, but "
                f"holds {member.file_size - at}. {_AGAIN}"
            )
        return TensorEntry(name=name, shape=shape, dtype=str(dtype.newbyteorder("=")), n_bytes=n_bytes, file=self.path)

    def _begin(self, member: zipfile.ZipInfo) -> int:
        """Return the byte at which a stored member begins, behind its own header."""
        with self.path.open("rb") as file:
            file.seek(member.header_offset)
            header = file.read(_LOCAL_HEADER)
        begin = member.header_offset + _LOCAL_HEADER
        begin += int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        if begin + member.file_size > self.path.stat().st_size:
            raise FormatError(f"{self.path} is truncated: {member.filename!r:.80} goes beyond its end. {_AGAIN}")
        return begin


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of a `.npy` array."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version}")
