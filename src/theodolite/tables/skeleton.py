"""The authoritative way to the tables of a model: build it without weights and ask it.

transformers builds the model of a config.json on torch's meta device (no memory, no weights, no code from the folder);
`get_input_embeddings` and `get_output_embeddings` say which parameters are meant, and transformers' own renaming of
checkpoint keys says what they are called on disk. transformers is imported here and nowhere else in this room.
"""

import contextlib
import copy
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from theodolite.core.errors import FormatError
from theodolite.tables.json_file import read_json
from theodolite.tables.model_config import CONFIG
from theodolite.tables.surroundings import FinalNorm, ask_for_norm

_MOST_LAYERS = 256
_COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """What a model without weights says about its tables.

    Attributes
    ----------
    architecture : str
        The class that was built.
    inputs, outputs : tuple of str
        Names under which the model knows each table; several where parameters are shared; empty where there is none.
    ties : bool
        Whether the model makes both one parameter.
    scale : float
        The factor that the embedding module puts on its rows.
    norm : FinalNorm or None
        The final norm under the model's own names.
    to_model : callable
        Translates the name of a tensor on disk to the model's own name.
    """

    architecture: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ties: bool
    scale: float
    norm: FinalNorm | None
    to_model: Callable[[str], str]

    def on_disk(self, names: Iterable[str], wanted: tuple[str, ...]) -> list[str]:
        """Return those names on disk that the model would load into one of the parameters `wanted`."""
        return [name for name in names if self.to_model(name) in wanted]

    def norm_on_disk(self, names: Iterable[str]) -> FinalNorm | None:
        """Return the final norm under its names on disk; None where the weights it has are not there."""
        if self.norm is None:
            return None
        there = {self.to_model(name): name for name in names}
        weight, bias = (None if part is None else there.get(part) for part in (self.norm.weight, self.norm.bias))
        if weight is None and self.norm.weight is not None:
            return None
        return replace(self.norm, weight=weight, bias=bias)


def build_skeleton(folder: Path) -> Skeleton:
    """Build the model of a folder without weights.

    Raises
    ------
    FormatError
        If transformers does not know the architecture or cannot build it from this config.
    """
    stated = read_json(folder / CONFIG)
    with _quiet():
        model, problem = None, ""
        try:
            config = _read_config(folder, stated)
            candidates: tuple[dict[str, Any] | None, ...] = (_one_layer(config.to_dict()), None)
        except Exception as error:  # whatever a config of unknown origin makes of transformers
            candidates, problem = (), _one_line(error)
        for values in candidates:
            try:
                model = _build(config if values is None else type(config).from_dict(values), stated)
                break
            except Exception as error:
                problem = _one_line(error)
        if model is None:
            raise FormatError(
                f"The model of {folder} (model_type {stated.get('model_type')!r:.60}) cannot be built from its "
                f"{CONFIG}: {problem}. Name the table yourself with #tensor; `theodolite inspect` lists the tensors."
            )
        return _ask(model)


def _read_config(folder: Path, stated: dict[str, Any]) -> Any:
    """Let transformers read config.json, if it knows the model type and the number of layers is sane."""
    import transformers  # noqa: PLC0415 (seconds; only for architectures without a convention)

    layers = max((value for key in _COUNTS if isinstance(value := stated.get(key), int)), default=0)
    if layers > _MOST_LAYERS:
        raise ValueError(f"it claims {layers} layers")
    model_type = stated.get("model_type")
    if not isinstance(model_type, str) or model_type not in transformers.CONFIG_MAPPING:
        raise ValueError(
            f"transformers {transformers.__version__} does not know the model type {model_type!r} "
            "(code inside a model folder is never run)"
        )
    return transformers.CONFIG_MAPPING[model_type].from_pretrained(folder, local_files_only=True)


def _build(config: Any, stated: dict[str, Any]) -> Any:
    """Build the class that config.json names, or else the causal, masked or base model of its type."""
    import transformers  # noqa: PLC0415
    from transformers import models  # noqa: PLC0415

    autos = models.auto.modeling_auto
    mappings = (
        autos.MODEL_FOR_CAUSAL_LM_MAPPING,
        autos.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
        autos.MODEL_FOR_MASKED_LM_MAPPING,
        autos.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        autos.MODEL_FOR_PRETRAINING_MAPPING,
        autos.MODEL_MAPPING,
    )
    named = (getattr(transformers, name, None) for name in stated.get("architectures") or [] if isinstance(name, str))
    usual = (mapping[type(config)] for mapping in mappings if type(config) in mapping)
    for choice in chain(named, usual):
        if isinstance(choice, type) and issubclass(choice, transformers.PreTrainedModel):
            with torch.device("meta"):
                return choice._from_config(config)  # type: ignore[no-untyped-call]
    raise ValueError(f"transformers has no model for the type {stated.get('model_type')!r}")


