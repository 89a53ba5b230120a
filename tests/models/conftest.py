"""Tiny random models of many architectures, built from configs: no download, a fraction of a second each."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from theodolite.models import LanguageModel, load_model

N_VOCABULARY = 97
SHAPE = {
    "vocab_size": N_VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
SMALL = {"vocab_size": N_VOCABULARY, "hidden_size": 32, "num_hidden_layers": 3}
GROUPED = {**SHAPE, "num_key_value_heads": 2}
CROSSED = {
    "vocab_size": N_VOCABULARY,
    "d_model": 32,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "pad_token_id": 1,
}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", SHAPE),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {"vocab_size": 97, "n_embd": 32, "n_layer": 3, "n_head": 4}),
    "gpt2-bare": ("GPT2Model", "GPT2Config", {"vocab_size": 97, "n_embd": 32, "n_layer": 3, "n_head": 4}),
    "gpt-neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", {**SHAPE, "bos_token_id": 3}),
    "opt": (
        "OPTForCausalLM",
        "OPTConfig",
        {**SMALL, "num_attention_heads": 4, "ffn_dim": 64, "word_embed_proj_dim": 32},
    ),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", {**GROUPED, "head_dim": 8, "query_pre_attn_scalar": 8}),
    "granite": ("GraniteForCausalLM", "GraniteConfig", {**GROUPED, "logits_scaling": 3.0}),
    "mamba": ("MambaForCausalLM", "MambaConfig", {**SMALL, "state_size": 8}),
    "bloom": ("BloomForCausalLM", "BloomConfig", {"vocab_size": 97, "hidden_size": 32, "n_layer": 3, "n_head": 4}),
    "moe": (
        "Qwen3MoeForCausalLM",
        "Qwen3MoeConfig",
        {**GROUPED, "num_experts": 4, "moe_intermediate_size": 16, "num_experts_per_tok": 2},
    ),
    "bert": ("BertForMaskedLM", "BertConfig", SHAPE),
    "bert-bare": ("BertModel", "BertConfig", SHAPE),
    "roberta": ("RobertaForMaskedLM", "RobertaConfig", {**SHAPE, "max_position_embeddings": 66}),
    "albert": ("AlbertForMaskedLM", "AlbertConfig", {**SHAPE, "embedding_size": 16}),
    "fnet": ("FNetForMaskedLM", "FNetConfig", SHAPE),
    "mra": ("MraForMaskedLM", "MraConfig", SHAPE),
    "modernbert": (
        "ModernBertForMaskedLM",
        "ModernBertConfig",
        {**SHAPE, "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2},
    ),
    "t5": (
        "T5ForConditionalGeneration",
        "T5Config",
        {"vocab_size": 97, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 3, "num_heads": 4},
    ),
    "bart": ("BartForConditionalGeneration", "BartConfig", CROSSED),
}


@cache
def module(name: str) -> Any:
    """Build the model of transformers, with weights large enough that layers differ."""
    model_class, config_class, settings = MODELS[name]
    torch.manual_seed(0)
    built = getattr(transformers, model_class)(getattr(transformers, config_class)(**settings)).eval()
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for part, weight in built.named_parameters():
            if "norm" in part.lower() or "ln_" in part:
                weight.add_(torch.randn(weight.shape, generator=draw), alpha=0.3)
    return built


@pytest.fixture(scope="session")
def tiny() -> Callable[[str], LanguageModel]:
    """Return a function from the name of an architecture to a loaded model of it."""
    return cache(lambda name: LanguageModel.of(module(name), reference=name))


@pytest.fixture(scope="session")
def pocket() -> LanguageModel:
    """The smallest bundled model."""
    return load_model("bundled:pocket-64", device="cpu")


@pytest.fixture(scope="session")
def ragged() -> list[np.ndarray]:
    """Five prompts of four lengths."""
    draw = np.random.default_rng(0)
    return [draw.integers(5, N_VOCABULARY, size=n) for n in (7, 12, 3, 12, 5)]


@pytest.fixture(scope="session")
def saved_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with weights and config, without tokenizer."""
    folder = tmp_path_factory.mktemp("llama")
    module("llama").save_pretrained(folder)
    return folder
