"""Controls: prompts with their order or their words destroyed, reproducible from a seed.

Every draw depends on the seed and on the tokens themselves, so that prompts get permutations of their own whatever
their order.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.core.hashing import hash_json
from theodolite.core.seeds import generator_from
from theodolite.prompts.read import read_prompts
from theodolite.prompts.selection import Ids, as_ids

_WORD = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\W\d_]{2,}")


def highest_level(n_tokens: int) -> int:
    """Return the largest shuffle level of a prompt: the largest S with 4^S at most `n_tokens`.

    Parameters
    ----------
    n_tokens : int
        Length of the prompt, at least 1.

    Returns
    -------
    int
        5 for 1,024 tokens, 4 for 256.

    Raises
    ------
    ParameterError
        If there is no token.

    Examples
    --------
    >>> highest_level(1024), highest_level(1023)
    (5, 4)
    """
    if n_tokens < 1:
        raise ParameterError(f"n_tokens={n_tokens} is not possible; a prompt has at least one token.")
    return (int(n_tokens).bit_length() - 1) // 2


def block_shuffle(token_ids: npt.ArrayLike, *, level: int, seed: int | str = 0, repeat: int = 0) -> Ids:
    """Cut a prompt into 4^level blocks and permute the blocks.

    Parameters
    ----------
    token_ids : array-like
        Token ids, `(n_tokens,)`.
    level : int
        S: 0 leaves the prompt as it is; log4(n_tokens) permutes single tokens.
    seed : int or str
        Decides the permutation, together with the ids, the level and `repeat`.
    repeat : int
        Number of the repetition.

    Returns
    -------
    numpy.ndarray
        The same tokens in another order, int64.

    Raises
    ------
    ParameterError
        If the level is negative or beyond `highest_level`.

    Notes
    -----
    Algorithm 1 of the paper, which has 1,024 tokens and equal blocks. Where 4^S does not divide the length, the first
    `n_tokens mod 4^S` blocks are longer by one token, so that no token is lost. The permutation is uniform and may be
    the identity, as in the paper; the authors' code sets no seed.

    References
    ----------
    Viswanathan et al. 2025, arXiv:2501.10573, algorithm 1.

    Examples
    --------
    >>> sorted(block_shuffle(np.arange(16), level=1, seed=3).tolist()) == list(range(16))
    True
    >>> block_shuffle([4, 5, 6], level=0)
    array([4, 5, 6])
    """
    ids = as_ids(token_ids)
    top = highest_level(len(ids))
    if not 0 <= level <= top:
        raise ParameterError(
            f"level={level} is not possible for {len(ids)} tokens: 4^level blocks need as many tokens. Choose 0 to "
            f"{top}."
        )
    if level == 0:
        return ids.copy()
    blocks = np.array_split(ids, 4**level)
    order = generator_from("block shuffle", seed, level, repeat, hash_json(ids.tolist())).permutation(len(blocks))
    return np.concatenate([blocks[i] for i in order])


def full_shuffles(token_ids: npt.ArrayLike, *, n_repeats: int, seed: int | str = 0) -> Ids:
    """Permute all tokens of a prompt, several times independently.

    Parameters
    ----------
    token_ids : array-like
        Token ids, `(n_tokens,)`.
    n_repeats : int
        How many permutations; 20 in the paper.
    seed : int or str
        Decides them, together with the ids.

    Returns
    -------
    numpy.ndarray
        Shape `(n_repeats, n_tokens)`, int64. The first rows do not depend on how many there are.

    Raises
    ------
    ParameterError
        If `n_repeats` is below 1.

    Examples
    --------
    >>> full_shuffles([1, 2, 3, 4], n_repeats=2).shape
    (2, 4)
    """
    ids = as_ids(token_ids)
    if n_repeats < 1:
        raise ParameterError(f"n_repeats={n_repeats} is not possible; it must be at least 1.")
    key = hash_json(ids.tolist())
    return np.stack([generator_from("full shuffle", seed, repeat, key).permutation(ids) for repeat in range(n_repeats)])


def random_vocabulary(
    n_tokens: int, *, n_vocabulary: int, exclude: Iterable[int] = (), n_repeats: int = 1, seed: int | str = 0
) -> Ids:
    """Draw prompts of distinct tokens, uniform over the vocabulary.

    Parameters
    ----------
    n_tokens : int
        Length of a prompt.
    n_vocabulary : int
        Ids 0 to `n_vocabulary` - 1 are drawn from: the tokenizer's size, not that of a padded table.
    exclude : iterable of int
        Ids never drawn, such as the special tokens.
    n_repeats : int
        How many prompts; 20 in the authors' control.
    seed : int or str
        Decides the draws.

    Returns
    -------
    numpy.ndarray
        Shape `(n_repeats, n_tokens)`, int64, distinct within a row.

    Raises
    ------
    ParameterError
        If a number is below 1 or there are fewer ids than tokens.

    Examples
    --------
    >>> found = random_vocabulary(4, n_vocabulary=6, exclude=[0, 1])
    >>> sorted(found[0].tolist())
    [2, 3, 4, 5]
    """
    if n_tokens < 1 or n_repeats < 1:
        raise ParameterError(f"n_tokens={n_tokens} and n_repeats={n_repeats} must both be at least 1.")
    left = np.setdiff1d(np.arange(max(n_vocabulary, 0), dtype=np.int64), np.array(sorted(exclude), dtype=np.int64))
    if len(left) < n_tokens:
        raise ParameterError(
            f"{n_tokens} distinct tokens cannot be drawn from {len(left)} ids. Ask for fewer tokens or exclude fewer "
            "ids."
        )
    return np.stack(
        [
            generator_from("random vocabulary", seed, repeat, n_tokens, n_vocabulary).choice(
                left, n_tokens, replace=False
            )
            for repeat in range(n_repeats)
        ]
    )


def replace_words(text: str, *, rate: float, seed: int | str = 0, words: Sequence[str] | None = None) -> str:
    """Replace a share of a text's words by random words; blanks and line ends stay.

    Parameters
    ----------
    text : str
        The text.
    rate : float
        Share of words replaced, in [0, 1]; the number is rounded to the nearest.
    seed : int or str
        Decides which words and by what, together with the text and the rate.
    words : sequence of str or None
        Words to draw from; None takes all distinct words of the example prompts.

    Returns
    -------
    str
        As many words as before. A replaced word is always another one.

    Raises
    ------
    ParameterError
        If the rate is outside [0, 1], the text has no words, or `words` has fewer than two.

    Notes
    -----
    A word is what stands between blanks, punctuation included, so punctuation goes with the word that is replaced.

    Examples
    --------
    >>> replace_words("the cat sat", rate=1, words=["x", "the"])
    'x x x'
    """
    if not 0 <= rate <= 1:
        raise ParameterError(f"rate={rate} is outside [0, 1]. Give the share of words to replace, such as 0.3.")
    pool = sorted(set(_example_words() if words is None else words))
    if len(pool) < 2:
        raise ParameterError(f"{len(pool)} distinct words to draw from are too few. Give at least 2.")
    spans = [found.span() for found in _WORD.finditer(text)]
    if not spans:
        raise ParameterError("The text has no words to replace. Give a text with at least one word.")
    draw = generator_from("replace words", seed, str(rate), text)
    chosen = np.sort(draw.choice(len(spans), round(rate * len(spans)), replace=False))
    pieces, at = [], 0
    for (start, stop), pick in zip((spans[i] for i in chosen), draw.integers(len(pool), size=len(chosen)), strict=True):
        new = pool[pick] if pool[pick] != text[start:stop] else pool[(pick + 1) % len(pool)]
        pieces += [text[at:start], new]
        at = stop
    return "".join([*pieces, text[at:]])


def _example_words() -> set[str]:
    """Return every distinct word of the example prompts, in lower case."""
    return {word.lower() for text in read_prompts("examples").texts for word in _LETTERS.findall(text)}
