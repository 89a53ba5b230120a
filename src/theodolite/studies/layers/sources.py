"""What the units of one process share: models, lenses and prompts, each loaded once."""

from dataclasses import replace
from functools import lru_cache

import torch

from theodolite.core.errors import FormatError
from theodolite.models import LanguageModel, load_model, load_tokenizer, logit_root
from theodolite.prompts import Dropped, Prompts, TokenizedPrompts, read_prompts, tokenize
from theodolite.studies.layers.config import Config, DType

USUAL_TOKENS = 1024
"""Tokens of a prompt where nothing else is said and the model takes as many."""


@lru_cache(maxsize=2)
def model_of(reference: str, dtype: DType, device: str, trust_remote_code: bool) -> LanguageModel:
    """Return a model with its tokenizer.

    Raises
    ------
    FormatError
        If it has no tokenizer.
    """
    model = load_model(reference, dtype=dtype, device=device, trust_remote_code=trust_remote_code)
    if model.tokenizer is None:
        raise FormatError(f"{reference} has no tokenizer, which prompts need. Put a tokenizer.json into its folder.")
    return model


@lru_cache(maxsize=1)
def root_of(reference: str, dtype: DType, device: str, trust_remote_code: bool) -> torch.Tensor | None:
    """Return what `logit_cloud` needs of a model; None where its logits are no linear map of its states."""
    return logit_root(model_of(reference, dtype, device, trust_remote_code))


@lru_cache(maxsize=1)
def encoder_of(reference: str, device: str, trust_remote_code: bool) -> LanguageModel:
    """Return the model that matches the tokens of two texts.

    Raises
    ------
    FormatError
        If it has no tokenizer.
    """
    encoder = load_model(reference, device=device, trust_remote_code=trust_remote_code)
    if encoder.tokenizer is None:
        raise FormatError(f"The encoder {reference} has no tokenizer, which texts need. Name another one.")
    return encoder


def room_of(config: Config, model: LanguageModel) -> int | None:
    """Return the tokens of a prompt that a model takes beside its special tokens; None where it takes any number."""
    around = 0 if config.special_tokens == "none" else len(model.front_ids) + len(model.back_ids)
    return None if model.n_positions is None else model.n_positions - around


@lru_cache(maxsize=1)
def prompts_of(config: Config, reference: str) -> TokenizedPrompts:
    """Return the prompts, cut to the tokens of a model; `settings` says where they are from and how they were cut."""
    model = model_of(reference, config.dtype, config.device, config.trust_remote_code)
    found = read_prompts(config.prompts, field=config.field, rows=config.index, first_rows=config.first_rows)
    n_tokens = config.n_tokens or min(USUAL_TOKENS, room_of(config, model) or USUAL_TOKENS)
    tokenized = tokenize(
        found,
        model.tokenizer,
        n_tokens=n_tokens,
        minimum=config.minimum,
        strip=config.strip,
        others={one: load_tokenizer(one, trust_remote_code=config.trust_remote_code) for one in config.also_under},
    )
    kept = slice(config.limit)
    return replace(
        tokenized,
        prompts=tokenized.prompts[kept],
        token_ids=tokenized.token_ids[kept],
        n_full=tokenized.n_full[kept],
        dropped=(*_without_text(found), *tokenized.dropped),
        settings={**found.origin, **tokenized.settings},
    )


def _without_text(found: Prompts) -> list[Dropped]:
    return [Dropped(name=f"row {row}", row=row, reason="empty", n_tokens={"": 0}) for row in found.empty]
