"""Hidden states of the layer study on disk, for those who ask for them: one file for each prompt and control."""

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from theodolite.core.errors import FormatError, ParameterError, RunError
from theodolite.core.hashing import hash_json
from theodolite.core.number_format import format_bytes
from theodolite.models import LanguageModel, PromptStates
from theodolite.models.saved_states import write_states, written_about
from theodolite.prompts import Prompt

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.]+")
_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


def states_bytes(model: LanguageModel, n_tokens: Iterable[int]) -> int:
    """Return the bytes that the states of prompts take.

    Parameters
    ----------
    model : LanguageModel
        The model.
    n_tokens : iterable of int
        Tokens of each prompt.

    Returns
    -------
    int
        Layers x tokens x width numbers, in the precision of the model, all prompts together.
    """
    width = _BYTES.get(str(model.provenance["dtype"]).removeprefix("torch."), 4)
    return (model.n_layers + 1) * model.n_dims * width * sum(n_tokens)


def check_room(folder: str, needed: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Parameters
    ----------
    folder : str
        Where the states are to be kept.
    needed : int
        Bytes of all of them; what is there already is taken off.

    Raises
    ------
    ParameterError
        If the folder is behind a URL.
    RunError
        If the disk has less room.
    """
    if "://" in folder:
        raise ParameterError(f"save_states={folder} is no folder of this machine. Keep the states on a disk.")
    place = Path(folder).expanduser().absolute()
    there = sum(path.stat().st_size for path in place.rglob("*.safetensors")) if place.is_dir() else 0
    free = shutil.disk_usage(next(one for one in (place, *place.parents) if one.exists())).free
    if needed - there > free:
        raise RunError(
            f"The states take {format_bytes(needed)}, but the disk of {folder} has {format_bytes(free)} left. Name a "
            "folder on another disk, or take fewer prompts or tokens, fewer controls, or a smaller dtype."
        )


def keep_states(
    folder: str, found: PromptStates, *, model: LanguageModel, prompt: Prompt, control: Mapping[str, Any]
) -> None:
    """Write the states of one prompt under one control, unless they are there.

    Parameters
    ----------
    folder : str
        Where states are kept: in it a folder for each model, and in that one for each control.
    found : PromptStates
        As `hidden_states` yields them; logits are left out, which the output head gives again.
    model : LanguageModel
        The model.
    prompt : Prompt
        Whose row names the file.
    control : Mapping
        As `controls_of` lists them.

    Raises
    ------
    RunError
        If the disk is full or refuses, or a file of this name holds the states of other tokens or settings.
    """
    provenance = model.provenance
    name = _NOT_PLAIN.sub("-", provenance["reference"]).strip("-")
    parts = [control["kind"], *(f"{one:g}" for one in (control["level"],) if one is not None)]
    parts += [f"repeat-{control['repeat']}"] if control["repeat"] else []
    home = Path(folder).expanduser() / f"{name}-{provenance['content'][:8]}" / "-".join(parts)
    file = home / f"prompt-{prompt.row:05d}.safetensors"
    what = [provenance["content"], provenance["dtype"], found.token_ids.tolist(), found.last_layer]
    key = hash_json([*what, found.special_tokens])
    if file.is_file():
        _check_same(file, key)
        return
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"The folder {home} for states cannot be made: {error.strerror or error}.") from error
    about = {
        "model": provenance,
        "prompt": {"name": prompt.name, "row": prompt.row, "label": prompt.label, "source": prompt.source},
        "control": dict(control),
        "key": key,
    }
    write_states(file, _without_logits(found, prompt.row), about=about)


def _without_logits(found: PromptStates, index: int) -> PromptStates:
    return PromptStates(
        index=index,
        token_ids=found.token_ids,
        positions=found.positions,
        states=found.states,
        logits=None,
        first_logits=None,
        last_layer=found.last_layer,
        special_tokens=found.special_tokens,
        batch_size=found.batch_size,
    )


def _check_same(file: Path, key: str) -> None:
    """Refuse to take a file for what it is not."""
    try:
        same = written_about(file).get("key") == key
    except FormatError:
        same = False
    if not same:
        raise RunError(
            f"{file} is there already and holds other states (another text, model, precision or setting), and nothing "
            "is overwritten. Name a new folder for the states."
        )
