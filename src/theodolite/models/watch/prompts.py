"""A fixed set of prompts, run through a model that is being trained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import cloud_gride
from theodolite.models.evaluate import evaluate_loss
from theodolite.models.language_model import LanguageModel, input_device
from theodolite.models.states import hidden_states
from theodolite.models.watch.tables import unwrapped
from theodolite.neighborhoods import cloud_neighbors

_SCALE = 4


def measure_prompts(module: Any, token_ids: Sequence[Any], *, batch_size: int = 8) -> dict[str, float]:
    """Measure the token clouds of prompts at every layer, and their loss, and leave the model as it was.

    Parameters
    ----------
    module : torch.nn.Module
        A text model of transformers, also inside `torch.compile` or a data-parallel wrapper, in any mode.
    token_ids : sequence of array-like
        One list of token ids for each prompt, of at least six tokens each; a few hundred tokens make a steady reading.
    batch_size : int
        Prompts in one forward pass; halved when memory runs out.

    Returns
    -------
    dict of str to float
        `prompts/layer_00/dimension` and so on: mean over the prompts of the cloud's dimension (GRIDE, second against
        fourth neighbor); layer 0 is the embedding output. For causal models with a head `prompts/loss`: mean next-token
        loss in nats. A layer at which no prompt fixes a dimension is left out.

    Raises
    ------
    ParameterError
        If there are no prompts, one is too short, too long for the model, or holds ids that the model does not have.
    PointsError
        If a hidden state or a logit is not finite.

    Notes
    -----
    The forward passes run in eval mode without gradients; afterwards every part is in the mode it was in, and torch's
    generators stand where they stood. A compiled model is run as it was before compilation.

    References
    ----------
    Viswanathan et al. 2025, arXiv:2501.10573 (dimension of the cloud at each layer); Denti et al. 2022,
    doi:10.1038/s41598-022-20991-1 (GRIDE).

    Examples
    --------
    >>> from theodolite.models import load_model
    >>> model = load_model("bundled:pocket-64", device="cpu").module.train()
    >>> found = measure_prompts(model, [list(range(100, 160))])
    >>> sorted(found)[-2:], model.training
    (['prompts/layer_04/dimension', 'prompts/loss'], True)
    """
    shortest = min((len(ids) for ids in token_ids), default=0)
    if shortest < _SCALE + 2:
        raise ParameterError(
            f"The shortest of {len(token_ids)} prompts has {shortest} tokens, but a dimension at neighbor {_SCALE} "
            f"needs at least {_SCALE + 2}. Leave out short prompts."
        )
    model = unwrapped(module)
    with _undisturbed(model):
        wrapped = LanguageModel.of(model)
        found = _dimensions(wrapped, token_ids, batch_size)
        if wrapped.kind == "causal" and model.get_output_embeddings() is not None:
            found["prompts/loss"] = evaluate_loss(wrapped, token_ids, batch_size=batch_size).mean
    if not all(np.isfinite(value) for value in found.values()):
        raise PointsError("The loss on the prompts is not finite: the training has diverged, or a weight is NaN.")
    return found


def _dimensions(model: LanguageModel, token_ids: Sequence[Any], batch_size: int) -> dict[str, float]:
    values = []
    for one in hidden_states(model, token_ids, batch_size=batch_size):
        clouds = cloud_gride(cloud_neighbors(one.states, k=_SCALE), largest=_SCALE)
        values.append(clouds.value[:, list(clouds.n2).index(_SCALE)])
    by_layer = np.array(values).T
    return {
        f"prompts/layer_{layer:02d}/dimension": float(np.nanmean(row))
        for layer, row in enumerate(by_layer)
        if np.isfinite(row).any()
    }


@contextmanager
def _undisturbed(module: torch.nn.Module) -> Iterator[None]:
    """Run the block in eval mode without gradients; put modes and torch's generators back after it."""
    modes = [(part, part.training) for part in module.modules()]
    device = input_device(module) if hasattr(module, "get_input_embeddings") else torch.device("cpu")
    generators = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=generators), torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training
