"""Where well-known architectures keep their tables, as data.

This spares the slow way (`skeleton.py`, which asks transformers) for the models people use most. A test holds every
line against transformers itself. A model type that is not here is not guessed at: transformers is asked.
"""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Convention:
    """Names of the two tables of an architecture, and of what stands between them and the blocks.

    Attributes
    ----------
    prefix : str
        Name of the base model inside the model with a head; checkpoints of the bare base model leave it out.
    inputs, outputs : tuple of str
        Names below the prefix, and names beside it, newest first.
    ties : bool
        Whether the tables are one where config.json does not say.
    norm_kind : {"LayerNorm", "RMSNorm"} or None
        The final norm; None where the last block ends in a norm of its own.
    norms : tuple of str
        Modules below the prefix that may be the final norm, the first that is stored counts; empty where it has no
        weights.
    norm_offset : float
        What the final norm adds to its weight.
    before, after : tuple of str
        Modules with weights between input table and first block, and between final norm and output table.
    """

    prefix: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ties: bool
    norm_kind: Literal["LayerNorm", "RMSNorm"] | None = None
    norms: tuple[str, ...] = ()
    norm_offset: float = 0.0
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


_HEAD = ("lm_head.weight",)
_LLAMA = Convention("model", ("embed_tokens.weight",), _HEAD, False, "RMSNorm", ("norm",))
_GEMMA = replace(_LLAMA, ties=True, norm_offset=1.0)
_COHERE = replace(_LLAMA, ties=True, norm_kind="LayerNorm")
_GPT2 = Convention("transformer", ("wte.weight",), _HEAD, True, "LayerNorm", ("ln_f",), before=("wpe",))
_FALCON = Convention("transformer", ("word_embeddings.weight",), _HEAD, True, "LayerNorm", ("ln_f",))
_WORDS = ("embeddings.word_embeddings.weight",)
_BERT = Convention(
    "bert",
    _WORDS,
    ("cls.predictions.decoder.weight",),
    True,
    before=("embeddings.token_type_embeddings", "embeddings.position_embeddings", "embeddings.LayerNorm"),
    after=("cls.predictions.transform",),
)
_ROBERTA = replace(
    _BERT, prefix="roberta", outputs=("lm_head.decoder.weight",), after=("lm_head.dense", "lm_head.layer_norm")
)
_DEBERTA = replace(
    _BERT,
    prefix="deberta",
    before=(
        "embeddings.token_type_embeddings",
        "embeddings.position_embeddings",
        "embeddings.embed_proj",
        "embeddings.LayerNorm",
    ),
)

CONVENTIONS = {
    "bert": _BERT,
    "bloom": replace(_FALCON, before=("word_embeddings_layernorm",)),
    "camembert": _ROBERTA,
    "cohere": _COHERE,
    "cohere2": _COHERE,
    "deberta": _DEBERTA,
    "deberta-v2": _DEBERTA,
    "deepseek_v2": _LLAMA,
    "deepseek_v3": _LLAMA,
    "distilbert": replace(
        _BERT,
        prefix="distilbert",
        outputs=("vocab_projector.weight",),
        before=("embeddings.position_embeddings", "embeddings.LayerNorm"),
        after=("vocab_transform", "vocab_layer_norm"),
    ),
    "falcon": _FALCON,
    "gemma": _GEMMA,
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "gpt2": _GPT2,
    "gpt_neo": _GPT2,
    "gpt_neox": Convention(
        "gpt_neox",
        ("embed_in.weight",),
        ("embed_out.weight", "lm_head.weight"),
        False,
        "LayerNorm",
        ("final_layer_norm",),
    ),
    "gpt_oss": _LLAMA,
    "gptj": replace(_GPT2, ties=False, before=()),
    "llama": _LLAMA,
    "llama4_text": _LLAMA,
    "mamba": Convention("backbone", ("embeddings.weight", "embedding.weight"), _HEAD, True, "RMSNorm", ("norm_f",)),
    "mistral": _LLAMA,
    "mixtral": _LLAMA,
    "modernbert": Convention(
        "model",
        ("embeddings.tok_embeddings.weight",),
        ("decoder.weight",),
        True,
        "LayerNorm",
        ("final_norm",),
        before=("embeddings.norm",),
        after=("head.dense", "head.norm"),
    ),
    "mpt": replace(_GPT2, norms=("norm_f",), before=()),
    "olmo": replace(_LLAMA, norm_kind="LayerNorm", norms=()),
    "olmo2": _LLAMA,
    "opt": Convention(
        "model",
        ("decoder.embed_tokens.weight",),
        _HEAD,
        True,
        "LayerNorm",
        ("decoder.final_layer_norm",),
        before=("decoder.embed_positions", "decoder.project_in"),
        after=("decoder.project_out",),
    ),
    "phi": replace(_LLAMA, norm_kind="LayerNorm", norms=("final_layernorm",)),
    "phi3": _LLAMA,
    "qwen2": _LLAMA,
    "qwen2_moe": _LLAMA,
    "qwen3": _LLAMA,
    "qwen3_moe": _LLAMA,
    "roberta": _ROBERTA,
    "rwkv": Convention(
        "rwkv",
        ("embeddings.weight",),
        ("head.weight",),
        False,
        "LayerNorm",
        ("ln_out",),
        before=("blocks.0.pre_ln",),
    ),
    "t5": Convention(
        "", ("shared.weight",), _HEAD, True, "RMSNorm", ("decoder.final_layer_norm", "encoder.final_layer_norm")
    ),
    "xlm-roberta": _ROBERTA,
}
