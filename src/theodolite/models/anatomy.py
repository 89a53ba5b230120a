"""What a model is made of, found by running it on three tokens instead of believing its name.

Which state is the last one, where the final norm stands, whether a later token changes an earlier state, and whether
the logits are the head applied to the normed state: all four differ between architectures and versions of transformers.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from theodolite.core.errors import FormatError
from theodolite.models.quiet import quiet

Kind = Literal["causal", "encoder", "encoder-decoder"]
LastLayer = Literal["post_norm", "pre_norm", "no_norm"]

_PROBE = 3
_ULPS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """How a model makes logits of a normed state: `softcap * tanh(scale * head(state) / softcap)`.

    Attributes
    ----------
    scale : float
        Factor on the head's output, 1 for most models.
    softcap : float or None
        Bound of the logits; None where there is none.
    """

    scale: float = 1.0
    softcap: float | None = None

    def __call__(self, raw: torch.Tensor) -> torch.Tensor:
        """Return the logits of a head's output."""
        logits = raw if self.scale == 1.0 else raw * self.scale
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """What a forward pass showed about a model.

    Attributes
    ----------
    kind : {"causal", "encoder", "encoder-decoder"}
        "causal" where a later token leaves earlier states as they are. Of an encoder-decoder only the encoder is run.
    n_layers, n_dims : int
        Number of blocks, and width of every state.
    final_norm : str or None
        Name of the norm after the last block, outside the blocks; None where there is none (BERT).
    last_layer : {"post_norm", "pre_norm", "no_norm"}
        What transformers returns as the last state.
    masks_padding : bool
        Whether padded and masked positions leave the others as they are; not so where convolutions or Fourier
        transforms reach over them.
    readout : Readout or None
        None where the logits are not the output embedding applied to the normed state.
    """

    kind: Kind
    n_layers: int
    n_dims: int
    final_norm: str | None
    last_layer: LastLayer
    masks_padding: bool
    readout: Readout | None


def trunk_of(module: Any, *, head: bool) -> Any:
    """Return what to run: the encoder of an encoder-decoder, the base model where no logits are wanted."""
    if getattr(module.config, "is_encoder_decoder", False):
        return module.get_encoder()
    if head:
        return module
    base = getattr(module, "base_model", module)
    return module if base is None else base


def call(trunk: Any, ids: torch.Tensor, *, mask: torch.Tensor | None = None, states: bool = True) -> Any:
    """Run a model of transformers on token ids `(n_prompts, n_tokens)`, with those settings that it takes."""
    names = inspect.signature(trunk.forward).parameters
    more: dict[str, Any] = {
        name: value for name, value in (("use_cache", False), ("return_dict", True)) if name in names
    }
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in names.values())
    if mask is not None and ("attention_mask" in names or takes_all):
        more["attention_mask"] = mask
    with torch.no_grad():
        return trunk(input_ids=ids, output_hidden_states=states, **more)


def states_of(outputs: Any, module: Any) -> tuple[torch.Tensor, ...]:
    """Return the hidden states of a forward pass.

    Raises
    ------
    FormatError
        If there are none, or layers differ in width.
    """
    states = getattr(outputs, "hidden_states", None)
    if not isinstance(states, tuple | list) or len(states) < 2 or not all(torch.is_tensor(state) for state in states):
        raise FormatError(
            f"{type(module).__name__} returns no hidden states when asked for them, so its layers cannot be measured. "
            "Pass a text model of transformers that honors output_hidden_states."
        )
    shapes = list(dict.fromkeys(tuple(state.shape) for state in states))
    if len(shapes) > 1 or len(shapes[0]) != 3:
        raise FormatError(
            f"The states of {type(module).__name__} are not one vector of one width for each token and layer (their "
            f"shapes are {', '.join(map(str, shapes))}), so they do not fit one profile. Pass another model."
        )
    return tuple(states)


def examine(module: Any, *, device: torch.device) -> Anatomy:
    """Run a model on a few tokens and report what it is made of.

    Raises
    ------
    FormatError
        If the model cannot be run on token ids alone, returns no hidden states, or layers differ in width.
    """
    ids = _probe_ids(module)
    crossed = bool(getattr(module.config, "is_encoder_decoder", False))
    seen: dict[str, tuple[Any, Any]] = {}
    hooks = [
        part.register_forward_hook(_watch(seen, name), with_kwargs=True)
        for name, part in module.named_modules()
        if "norm" in type(part).__name__.lower() and not _in_a_block(name)
    ]
    try:
        outputs = _run(module, [ids], device)
    finally:
        for hook in hooks:
            hook.remove()
    states = states_of(outputs, module)
    name, last = _final_norm(seen, states[-1])
    normed = seen[name][1] if name is not None else states[-1]
    kind: Kind = "encoder-decoder" if crossed else "encoder"
    if not crossed and not type(module).__name__.endswith("ForMaskedLM"):  # sparse attention may miss a short prompt
        other = [*ids[:-1], _another(module, ids)]
        changed = states_of(_run(module, [other], device), module)[-1]
        if _same(states[-1][:, :-1], changed[:, :-1], _ULPS):
            kind = "causal"
    return Anatomy(
        kind=kind,
        n_layers=len(states) - 1,
        n_dims=int(states[-1].shape[-1]),
        final_norm=name,
        last_layer=last,
        masks_padding=_masks_padding(module, ids, device),
        readout=_readout(module, normed, getattr(outputs, "logits", None)),
    )


