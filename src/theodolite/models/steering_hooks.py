"""Adding vectors to the residual stream of a running model, and taking the hooks off again, whatever happens."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import FormatError, ParameterError
from theodolite.models.anatomy import trunk_of
from theodolite.models.language_model import LanguageModel
from theodolite.models.steering_blocks import find_blocks
from theodolite.models.steering_vector import SteeringVector, identity

Vector: TypeAlias = npt.NDArray[Any] | torch.Tensor
Unit = Literal["raw", "residual"]
Words = Literal["all", "after", "last"]
Positions: TypeAlias = "Words | int"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steering:
    """What is added where: the outcome of a vector, a strength and its unit.

    Attributes
    ----------
    added : mapping of int to torch.Tensor
        Layer to the vector `(n_dims,)` that is added to its states, float32.
    positions : {"all", "after", "last"} or int
        At which tokens, see `steer`.
    """

    added: Mapping[int, torch.Tensor]
    positions: Positions = "all"


@dataclass(slots=True)
class Span:
    """Where the rows of the running batch begin to be steered; scoring moves it along.

    Attributes
    ----------
    starts : sequence of int or None
        For each prompt the first token to steer; None where the positions say it.
    offset : int
        Index of the batch's first prompt.
    past : int
        Tokens in the cache before this forward pass.
    mask : torch.Tensor or None
        The attention mask of this forward pass.
    """

    starts: Sequence[int] | None = None
    offset: int = 0
    past: int = 0
    mask: torch.Tensor | None = field(default=None, repr=False)


def plan_steering(
    vector: SteeringVector | Mapping[int, Vector],
    *,
    strength: float = 1.0,
    unit: Unit = "raw",
    norms: Mapping[int, float] | None = None,
    positions: Positions = "all",
) -> Steering:
    """Return what is to be added at each layer.

    Parameters
    ----------
    vector : SteeringVector or mapping of int to array
        Layer to vector `(n_dims,)`.
    strength : float
        Factor; negative steers the other way.
    unit : {"raw", "residual"}
        "raw" adds strength * v, as the papers do. "residual" adds a vector whose length is |strength| mean residual
        norms of that layer, so that strengths compare between layers and models.
    norms : mapping of int to float, optional
        For "residual": layer to mean norm of its states; by default those that the steering vector carries.
    positions : {"all", "after", "last"} or int
        See `steer`.

    Returns
    -------
    Steering
        To be used by `steer`, `score_pairs`, `generate` and `side_effects`.

    Raises
    ------
    ParameterError
        If a word is unknown, the strength is not finite, no layer is given, or a norm is needed and not known.
    """
    if unit not in get_args(Unit):
        raise ParameterError(f"unit={unit!r} is not known. Choose one of {', '.join(get_args(Unit))}.")
    if isinstance(positions, str) and positions not in get_args(Words):
        raise ParameterError(f"positions={positions!r} is not known. Choose all, after, last, or a number.")
    if not np.isfinite(strength):
        raise ParameterError(f"strength={strength} is not finite.")
    vectors = vector.by_layer() if isinstance(vector, SteeringVector) else dict(vector)
    if not vectors:
        raise ParameterError("There is no layer to steer at: give at least one, as in {6: vector}.")
    known = dict(norms or (vector.norms_by_layer() if isinstance(vector, SteeringVector) else {}))
    added = {}
    for layer, one in vectors.items():
        values = torch.as_tensor(one).detach().to("cpu", torch.float64)
        if values.ndim != 1 or not torch.isfinite(values).all():
            raise ParameterError(
                f"The vector for layer {layer} has shape {tuple(values.shape)} or is not finite; one number for each "
                "dimension of the model is needed."
            )
        if unit == "residual":
            if layer not in known:
                raise ParameterError(
                    f"The mean residual norm of layer {layer} is not known. Pass norms={{{layer}: ...}}, such as the "
                    'norms of a vector made from this model, or use unit="raw".'
                )
            length = float(values.norm())
            values = values * (known[layer] / length if length else 0.0)
        added[int(layer)] = (strength * values).to(torch.float32)
    return Steering(added=added, positions=positions)


@contextmanager
def steer(
    model: LanguageModel | torch.nn.Module,
    vector: Steering | SteeringVector | Mapping[int, Vector],
    *,
    strength: float = 1.0,
    unit: Unit = "raw",
    norms: Mapping[int, float] | None = None,
    positions: Positions = "all",
    blocks: str | None = None,
) -> Iterator[Span]:
    """Steer a model: add vectors to its states for as long as the `with` block lasts.

    Parameters
    ----------
    model : LanguageModel or torch.nn.Module
        A decoder; it is changed by hooks only, and they come off when the block is left, however it is left.
    vector : Steering, SteeringVector or mapping of int to array
        Layer to vector. Layer 0 is the embedding output, layer l the output of block l, before any final norm.
    strength : float
        Factor; negative steers the other way.
    unit : {"raw", "residual"}
        See `plan_steering`.
    norms : mapping of int to float, optional
        See `plan_steering`.
    positions : {"all", "after", "last"} or int
        "all" tokens; "after" the prompt, from its last token on, whose state predicts the first new token (known to
        `score_pairs` and `generate`); the "last" token of each forward pass, which with a cache is the same when text
        is generated; or every token from this index on.
    blocks : str, optional
        Name of the list of blocks, where it is not found by itself.

    Yields
    ------
    Span
        Only scoring functions need it.

    Raises
    ------
    ParameterError
        If a layer is not there, a width does not fit, or the vector was made from another model.
    NotFoundError
        If the blocks are not found; the candidates are named.

    Examples
    --------
    >>> from theodolite.models import hidden_states, load_model
    >>> model = load_model("bundled:pocket-64", device="cpu")
    >>> with steer(model, {2: np.ones(64)}, strength=2.0):
    ...     (moved,) = hidden_states(model, [[11, 12, 13]])
    >>> (plain,) = hidden_states(model, [[11, 12, 13]])
    >>> (moved.states[2] - plain.states[2]).round(decimals=4).unique().tolist()
    [2.0]
    """
    if isinstance(vector, Steering):
        steering = vector
    else:
        _check_model(model, vector)
        steering = plan_steering(vector, strength=strength, unit=unit, norms=norms, positions=positions)
    module: Any = model.module if isinstance(model, LanguageModel) else model
    n_layers = model.n_layers if isinstance(model, LanguageModel) else None
    _, found = find_blocks(module, path=blocks, n_layers=n_layers if blocks is None else None)
    wrong = [layer for layer in steering.added if not 0 <= layer <= len(found)]
    if wrong:
        raise ParameterError(
            f"There is no layer {wrong[0]}: {type(module).__name__} has the layers 0 (embedding output) to "
            f"{len(found)}."
        )
    span = Span()
    with ExitStack() as hooks:
        if steering.positions != "all":
            trunk = trunk_of(module, head=False)
            hooks.callback(trunk.register_forward_pre_hook(_watch(span), with_kwargs=True).remove)
        for layer, added in steering.added.items():
            if layer == 0:
                hook = _before(added, steering, span)
                handle = found[0].register_forward_pre_hook(hook, with_kwargs=True, prepend=True)
            else:
                handle = found[layer - 1].register_forward_hook(_after(added, steering, span), prepend=True)
            hooks.callback(handle.remove)
        yield span


def _check_model(model: LanguageModel | torch.nn.Module, vector: SteeringVector | Mapping[int, Vector]) -> None:
    """Refuse a vector of another model, where both sides know what they are."""
    if isinstance(vector, SteeringVector) and isinstance(model, LanguageModel):
        vector.check_model(identity(model))


def _watch(span: Span) -> Any:
    """Return a hook that notes how many tokens came before, and which are padding."""

    def hook(_: Any, __: tuple[Any, ...], named: dict[str, Any]) -> None:
        cache: Any = named.get("past_key_values")
        span.past = int(cache.get_seq_length()) if hasattr(cache, "get_seq_length") else 0
        mask = named.get("attention_mask")
        span.mask = mask if isinstance(mask, torch.Tensor) and mask.ndim == 2 else None

    return hook


def _before(added: torch.Tensor, steering: Steering, span: Span) -> Any:
    """Return a hook that changes what goes into the first block."""

    def hook(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if arguments:
            return (_moved(arguments[0], added, steering, span), *arguments[1:]), named
        states = _moved(named.get("hidden_states"), added, steering, span)
        return arguments, {**named, "hidden_states": states}

    return hook


def _after(added: torch.Tensor, steering: Steering, span: Span) -> Any:
    """Return a hook that changes what comes out of a block."""

    def hook(_: Any, __: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple | list):
            return (_moved(output[0], added, steering, span), *output[1:])
        return _moved(output, added, steering, span)

    return hook


def _moved(states: Any, added: torch.Tensor, steering: Steering, span: Span) -> torch.Tensor:
    """Return states with the vector added at the positions that are steered."""
    if not isinstance(states, torch.Tensor):
        raise FormatError(
            f"A block handed on a {type(states).__name__} where its states were expected, so it cannot be steered."
        )
    if states.shape[-1] != len(added):
        raise ParameterError(
            f"The vector has {len(added)} entries, but the model's states have {states.shape[-1]}. Carry it over with "
            "a map between the two models (theodolite.transfer)."
        )
    moved = added.to(states.device, states.dtype)
    where = _where(states, steering.positions, span)
    return states + (moved if where is None else moved * where[..., None].to(states.dtype))


def _where(states: torch.Tensor, positions: Positions, span: Span) -> torch.Tensor | None:
    """Return which tokens of a batch to steer, `(n_prompts, n_tokens)`; None for all."""
    if positions == "all":
        return None
    n_prompts, n_tokens = states.shape[:2]
    columns = torch.arange(n_tokens, device=states.device)[None] + span.past
    if positions == "after" and span.starts is not None:
        starts = torch.tensor(list(span.starts)[span.offset : span.offset + n_prompts], device=states.device)
        return columns >= starts[:, None]
    if positions in ("after", "last"):
        last = torch.full((n_prompts, 1), span.past + n_tokens - 1, device=states.device)
        if span.mask is not None and span.mask.shape[-1] == span.past + n_tokens:
            places = torch.arange(span.mask.shape[-1], device=states.device)
            last = (span.mask.to(states.device) * places).amax(dim=1, keepdim=True)
        return columns == last
    return columns.expand(n_prompts, -1) >= int(positions)
