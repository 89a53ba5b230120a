"""`hidden_states`: every layer of every prompt, one forward pass each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.number_format import counted
from theodolite.models.anatomy import LastLayer, states_of
from theodolite.models.forward import Ids, SpecialTokens, checked_prompts, passes
from theodolite.models.language_model import LanguageModel

Wanted = Literal["post_norm", "pre_norm"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PromptStates(Displayed):
    """The token cloud of one prompt at every layer.

    Attributes
    ----------
    index : int
        Which prompt of those given.
    token_ids : numpy.ndarray
        Tokens of the prompt, int64 of shape `(n_tokens,)`; special tokens only where they are inside the cloud.
    positions : numpy.ndarray
        Which of the tokens have a row in `states`, int64 of shape `(n_kept,)`.
    states : torch.Tensor
        Shape `(n_layers + 1, n_kept, n_dims)` in the model's dtype on its device; layer 0 is the embedding output.
    logits : torch.Tensor or None
        Shape `(n_tokens, n_vocabulary)`: row i predicts token i + 1. Of all tokens, whatever `positions` says.
    first_logits : torch.Tensor or None
        Shape `(n_vocabulary,)`: the prediction of token 0 from the special token before it; None where nothing stands
        before it or no logits were wanted.
    last_layer : {"post_norm", "pre_norm", "no_norm"}
        What the last state is; "no_norm" where the model has no norm after its last block.
    special_tokens : {"none", "outside", "inside"}
        Whether special tokens were put around the prompt, and whether they are part of the cloud.
    batch_size : int
        How many prompts fitted into one pass: what to give the next call.
    """

    index: int
    token_ids: Ids
    positions: Ids
    states: torch.Tensor
    logits: torch.Tensor | None
    first_logits: torch.Tensor | None
    last_layer: LastLayer
    special_tokens: SpecialTokens
    batch_size: int


def hidden_states(
    model: LanguageModel,
    token_ids: Sequence[Any],
    *,
    batch_size: int = 8,
    include_logits: bool = False,
    last_layer: Wanted = "post_norm",
    special_tokens: SpecialTokens = "none",
    positions: Sequence[npt.ArrayLike] | None = None,
) -> Iterator[PromptStates]:
    """Run prompts through a model and yield the states of every layer, one prompt at a time.

    Parameters
    ----------
    model : LanguageModel
        From `load_model`, or `LanguageModel.of`.
    token_ids : sequence of array-like
        One list of token ids for each prompt, of any length; without special tokens, unless they are meant to be
        points.
    batch_size : int
        Prompts in one forward pass. Halved when memory runs out.
    include_logits : bool
        Whether to return logits too; without them the head is not run.
    last_layer : {"post_norm", "pre_norm"}
        The last state after the final norm (as the papers have it), or the raw residual stream before it.
    special_tokens : {"none", "outside", "inside"}
        "none": the ids as given. "outside": the model's own (beginning mark; [CLS] and [SEP]) are put around for the
        forward pass and left out of the cloud. "inside": put around, and part of the cloud.
    positions : sequence of array-like or None
        For each prompt the indices of the tokens whose states are kept; None keeps all.

    Returns
    -------
    iterator of PromptStates
        In the order given. Memory holds one batch; nothing is kept of earlier ones.

    Raises
    ------
    ParameterError
        If a prompt is empty, too long for the model or holds ids it does not have; if logits or special tokens are
        wanted from a model that has none; if positions lie outside a prompt.
    PointsError
        If a state is not finite; the message names layer and prompt.
    FormatError
        If the model returns no hidden states.

    Notes
    -----
    Prompts of different length are padded on the right and masked, and the padding is cut off again; results equal
    those of single passes up to rounding of the matrix products. With `batch_size=1` they are exactly those of a plain
    call.

    transformers 5 returns the state after the final norm as the last one; earlier versions and some models do not.
    Which it is was found by running the model, and the other one is taken from a hook at the norm.

    References
    ----------
    Viswanathan et al. 2025, arXiv:2501.10573, section 2: one cloud per prompt and layer.

    Examples
    --------
    >>> from theodolite.models import load_model
    >>> model = load_model("bundled:pocket-64", device="cpu")
    >>> (found,) = hidden_states(model, [[11, 12, 13]], last_layer="pre_norm")
    >>> found.states.shape, found.last_layer
    (torch.Size([5, 3, 64]), 'pre_norm')
    """
    if last_layer not in get_args(Wanted):
        raise ParameterError(f"last_layer={last_layer!r} is not known. Choose one of {', '.join(get_args(Wanted))}.")
    if include_logits and model.kind == "encoder-decoder":
        raise ParameterError(
            f"{model.provenance['reference']} is an encoder-decoder, of which only the encoder is run, and that makes "
            "no logits. Pass include_logits=False."
        )
    fed, n_front, n_back = checked_prompts(model, token_ids, special_tokens, batch_size)
    inside = special_tokens == "inside"
    kept = [slice(0, len(ids)) if inside else slice(n_front, len(ids) - n_back) for ids in fed]
    chosen = _checked_positions(positions, [part.stop - part.start for part in kept])

    def stream() -> Iterator[PromptStates]:
        with _Norm(model, last_layer) as norm:
            for found in passes(model, fed, batch_size=batch_size, head=include_logits, states=True):
                layers = norm.replace_last(states_of(found.outputs, model.module))
                logits = _logits(model, found.outputs) if include_logits else None
                for row, ids in enumerate(found.fed):
                    index = found.start + row
                    part, rows = kept[index], chosen[index]
                    yield PromptStates(
                        index=index,
                        token_ids=ids[part],
                        positions=rows,
                        states=_cloud(layers, row=row, part=part, rows=rows, index=index),
                        logits=None if logits is None else logits[row, part],
                        first_logits=None if logits is None or not part.start else logits[row, part.start - 1],
                        last_layer="no_norm" if model.final_norm is None else last_layer,
                        special_tokens=special_tokens,
                        batch_size=found.batch_size,
                    )
                del layers, logits, found

    return stream()


class _Norm:
    """Catches what goes into the final norm and what comes out, where transformers does not return the state wanted."""

    def __init__(self, model: LanguageModel, wanted: Wanted) -> None:
        self.wanted = wanted
        self.caught: torch.Tensor | None = None
        self.module = None
        if model.final_norm is not None and wanted != model.last_layer:
            self.module = model.module.get_submodule(model.final_norm)
        self.handle: Any = None

    def __enter__(self) -> "_Norm":
        if self.module is not None:
            self.handle = self.module.register_forward_hook(self._catch, with_kwargs=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.handle is not None:
            self.handle.remove()

    def _catch(self, _: Any, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        given = arguments[0] if arguments else next(iter(named.values()))
        self.caught = given if self.wanted == "pre_norm" else output

    def replace_last(self, layers: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        if self.module is None:
            return layers
        caught, self.caught = self.caught, None
        assert caught is not None, "the final norm was not run"
        return (*layers[:-1], caught)


def _logits(model: LanguageModel, outputs: Any) -> torch.Tensor:
    logits = getattr(outputs, "logits", None)
    if not torch.is_tensor(logits):
        raise ParameterError(
            f"{type(model.module).__name__} has no head and makes no logits. Pass include_logits=False, or load a "
            "model with its language-model head."
        )
    return logits


def _cloud(layers: tuple[torch.Tensor, ...], *, row: int, part: slice, rows: Ids, index: int) -> torch.Tensor:
    """Copy the states of one prompt out of a batch and check them."""
    device = layers[-1].device
    every = len(rows) == part.stop - part.start
    at = torch.from_numpy(rows)
    picked = [layer[row, part] if every else layer[row, part][at.to(layer.device)] for layer in layers]
    states = torch.stack([layer.to(device) for layer in picked])
    finite = torch.isfinite(states).flatten(1).all(1)
    if not bool(finite.all()):
        layer = int((~finite).nonzero()[0, 0])
        advice = 'Load the model with dtype="float32" or "bfloat16", or leave the prompt out.'
        if states.dtype in (torch.float32, torch.float64):
            advice = "Leave the prompt out, or check the weights of the model."
        raise PointsError(
            f"Layer {layer} of prompt {index} holds values that are not finite ({states.dtype}). {advice}"
        )
    return states


def _checked_positions(positions: Sequence[npt.ArrayLike] | None, lengths: list[int]) -> list[Ids]:
    """Return the rows to keep of each prompt."""
    if positions is None:
        return [np.arange(n, dtype=np.int64) for n in lengths]
    if len(positions) != len(lengths):
        raise ParameterError(
            f"positions names rows for {counted(len(positions), 'prompt')}, but there are {len(lengths)}. Give one "
            "array for each."
        )
    checked = []
    for index, (rows, n) in enumerate(zip(positions, lengths, strict=True)):
        found = np.asarray(rows)
        if found.ndim != 1 or not found.size or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= n:
            raise ParameterError(
                f"positions of prompt {index} must be whole numbers from 0 to {n - 1}, at least one, in a flat array."
            )
        if len(np.unique(found)) != len(found):
            raise ParameterError(f"positions of prompt {index} name a token twice; name each at most once.")
        checked.append(found.astype(np.int64))
    return checked
