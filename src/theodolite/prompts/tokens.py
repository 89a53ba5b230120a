"""`tokenize`: from texts to token ids of equal treatment, with a list of what was left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError
from theodolite.prompts.prompt import Prompt

Ids = npt.NDArray[np.int64]


class Tokenizer(Protocol):
    """What is asked of a tokenizer; those of transformers and of tokenizers have it."""

    def encode(self, text: str, *, add_special_tokens: bool) -> Any:
        """Return token ids, or an object with `ids`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A prompt that was left out, and why.

    Attributes
    ----------
    name : str
        Of the prompt.
    row : int
        Its row in the source.
    reason : {"short", "uniform", "empty"}
        Too few tokens under some tokenizer; all its tokens are equal; or, for those who list them too, no text.
    n_tokens : dict
        Its length under each tokenizer; "" is the one whose ids are kept.
    """

    name: str
    row: int
    reason: Literal["short", "uniform", "empty"]
    n_tokens: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TokenizedPrompts(Displayed):
    """Prompts with their token ids.

    Attributes
    ----------
    prompts : tuple of Prompt
        Those that are long enough.
    token_ids : tuple of numpy.ndarray
        One int64 array for each.
    n_full : tuple of int
        Tokens of each prompt before the cut to the first n.
    dropped : tuple of Dropped
        Those left out.
    settings : dict
        Fit for JSON: how the ids were made.
    """

    prompts: tuple[Prompt, ...]
    token_ids: tuple[Ids, ...] = field(repr=False)
    n_full: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    settings: dict[str, Any]

    def __len__(self) -> int:
        """Return how many prompts were kept."""
        return len(self.prompts)


def tokenize(
    prompts: Iterable[Prompt],
    tokenizer: Tokenizer,
    *,
    n_tokens: int | None = None,
    minimum: int = 2,
    special_tokens: bool = False,
    strip: bool = True,
    others: Mapping[str, Tokenizer] | None = None,
) -> TokenizedPrompts:
    """Turn prompts into token ids, leaving out those that are too short for any of the tokenizers.

    Parameters
    ----------
    prompts : iterable of Prompt
        From `read_prompts`.
    tokenizer : object
        `LanguageModel.tokenizer`, or anything with `encode(text, add_special_tokens=...)`.
    n_tokens : int or None
        Keep the first so many tokens; None keeps all.
    minimum : int
        Fewest tokens (before the cut), at least 2.
    special_tokens : bool
        Whether the tokenizer may put its special tokens into the ids. Off in the papers; to let a model see them
        without making them points, see `theodolite.models.hidden_states`.
    strip : bool
        Whether to cut blanks at both ends of a text first.
    others : mapping or None
        Names and tokenizers under which a prompt must reach `minimum` too, so that several models get the same prompts.

    Returns
    -------
    TokenizedPrompts
        The prompts kept, in order, and those dropped.

    Raises
    ------
    ParameterError
        If a setting is out of range or no prompt is left.

    Notes
    -----
    The papers keep texts with at least 1,024 tokens under all tokenizers used, and of these the first 1,024. A prompt
    whose kept tokens are all equal is dropped too: its cloud is one point at layer 0.

    References
    ----------
    Viswanathan et al. 2025, arXiv:2501.10573, section 3.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> words = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> texts = [Prompt(text=" a b a ", name="x", row=0), Prompt(text="b", name="y", row=1)]
    >>> found = tokenize(texts, words)
    >>> found.token_ids, found.dropped[0].reason
    ((array([0, 1, 0]),), 'short')
    """
    if minimum < 2:
        raise ParameterError(f"minimum={minimum} is too small: a cloud has at least 2 tokens. Give 2 or more.")
    if n_tokens is not None and n_tokens < 2:
        raise ParameterError(
            f"n_tokens={n_tokens} is too small: a cloud has at least 2 tokens. Give 2 or more, or None."
        )
    kept: list[tuple[Prompt, Ids, int]] = []
    dropped: list[Dropped] = []
    for prompt in prompts:
        text = prompt.text.strip() if strip else prompt.text
        full = _encode(tokenizer, text, special_tokens)
        lengths = {"": len(full)} | {
            name: len(_encode(other, text, special_tokens)) for name, other in (others or {}).items()
        }
        ids = full[:n_tokens]
        if min(lengths.values()) < minimum:
            dropped.append(Dropped(name=prompt.name, row=prompt.row, reason="short", n_tokens=lengths))
        elif bool((ids == ids[0]).all()):
            dropped.append(Dropped(name=prompt.name, row=prompt.row, reason="uniform", n_tokens=lengths))
        else:
            kept.append((prompt, ids, len(full)))
    if not kept:
        longest = max((min(item.n_tokens.values()) for item in dropped), default=0)
        raise ParameterError(
            f"No prompt of {len(dropped)} can be used: at least {minimum} tokens, not all equal, are needed, "
            f"and the longest has {longest}. Lower the minimum or give longer texts."
        )
    return TokenizedPrompts(
        prompts=tuple(prompt for prompt, _, _ in kept),
        token_ids=tuple(ids for _, ids, _ in kept),
        n_full=tuple(length for _, _, length in kept),
        dropped=tuple(dropped),
        settings={
            "n_tokens": n_tokens,
            "minimum": minimum,
            "special_tokens": special_tokens,
            "strip": strip,
            "minimum_also_under": sorted(others or {}),
        },
    )


def _encode(tokenizer: Tokenizer, text: str, special_tokens: bool) -> Ids:
    found = tokenizer.encode(text, add_special_tokens=special_tokens)
    return np.array(getattr(found, "ids", found), dtype=np.int64)
