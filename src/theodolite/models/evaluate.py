"""`evaluate_loss`: how well a model predicts windows of text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError
from theodolite.models.forward import SpecialTokens, checked_prompts, passes
from theodolite.models.language_model import LanguageModel

_ELEMENTS = 1 << 23


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LossEvaluation(Displayed):
    """Next-token loss over windows, in nats per token.

    Attributes
    ----------
    mean : float
        Mean over all predicted tokens.
    per_window : numpy.ndarray
        Mean of each window, `(n_windows,)`.
    n_predicted : numpy.ndarray
        How many tokens of each window were predicted, `(n_windows,)`.
    batch_size : int
        How many windows fitted into one pass.
    """

    mean: float
    per_window: npt.NDArray[np.float64]
    n_predicted: npt.NDArray[np.int64]
    batch_size: int

    @property
    def perplexity(self) -> float:
        """Return exp of the mean loss; infinite where that overflows."""
        return math.exp(self.mean) if self.mean < 700 else math.inf


def evaluate_loss(
    model: LanguageModel, windows: Sequence[Any], *, batch_size: int = 8, special_tokens: SpecialTokens = "none"
) -> LossEvaluation:
    """Measure the mean next-token cross-entropy of a causal model over windows of token ids.

    Parameters
    ----------
    model : LanguageModel
        A causal model with its head.
    windows : sequence of array-like
        Token ids, each window on its own; they may differ in length.
    batch_size : int
        Windows in one pass; halved when memory runs out.
    special_tokens : {"none", "outside", "inside"}
        "none": the first token of a window is not predicted. "outside" or "inside": the beginning mark stands in front,
        so that the first token is predicted; with "inside", marks at the end are predicted too. The mark in front never
        is.

    Returns
    -------
    LossEvaluation
        Mean and one value for each window.

    Raises
    ------
    ParameterError
        If the model is not causal or has no head, there are no windows, or a window predicts nothing.

    Notes
    -----
    The last token of a window is only a target and is not fed, so a window may be one token longer than the model's
    context. Logits are turned to float32 a few rows at a time, and sums are kept in float64.

    Examples
    --------
    >>> from theodolite.models import load_model
    >>> found = evaluate_loss(load_model("bundled:pocket-64", device="cpu"), [[11, 12, 13], [400, 20]])
    >>> found.per_window.shape, found.n_predicted.tolist()
    ((2,), [2, 1])
    """
    if model.kind != "causal":
        raise ParameterError(
            f"{model.provenance['reference']} is no causal model ({model.kind}), so it has no next-token loss. Pass a "
            "causal language model."
        )
    whole, n_front, n_back = checked_prompts(model, windows, special_tokens, batch_size, n_unfed=1)
    if not whole:
        raise ParameterError("There are no windows to evaluate. Give at least one list of token ids.")
    cut = n_back if special_tokens == "outside" else 0
    spans = [slice(max(n_front, 1), len(ids) - cut) for ids in whole]
    short = next((i for i, span in enumerate(spans) if span.stop <= span.start), None)
    if short is not None:
        raise ParameterError(
            f"Window {short} has {len(whole[short])} token(s), of which none is predicted. Leave out windows of one "
            "token, or "
            'pass special_tokens="outside".'
        )
    sums = np.zeros(len(whole))
    for found in passes(model, [ids[:-1] for ids in whole], batch_size=batch_size, head=True, states=False):
        logits = getattr(found.outputs, "logits", None)
        if not torch.is_tensor(logits):
            raise ParameterError(
                f"{type(model.module).__name__} has no head and makes no logits. Load the model with its "
                "language-model head."
            )
        for row in range(len(found.fed)):
            index = found.start + row
            sums[index] = _loss_sum(logits[row], whole[index], spans[index])
        batch_size = found.batch_size
        del logits, found
    counts = np.array([span.stop - span.start for span in spans], dtype=np.int64)
    return LossEvaluation(
        mean=float(sums.sum() / counts.sum()), per_window=sums / counts, n_predicted=counts, batch_size=batch_size
    )


def _loss_sum(logits: torch.Tensor, ids: npt.NDArray[np.int64], span: slice) -> float:
    """Return the summed loss of the tokens in `span`, each predicted from the position before it."""
    targets = torch.from_numpy(ids[span]).to(logits.device)
    rows = max(1, _ELEMENTS // logits.shape[1])
    pieces = zip(torch.split(logits[span.start - 1 : span.stop - 1], rows), torch.split(targets, rows), strict=True)
    lost = [
        torch.nn.functional.cross_entropy(piece.float(), at, reduction="none").double().sum() for piece, at in pieces
    ]
    return float(torch.stack(lost).sum())
