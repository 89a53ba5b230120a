"""The pocket model family that ships with the package: where it lies, and what is known about it.

``family.json`` is the single source of truth for names, revisions, losses and hashes; ``README.md`` is the model card.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import NotFoundError

__all__ = ["Family", "PocketModel", "Revision", "family", "path", "provenance", "revisions", "token_counts"]

_HOME = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One stored state of a model.

    Attributes
    ----------
    name : str
        ``"main"`` (all weights) or ``"step<N>"`` (input and output table only).
    step, n_tokens : int
        Updates done and tokens seen so far.
    validation_loss : float
        Nats per token of the whole model, its weights rounded as they are stored.
    file : str
        The weights file, relative to the folder of the model (``"main/model.safetensors"``).
    sha256 : str
        Hexadecimal digest of that file.
    """

    name: str
    step: int
    n_tokens: int
    validation_loss: float
    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PocketModel:
    """One model of the family: its shape, its seed, its training and its loss (nats per token)."""

    name: str
    seed: int
    n_layers: int
    n_dims: int
    n_heads: int
    n_parameters: int
    n_steps: int
    n_tokens_trained: int
    validation_loss: float
    revisions: tuple[Revision, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The family as a whole; baselines are nats per token on the same validation targets."""

    license: str
    corpus: str
    n_tokens: int
    context: int
    unigram_loss: float
    bigram_loss: float
    models: tuple[PocketModel, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Model names in the order of the family."""
        return tuple(model.name for model in self.models)


@cache
def _record() -> str:
    file = _HOME / "family.json"
    if not file.exists():
        raise NotFoundError(f"{file} is missing, so no bundled model can be found. Reinstall theodolite.")
    return file.read_text(encoding="utf-8")


def provenance() -> dict[str, Any]:
    """Everything that ``family.json`` records: corpus, held-out books, optimizer, curves, versions, hashes."""
    record: dict[str, Any] = json.loads(_record())
    return record


@cache
def family() -> Family:
    """Describe what ships with the package.

    Returns
    -------
    Family
        Frozen; `names` lists the models, `models` describes them.

    Raises
    ------
    NotFoundError
        If ``family.json`` is missing from the installation.

    Examples
    --------
    >>> family().names
    ('pocket-64', 'pocket-128', 'pocket-128-b', 'pocket-256')
    """
    record = provenance()
    models = []
    for entry in record["models"]:
        stored = sorted(entry["revisions"], key=lambda revision: revision["step"])
        revisions_ = tuple(
            Revision(
                name=item["revision"],
                step=item["step"],
                n_tokens=item["n_tokens"],
                validation_loss=item["validation_loss"],
                file=item["file"].removeprefix(f"{entry['name']}/"),
                sha256=item["sha256"],
            )
            for item in stored
        )
        kept = {key: entry[key] for key in PocketModel.__dataclass_fields__ if key != "revisions"}
        models.append(PocketModel(**kept, revisions=revisions_))
    return Family(
        license=record["license"],
        corpus=record["corpus"]["name"],
        n_tokens=record["tokenizer"]["n_tokens"],
        context=record["context"],
        unigram_loss=record["baselines"]["unigram"]["loss"],
        bigram_loss=record["baselines"]["bigram"]["loss"],
        models=tuple(models),
    )


def revisions(name: str) -> tuple[str, ...]:
    """Names of the stored revisions of a model in the order of training, ``"main"`` last.

    Parameters
    ----------
    name : str
        A name that `family` lists.

    Returns
    -------
    tuple of str
        Such as ``("step0", "step1", ..., "main")``.

    Raises
    ------
    NotFoundError
        If no bundled model has that name.

    Examples
    --------
    >>> revisions("pocket-128")[:4]
    ('step0', 'step1', 'step2', 'step4')
    """
    return tuple(revision.name for revision in _model(name).revisions)


def path(name: str, revision: str = "main") -> Path:
    """Folder of a bundled model, in the layout of a Hugging Face checkpoint.

    Parameters
    ----------
    name : str
        A name that `family` lists.
    revision : str
        ``"main"`` (default) or a name that `revisions` lists.

    Returns
    -------
    Path
        For ``"main"`` a folder that transformers loads; for ``"step<N>"`` a folder with ``config.json`` and
        ``tables.safetensors``.

    Raises
    ------
    NotFoundError
        If the model or the revision does not exist (the message lists what does), or its folder is gone.

    Examples
    --------
    >>> sorted(file.name for file in path("pocket-128", "step8").iterdir())
    ['config.json', 'tables.safetensors']
    """
    known = revisions(name)
    if revision not in known:
        raise NotFoundError(
            f"{name} has no revision {revision!r}.{_near(revision, known)} Available: {', '.join(known)}."
        )
    folder = _HOME / name / revision
    if not folder.is_dir():
        raise NotFoundError(f"the folder of {name}@{revision} is missing from this installation. Reinstall theodolite.")
    return folder


def token_counts() -> npt.NDArray[np.int64]:
    """How often each token id occurs in the training text, int64 of shape ``(n_tokens,)``.

    Examples
    --------
    >>> token_counts().shape
    (4096,)
    """
    counts: npt.NDArray[np.int64] = np.load(_HOME / "token_counts.npy", allow_pickle=False)
    return counts


def _model(name: str) -> PocketModel:
    for model in family().models:
        if model.name == name:
            return model
    known = family().names
    raise NotFoundError(f"No bundled model is called {name!r}.{_near(name, known)} Available: {', '.join(known)}.")


def _near(wanted: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(wanted, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
