"""Where well-known architectures keep their tables, as data.

This spares the slow way (`skeleton.py`, which asks transformers) for the models people use most. A test holds every
line against transformers itself. A model type that is not here is not guessed at: transformers is asked.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Convention:
    """Names of the two tables of an architecture.

    Attributes
    ----------
    prefix : str
        Name of the base model inside the model with a head; checkpoints of the bare base model leave it out.
    inputs, outputs : tuple of str
        Names below the prefix, and names beside it, newest first.
    ties : bool
        Whether the tables are one where config.json does not say.
    """

    prefix: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ties: bool


_HEAD = ("lm_head.weight",)
_LLAMA = Convention("model", ("embed_tokens.weight",), _HEAD, ties=False)
_GEMMA = Convention("model", ("embed_tokens.weight",), _HEAD, ties=True)
_GPT2 = Convention("transformer", ("wte.weight",), _HEAD, ties=True)
_BLOOM = Convention("transformer", ("word_embeddings.weight",), _HEAD, ties=True)
_WORDS = ("embeddings.word_embeddings.weight",)
_ROBERTA = Convention("roberta", _WORDS, ("lm_head.decoder.weight",), ties=True)

CONVENTIONS = {
    "bert": Convention("bert", _WORDS, ("cls.predictions.decoder.weight",), ties=True),
    "bloom": _BLOOM,
    "camembert": _ROBERTA,
    "cohere": _GEMMA,
    "cohere2": _GEMMA,
    "deepseek_v2": _LLAMA,
    "deepseek_v3": _LLAMA,
    "distilbert": Convention("distilbert", _WORDS, ("vocab_projector.weight",), ties=True),
    "falcon": _BLOOM,
    "gemma": _GEMMA,
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "gpt2": _GPT2,
    "gpt_neo": _GPT2,
    "gpt_neox": Convention("gpt_neox", ("embed_in.weight",), ("embed_out.weight", "lm_head.weight"), ties=False),
    "gpt_oss": _LLAMA,
    "gptj": Convention("transformer", ("wte.weight",), _HEAD, ties=False),
    "llama": _LLAMA,
    "mamba": Convention("backbone", ("embeddings.weight", "embedding.weight"), _HEAD, ties=True),
    "mistral": _LLAMA,
    "mixtral": _LLAMA,
    "modernbert": Convention("model", ("embeddings.tok_embeddings.weight",), ("decoder.weight",), ties=True),
    "mpt": _GPT2,
    "olmo": _LLAMA,
    "olmo2": _LLAMA,
    "opt": Convention("model", ("decoder.embed_tokens.weight",), _HEAD, ties=True),
    "phi": _LLAMA,
    "phi3": _LLAMA,
    "qwen2": _LLAMA,
    "qwen2_moe": _LLAMA,
    "qwen3": _LLAMA,
    "qwen3_moe": _LLAMA,
    "roberta": _ROBERTA,
    "t5": Convention("", ("shared.weight",), _HEAD, ties=True),
    "xlm-roberta": _ROBERTA,
}
