"""The text of a rank study: what the embedding is trained on, and held-out windows of it."""

import platform
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import NotFoundError, ParameterError
from theodolite.core.hashing import hash_json
from theodolite.prompts import Prompts, read_prompts, tokenize, windows
from theodolite.studies.rank.config import PYTHON

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextWindows:
    """A text cut into windows of one length.

    Attributes
    ----------
    training, held_out : numpy.ndarray
        `(n_windows, n_tokens)` token ids. The held-out ones are spread evenly over the text.
    origin : dict
        Where the text comes from, fit for JSON; `content` is a hash of the token ids.
    """

    training: Ids
    held_out: Ids
    origin: dict[str, Any]


def text_windows(text: str, tokenizer: Any, *, n_tokens: int, n_held_out: int, batch: int) -> TextWindows:
    """Read a text, cut it into windows and hold some of them out.

    Parameters
    ----------
    text : str
        `python`, `examples`, or what `read_prompts` reads.
    tokenizer : object
        The model's tokenizer.
    n_tokens : int
        Tokens in a window.
    n_held_out : int
        Windows to hold out.
    batch : int
        Windows in a training step: at least so many must remain.

    Returns
    -------
    TextWindows
        Windows in the order of the text.

    Raises
    ------
    ParameterError
        If the text is too short.
    NotFoundError
        If there is no such text.
    """
    prompts, origin = _python_reference() if text == PYTHON else _texts(text)
    ids = np.concatenate(tokenize(prompts, tokenizer).token_ids)
    needed = (n_held_out + batch) * n_tokens
    if len(ids) < needed:
        raise ParameterError(
            f"The text {text} has {len(ids)} tokens, but {n_held_out} held-out windows and a batch of {batch} windows "
            f"of {n_tokens} tokens need {needed}. Give a longer text, or fewer or shorter windows."
        )
    cut = windows(ids, n_tokens)
    held_out = (np.arange(n_held_out) * len(cut)) // n_held_out
    origin |= {"content": hash_json([len(ids), ids.tolist()]), "n_tokens": len(ids), "n_windows": len(cut)}
    return TextWindows(training=np.delete(cut, held_out, axis=0), held_out=cut[held_out], origin=origin)


def _texts(source: str) -> tuple[Prompts, dict[str, Any]]:
    prompts = read_prompts(source)
    return prompts, {"text": source, **prompts.origin}


def _python_reference() -> tuple[Prompts, dict[str, Any]]:
    """Return the chapters of the language reference that `help()` shows."""
    try:
        from pydoc_data.topics import topics  # noqa: PLC0415 - some minimal Pythons leave it out
    except ImportError as error:
        raise NotFoundError(
            "This Python comes without its language reference (pydoc_data). Name a text: --text FILE, or --text "
            "examples."
        ) from error
    prompts = read_prompts([topics[name] for name in sorted(topics)])
    return prompts, {"text": PYTHON, "python": platform.python_version(), "sha256": prompts.origin["sha256"]}
