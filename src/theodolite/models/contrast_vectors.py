"""Difference-of-means vectors: the states of one side of a contrast less those of the other, at every layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.models.contrast_pairs import Contrast, ContrastPair
from theodolite.models.language_model import LanguageModel
from theodolite.models.states import hidden_states
from theodolite.models.steering_vector import SteeringVector, identity

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Tokens: TypeAlias = Literal["last", "mean", "answer"] | int

_WORDS = ("last", "mean", "answer")


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A contrast pair as token ids.

    Attributes
    ----------
    positive, negative : numpy.ndarray
        `(n_tokens,)` int64, prompt and continuation together.
    n_prompt : int
        Tokens at the front that belong to the prompt on both sides.
    first_difference : int
        Index of the first token at which the two sides differ.
    """

    positive: Ids
    negative: Ids
    n_prompt: int
    first_difference: int


def tokenize_pairs(model: LanguageModel, pairs: Sequence[ContrastPair]) -> list[TokenPair]:
    """Turn contrast pairs into token ids, as the model's tokenizer reads a whole text.

    Parameters
    ----------
    model : LanguageModel
        With a tokenizer.
    pairs : sequence of ContrastPair
        The texts.

    Returns
    -------
    list of TokenPair
        In their order.

    Raises
    ------
    ParameterError
        If there is no tokenizer, a text is longer than the context, or the tokenizer sees no difference.
    """
    if model.tokenizer is None:
        raise ParameterError(
            f"{model.provenance['reference']} has no tokenizer, so its contrast texts cannot be read. Put "
            "tokenizer.json into its folder."
        )
    found = []
    for number, pair in enumerate(pairs, start=1):
        sides = [_encode(model, pair.prompt + text) for text in (pair.positive, pair.negative)]
        prompt = _encode(model, pair.prompt) if pair.prompt else sides[0][:0]
        if model.n_positions is not None and max(map(len, sides)) > model.n_positions:
            raise ParameterError(
                f"Contrast pair {number} has {max(map(len, sides))} tokens, but {model.provenance['reference']} takes "
                f"at most {model.n_positions}. Shorten its prompt."
            )
        difference = _common(*sides)
        if difference >= min(map(len, sides)):
            raise ParameterError(
                f"One side of contrast pair {number} begins with the whole other side, so no token tells them apart."
            )
        found.append(TokenPair(sides[0], sides[1], min(_common(prompt, sides[0]), difference), difference))
    return found


def contrast_vector(
    model: LanguageModel,
    contrast: Contrast | Sequence[ContrastPair],
    *,
    tokens: Tokens = "last",
    batch_size: int = 16,
) -> SteeringVector:
    """Make the difference-of-means vector of a contrast at every layer, in one pass over its texts.

    Parameters
    ----------
    model : LanguageModel
        A causal model with a tokenizer.
    contrast : Contrast or sequence of ContrastPair
        Of a contrast, the pairs that are not held out.
    tokens : {"last", "mean", "answer"} or int
        Which state of each text is read: that of its last token; the mean over the continuation; that of the first
        token at which the two sides differ (CAA's answer letter); or of the token at this index from the end, such as
        -2.
    batch_size : int
        Texts in one forward pass.

    Returns
    -------
    SteeringVector
        `n_layers + 1` directions, mean over pairs of positive less negative; the last one is read before the final
        norm. `norms` are the mean norms of the states that were read.

    Raises
    ------
    ParameterError
        If a token rule is unknown or points outside a text, or there are no pairs.

    References
    ----------
    N. Rimsky et al., Steering Llama 2 via Contrastive Activation Addition (2024), arXiv 2312.06681.

    Examples
    --------
    >>> from theodolite.models import load_model
    >>> from theodolite.models.contrast_pairs import load_contrast
    >>> vector = contrast_vector(load_model("bundled:pocket-64", device="cpu"), load_contrast("tense"))
    >>> vector.vectors.shape, vector.contrast, vector.n_pairs
    ((5, 64), 'tense', 32)
    """
    if not isinstance(tokens, int) and tokens not in _WORDS:
        raise ParameterError(f"tokens={tokens!r} is not known. Choose one of {', '.join(_WORDS)}, or a number below 0.")
    pairs = contrast.fitted if isinstance(contrast, Contrast) else tuple(contrast)
    if not pairs:
        raise ParameterError("There are no contrast pairs to make a vector from.")
    found = tokenize_pairs(model, pairs)
    texts = [ids for pair in found for ids in (pair.positive, pair.negative)]
    places = [_read_at(pair, ids, tokens) for pair in found for ids in (pair.positive, pair.negative)]
    sums = np.zeros((2, model.n_layers + 1, model.n_dims))
    norms = np.zeros(model.n_layers + 1)
    stream = hidden_states(model, texts, batch_size=batch_size, last_layer="pre_norm", positions=places)
    for one in stream:
        states: Floats = one.states.double().cpu().numpy()
        sums[one.index % 2] += states.mean(axis=1)
        norms += np.linalg.norm(states, axis=2).mean(axis=1)
    return SteeringVector(
        vectors=(sums[0] - sums[1]) / len(pairs),
        layers=tuple(range(model.n_layers + 1)),
        norms=norms / len(texts),
        model=identity(model),
        contrast=contrast.name if isinstance(contrast, Contrast) else "",
        tokens=str(tokens),
        n_pairs=len(pairs),
    )


def _encode(model: LanguageModel, text: str) -> Ids:
    """Return the ids of a text with the special tokens that the tokenizer adds by itself."""
    ids = model.tokenizer.encode(text)
    return np.asarray(getattr(ids, "ids", ids), dtype=np.int64)


def _common(first: Ids, second: Ids) -> int:
    """Return how many tokens two texts share at the front."""
    n = min(len(first), len(second))
    differ = np.flatnonzero(first[:n] != second[:n])
    return int(differ[0]) if len(differ) else n


def _read_at(pair: TokenPair, ids: Ids, tokens: Tokens) -> list[int]:
    """Return the places of one text whose states are read."""
    if tokens == "mean":
        return list(range(pair.n_prompt, len(ids)))
    if tokens == "answer":
        return [pair.first_difference]
    place = len(ids) + (-1 if tokens == "last" else int(tokens))
    if not 0 <= place < len(ids) or tokens == 0:
        raise ParameterError(
            f"tokens={tokens} points outside a text of {len(ids)} tokens. Count from -1, the last one."
        )
    return [place]
