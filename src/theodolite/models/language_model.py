"""A loaded model together with what is known about it."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import FormatError, ParameterError
from theodolite.core.provenance import versions
from theodolite.models.anatomy import Kind, LastLayer, Readout, examine

_SAMPLED = 4096
_NOT_CONTENT = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")
_PACKAGES = ("theodolite", "torch", "transformers", "tokenizers", "accelerate")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LanguageModel(Displayed):
    """A model of transformers, ready to run, and its conventions.

    Attributes
    ----------
    module : torch.nn.Module
        The model of transformers, in eval mode.
    tokenizer : object or None
        Its tokenizer.
    kind : {"causal", "encoder", "encoder-decoder"}
        "causal" where a later token leaves earlier states as they are (seen in a forward pass, not read from a name).
    n_layers : int
        Number of blocks L; there are L + 1 states, 0 being the embedding output.
    n_dims : int
        Width of every state.
    n_vocabulary : int
        Rows of the input embedding.
    n_positions : int or None
        Longest sequence that the model takes; None where its config names no limit.
    final_norm : str or None
        Name of the norm after the last block; None where there is none.
    last_layer : {"post_norm", "pre_norm", "no_norm"}
        What transformers returns as the last state: after the final norm, before it, or there is none.
    masks_padding : bool
        Whether prompts of different length may share a batch (convolutions, for one, reach over padding).
    readout : Readout or None
        How logits come from a normed state and the output embedding; None where they do not.
    tied : bool or None
        Whether input and output embedding are one matrix; None without an output embedding.
    front_ids, back_ids : tuple of int
        The special tokens that this model puts before and after a text; `front_ids` is the beginning-of-sequence token
        also where the tokenizer does not add it by itself.
    provenance : dict
        Fit for JSON: reference, folder, commit, class, dtype, device, number of parameters, versions, and `content`, a
        hash of config and weights.

    Examples
    --------
    >>> from theodolite.models import load_model
    >>> model = load_model("bundled:pocket-64", device="cpu")
    >>> model.kind, model.n_layers, model.n_dims, model.last_layer, model.final_norm
    ('causal', 4, 64, 'post_norm', 'gpt_neox.final_layer_norm')
    """

    module: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    kind: Kind
    n_layers: int
    n_dims: int
    n_vocabulary: int
    n_positions: int | None
    final_norm: str | None
    last_layer: LastLayer
    masks_padding: bool
    readout: Readout | None
    tied: bool | None
    front_ids: tuple[int, ...]
    back_ids: tuple[int, ...]
    provenance: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, module: Any, tokenizer: Any = None, *, reference: str = "memory", **facts: Any) -> "LanguageModel":
        """Wrap a model that is in memory.

        Parameters
        ----------
        module : torch.nn.Module
            A text model of transformers; it is put in eval mode.
        tokenizer : object or None
            Its tokenizer.
        reference : str
            What to call the model in results.
        **facts : object
            Further entries of `provenance`, fit for JSON.

        Returns
        -------
        LanguageModel
            The model and what two forward passes over three tokens showed.

        Raises
        ------
        ParameterError
            If `module` is no model of transformers.
        FormatError
            If the model returns no hidden states, or layers of different width.
        """
        if not isinstance(module, torch.nn.Module) or not callable(getattr(module, "get_input_embeddings", None)):
            raise ParameterError(
                f"A model of transformers is needed, but a {type(module).__name__} was given. Use "
                "load_model(reference) or pass a model such as AutoModelForCausalLM.from_pretrained(folder)."
            )
        module.eval()
        if _embedding(module) is None:
            raise FormatError(
                f"{type(module).__name__} has no table of token embeddings, so it takes no token ids. Pass a text "
                "model."
            )
        device = input_device(module)
        table = _embedding(module)
        anatomy = examine(module, device=device)
        front, back = _around(tokenizer, module, anatomy.kind)
        parameters = dict(module.named_parameters())
        return cls(
            module=module,
            tokenizer=tokenizer,
            kind=anatomy.kind,
            n_layers=anatomy.n_layers,
            n_dims=anatomy.n_dims,
            n_vocabulary=int(table.shape[0]),
            n_positions=_n_positions(module),
            final_norm=anatomy.final_norm,
            last_layer=anatomy.last_layer,
            masks_padding=anatomy.masks_padding,
            readout=anatomy.readout,
            tied=_tied(module),
            front_ids=front,
            back_ids=back,
            provenance={
                "reference": reference,
                **facts,
                "class": type(module).__name__,
                "dtype": str(table.dtype).removeprefix("torch."),
                "device": str(device),
                "device_map": {name: str(at) for name, at in (getattr(module, "hf_device_map", None) or {}).items()}
                or None,
                "n_parameters": sum(parameter.numel() for parameter in parameters.values()),
                "content": _content(module, parameters),
                "versions": versions(_PACKAGES),
            },
        )

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        return input_device(self.module)

    @property
    def dtype(self) -> str:
        """Precision of the weights, such as "float32"."""
        return str(self.provenance["dtype"])


def input_device(module: Any) -> torch.device:
    """Return the device that the embedding reads its token ids on, also where weights are kept elsewhere."""
    embedding = module.get_input_embeddings()
    at = getattr(getattr(embedding, "_hf_hook", None), "execution_device", None)
    if at is None:
        found: torch.device = embedding.weight.device
        return found
    return torch.device("cuda", at) if isinstance(at, int) else torch.device(at)


def _embedding(module: Any) -> Any:
    try:
        return getattr(module.get_input_embeddings(), "weight", None)
    except (NotImplementedError, AttributeError):
        return None


def _tied(module: Any) -> bool | None:
    head = module.get_output_embeddings() if hasattr(module, "get_output_embeddings") else None
    weight = getattr(head, "weight", None)
    return None if weight is None else weight is module.get_input_embeddings().weight


def _n_positions(module: Any) -> int | None:
    """Return the longest sequence that a model takes; models like RoBERTa keep the first rows for padding."""
    config = module.config.get_text_config() if hasattr(module.config, "get_text_config") else module.config
    stated = getattr(config, "max_position_embeddings", None)
    if not isinstance(stated, int) or stated < 1:
        return None
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and getattr(part, "padding_idx", None) is not None:
            return stated - int(part.padding_idx) - 1
    return stated


def _around(tokenizer: Any, module: Any, kind: Kind) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the special tokens before and after a text: the tokenizer's own, or the beginning mark of the config."""
    if tokenizer is not None:
        bare, full = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a", add_special_tokens=True)
        bare, full = list(getattr(bare, "ids", bare)), list(getattr(full, "ids", full))
        for start in range(len(full) - len(bare) + 1):
            if len(full) > len(bare) and full[start : start + len(bare)] == bare:
                return tuple(full[:start]), tuple(full[start + len(bare) :])
    first = getattr(tokenizer, "bos_token_id", None)
    first = getattr(module.config, "bos_token_id", None) if first is None else first
    if kind != "causal" or not isinstance(first, int) or not 0 <= first < _embedding(module).shape[0]:
        return (), ()
    return (first,), ()


def _content(module: Any, parameters: dict[str, torch.nn.Parameter]) -> str:
    """Hash config and weights: of each parameter at least 4,096 evenly spaced elements, all of a smaller one."""
    stated = {key: value for key, value in module.config.to_dict().items() if key not in _NOT_CONTENT}
    digest = hashlib.sha256(f"{type(module).__name__} {json.dumps(stated, sort_keys=True, default=str)}".encode())
    for name, parameter in sorted(parameters.items()):
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        if parameter.device.type == "meta":
            continue
        flat = parameter.detach().reshape(-1)
        step = max(1, flat.numel() // _SAMPLED)
        digest.update(flat[::step].to(torch.float64).cpu().numpy().tobytes())
    return digest.hexdigest()