def padding_id(*owners: Any, n_vocabulary: int) -> int:
    """Return the id to pad with, from a config or tokenizer; RoBERTa counts positions by it, elsewhere any does."""
    stated = [getattr(owner, "pad_token_id", None) for owner in owners]
    return next((found for found in stated if isinstance(found, int) and 0 <= found < n_vocabulary), 0)


def _masks_padding(module: Any, ids: list[int], device: torch.device) -> bool:
    """Say whether the first two tokens are the same beside a longer prompt as alone."""
    pad = padding_id(module.config, n_vocabulary=_vocabulary(module))
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]], device=device)
    padded = states_of(_run(module, [ids, [*ids[:2], pad]], device, mask), module)[-1][1, :2]
    return _same(padded, states_of(_run(module, [ids[:2]], device), module)[-1][0], 4 * _ULPS)


def _run(module: Any, ids: list[list[int]], device: torch.device, mask: torch.Tensor | None = None) -> Any:
    try:
        with quiet():
            return call(trunk_of(module, head=True), torch.tensor(ids, device=device), mask=mask)
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        problem = " ".join(str(error).split())[:300]
        raise FormatError(
            f"{type(module).__name__} cannot be run on token ids alone: {problem}. Pass a text model of transformers."
        ) from error


def _watch(seen: dict[str, tuple[Any, Any]], name: str) -> Callable[..., None]:
    def hook(_: Any, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        given = arguments[0] if arguments else next(iter(named.values()), None)
        seen[name] = (given, output[0] if isinstance(output, tuple) else output)

    return hook


def _in_a_block(name: str) -> bool:
    """Say whether a module belongs to one entry of a list of blocks."""
    return any(part.isdecimal() for part in name.split("."))


def _final_norm(seen: dict[str, tuple[Any, Any]], last: torch.Tensor) -> tuple[str | None, LastLayer]:
    """Find the norm that made the last state, or that was given it."""
    for name, (given, output) in reversed(seen.items()):
        if _equal(output, last) and not _equal(given, last):
            return name, "post_norm"
    for name, (given, _) in reversed(seen.items()):
        if _equal(given, last):
            return name, "pre_norm"
    return None, "no_norm"


def _equal(a: Any, b: torch.Tensor) -> bool:
    return torch.is_tensor(a) and a.shape == b.shape and torch.equal(a.to(b.device, b.dtype), b)


def _same(a: torch.Tensor, b: torch.Tensor, ulps: float) -> bool:
    """Say whether two tensors are equal up to rounding in their dtype."""
    scale = max(float(a.abs().max()), float(b.abs().max()), torch.finfo(a.dtype).tiny)
    return float((a - b).abs().max()) <= ulps * torch.finfo(a.dtype).eps * scale


def _readout(module: Any, normed: torch.Tensor, logits: Any) -> Readout | None:
    """Find the scale and softcap that turn the head's output into the model's own logits, if any do."""
    head = module.get_output_embeddings() if hasattr(module, "get_output_embeddings") else None
    if head is None or not torch.is_tensor(logits):
        return None
    config = module.config.get_text_config() if hasattr(module.config, "get_text_config") else module.config
    scale, divisor = getattr(config, "logit_scale", None), getattr(config, "logits_scaling", None)
    softcap = getattr(config, "final_logit_softcapping", None)
    stated = Readout(
        scale=float(scale if scale else 1.0) / float(divisor if divisor else 1.0),
        softcap=float(softcap) if softcap else None,
    )
    weight = getattr(head, "weight", None)
    if weight is None or weight.shape[-1] != normed.shape[-1]:
        return None
    with torch.no_grad():
        raw = head(normed)
    if raw.shape != logits.shape:
        return None
    return next((way for way in (Readout(), stated) if _same(way(raw).to(logits), logits, 64)), None)


def _vocabulary(module: Any) -> int:
    return int(module.get_input_embeddings().weight.shape[0])


def _probe_ids(module: Any) -> list[int]:
    """Return ids of ordinary tokens: from the middle of the vocabulary, where special tokens seldom are."""
    n_rows, pad = _vocabulary(module), getattr(module.config, "pad_token_id", None)
    middle = n_rows // 2
    ids = [i for i in [*range(middle, n_rows), *range(middle)] if i != pad]
    return (ids * _PROBE)[:_PROBE]


def _another(module: Any, ids: list[int]) -> int:
    """Return an ordinary token id that is not the last of the probe."""
    pad = getattr(module.config, "pad_token_id", None)
    return next((i for i in range(_vocabulary(module)) if i not in (pad, *ids)), ids[0])
