"""Training checkpoints: which revisions a model has, and the step that a revision is."""

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from theodolite import bundled
from theodolite.core.errors import NotFoundError
from theodolite.tables.json_file import read_json
from theodolite.tables.reference import Reference
from theodolite.tables.source import STEP

_PATTERN = re.compile(r"[*?\[]")
_TRAINER_STATE = "trainer_state.json"
_MAIN = "main"


def expand(reference: str | Path | Reference) -> tuple[Reference, ...]:
    """Return the references that a reference stands for: itself, or every revision that its pattern matches.

    Parameters
    ----------
    reference : str, pathlib.Path or Reference
        `bundled:pocket-128@step*`, `./model@checkpoint-*`, or a reference without a pattern. In a pattern `*` stands
        for any text, `?` for one character, `[...]` for one of several.

    Returns
    -------
    tuple of Reference
        In the order of their steps; `main`, which has the last step, comes last.

    Raises
    ------
    NotFoundError
        If nothing matches; the message lists what there is.

    Examples
    --------
    >>> [str(one) for one in expand("bundled:pocket-128@step[1248]")]
    ['bundled:pocket-128@step1', 'bundled:pocket-128@step2', 'bundled:pocket-128@step4', 'bundled:pocket-128@step8']
    """
    parsed = Reference.parse(reference)
    if parsed.revision is None or not _PATTERN.search(parsed.revision):
        return (parsed,)
    there = _revisions(parsed)
    matching = tuple(name for name in there if fnmatchcase(name, parsed.revision))
    if not matching:
        known = ", ".join(there) or "none"
        raise NotFoundError(
            f"No revision of {replace(parsed, revision=None)} matches {parsed.revision!r}. Revisions there: {known}."
        )
    return tuple(replace(parsed, revision=None if name == _MAIN else name) for name in matching)


def training_step(reference: Reference, folder: Path) -> int | None:
    """Return the training step that a table is from, where something says so.

    Parameters
    ----------
    reference : Reference
        What was asked for: the name of its revision may be a step, and bundled models know theirs.
    folder : pathlib.Path
        The folder that was read; `trainer_state.json` in it, as transformers' Trainer writes it, names the step.

    Returns
    -------
    int or None
        None where nothing says so.
    """
    if reference.scheme == "bundled":
        model = next((one for one in bundled.family().models if one.name == reference.location), None)
        name = reference.revision or _MAIN
        return next((one.step for one in model.revisions if one.name == name), None) if model else None
    step = STEP.match(reference.revision or folder.name)
    if step:
        return int(step[1])
    if (folder / _TRAINER_STATE).is_file():
        stated = read_json(folder / _TRAINER_STATE).get("global_step")
        return stated if isinstance(stated, int) else None
    return None


def _revisions(reference: Reference) -> tuple[str, ...]:
    """List the revisions of a bundled model or a local folder, in the order of their steps."""
    if reference.scheme == "bundled":
        return bundled.revisions(reference.location)
    folder = Path(reference.location)
    found = {
        path.name: int(step[1])
        for parent in (folder, folder / "revisions", folder / "checkpoints")
        if parent.is_dir()
        for path in parent.iterdir()
        if path.is_dir() and (step := STEP.match(path.name))
    }
    return tuple(sorted(found, key=lambda name: found[name]))
