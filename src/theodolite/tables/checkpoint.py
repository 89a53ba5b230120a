"""The weights of a model folder or of one file: names of tensors, each found in its shard only when it is asked for."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch

from theodolite.core.errors import FormatError, NotFoundError, UnsafeFileError
from theodolite.tables.entries import FetchedFile, RowFile, StorageFile, TensorEntry, TensorFile, find_entry
from theodolite.tables.file_kind import open_by_content
from theodolite.tables.gguf_file import GgufFile
from theodolite.tables.json_file import read_json
from theodolite.tables.npy_file import NpyFile
from theodolite.tables.npz_file import NpzFile
from theodolite.tables.quantized import dequantize, scale_name
from theodolite.tables.safetensors_file import SafetensorsFile

_SINGLE = ("model.safetensors", "pytorch_model.bin")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_TORCH_ENDINGS = (".bin", ".pt", ".pth")
_ROWS_COMPARED = 64
_FAR_ROWS_COMPARED = 8
_NOT_WEIGHTS = {"training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.bin", "scheduler.pt", "rng_state.pth"}


def open_file(path: Path) -> TensorFile:
    """Open one file, by its ending where that is certain and otherwise by its first bytes; only its header is read.

    Raises
    ------
    FormatError
        If the file is not what its ending says, or nothing that is read.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".safetensors":
            return SafetensorsFile(path)
        if ending == ".npy":
            return NpyFile(path)
        if ending == ".npz":
            return NpzFile(path)
        if ending == ".gguf":
            return GgufFile(path)
        return open_by_content(path, is_torch=ending in _TORCH_ENDINGS)
    except OSError as error:
        if isinstance(error, NotFoundError):
            raise
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error


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
    folder : pathlib.Path, optional
        Where config.json is, if that is not `place`.
    opener : callable, optional
        Opens a shard that is not on this machine.
    """

    def __init__(
        self,
        place: Path,
        shards: Mapping[str, Path],
        opened: Mapping[Path, TensorFile],
        *,
        folder: Path | None = None,
        opener: Callable[[Path], TensorFile] | None = None,
    ) -> None:
        self.place = place
        self.folder = folder or place
        self._shards = dict(shards)
        self._opened = dict(opened)
        self._opener = opener or _open_shard

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tensors, in the order of the file or index."""
        return tuple(self._shards)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold them, each once."""
        return tuple(dict.fromkeys(self._shards.values()))

    @property
    def only_file(self) -> TensorFile | None:
        """The one file that holds all tensors; None where there are several."""
        return self._open(self.files[0]) if len(self.files) == 1 else None

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
        entry = file.entries[name]
        return entry if scale_name(entry, self) is None else replace(entry, dequantized="float32")

    def entries(self) -> dict[str, TensorEntry]:
        """Return all entries; opens every shard (headers only)."""
        return {name: self.entry(name) for name in self._shards}

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor, memory-mapped where its file allows; 8-bit floats are multiplied by their scales."""
        entry = self.entry(name)
        stored = self._open(self._shards[name]).read(name)
        scale = scale_name(entry, self)
        return stored if scale is None else dequantize(entry, stored, self.read(scale))

    def n_missing(self, name: str) -> int:
        """Return the bytes that reading a tensor would fetch."""
        file = self._open(self._shards[name])
        return file.n_missing(name) if isinstance(file, FetchedFile) else 0

    def format_of(self, name: str) -> str:
        """Return the format of the file that holds a tensor: "safetensors", "torch", "gguf", "word2vec text", ..."""
        return self._open(self._shards[name]).format

    def same_storage(self, one: str, other: str) -> bool:
        """Say whether two names stand for the same numbers of one torch file."""
        file = self._open(self._shards[one])
        together = self._shards[one] == self._shards[other]
        return together and isinstance(file, StorageFile) and file.same_storage(one, other)

    def sample(self, one: str, other: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the same rows of two matrices of one shape, spread over both: 64, or 8 where each is far away."""
        files = [self._open(self._shards[name]) for name in (one, other)]
        most = _FAR_ROWS_COMPARED if any(isinstance(file, RowFile) for file in files) else _ROWS_COMPARED
        n_rows = self.entry(one).shape[0]
        rows = torch.linspace(0, n_rows - 1, min(most, n_rows), dtype=torch.float64).long()
        a, b = (
            file.read_rows(name, rows) if isinstance(file, RowFile) else self.read(name)[rows]
            for file, name in zip(files, (one, other), strict=True)
        )
        return a, b

    def _open(self, path: Path) -> TensorFile:
        if path not in self._opened:
            self._opened[path] = self._opener(path)
        return self._opened[path]


def _open_shard(path: Path) -> TensorFile:
    if not path.is_file():
        raise NotFoundError(
            f"The shard {path.name} is missing in {path.parent}: the index names it, but it is not there. "
            "Download the folder completely."
        )
    return open_file(path)


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
    name = choose_weights([path.name for path in place.iterdir() if path.is_file()], place)
    return _of_file(place, place / name) if name not in INDEXES else Checkpoint(place, read_index(place / name), {})


def choose_weights(names: Collection[str], place: Path, *, advice: str = "Name one of them, not the folder.") -> str:
    """Return which of the files of a folder holds its weights, or the index of those that do.

    Parameters
    ----------
    names : collection of str
        The files of the folder.
    place : pathlib.Path
        The folder, for messages.
    advice : str
        What to do where several could be meant.

    Raises
    ------
    NotFoundError
        If there is nothing of that kind, or more than one and nothing says which.
    """
    for single, index in zip(_SINGLE, INDEXES, strict=True):
        if single in names:
            return single
        if index in names:
            return index
    endings = (".safetensors", *_TORCH_ENDINGS)
    found = sorted(name for name in names if PurePosixPath(name).suffix in endings and name not in _NOT_WEIGHTS)
    safe = [name for name in found if name.endswith(".safetensors")]
    for candidates in (safe, found):
        if len(candidates) == 1:
            return candidates[0]
    if found:
        raise NotFoundError(
            f"{place} holds {len(found)} weight files ({', '.join(found[:4])}"
            f"{', ...' if len(found) > 4 else ''}) and no index that joins them. {advice}"
        )
    raise NotFoundError(
        f"{place} holds no weights: model.safetensors, pytorch_model.bin or the index of their shards is needed. "
        "Give a Hugging Face model folder or a single file."
    )


def _of_file(place: Path, path: Path) -> Checkpoint:
    file = open_file(path)
    return Checkpoint(place, dict.fromkeys(file.entries, path), {path: file})


def read_index(index: Path) -> dict[str, Path]:
    """Return the shard of each tensor, as a path beside the index.

    Raises
    ------
    FormatError, UnsafeFileError
        If the index is damaged, or names a file outside the folder.
    """
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
    return {name: index.parent / shard for name, shard in weight_map.items()}
