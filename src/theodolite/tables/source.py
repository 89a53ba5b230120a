"""From a reference to where its tables are."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from theodolite.core.errors import NotFoundError, ReferenceSyntaxError
from theodolite.tables.checkpoint import Checkpoint, open_checkpoint
from theodolite.tables.model_config import CONFIG
from theodolite.tables.reference import Reference

STEP = re.compile(r"^(?:step|checkpoint)?[-_]?(\d+)$")
"""How the folder of a training checkpoint is called, and the step in its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a reference leads.

    Attributes
    ----------
    reference : Reference
        As it was given.
    place : pathlib.Path
        The model folder or the file with the weights.
    companions : tuple of pathlib.Path
        Folders where config.json, the tokenizer and token counts may be, nearest first. For a checkpoint inside a
        model folder, the model folder is the second.
    opener : callable or None
        Opens weights that are elsewhere; None where they are at `place`.
    origin : mapping of str to Any
        What results should say about where this is from: repository and commit of a model on the Hub.
    """

    reference: Reference
    place: Path
    companions: tuple[Path, ...]
    opener: Callable[[], Checkpoint] | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)

    def open(self) -> Checkpoint:
        """Return the weights; only headers are read.

        Raises
        ------
        NotFoundError, FormatError, UnsafeFileError
            As `open_checkpoint`.
        """
        return open_checkpoint(self.place) if self.opener is None else self.opener()

    def companion(self, *names: str) -> Path | None:
        """Return the nearest folder that holds one of these files."""
        return next((folder for folder in self.companions if any((folder / name).is_file() for name in names)), None)


def locate(reference: Reference) -> Source:
    """Find the folder or file that a reference names.

    A revision of a local folder is a folder inside it, or beside it, with the name of the revision: `step512`,
    `checkpoint-512`; any of `step512`, `checkpoint-512`, `512` finds either.

    Raises
    ------
    NotFoundError
        If it does not exist.
    RemoteError
        If the Hub cannot be reached, or refuses.
    ReferenceSyntaxError
        If a file is given a revision, or a revision is a path.
    """
    if reference.scheme == "hub":
        from theodolite.tables.hub_source import locate_on_hub  # noqa: PLC0415 (local tables need no HTTP client)

        return locate_on_hub(reference)
    if reference.scheme == "bundled":
        from theodolite import bundled  # noqa: PLC0415 (keeps `import theodolite.tables` free of package data)

        place = bundled.path(reference.location, reference.revision or "main")
        main = bundled.path(reference.location)
        home = Path(bundled.__file__).parent  # the family shares one list of counts
        return Source(reference=reference, place=place, companions=tuple(dict.fromkeys((place, main, home))))
    place = Path(reference.location)
    if not place.exists():
        raise NotFoundError(f"There is no file or folder {reference.location}.{_near(place)}")
    if reference.revision is None:
        if place.is_file():
            return Source(reference=reference, place=place, companions=(place.parent,))
        return Source(reference=reference, place=place, companions=_with_parent(place))
    if not place.is_dir():
        raise ReferenceSyntaxError(
            f"{reference.location} is a file and has no revisions, but {reference.revision!r} is asked for. "
            "Give the folder of the model, or the file without @revision."
        )
    checkpoint = _revision(place, reference.revision)
    return Source(reference=reference, place=checkpoint, companions=tuple(dict.fromkeys((checkpoint, place))))


def _with_parent(place: Path) -> tuple[Path, ...]:
    """Return the folder, and the one above where the folder is a checkpoint of that model."""
    inside = STEP.match(place.name) and (place.parent / CONFIG).is_file()
    return (place, place.parent) if inside else (place,)


def _revision(folder: Path, revision: str) -> Path:
    """Find the folder of a training checkpoint, inside the model folder or beside it."""
    if "/" in revision or revision in (".", "..") or "\\" in revision:
        raise ReferenceSyntaxError(
            f"The revision {revision!r} of the local folder {folder} is a path. Give the name of a checkpoint, such as "
            "step512, or the path of its folder without @."
        )
    names = [revision]
    step = STEP.match(revision)
    if step:
        names += [f"step{step[1]}", f"checkpoint-{step[1]}", f"step-{step[1]}", f"step_{step[1]}", step[1]]
    for parent in (folder, folder / "revisions", folder / "checkpoints", folder.resolve().parent):
        for name in dict.fromkeys(names):
            if (parent / name).is_dir():
                return parent / name
    there = sorted(path.name for path in folder.iterdir() if path.is_dir() and STEP.match(path.name))
    known = f"Checkpoints inside: {', '.join(there[:8])}{', ...' if len(there) > 8 else ''}." if there else ""
    raise NotFoundError(
        f"The folder {folder} has no revision {revision!r}: looked for {', '.join(dict.fromkeys(names))} inside it and "
        f"beside it. {known}".strip()
    )


def _near(place: Path) -> str:
    """Name what is there instead."""
    try:
        others = [path.name for path in place.parent.iterdir()] if place.parent.is_dir() else []
    except OSError:
        others = []
    close = difflib.get_close_matches(place.name, others, n=2, cutoff=0.6)
    if close:
        return f" Did you mean {' or '.join(str(place.parent / name) for name in close)}?"
    return " Check the path; a model on the Hub is written hub:owner/name."
