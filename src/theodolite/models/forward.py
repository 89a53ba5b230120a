"""Forward passes over prompts of any length: padded together, halved when memory runs out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError
from theodolite.models.anatomy import call, padding_id, trunk_of
from theodolite.models.language_model import LanguageModel

Ids = npt.NDArray[np.int64]
SpecialTokens = Literal["none", "outside", "inside"]

_LOGITS = 1 << 29
"""Most logits of one pass: 2 GiB in float32. A machine without a GPU would be brought down before it could say so."""
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One forward pass over a few prompts.

    Attributes
    ----------
    start : int
        Index of its first prompt.
    fed : tuple of numpy.ndarray
        The ids that each prompt was fed as, special tokens included; row b of the outputs belongs to `fed[b]`, and its
        first `len(fed[b])` positions are no padding.
    outputs : object
        What the model of transformers returned.
    batch_size : int
        The largest batch that fitted so far.
    """

    start: int
    fed: tuple[Ids, ...]
    outputs: Any
    batch_size: int


def checked_prompts(
    model: LanguageModel, token_ids: Sequence[Any], special_tokens: SpecialTokens, batch_size: int, *, n_unfed: int = 0
) -> tuple[list[Ids], int, int]:
    """Return the prompts with special tokens, and how many of these stand before and after each.

    `n_unfed` tokens at the end will not be fed: the last token of a window is only a target.

    Raises
    ------
    ParameterError
        If a prompt is empty, longer than the model's context, no list of ids, or holds ids that the model does not
        have; if special tokens are asked for that the model does not have; if the batch size is below 1.
    """
    if batch_size < 1:
        raise ParameterError(f"batch_size={batch_size} is not possible; it must be at least 1.")
    if special_tokens not in get_args(SpecialTokens):
        raise ParameterError(
            f"special_tokens={special_tokens!r} is not known. Choose one of {', '.join(get_args(SpecialTokens))}."
        )
    front, back = (model.front_ids, model.back_ids) if special_tokens != "none" else ((), ())
    if special_tokens != "none" and not (front or back):
        raise ParameterError(
            f"special_tokens={special_tokens!r}, but {model.provenance['reference']} has no tokens to put around a "
            "text. "
            'Pass special_tokens="none".'
        )
    prompts = [_as_ids(model, index, ids) for index, ids in enumerate(token_ids)]
    longest = max((len(ids) for ids in prompts), default=0) + len(front) + len(back)
    if model.n_positions is not None and longest - n_unfed > model.n_positions:
        index = max(range(len(prompts)), key=lambda i: len(prompts[i]))
        raise ParameterError(
            f"Prompt {index} has {longest} tokens{' with its special tokens' if front or back else ''}, but "
            f"{model.provenance['reference']} takes at most {model.n_positions + n_unfed}. Keep the first tokens only."
        )
    around = [np.array(ids, dtype=np.int64) for ids in (front, back)]
    return [np.concatenate([around[0], ids, around[1]]) for ids in prompts], len(front), len(back)


def passes(
    model: LanguageModel, prompts: Sequence[Ids], *, batch_size: int, head: bool, states: bool
) -> Iterator[Pass]:
    """Yield forward passes over consecutive prompts; on lack of memory, halve the batch and go on with that size.

    A batch of prompts of one length is run without a mask, so that a single prompt gives exactly what the model gives
    alone.
    """
    if head:
        longest = max((len(ids) for ids in prompts), default=1)
        batch_size = max(1, min(batch_size, _LOGITS // (longest * model.n_vocabulary)))
    start = 0
    while start < len(prompts):
        fed = tuple(prompts[start : start + batch_size])
        if not model.masks_padding:
            fed = next(tuple(same) for _, same in groupby(fed, key=len))
        try:
            outputs = _forward(model, fed, head=head, states=states)
        except (RuntimeError, MemoryError) as error:
            if not _lacks_memory(error):
                raise
            if len(fed) == 1:
                error.add_note(
                    f"Prompt {start} alone ({len(fed[0])} tokens) does not fit the memory of {model.device}. Use "
                    'shorter prompts, a smaller dtype, or device="split".'
                )
                raise
            outputs = None
        if outputs is None:
            batch_size = len(fed) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        yield Pass(start=start, fed=fed, outputs=outputs, batch_size=batch_size)
        start += len(fed)


def _forward(model: LanguageModel, fed: Sequence[Ids], *, head: bool, states: bool) -> Any:
    """Run the model on prompts padded on the right."""
    lengths = torch.tensor([len(ids) for ids in fed])
    longest = int(lengths.max())
    padding = padding_id(model.module.config, model.tokenizer, n_vocabulary=model.n_vocabulary)
    padded = torch.full((len(fed), longest), padding, dtype=torch.int64)
    for row, ids in zip(padded, fed, strict=True):
        row[: len(ids)] = torch.from_numpy(ids)
    ragged = bool((lengths < longest).any())
    mask = (torch.arange(longest)[None] < lengths[:, None]).long().to(model.device) if ragged else None
    return call(trunk_of(model.module, head=head), padded.to(model.device), mask=mask, states=states)


def _as_ids(model: LanguageModel, index: int, ids: Any) -> Ids:
    """Check the ids of one prompt."""
    found = np.asarray(ids.cpu() if torch.is_tensor(ids) else ids)
    if found.ndim != 1 or not found.size or found.dtype.kind not in "iu":
        raise ParameterError(
            f"Prompt {index} is no list of token ids (shape {found.shape}, {found.dtype}). Each prompt is a list of at "
            "least one whole number."
        )
    if int(found.min()) < 0 or int(found.max()) >= model.n_vocabulary:
        wrong = int(found.min()) if int(found.min()) < 0 else int(found.max())
        raise ParameterError(
            f"Prompt {index} holds the token id {wrong}, but {model.provenance['reference']} has the ids 0 to "
            f"{model.n_vocabulary - 1}. Was it tokenized for another model?"
        )
    return found.astype(np.int64)


def _lacks_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        words in str(error).lower() for words in _NO_MEMORY
    )
