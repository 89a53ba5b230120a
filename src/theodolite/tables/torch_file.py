"""A checkpoint saved by `torch.save`: opened with weights-only loading, its tensors memory-mapped."""

import mmap
import pickle
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from theodolite.core.errors import FormatError, UnsafeFileError
from theodolite.tables.entries import TensorEntry, find_entry
from theodolite.tables.torch_pickle import flatten

_MOST_PICKLE_BYTES = 256_000_000  # names and shapes; real ones stay under a few MB

_ALLOCATION = b"\nbytearray\n"  # how a pickle names the function
_MOST_MEMBER_HEADER = 1 << 17

ZIP_START = b"PK\x03\x04"


class TorchFile:
    """The tensors of one `pytorch_model.bin`, `.pt` or `.pth` file.

    Zip files (torch 1.6 and later) are memory-mapped. Older files have to be read whole; they are kept in memory
    until the object goes away.

    Parameters
    ----------
    path : pathlib.Path
        The file. Tensors may be nested in dicts (`state_dict`, `model`); their names are joined with dots. A file that
        is one tensor has the name "tensor".

    Raises
    ------
    UnsafeFileError
        If reading the file would run code, or unpack more than it holds.
    FormatError
        If the file is empty, truncated or no torch file.
    """

    format = "torch"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.memory_mapped = _is_zip(path)
        content = _load(path, mmap=self.memory_mapped)
        self._tensors: dict[str, torch.Tensor] = flatten(path, content, torch.Tensor)
        self.entries: Mapping[str, TensorEntry] = {
            name: TensorEntry(
                name=name,
                shape=tuple(tensor.shape),
                dtype=str(tensor.dtype).removeprefix("torch."),
                n_bytes=tensor.numel() * tensor.element_size(),
                file=path,
            )
            for name, tensor in self._tensors.items()
        }

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor, a view of the mapped file."""
        find_entry(self.entries, name, str(self.path))
        return self._tensors[name].detach()

    def same_storage(self, one: str, other: str) -> bool:
        """Say whether two names stand for the same numbers in the file, as tied weights do."""
        a, b = self._tensors[one], self._tensors[other]
        return a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride()


def _is_zip(path: Path) -> bool:
    """Say whether the file is a torch zip; check its directory without unpacking anything."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise FormatError(f"{path} is empty: 0 bytes are no torch file. Copy or download it again.")
    if start != ZIP_START:
        _refuse_claims(path, 0, size)
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FormatError(f"{path} is truncated or damaged: {error}. Copy or download it again.") from error
    check_members(path, members, size)
    for member in members:
        if member.filename.endswith(".pkl"):
            _refuse_claims(path, max(0, member.header_offset), member.file_size + _MOST_MEMBER_HEADER)
    return True


def _refuse_claims(path: Path, begin: int, length: int) -> None:
    """Refuse a pickle that asks for bytes by their number: torch would allocate whatever a few letters claim."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(_ALLOCATION, begin, begin + length) >= 0:
            raise UnsafeFileError(
                f"{path} asks for memory (bytearray), which no tensor needs: a few letters could claim all there is. "
                "Save the weights again with torch.save or as safetensors."
            )


def check_members(path: Path, members: Iterable[zipfile.ZipInfo], size: int) -> None:
    """Refuse a zip that would unpack something, claims more than it holds, or was not written by torch.

    Raises
    ------
    UnsafeFileError, FormatError
        With what was found.
    """
    pickled = False
    for member in members:
        pickled = pickled or member.filename.endswith("data.pkl")
        if member.compress_type != zipfile.ZIP_STORED:
            raise UnsafeFileError(
                f"{path} holds the compressed member {member.filename!r} ({member.compress_size} bytes that unpack to "
                f"{member.file_size}); torch never compresses. Save the weights again with torch.save."
            )
        if member.file_size > size or (member.filename.endswith(".pkl") and member.file_size > _MOST_PICKLE_BYTES):
            raise UnsafeFileError(
                f"{path} claims a member {member.filename!r} of {member.file_size} bytes in a file of {size}. "
                "Save the weights again with torch.save or as safetensors."
            )
    if not pickled:
        raise FormatError(f"{path} is a zip file but not one that torch.save wrote: it has no data.pkl.")


def _load(path: Path, *, mmap: bool) -> Any:
    """Load with torch's weights-only unpickler and put what it says into one paragraph."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        text = str(error)
        if "GLOBAL" in text or "REDUCE" in text or "class" in text.lower() or "function" in text.lower():
            raise UnsafeFileError(
                f"{path} cannot be read without running code that is inside it ({_named_global(text)}), and theodolite "
                "never does that. Convert it to safetensors on a machine that trusts it: "
                "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')."
            ) from error
        reason = _first_line(text.rpartition("WeightsUnpickler error:")[2]) or "it ends too early"
        with path.open("rb") as file:
            is_pickle = file.read(1) == b"\x80"
        if is_pickle and "Unsupported" in reason:
            raise UnsafeFileError(
                f"{path} is a pickle that torch.save did not write ({reason}), and reading it could run code. Save the "
                "weights with torch.save or safetensors on a machine that trusts it."
            ) from error
        raise FormatError(f"{path} is damaged or no torch file: {reason}. Copy or download it again.") from error
    except Exception as error:  # a damaged pickle makes the unpickler fail in every way there is
        raise FormatError(
            f"{path} is truncated, damaged or no torch file: {_first_line(str(error)) or type(error).__name__}. "
            "Copy or download it again."
        ) from error


def _named_global(text: str) -> str:
    """Pick the name of the forbidden function or class out of torch's message."""
    for marker in ("GLOBAL ", "global "):
        if marker in text:
            return "it asks for " + text.split(marker, 1)[1].split(maxsplit=1)[0].rstrip(".,:")
    return "it asks for a function or class that is not a tensor"


def _first_line(text: str) -> str:
    """Return the first sentence of a message, without its full stop."""
    return text.strip().split("\n")[0][:300].rstrip(". ")
