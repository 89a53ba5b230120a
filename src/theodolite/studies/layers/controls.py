"""Variants of a prompt: the prompt itself, and what is left of it when its order or its words are disturbed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.prompts import Prompt, block_shuffle, full_shuffles, highest_level, random_vocabulary, replace_words
from theodolite.studies.layers.config import (
    BLOCK_SHUFFLE,
    FULL_SHUFFLE,
    RANDOM_VOCABULARY,
    STRUCTURED,
    WORD_REPLACEMENT,
    Config,
)

Control = Mapping[str, Any]
Ids = npt.NDArray[np.int64]


def controls_of(config: Config, shortest: int) -> list[dict[str, Any]]:
    """List the ways in which the prompts are disturbed; the first one is not at all.

    Parameters
    ----------
    config : Config
        What was asked for.
    shortest : int
        Tokens of the shortest prompt.

    Returns
    -------
    list of dict
        `kind`, `level` and `repeat` of each.

    Raises
    ------
    ParameterError
        If a level would cut a prompt into more blocks than it has tokens.
    """
    highest = highest_level(shortest)
    if config.shuffles and max(config.shuffles) > highest:
        raise ParameterError(
            f"Shuffling at level {max(config.shuffles)} needs {4 ** max(config.shuffles)} tokens, but the shortest "
            f"prompt has {shortest}: the highest level is {highest}."
        )
    found: list[tuple[str, float | None, int]] = [(STRUCTURED, None, 0)]
    found += [(BLOCK_SHUFFLE, float(level), 0) for level in sorted({*config.shuffles} - {0})]
    found += [(WORD_REPLACEMENT, float(rate), 0) for rate in sorted({*config.replaced} - {0.0})]
    found += [(FULL_SHUFFLE, None, repeat) for repeat in range(config.full_shuffles)]
    found += [(RANDOM_VOCABULARY, None, repeat) for repeat in range(config.random_vocabularies)]
    return [{"kind": kind, "level": level, "repeat": repeat} for kind, level, repeat in found]


def disturbed(
    control: Control,
    prompt: Prompt,
    token_ids: Ids,
    *,
    tokenizer: Any,
    n_vocabulary: int,
    special_ids: Sequence[int],
    seed: int,
    strip: bool = True,
) -> Ids:
    """Return the token ids of a prompt under one control.

    Parameters
    ----------
    control : Mapping
        As `controls_of` lists them.
    prompt : Prompt
        The text, for the replacement of words, and the row, which the random draw depends on.
    token_ids : numpy.ndarray
        `(n_tokens,)`: the prompt itself.
    tokenizer : tokenizer
        Of the model; encodes the text whose words were replaced.
    n_vocabulary : int
        Tokens of the model.
    special_ids : sequence of int
        Tokens that are no text, never drawn.
    seed : int
        The study's seed.
    strip : bool
        Whether the prompt was cut to its text, without blanks at both ends.

    Returns
    -------
    numpy.ndarray
        As many ids; fewer only where the replaced words have fewer tokens.
    """
    kind, level, repeat = control["kind"], control["level"], control["repeat"]
    own = _seed(seed, prompt)
    if kind == BLOCK_SHUFFLE:
        return block_shuffle(token_ids, level=int(level), seed=own, repeat=repeat)
    if kind == FULL_SHUFFLE:
        return full_shuffles(token_ids, n_repeats=repeat + 1, seed=own)[repeat]
    if kind == RANDOM_VOCABULARY:
        draws = random_vocabulary(
            len(token_ids), n_vocabulary=n_vocabulary, exclude=special_ids, n_repeats=repeat + 1, seed=own
        )
        return draws[repeat]
    if kind == WORD_REPLACEMENT:
        text = replace_words(prompt.text.strip() if strip else prompt.text, rate=level, seed=own)
        encoded = tokenizer.encode(text, add_special_tokens=False)
        return np.asarray(encoded[: len(token_ids)], dtype=np.int64)
    return token_ids


def _seed(seed: int, prompt: Prompt) -> int:
    return (seed << 32) + prompt.row
