"""The logit lens: what each layer would predict if it were the last."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError
from theodolite.models.anatomy import LastLayer
from theodolite.models.language_model import LanguageModel
from theodolite.models.losses import entropy

Floats = npt.NDArray[np.float64]

_ELEMENTS = 1 << 24


def logit_lens_entropy(
    model: LanguageModel, states: torch.Tensor, *, last_layer: LastLayer, epsilon: float = 0.0
) -> Floats:
    """Measure the entropy of what each layer predicts through final norm and head, in nats.

    Parameters
    ----------
    model : LanguageModel
        The model that the states come from.
    states : torch.Tensor
        Shape `(n_layers + 1, n_tokens, n_dims)`, as `PromptStates.states`.
    last_layer : {"post_norm", "pre_norm", "no_norm"}
        As `PromptStates.last_layer`: a last state that has passed the norm is not normed again.
    epsilon : float
        Added inside the logarithm, on all layers but the last, as the authors of viswanathan2025 do with 1e-12.

    Returns
    -------
    numpy.ndarray
        Shape `(n_layers + 1, n_tokens)`, float64. The last row is the entropy of the model's own prediction.

    Raises
    ------
    ParameterError
        If the model's logits are not its head applied to the normed state (BERT), or the shape does not fit.

    Notes
    -----
    Each layer costs one product with the output embedding, which for small models outweighs the forward pass.

    References
    ----------
    nostalgebraist 2020, "interpreting GPT: the logit lens"; Viswanathan et al. 2025, appendix F.

    Examples
    --------
    >>> from theodolite.models import hidden_states, load_model
    >>> model = load_model("bundled:pocket-64", device="cpu")
    >>> (found,) = hidden_states(model, [[11, 12, 13]])
    >>> logit_lens_entropy(model, found.states, last_layer=found.last_layer).shape
    (5, 3)
    """
    check_states(model, states, last_layer)
    return lens_entropies(model, states[:-1], states[-1], last_layer=last_layer, epsilon=epsilon)


def lens_entropies(
    model: LanguageModel,
    inner: Iterable[torch.Tensor],
    last: torch.Tensor,
    *,
    last_layer: LastLayer,
    epsilon: float,
) -> Floats:
    """Measure the entropy of the head's prediction for all layers; the last is read as the model itself reads it."""
    rows = [_entropy(model, state, norm=True, epsilon=epsilon) for state in inner]
    return np.stack([*rows, _entropy(model, last, norm=last_layer == "pre_norm", epsilon=0.0)])


def _entropy(model: LanguageModel, state: torch.Tensor, *, norm: bool, epsilon: float) -> Floats:
    """Measure the entropy of the head's prediction for one layer `(n_tokens, n_dims)`, rows in blocks."""
    head = model.module.get_output_embeddings()
    final = model.module.get_submodule(model.final_norm) if norm and model.final_norm is not None else None
    found = []
    with torch.no_grad():
        for block in torch.split(state, max(1, _ELEMENTS // model.n_vocabulary)):
            normed = block if final is None else _run(final, block)
            assert model.readout is not None
            found.append(entropy(model.readout(_run(head, normed)), epsilon=epsilon))
    return np.concatenate(found)


def check_states(model: LanguageModel, states: torch.Tensor, last_layer: LastLayer) -> None:
    """Refuse models and states that a lens cannot read."""
    if model.readout is None:
        raise ParameterError(
            f"A lens needs logits that are the output embedding applied to the normed state, and those of "
            f"{model.provenance['reference']} ({model.provenance['class']}) are not. Pass a causal language model."
        )
    if states.ndim != 3 or states.shape[0] != model.n_layers + 1 or states.shape[2] != model.n_dims:
        raise ParameterError(
            f"States of shape {tuple(states.shape)} were given; {model.provenance['reference']} needs "
            f"({model.n_layers + 1}, n_tokens, {model.n_dims})."
        )
    if last_layer not in ("post_norm", "pre_norm", "no_norm"):
        raise ParameterError(f"last_layer={last_layer!r} is not known. Pass what PromptStates.last_layer says.")


def _run(part: Any, block: torch.Tensor) -> torch.Tensor:
    """Apply a norm or head in the dtype and on the device of its weights."""
    weight = getattr(part, "weight", None)
    if weight is not None and weight.device.type != "meta":
        block = block.to(weight.device, weight.dtype)
    output: torch.Tensor = part(block)
    return output
