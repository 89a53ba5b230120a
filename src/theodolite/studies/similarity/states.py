"""Whether two models stay alike in their hidden states: the same measures, layer by layer, on the same text."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import FormatError, ParameterError, PointsError, TheodoliteError
from theodolite.core.hashing import hash_json
from theodolite.core.seeds import generator_from
from theodolite.models import LanguageModel, hidden_states, load_model
from theodolite.neighborhoods import neighbors
from theodolite.prompts import positions, read_prompts, tokenize
from theodolite.studies.rows import Row, RowMaker
from theodolite.studies.similarity.measures import cka_row, overlap_row, rsa_row

Ids = npt.NDArray[np.int64]

_MOST_TOKENS = 1024
_FEWEST = 50


@lru_cache(maxsize=1)
def model(reference: str) -> LanguageModel:
    """Load a model in single precision; the last one stays in memory."""
    found = load_model(reference)
    if found.tokenizer is None:
        raise FormatError(f"{reference} has no tokenizer, which prompts need. Put a tokenizer.json into its folder.")
    return found


@lru_cache(maxsize=16)
def facts(reference: str, prompts: str) -> tuple[Mapping[str, Any], str]:
    """Return the provenance of a model, and a hash of the token ids that it cuts the prompts into."""
    return model(reference).provenance, hash_json([ids.tolist() for ids in _token_ids(reference, prompts)])


def partners(a: str, b: str, prompts: str) -> tuple[list[str], str]:
    """Say whether the hidden states of two models have partners.

    Parameters
    ----------
    a, b : str
        Models.
    prompts : str
        The text.

    Returns
    -------
    content : list of str
        Hashes of everything that is read; empty where they have none.
    reason : str
        Why they have none; empty where they do.
    """
    try:
        (first, ids_a), (second, ids_b) = facts(a, prompts), facts(b, prompts)
    except TheodoliteError as error:
        return [], str(error)
    if ids_a != ids_b:
        return [], "they cut texts into different tokens, so that their states have no partners."
    n_kinds = len(np.unique(np.concatenate(_token_ids(a, prompts))))
    if n_kinds < _FEWEST:
        return [], _few_kinds(prompts, n_kinds)
    return [str(first["content"]), str(second["content"]), ids_a], ""


def measure_states(make: RowMaker, a: str, b: str, params: Mapping[str, Any]) -> list[Row]:
    """Compare the hidden states of two models, every layer with every layer.

    Parameters
    ----------
    make : RowMaker
        Of the pair.
    a, b : str
        Models with the same tokenizer.
    params : Mapping
        Settings of the study.

    Returns
    -------
    list of dict
        The correlation of all cosines for all pairs of layers; kernel alignment and overlap where the depths match.

    Raises
    ------
    ParameterError
        If the models cut the text into different tokens, or it holds too few kinds of tokens.
    """
    content, reason = partners(a, b, params["prompts"])
    if not content:
        raise ParameterError(f"The hidden states of {a} and {b} cannot be compared: {reason}")
    first, second = (states(one, params["prompts"], n=params["states"], seed=params["seed"]) for one in (a, b))
    n_first, n_second = len(first) - 1, len(second) - 1
    matched = {layer: matching_layer(layer, n_first, n_second) for layer in range(n_first + 1)}
    k = min(params["k"], first.shape[1] - 1)
    one_more = min(k + 1, first.shape[1] - 1)  # for the error of the overlap
    graphs = [[neighbors(layer, k=one_more, metric=params["metric"]) for layer in side] for side in (first, second)]
    rows = []
    for i in range(n_first + 1):
        for j in range(n_second + 1):
            depth = i / n_first if matched[i] == j and n_first else None
            place: dict[str, Any] = {"layer_a": i, "layer_b": j, "depth": depth}
            rows += [rsa_row(make, first[i], second[j], center=center, **place) for center in (False, True)]
            if matched[i] == j:
                rows.append(cka_row(make, first[i], second[j], **place))
                rows.append(overlap_row(make, graphs[0][i], graphs[1][j], k, **place))
    return rows


def matching_layer(layer: int, n_first: int, n_second: int) -> int:
    """Return the layer of the second model at the same relative depth.

    Examples
    --------
    >>> [matching_layer(layer, 4, 6) for layer in range(5)]
    [0, 2, 3, 5, 6]
    """
    return int(np.floor(layer * n_second / n_first + 0.5)) if n_first else 0


@lru_cache(maxsize=4)
def states(reference: str, prompts: str, *, n: int, seed: int) -> torch.Tensor:
    """Return the states of tokens of the prompts: one occurrence of each type at most.

    Parameters
    ----------
    reference : str
        A model.
    prompts : str
        The text.
    n : int
        Tokens to take at most.
    seed : int
        Which occurrences, and which types where there are more.

    Returns
    -------
    torch.Tensor
        `(n_layers + 1, n_tokens, n_dims)` float32 on the CPU; the last layer as transformers returns it, behind the
        final norm.

    Raises
    ------
    PointsError
        If the prompts hold fewer than 50 types of tokens.
    """
    token_ids = _token_ids(reference, prompts)
    joined = np.concatenate(token_ids)
    kept = positions(joined, choice="random", seed=seed)
    if len(kept) > n:
        kept = np.sort(generator_from("similarity states", seed).choice(kept, size=n, replace=False))
    if len(kept) < _FEWEST:
        raise PointsError(_few_kinds(prompts, len(kept)))
    ends = np.cumsum([len(ids) for ids in token_ids])
    chosen = [
        kept[(kept >= end - len(ids)) & (kept < end)] - (end - len(ids))
        for ids, end in zip(token_ids, ends, strict=True)
    ]
    used = [place for place, rows in enumerate(chosen) if len(rows)]
    stream = hidden_states(
        model(reference), [token_ids[place] for place in used], positions=[chosen[place] for place in used]
    )
    return torch.cat([one.states.float().cpu() for one in stream], dim=1)


@lru_cache(maxsize=4)
def _token_ids(reference: str, prompts: str) -> tuple[Ids, ...]:
    """Return the token ids of the prompts, none longer than the model's context."""
    found = model(reference)
    most = min(_MOST_TOKENS, found.n_positions or _MOST_TOKENS)
    return tuple(tokenize(read_prompts(prompts), found.tokenizer, n_tokens=most).token_ids)


def _few_kinds(prompts: str, n_kinds: int) -> str:
    return f"{prompts} holds {n_kinds} kinds of tokens, but at least {_FEWEST} are needed. Give longer or other texts."


def forget() -> None:
    """Forget every model and every state: files may have changed."""
    for cached in (model, facts, states, _token_ids):
        cached.cache_clear()
