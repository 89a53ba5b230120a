"""What a model does between its tables and its blocks: the final norm, factors, and the modules on the way."""

import copy
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from theodolite.tables.conventions import Convention

NormKind = Literal["LayerNorm", "RMSNorm"]
_NOT_FINAL = ("emb", "vision", "visual", "audio", "cls", "predictions", "head", "projector")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalNorm:
    """The norm between the last block and the output embedding.

    Attributes
    ----------
    kind : {"LayerNorm", "RMSNorm"}
        Whether the mean is taken away first.
    weight, bias : str or None
        Names on disk; None where the norm has none (OLMo 1 has neither).
    offset : float
        What is added to the weight: 1 in Gemma, which stores the factor less 1, otherwise 0.
    """

    kind: NormKind
    weight: str | None
    bias: str | None
    offset: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What happens to a row of the input table before the first block, and to a state before the output table.

    Attributes
    ----------
    final_norm : FinalNorm or None
        None where the last block ends in a norm of its own (BERT), where the checkpoint does not hold it, or where it
        is not known.
    logit_scale : float
        The factor between `state @ row` and the logit.
    before_blocks : tuple of str or None
        Modules with weights between input table and first block, as named on disk: positions, a norm (BLOOM, BERT,
        RWKV), a projection (OPT-350m). None where that is not known.
    after_blocks : tuple of str or None
        Modules between final norm and output table, such as BERT's transform. None where that is not known.
    """

    final_norm: FinalNorm | None = None
    logit_scale: float = 1.0
    before_blocks: tuple[str, ...] | None = None
    after_blocks: tuple[str, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the same, fit for JSON."""
        return {name: list(one) if isinstance(one, tuple) else one for name, one in asdict(self).items()}


UNKNOWN = Surroundings()


def known_surroundings(convention: Convention, names: Collection[str], logit_scale: float) -> Surroundings:
    """Return what an architecture is known to have, as far as the checkpoint holds it."""
    prefix = f"{convention.prefix}." if convention.prefix else ""

    def on_disk(modules: tuple[str, ...]) -> tuple[str, ...]:
        places = [(prefix + module, module) for module in modules]
        stored = [next((one for one in pair if _holds(names, one)), None) for pair in places]
        return tuple(module for module in stored if module is not None)

    norm = None
    if convention.norm_kind is not None:
        found = on_disk(convention.norms)
        if found or not convention.norms:
            norm = FinalNorm(
                kind=convention.norm_kind,
                weight=f"{found[0]}.weight" if found else None,
                bias=f"{found[0]}.bias" if found and f"{found[0]}.bias" in names else None,
                offset=convention.norm_offset,
            )
    return Surroundings(
        final_norm=norm,
        logit_scale=logit_scale,
        before_blocks=on_disk(convention.before),
        after_blocks=on_disk(convention.after),
    )


def _holds(names: Collection[str], module: str) -> bool:
    return any(name.startswith(f"{module}.") for name in names)


def ask_for_norm(model: Any) -> FinalNorm | None:
    """Find the final norm of a model on the meta device, under the model's own names; None where there is none.

    It is the norm beside the list of blocks; in an encoder-decoder, of the decoder.
    """
    found = []
    for name, module in model.named_modules():
        parts = name.lower().split(".")
        if "norm" not in type(module).__name__.lower() or any(part.isdigit() for part in parts):
            continue
        if any(word in part for part in parts for word in _NOT_FINAL):
            continue
        parent = model.get_submodule(name.rpartition(".")[0])
        if any(isinstance(child, torch.nn.ModuleList) for child in parent.children()):
            found.append((name, module))
    for word in ("decoder", "language", "text"):
        if len(found) > 1:
            found = [one for one in found if word in one[0]] or found
    if len(found) != 1:
        return None
    name, module = found[0]
    try:
        kind, offset = _try_out(module)
    except Exception:  # a norm with inputs of its own: better unknown than guessed
        return None
    weight, bias = (getattr(module, part, None) for part in ("weight", "bias"))
    return FinalNorm(
        kind=kind,
        weight=None if weight is None else f"{name}.weight",
        bias=None if bias is None else f"{name}.bias",
        offset=offset,
    )


def _try_out(module: Any) -> tuple[NormKind, float]:
    """Run a norm on numbers to see whether it takes the mean away, and what it adds to its weight."""
    norm = copy.deepcopy(module).to_empty(device="cpu").float()
    weight, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)
    width = len(weight) if weight is not None else int(getattr(norm, "normalized_shape", (8,))[-1])
    points = torch.linspace(1.0, 3.0, width)[None]
    with torch.no_grad():
        if bias is not None:
            bias.zero_()
        offset = 0.0
        if weight is not None:
            weight.zero_()
            offset = 1.0 if bool(norm(points).any()) else 0.0
            weight.fill_(1.0 - offset)
        out = norm(points)
    return ("LayerNorm" if abs(float(out.mean())) < 0.01 * float(out.abs().max()) else "RMSNorm"), offset
