"""The table of input embeddings inside a model: find it, copy it, put another in its place for a while."""

import contextlib
from collections.abc import Iterator
from typing import Literal, get_args

import torch

from theodolite.core.errors import FormatError, ParameterError, PointsError
from theodolite.models.language_model import LanguageModel

Side = Literal["input", "both"]


def embedding_table(model: LanguageModel) -> torch.Tensor:
    """Return a copy of the table of input embeddings.

    Parameters
    ----------
    model : LanguageModel
        A model whose embedding can be trained.

    Returns
    -------
    torch.Tensor
        `(n_tokens, n_dims)` float32 on the CPU.

    Raises
    ------
    FormatError
        If the embedding is quantized, spread over devices, or of a kind of its own.

    Examples
    --------
    >>> from theodolite.models import load_model
    >>> embedding_table(load_model("bundled:pocket-64", device="cpu")).shape
    torch.Size([4096, 64])
    """
    return embedding_layer(model)[1].weight.detach().to(device="cpu", dtype=torch.float32, copy=True)


@contextlib.contextmanager
def replaced_embedding(model: LanguageModel, table: torch.Tensor, *, side: Side = "input") -> Iterator[LanguageModel]:
    """Let a model use another table of input embeddings inside the block; put the old one back after it.

    Parameters
    ----------
    model : LanguageModel
        Changed inside the block.
    table : torch.Tensor
        `(n_tokens, n_dims)`.
    side : {"input", "both"}
        Where input and output embedding are one table: replace it for the input alone, or for both.

    Yields
    ------
    LanguageModel
        The model that was given.

    Raises
    ------
    ParameterError
        If `side` is not known, or "both" although the tables are not tied.
    PointsError
        If the table has another shape or holds numbers that are not finite.
    FormatError
        If the embedding cannot be replaced.

    Examples
    --------
    >>> from theodolite.models import evaluate_loss, load_model
    >>> model = load_model("bundled:pocket-64", device="cpu")
    >>> table = embedding_table(model)
    >>> with replaced_embedding(model, torch.zeros_like(table)):
    ...     blind = evaluate_loss(model, [[5, 17, 401]]).mean
    >>> blind > evaluate_loss(model, [[5, 17, 401]]).mean
    True
    """
    _, embedding = embedding_layer(model)
    if side not in get_args(Side):
        raise ParameterError(f'side must be "input" or "both", not {side!r}.')
    if side == "both" and not model.tied:
        raise ParameterError(
            f"{model.provenance['reference']} has an output embedding of its own, so there is no table to replace on "
            'both sides. Pass side="input".'
        )
    before = embedding.weight
    if table.shape != before.shape:
        raise PointsError(f"The table has shape {tuple(table.shape)}, but the model's has {tuple(before.shape)}.")
    if not torch.isfinite(table).all():
        raise PointsError("The table holds numbers that are not finite, with which no model can be run.")
    after = torch.nn.Parameter(table.detach().to(device=before.device, dtype=before.dtype), requires_grad=False)
    parts = [embedding, model.module.get_output_embeddings()] if side == "both" else [embedding]
    try:
        for part in parts:
            part.weight = after
        yield model
    finally:
        for part in parts:
            part.weight = before


def embedding_layer(model: LanguageModel) -> tuple[str, torch.nn.Embedding]:
    """Return the embedding layer and its name, if it is one that can be trained and replaced."""
    found = model.module.get_input_embeddings()
    reference = model.provenance["reference"]
    weight = getattr(found, "weight", None)
    if not isinstance(found, torch.nn.Embedding) or weight is None or not weight.is_floating_point():
        raise FormatError(
            f"The embedding of {reference} is a {type(found).__name__} of {getattr(weight, 'dtype', 'no')} numbers, "
            "which cannot be trained. Take a checkpoint that is not quantized."
        )
    if weight.device.type == "meta":
        raise FormatError(f'The weights of {reference} are not in memory. Load it on one device, as with device="cpu".')
    name = next(name for name, part in model.module.named_modules() if part is found)
    return name, found
