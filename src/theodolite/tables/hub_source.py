"""From a reference to the Hub to a source of tables: its small files here, its weights there."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.tables.checkpoint import INDEXES, Checkpoint, open_file, read_index
from theodolite.tables.entries import TensorFile
from theodolite.tables.hub_model import bring_companions, weights_of
from theodolite.tables.hub_repository import HubRepository
from theodolite.tables.hub_resolve import noted_commit, resolve
from theodolite.tables.hub_settings import is_offline
from theodolite.tables.hub_tensors import RemoteSafetensors
from theodolite.tables.hub_torch import RemoteTorch
from theodolite.tables.model_config import CONFIG
from theodolite.tables.reference import Reference
from theodolite.tables.source import Source

_READERS: dict[str, Callable[..., TensorFile]] = {
    ".safetensors": RemoteSafetensors,
    ".bin": RemoteTorch,
    ".pt": RemoteTorch,
    ".pth": RemoteTorch,
}


def locate_on_hub(reference: Reference) -> Source:
    """Return the source for a model on the Hub; config.json and the tokenizer are brought here.

    Raises
    ------
    NotFoundError, RemoteError
        If it does not exist, cannot be reached, or may not be read.
    """
    try:
        model = resolve(reference)
    except NotFoundError:
        if is_offline() and (there := downloaded(reference)):
            origin = {"repository": reference.location, "commit": there.name}
            return Source(reference=reference, place=there, companions=(there,), origin=origin)
        raise
    folder = bring_companions(model)
    return Source(
        reference=reference,
        place=folder,
        companions=(folder,),
        opener=partial(open_on_hub, model),
        origin={"endpoint": model.endpoint_host, "repository": model.repository, "commit": model.commit},
    )


def open_on_hub(model: HubRepository) -> Checkpoint:
    """Return the weights of a model on the Hub: names from its index or header, numbers when they are read.

    Raises
    ------
    NotFoundError
        If it has no weights of a kind that is read in parts.
    FormatError, UnsafeFileError
        If the index or a header is damaged or leads elsewhere.
    """
    place = model.place
    opener = partial(_open, model)
    name = weights_of(model)
    if name in INDEXES:
        shards = {tensor: place / path.name for tensor, path in read_index(model.bring(name)).items()}
        return Checkpoint(place, shards, {}, folder=model.folder, opener=opener)
    file = opener(place / name)
    return Checkpoint(
        place, dict.fromkeys(file.entries, place / name), {place / name: file}, folder=model.folder, opener=opener
    )


def _open(model: HubRepository, path: Path) -> TensorFile:
    """Open one file of weights, from huggingface_hub's cache where it is there whole."""
    name = path.name
    if name not in model.files:
        raise NotFoundError(
            f"The shard {name} is missing in {model.place}: the index names it, but the repository has no such file. "
            "Choose another revision."
        )
    if path.suffix not in _READERS:
        raise FormatError(f"{path} is of a kind that is not read in parts. Download it and give its path.")
    whole = model.whole(name)
    if whole is not None:
        return open_file(whole)
    remote = model.remote(name)
    try:
        return _READERS[path.suffix](remote)
    except FormatError:
        remote.forget()
        raise


def downloaded(reference: Reference) -> Path | None:
    """Return the folder into which huggingface_hub downloaded a model earlier; None where it did not."""
    for revision in (noted_commit(reference), reference.revision):
        found = try_to_load_from_cache(reference.location, CONFIG, revision=revision)
        if isinstance(found, str):
            return Path(found).parent
    return None
