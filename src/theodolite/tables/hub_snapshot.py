"""A whole model from the Hub, for those who run it: into huggingface_hub's own cache, as transformers would put it."""

import re
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

from theodolite.core.errors import NotFoundError
from theodolite.tables.checkpoint import INDEXES, read_index
from theodolite.tables.hub_errors import explain
from theodolite.tables.hub_model import weights_of
from theodolite.tables.hub_patience import HTTP_ERRORS, ask
from theodolite.tables.hub_repository import HubRepository
from theodolite.tables.hub_resolve import resolve
from theodolite.tables.hub_settings import is_offline
from theodolite.tables.hub_source import downloaded
from theodolite.tables.reference import Reference

_SMALL = re.compile(r"^[^.].*\.(json|txt|model|jinja|tiktoken)$")


def bring_model(reference: Reference) -> Path:
    """Download a model whole, unless it is here, and return its folder.

    Weights are taken in one format, safetensors where there is one, and nothing that is no part of the model.

    Raises
    ------
    NotFoundError, RemoteError
        If it does not exist, cannot be reached, or may not be read.
    FormatError
        If its index of weights is damaged.
    """
    if is_offline():
        folder = downloaded(reference)
        if folder is None:
            raise NotFoundError(
                f"Offline mode is on (HF_HUB_OFFLINE), and {reference} was not downloaded whole before. Unset "
                "HF_HUB_OFFLINE once to download it."
            )
        return folder
    model = resolve(reference)
    wanted = files_of(model)
    asked = model.asked()
    download = partial(
        snapshot_download,
        model.repository,
        revision=model.commit,
        endpoint=model.endpoint,
        allow_patterns=[_literal(name) for name in wanted],
        library_name="theodolite",
        tqdm_class=_Quiet,
    )
    try:
        return Path(str(ask(download, asked)))
    except (LocalEntryNotFoundError, OSError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, HTTP_ERRORS) else error
        if isinstance(cause, (HfHubHTTPError, *HTTP_ERRORS)):
            raise explain(cause, asked) from None
        raise


def files_of(model: HubRepository) -> list[str]:
    """Return the files that running a model takes: config, tokenizer, and its weights in one format."""
    weights = weights_of(model)
    shards: Collection[str] = (weights,)
    if weights in INDEXES:
        shards = {path.name for path in read_index(model.bring(weights)).values()}
    absent = sorted(set(shards) - set(model.files))
    if absent:
        raise NotFoundError(
            f"The shard {absent[0]} is missing in {model.place}: the index names it, but the repository has no such "
            "file. Choose another revision."
        )
    small = {name for name in model.files if _SMALL.match(name) and (name not in INDEXES or name == weights)}
    return sorted({*shards, *small})


def _literal(name: str) -> str:
    """Return a pattern that matches a name and nothing else."""
    return re.sub(r"([*?\[])", r"[\1]", name)


class _Quiet(tqdm):
    """A bar that is never drawn: nothing below the command line prints."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options["disable"] = True
        super().__init__(*args, **options)  # type: ignore[no-untyped-call]
