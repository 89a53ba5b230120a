"""What steering does to a model: the margin of contrast text, and the side effects on neutral text."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.models.contrast_vectors import TokenPair
from theodolite.models.forward import checked_prompts, passes
from theodolite.models.language_model import LanguageModel
from theodolite.models.steering_hooks import Span, Steering, steer

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairScores:
    """How a model weighs the two sides of each pair.

    Attributes
    ----------
    positive, negative : numpy.ndarray
        `(n_pairs,)` mean log-probability of a token of the continuation, in nats.
    preference : numpy.ndarray
        `(n_pairs,)` probability of the positive side at the first token where the two differ, out of these two tokens;
        in [0, 1]. For option letters this is the normalized probability of the matching answer (CAA's score).
    """

    positive: Floats
    negative: Floats
    preference: Floats

    @property
    def margin(self) -> Floats:
        """`(n_pairs,)` positive less negative, in nats per token."""
        return self.positive - self.negative


@dataclass(frozen=True, slots=True, kw_only=True)
class SideEffects:
    """What steering does to text that has nothing to do with the contrast.

    Attributes
    ----------
    loss : float
        Mean surprisal of the text, in nats per token.
    kl : float
        Mean Kullback-Leibler divergence of the steered from the unsteered prediction, KL(unsteered | steered), in nats
        per token; not negative.
    n_predicted : int
        Predictions that both rest on.
    """

    loss: float
    kl: float
    n_predicted: int

    @property
    def perplexity(self) -> float:
        """Exponential of the loss."""
        return float(np.exp(self.loss))


def score_pairs(
    model: LanguageModel,
    pairs: Sequence[TokenPair],
    *,
    steering: Steering | None = None,
    batch_size: int = 64,
) -> PairScores:
    """Score both sides of each pair, teacher-forced, with the model steered or as it is.

    Parameters
    ----------
    model : LanguageModel
        A causal model.
    pairs : sequence of TokenPair
        From `tokenize_pairs`.
    steering : Steering, optional
        From `plan_steering`; positions "after" begin at the last token of the prompt.
    batch_size : int
        Texts in one forward pass.

    Returns
    -------
    PairScores
        One value for each pair.
    """
    texts = [ids for pair in pairs for ids in (pair.positive, pair.negative)]
    prompts = [pair.n_prompt for pair in pairs for _ in range(2)]
    differ = [pair.first_difference for pair in pairs for _ in range(2)]
    means, chosen = np.empty(len(texts)), np.empty(len(texts))
    fed, _, _ = checked_prompts(model, texts, "none", batch_size)
    with steer(model, steering) if steering is not None else nullcontext(Span()) as span:
        span.starts = [max(n_prompt - 1, 0) for n_prompt in prompts]
        for found in passes(model, fed, batch_size=batch_size, head=True, states=False):
            span.offset = found.start + len(found.fed)
            for row, ids in enumerate(found.fed):
                index = found.start + row
                logs = _log_probabilities(found.outputs.logits[row, : len(ids) - 1])
                taken = logs[torch.arange(len(ids) - 1), torch.from_numpy(ids[1:]).to(logs.device)]
                means[index] = float(taken[max(prompts[index] - 1, 0) :].double().mean())
                chosen[index] = float(taken[differ[index] - 1]) if differ[index] else np.nan
    positive, negative = means[0::2], means[1::2]
    return PairScores(
        positive=positive,
        negative=negative,
        preference=1 / (1 + np.exp(chosen[1::2] - chosen[0::2])),
    )


def predictions(model: LanguageModel, windows: Sequence[Ids], *, batch_size: int = 16) -> list[torch.Tensor]:
    """Return the log-probabilities of every next token, to compare a steered model with.

    Parameters
    ----------
    model : LanguageModel
        A causal model.
    windows : sequence of numpy.ndarray
        Token ids of neutral texts, at least two each.
    batch_size : int
        Windows in one forward pass.

    Returns
    -------
    list of torch.Tensor
        `(n_tokens - 1, n_vocabulary)` float32 for each window.
    """
    fed, _, _ = checked_prompts(model, windows, "none", batch_size)
    kept = []
    for found in passes(model, fed, batch_size=batch_size, head=True, states=False):
        kept += [_log_probabilities(found.outputs.logits[row, : len(ids) - 1]) for row, ids in enumerate(found.fed)]
    return kept


def side_effects(
    model: LanguageModel,
    windows: Sequence[Ids],
    unsteered: Sequence[torch.Tensor],
    *,
    steering: Steering,
    batch_size: int = 16,
) -> SideEffects:
    """Measure what steering does to the predictions of neutral text.

    Parameters
    ----------
    model : LanguageModel
        A causal model.
    windows : sequence of numpy.ndarray
        Token ids of neutral texts.
    unsteered : sequence of torch.Tensor
        `predictions` of the same windows.
    steering : Steering
        From `plan_steering`.
    batch_size : int
        Windows in one forward pass.

    Returns
    -------
    SideEffects
        Over all predictions of all windows.
    """
    with steer(model, steering) as span:
        span.starts = [0] * len(windows)
        steered = predictions(model, windows, batch_size=batch_size)
    loss = divergence = 0.0
    n_predicted = 0
    for ids, before, after in zip(windows, unsteered, steered, strict=True):
        targets = torch.from_numpy(np.asarray(ids[1:], dtype=np.int64)).to(after.device)
        loss -= float(after[torch.arange(len(targets)), targets].double().sum())
        divergence += float((before.exp() * (before - after)).double().sum())
        n_predicted += len(targets)
    return SideEffects(loss=loss / n_predicted, kl=max(divergence / n_predicted, 0.0), n_predicted=n_predicted)


def _log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    return logits.float().log_softmax(dim=-1)
