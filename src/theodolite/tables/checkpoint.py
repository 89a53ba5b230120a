"""The weights of a model folder or of one file: names of tensors, each found in its shard only when it is asked for."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import torch

from theodolite.core.errors import FormatError, NotFoundError, UnsafeFileError
from theodolite.tables.entries import TensorEntry, TensorFile, find_entry
from theodolite.tables.json_file import read_json
from theodolite.tables.npy_file import NpyFile
from theodolite.tables.safetensors_file import SafetensorsFile
from theodolite.tables.torch_file import TorchFile

_SINGLE = ("model.safetensors", "pytorch_model.bin")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_TORCH_ENDINGS = (".bin", ".pt", ".pth")
_NOT_WEIGHTS = {"training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.bin", "scheduler.pt", "rng_state.pth"}


def open_file(path: Path) -> TensorFile:
    """Open one file by its ending; only its header is read.

    Raises
    ------
    FormatError
        If the ending is not one of .safetensors, .npy, .bin, .pt, .pth, or the file is not what its ending says.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".safetensors":
            return SafetensorsFile(path)
        if ending == ".npy":
            return NpyFile(path)
        if ending in _TORCH_ENDINGS:
            return TorchFile(path)
    except OSError as error:
        if isinstance(error, NotFoundError):
            raise
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    raise FormatError(
        f"{path} has the ending {ending or '(none)'!r}, which is not read in this version. "
        "Give a model folder, or a .safetensors, .bin, .pt, .pth or .npy file."
    )


class Checkpoint:
    """Tensors by name, wherever their shards are.

    Parameters
    ----------
    place : pathlib.Path
        The folder or file, for messages.
    shards : mapping of str to pathlib.Path
        The file of each tensor.
    opened : mapping of pathlib.Path to TensorFile
        Files that are already open.
    """

    def __init__(self, place: Path, shards: Mapping[str, Path], opened: Mapping[Path, TensorFile]) -> None:
        self.place = place
        self._shards = dict(shards)
        self._opened = dict(opened)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tensors, in the order of the file or index."""
        return tuple(self._shards)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold them, each once."""
        return tuple(dict.fromkeys(self._shards.values()))

    def __contains__(self, name: object) -> bool:
        """Say whether there is a tensor of this name."""
        return name in self._shards

    def entry(self, name: str) -> TensorEntry:
        """Return what the header of its shard says about one tensor.

        Raises
        ------
        NotFoundError
            If no tensor has the name (did you mean ...), or its shard is missing.
        FormatError
            If its shard does not hold it.
        """
        if name not in self._shards:
            return find_entry(self.entries(), name, str(self.place))
        file = self._open(self._shards[name])
        if name not in file.entries:
            raise FormatError(
                f"The index of {self.place} says that {name!r} is in {file.path.name}, but it is not there. "
                "Index and shards do not belong together: download the folder again."
            )
        return file.entries[name]

    def entries(self) -> dict[str, TensorEntry]:
        """Return all entries; opens every shard (headers only)."""
        return {name: self.entry(name) for name in self._shards}

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor, memory-mapped where its file allows."""
        self.entry(name)
        return self._open(self._shards[name]).read(name)

    def format_of(self, name: str) -> str:
        """Return the format of the file that holds a tensor: "safetensors", "torch" or "npy"."""
        return self._open(self._shards[name]).format

    def same_storage(self, one: str, other: str) -> bool:
        """Say whether two names stand for the same numbers of one torch file."""
        file = self._open(self._shards[one])
        together = self._shards[one] == self._shards[other]
        return together and isinstance(file, TorchFile) and file.same_storage(one, other)

    def _open(self, path: Path) -> TensorFile:
        if path not in self._opened:
            if not path.is_file():
                raise NotFoundError(
                    f"The shard {path.name} is missing in {path.parent}: the index names it, but it is not there. "
                    "Download the folder completely."
                )
            self._opened[path] = open_file(path)
        return self._opened[path]


def open_checkpoint(place: Path) -> Checkpoint:
    """Find the weights in a folder, or open one file.

    Looks for `model.safetensors`, its index, `pytorch_model.bin`, its index, and else takes the only `.safetensors`,
    `.bin`, `.pt` or `.pth` file of the folder.

    Raises
    ------
    NotFoundError
        If there is nothing of that kind, or more than one and nothing says which.
    FormatError, UnsafeFileError
        If the file or the index is damaged, or the index names a file outside the folder.
    """
    if place.is_file():
        return _of_file(place, place)
    for single, index in zip(_SINGLE, _INDEXES, strict=True):
        if (place / single).is_file():
            return _of_file(place, place / single)
        if (place / index).is_file():
            return _of_index(place, place / index)
    found = sorted(
        path
        for path in place.iterdir()
        if path.suffix in (".safetensors", *_TORCH_ENDINGS) and path.name not in _NOT_WEIGHTS and path.is_file()
    )
    safe = [path for path in found if path.suffix == ".safetensors"]
    for candidates in (safe, found):
        if len(candidates) == 1:
            return _of_file(place, candidates[0])
    if found:
        raise NotFoundError(
            f"{place} holds {len(found)} weight files ({', '.join(path.name for path in found[:4])}"
            f"{', ...' if len(found) > 4 else ''}) and no index that joins them. Name one of them, not the folder."
        )
    raise NotFoundError(
        f"{place} holds no weights: model.safetensors, pytorch_model.bin or the index of their shards is needed. "
        "Give a Hugging Face model folder or a single file."
    )


def _of_file(place: Path, path: Path) -> Checkpoint:
    file = open_file(path)
    return Checkpoint(place, dict.fromkeys(file.entries, path), {path: file})


def _of_index(place: Path, index: Path) -> Checkpoint:
    """Read an index of shards and refuse names that lead out of the folder."""
    weight_map = read_json(index).get("weight_map")
    if (
        not isinstance(weight_map, dict)
        or not weight_map
        or not all(isinstance(shard, str) for shard in weight_map.values())
    ):
        raise FormatError(f'{index} has no "weight_map" from tensors to shards. Download the folder again.')
    for shard in set(weight_map.values()):
        if shard in ("", ".", "..") or PurePosixPath(shard).name != shard or "\\" in shard or "\x00" in shard:
            raise UnsafeFileError(
                f"{index} names the shard {shard!r}, which is not a plain file name inside the folder. "
                "Do not trust this folder; get it again from its source."
            )
    return Checkpoint(place, {name: place / shard for name, shard in weight_map.items()}, {})
