"""The two models of a transfer, their vectors, and the maps between them."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.core.hashing import hash_json
from theodolite.models import LanguageModel, hidden_states, load_model
from theodolite.models.contrast_pairs import load_contrast, shipped_contrasts
from theodolite.models.contrast_vectors import contrast_vector, tokenize_pairs
from theodolite.models.steering_vector import SteeringVector
from theodolite.studies.transfer.config import STATES
from theodolite.tables import Alignment, Table, align, load_table
from theodolite.transfer import LinearMap, fit

Floats = npt.NDArray[np.float64]

_STATE_TEXTS = 256


@lru_cache(maxsize=2)
def language_model(reference: str) -> LanguageModel:
    """Load a model in single precision; the last two stay in memory."""
    return load_model(reference)


@lru_cache(maxsize=1)
def aligned(source: str, target: str, space: str) -> tuple[Table, Table, Alignment]:
    """Return the embeddings of two models with the rows of their shared tokens."""
    return align(load_table(source, which=space), load_table(target, which=space))


@lru_cache(maxsize=8)
def token_map(source: str, target: str, space: str, kind: str, *, fold: bool, seed: int) -> LinearMap:
    """Return a map between embeddings."""
    return _fit(source, target, space, kind, fold=fold, seed=seed)


def permuted_map(source: str, target: str, space: str, kind: str, *, fold: bool, seed: int) -> LinearMap:
    """Return the same map fitted on tokens paired at random, without a look at how well it does."""
    return _fit(source, target, space, kind, fold=fold, seed=seed, permute=True, held_out=0.0)


def _fit(source: str, target: str, space: str, kind: str, *, fold: bool, **settings: Any) -> LinearMap:
    a, b, _ = aligned(source, target, space)
    gains = (_gain(source), _gain(target)) if fold else (None, None)
    return fit(a, b, kind=kind, gains=gains, **settings)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def native_vector(reference: str, contrast: str, tokens: str) -> SteeringVector:
    """Return the difference-of-means vector of a contrast in one model."""
    return contrast_vector(language_model(reference), load_contrast(contrast), tokens=tokens)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def half_vector(reference: str, contrast: str, tokens: str, half: int) -> SteeringVector:
    """Return the vector of every second fitted pair, from the first or the second on."""
    pairs = load_contrast(contrast).fitted[half::2]
    return contrast_vector(language_model(reference), pairs, tokens=tokens)  # type: ignore[arg-type]


def same_tokens(source: str, target: str, contrast: str) -> bool:
    """Say whether two models cut texts into the same tokens, so that their states have partners."""
    return _texts_hash(source, contrast) == _texts_hash(target, contrast)


def state_map(
    source: str, target: str, layers: tuple[int, int], *, contrast: str, seed: int, permuted: int | None = None
) -> LinearMap:
    """Return an affine map between hidden states at two layers, fitted on texts of other contrasts.

    Parameters
    ----------
    source, target : str
        Models.
    layers : tuple of int
        One of each.
    contrast : str
        Whose texts are left out.
    seed : int
        Decides which states the diagnostics hold out.
    permuted : int or None
        Seed to pair the states at random by; None for the true map.

    Returns
    -------
    LinearMap
        Ridge, with a bias.

    Raises
    ------
    ParameterError
        If the models cut texts into different tokens, so that their states have no partners.
    """
    if not same_tokens(source, target, contrast):
        raise ParameterError(
            f"{source} and {target} cut texts into different tokens, so their states have no partners. Leave the map "
            "of states out."
        )
    rows = [_states(one, contrast)[:, layer].copy() for one, layer in zip((source, target), layers, strict=True)]
    settings: dict[str, Any] = {"seed": seed} if permuted is None else {"seed": permuted, "permute": True}
    return fit(rows[0], rows[1], kind="ridge", bias=True, space=STATES, **settings)


def matching_layer(layer: int, n_source: int, n_target: int) -> int:
    """Return the layer of the source at the same relative depth.

    Examples
    --------
    >>> [matching_layer(layer, 4, 6) for layer in range(7)]
    [0, 1, 1, 2, 3, 3, 4]
    """
    return int(np.floor(layer * n_source / n_target + 0.5))


def default_layers(n_layers: int) -> list[int]:
    """Return the layers at a third, two thirds and all of a model's depth.

    Examples
    --------
    >>> default_layers(6), default_layers(4), default_layers(1)
    ([2, 4, 6], [1, 3, 4], [1])
    """
    return sorted({max(1, round(n_layers * third / 3)) for third in (1, 2, 3)})


def neutral_windows(model: LanguageModel, contrast: str, *, n_tokens: int = 64) -> list[npt.NDArray[np.int64]]:
    """Return token ids of neutral text: the prompts of a contrast, each once, strung together and cut."""
    both = load_contrast(contrast)
    prompts = dict.fromkeys(pair.prompt for pair in (*both.fitted, *both.held_out) if pair.prompt.strip())
    found = model.tokenizer.encode(" ".join(prompts))
    ids = np.asarray(getattr(found, "ids", found), dtype=np.int64)[: 16 * n_tokens]
    return [ids[start : start + n_tokens] for start in range(0, len(ids), n_tokens) if len(ids) - start >= 2]


def neutral_prompts(contrast: str, n_prompts: int = 4) -> list[str]:
    """Return some prompts of the held-out pairs."""
    prompts = dict.fromkeys(pair.prompt for pair in load_contrast(contrast).held_out if pair.prompt.strip())
    return list(prompts)[:n_prompts]


def _gain(reference: str) -> Floats | None:
    """Return the gain of a model's final norm; None where it has none."""
    model = language_model(reference)
    weight = None if model.final_norm is None else getattr(model.module.get_submodule(model.final_norm), "weight", None)
    if weight is None:
        return None
    gain: Floats = weight.detach().double().cpu().numpy()
    return gain + 1.0 if "gemma" in str(getattr(model.module.config, "model_type", "")) else gain


@lru_cache(maxsize=2)
def _states(reference: str, contrast: str) -> npt.NDArray[np.float32]:
    """Return the states `(n_tokens, n_layers + 1, n_dims)` of texts that have nothing of a contrast."""
    model = language_model(reference)
    stream = hidden_states(model, _texts(model, contrast), batch_size=32, last_layer="pre_norm")
    return np.concatenate([one.states.float().cpu().numpy().transpose(1, 0, 2) for one in stream])


@lru_cache(maxsize=4)
def _texts_hash(reference: str, contrast: str) -> str:
    return hash_json([ids.tolist() for ids in _texts(language_model(reference), contrast)])


def _texts(model: LanguageModel, contrast: str) -> list[npt.NDArray[np.int64]]:
    """Return the token ids of texts of other contrasts."""
    texts: list[npt.NDArray[np.int64]] = []
    for name in shipped_contrasts():
        if name != contrast:
            pairs = tokenize_pairs(model, load_contrast(name).fitted)
            texts += [ids for pair in pairs for ids in (pair.positive, pair.negative)]
    return texts[:_STATE_TEXTS]


def forget() -> None:
    """Forget every model and what was made of it: files may have changed."""
    for cached in (language_model, aligned, token_map, native_vector, half_vector, _states, _texts_hash):
        cached.cache_clear()
