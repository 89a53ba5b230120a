"""What a model's config.json says about its embedding: sizes, tying, scaling."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theodolite.tables.json_file import read_json
from theodolite.tables.quantized import name_quantization

CONFIG = "config.json"
_TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config", "decoder")
_HEADS = ("ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForPreTraining", "ForConditionalGeneration", "WithLMHeadModel")
_GEMMA_LIKE = ("gemma", "recurrent_gemma", "t5gemma", "vaultgemma", "paligemma")
_MULTIPLIERS = ("embedding_multiplier", "scale_emb")
_T5_LIKE = ("t5", "longt5", "umt5", "switch_transformers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The parts of config.json that concern tables.

    Attributes
    ----------
    model_type : str
        Of the text model where the config nests one, otherwise of the whole.
    outer_type : str
        Of the whole model.
    architectures : tuple of str
        Class names, such as "GPT2LMHeadModel"; empty where the config does not say.
    vocab_size : int or None
        Rows that the embedding should have.
    ties : bool or None
        Whether output and input embedding are one matrix; None where the config leaves it to the architecture.
    embedding_scale : float
        The factor that the model puts on the embedding before the first block; the table is the raw matrix.
    quantization : str or None
        How the checkpoint is quantized, in a few words; None where it is not.
    logit_scale : float
        The factor between the product of a state with a row of the output embedding and the logit.
    """

    model_type: str
    outer_type: str
    architectures: tuple[str, ...]
    vocab_size: int | None
    ties: bool | None
    embedding_scale: float
    quantization: str | None = None
    logit_scale: float = 1.0

    @property
    def is_nested(self) -> bool:
        """Whether the text model is a part of something larger."""
        return self.model_type != self.outer_type

    @property
    def has_head(self) -> bool | None:
        """Whether the saved class ends in a head over the vocabulary; None where no class is named."""
        if not self.architectures:
            return None
        return any(name.endswith(_HEADS) for name in self.architectures)


def read_config(folder: Path) -> ModelConfig:
    """Read config.json of a model folder.

    Raises
    ------
    NotFoundError
        If there is none.
    FormatError
        If it is no JSON object.
    """
    return parse_config(read_json(folder / CONFIG))


def parse_config(outer: dict[str, Any]) -> ModelConfig:
    """Pick the parts that concern tables out of what config.json holds, or what another format says in its words."""
    text = outer
    for part in _TEXT_PARTS:
        if isinstance(text.get(part), dict):
            text = {**text[part]}
            break
    outer_type = _text(outer.get("model_type"))
    model_type = _text(text.get("model_type")) or outer_type
    ties = outer.get("tie_word_embeddings", text.get("tie_word_embeddings"))
    architectures = outer.get("architectures")
    return ModelConfig(
        model_type=model_type,
        outer_type=outer_type,
        architectures=tuple(map(_text, architectures)) if isinstance(architectures, list) else (),
        vocab_size=_size(text.get("vocab_size", outer.get("vocab_size"))),
        ties=ties if isinstance(ties, bool) else None,
        embedding_scale=_scale(model_type, text),
        quantization=name_quantization(outer),
        logit_scale=_logit_scale(model_type, text),
    )


def _scale(model_type: str, config: dict[str, Any]) -> float:
    """Return the factor between a row of the table and what enters the first block."""
    width = _size(config.get("hidden_size", config.get("d_model")))
    if width and (model_type.startswith(_GEMMA_LIKE) or config.get("scale_embedding") is True):
        return math.sqrt(width)
    return next((factor for key in _MULTIPLIERS if (factor := _factor(config.get(key)))), 1.0)


def _logit_scale(model_type: str, config: dict[str, Any]) -> float:
    """Return the factor on the logits, as transformers' models of these types apply it."""
    width = _size(config.get("hidden_size", config.get("d_model"))) or 1
    if model_type in _T5_LIKE:
        scaled = config.get("scale_decoder_outputs", config.get("tie_word_embeddings") is not False)
        return 1.0 / math.sqrt(width) if scaled else 1.0
    if model_type.startswith("granite") and (divisor := _factor(config.get("logits_scaling"))):
        return 1.0 / divisor
    if model_type.startswith("cohere"):
        return _factor(config.get("logit_scale")) or 1.0
    if model_type.startswith("minicpm") and (base := _factor(config.get("dim_model_base"))):
        return base / width
    return 1.0


def _factor(value: Any) -> float:
    """Return a number other than 0, or 0 for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _size(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None