def _one_layer(values: dict[str, Any]) -> dict[str, Any]:
    """Return the config with one layer in place of many; lists with one value for each layer are cut too."""
    small = copy.deepcopy(values)
    for part in [small, *(value for value in small.values() if isinstance(value, dict))]:
        counts = {part[key] for key in _COUNTS if isinstance(part.get(key), int)}
        for key in _COUNTS:
            if key in part and isinstance(part[key], int) and part[key] > 1:
                part[key] = 1
        for key, value in part.items():
            if isinstance(value, list) and len(value) in counts and len(value) > 1 and key != "architectures":
                part[key] = value[:1]
    return small


def _one_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__


def _ask(model: Any) -> Skeleton:
    """Ask a model for its tables."""
    embedding = _embedding(model.get_input_embeddings)
    head = _embedding(model.get_output_embeddings)
    scale = 1.0
    with contextlib.suppress(NotImplementedError, AttributeError):
        module = model.get_input_embeddings()
        for name in ("scalar_embed_scale", "embed_scale"):
            if isinstance(getattr(module, name, None), int | float):
                scale = float(getattr(module, name))
                break
    inputs = _names(model, embedding)
    outputs = _names(model, head)
    tied = dict(getattr(model, "all_tied_weights_keys", None) or {})
    ties = (embedding is not None and head is embedding) or any(
        tied.get(a) == b or tied.get(b) == a or (tied.get(a) is not None and tied.get(a) == tied.get(b))
        for a in inputs
        for b in outputs
    )
    if not ties:
        inputs = _with_shared(inputs, tied)
        outputs = _with_shared(outputs, tied)
    elif head is not embedding:
        inputs = _with_shared(inputs, tied, but=outputs)
    return Skeleton(
        architecture=type(model).__name__,
        inputs=inputs,
        outputs=outputs,
        ties=ties,
        scale=scale,
        norm=ask_for_norm(model),
        to_model=_translation(model),
    )


def _embedding(ask: Callable[[], Any]) -> Any:
    """Return the weight of the module that `ask` names, or None."""
    try:
        module = ask()
    except (NotImplementedError, AttributeError, TypeError):
        return None
    if isinstance(module, torch.nn.ModuleList | list | tuple):
        module = module[0] if len(module) else None
    weight = getattr(module, "weight", None)
    return weight if isinstance(weight, torch.Tensor) and weight.ndim == 2 else None


def _names(model: Any, weight: Any) -> tuple[str, ...]:
    """Return every name under which a model knows a parameter."""
    if weight is None:
        return ()
    return tuple(name for name, other in model.named_parameters(remove_duplicate=False) if other is weight)


def _with_shared(names: tuple[str, ...], tied: dict[str, str], but: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Add the names that transformers ties to these when loading (T5: shared and encoder.embed_tokens)."""
    sources = {tied.get(name, name) for name in names}
    others = [target for target, source in tied.items() if source in sources]
    return tuple(dict.fromkeys(name for name in (*names, *sources, *others) if name not in but))


def _translation(model: Any) -> Callable[[str], str]:
    """Return transformers' own renaming of keys on disk, or only the base model's prefix where it has none."""
    known = {name: True for name, _ in model.named_parameters(remove_duplicate=False)}
    prefix = model.base_model_prefix or ""

    def by_prefix(name: str) -> str:
        if name in known or not prefix:
            return name
        return f"{prefix}.{name}" if f"{prefix}.{name}" in known else name.removeprefix(f"{prefix}.")

    try:
        from transformers.conversion_mapping import get_model_conversion_mapping  # noqa: PLC0415
        from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key  # noqa: PLC0415

        transforms = get_model_conversion_mapping(model)
    except (ImportError, AttributeError, TypeError):
        return by_prefix
    renamings = [transform for transform in transforms if isinstance(transform, WeightRenaming)]
    converters = [transform for transform in transforms if isinstance(transform, WeightConverter)]

    def by_transformers(name: str) -> str:
        renamed = rename_source_key(name, renamings, converters, prefix, known)[0]
        return renamed if renamed in known else by_prefix(name)

    return by_transformers


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' advice about a model that nobody will run away from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
