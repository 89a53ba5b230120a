"""Saving hidden states, for those who want them: safetensors, written prompt by prompt, never by default."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from theodolite.core.display import Displayed
from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.models.language_model import LanguageModel
from theodolite.models.states import PromptStates
from theodolite.runs.folder.atomic import written_atomically

_SYSTEM_CODE = re.compile(r"(?:os error|code:) (\d+)")
_NEEDED = ("states", "token_ids", "positions")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SavedStates(Displayed):
    """States as a file has them.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    found : PromptStates
        As `hidden_states` gave them, on the CPU; the numbers are read from the disk when they are looked at.
    about : dict
        What was written beside them: `model`, the provenance of the model or None, and what the caller added.
    """

    path: Path
    found: PromptStates = field(repr=False)
    about: dict[str, Any] = field(repr=False)


def save_states(folder: str | Path, found: Iterable[PromptStates], *, model: LanguageModel | None = None) -> int:
    """Write the states of prompts to safetensors files, one file for each prompt.

    Parameters
    ----------
    folder : str or pathlib.Path
        A folder that does not exist yet or is empty; its parent must exist.
    found : iterable of PromptStates
        As `hidden_states` yields them; only one is held in memory at a time.
    model : LanguageModel or None
        Its provenance is written into each file.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    NotFoundError
        If the parent folder does not exist.
    ParameterError
        If the folder holds files already.
    RunError
        If the disk is full or refuses; files written before are whole and stay.

    Notes
    -----
    `prompt-00007.safetensors` holds `states`, `token_ids`, `positions` and, where they were wanted, `logits`; its
    metadata `index`, `last_layer`, `special_tokens` and `model`. A 1,024-token prompt of a model of 32 layers and width
    4,096 takes 277 MB in bfloat16. `load_states` reads the folder again.
    """
    place = Path(folder)
    if not place.parent.is_dir():
        raise NotFoundError(
            f"The folder {place.parent} does not exist, so {place.name} cannot be made in it. Make it first."
        )
    place.mkdir(exist_ok=True)
    if any(place.iterdir()):
        raise ParameterError(f"{place} is not empty, and nothing is overwritten. Name a new folder.")
    about = {"model": model.provenance if model is not None else None}
    return sum(write_states(place / f"prompt-{one.index:05d}.safetensors", one, about=about) for one in found)


def write_states(file: Path, found: PromptStates, *, about: Mapping[str, Any]) -> int:
    """Write the states of one prompt to a safetensors file, whole or not at all.

    Parameters
    ----------
    file : pathlib.Path
        Where; its folder exists. A file of this name is replaced.
    found : PromptStates
        As `hidden_states` yields them.
    about : Mapping
        Fit for JSON: what to write beside them.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    RunError
        If the disk is full or refuses.
    """
    tensors = {
        "states": found.states.detach().cpu().contiguous(),
        "token_ids": torch.from_numpy(found.token_ids.copy()),
        "positions": torch.from_numpy(found.positions.copy()),
    }
    if found.logits is not None:
        tensors["logits"] = found.logits.detach().cpu().contiguous()
    own = {"index": str(found.index), "last_layer": found.last_layer, "special_tokens": found.special_tokens}
    metadata = {name: json.dumps(value) for name, value in about.items()} | own
    with written_atomically(file) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode  # safetensors would let nobody else read the file
        try:
            save_file(tensors, temporary, metadata=metadata)
            temporary.chmod(mode)
        except SafetensorError as error:
            code = _SYSTEM_CODE.search(str(error))
            raise (OSError(int(code[1]), os.strerror(int(code[1]))) if code else OSError(0, str(error))) from error
    return file.stat().st_size


def load_states(place: str | Path) -> Iterator[SavedStates]:
    """Read states that were saved, one prompt at a time.

    Parameters
    ----------
    place : str or pathlib.Path
        A file, or a folder: of `save_states`, or of `theodolite layers --save-states` with its folders for each model
        and control.

    Returns
    -------
    iterator of SavedStates
        In the order of the names.

    Raises
    ------
    NotFoundError
        If there is no such file, or no file of states in the folder.
    FormatError
        If a file is damaged or of another kind.

    Examples
    --------
    >>> import tempfile
    >>> from theodolite.models import hidden_states, load_model
    >>> model = load_model("bundled:pocket-64", device="cpu")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = save_states(folder, hidden_states(model, [[17, 401, 99]]), model=model)
    ...     [saved.found.states.shape for saved in load_states(folder)]
    [torch.Size([5, 3, 64])]
    """
    folder = Path(place)
    files = sorted(folder.rglob("prompt-*.safetensors")) if folder.is_dir() else [folder]
    if not files or not files[0].is_file():
        raise NotFoundError(
            f"There are no saved states at {folder}. Give a file, or the folder that they were saved to."
        )
    return (_load(file) for file in files)


def written_about(file: Path) -> dict[str, Any]:
    """Return what was written beside the states of a file, without reading them.

    Raises
    ------
    FormatError
        If it is damaged or of another kind.
    """
    try:
        with safe_open(file, "pt") as stored:
            return _about(stored.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(file, error) from error


def _load(file: Path) -> SavedStates:
    try:
        with safe_open(file, "pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
            about = _about(stored.metadata() or {})
        states, token_ids, positions = (tensors[name] for name in _NEEDED)
        found = PromptStates(
            index=int(about.pop("index")),
            token_ids=token_ids.numpy(),
            positions=positions.numpy(),
            states=states,
            logits=tensors.get("logits"),
            first_logits=None,
            last_layer=about.pop("last_layer"),
            special_tokens=about.pop("special_tokens"),
            batch_size=1,
        )
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged(file, error) from error
    return SavedStates(path=file, found=found, about=about)


def _about(metadata: Mapping[str, str]) -> dict[str, Any]:
    plain = ("index", "last_layer", "special_tokens")
    return {name: value if name in plain else json.loads(value) for name, value in metadata.items()}


def _damaged(file: Path, error: Exception) -> FormatError:
    return FormatError(
        f"{file} holds no saved states: {' '.join(str(error).split())[:200]}. Was it cut short, or is it another file?"
    )
