"""What logits say about a prompt: surprisal of each token, entropy and varentropy of each prediction."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError

Floats = npt.NDArray[np.float64]

_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 24}
"""Logits at a time: on a CPU the temporaries stay in its cache, on a GPU below 256 MB, whatever the vocabulary."""
_NEVER = -1e4
"""Stands for -inf in products; exp of it is 0 in every precision."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TokenLosses(Displayed):
    """Losses of one prompt, token by token, in nats.

    Attributes
    ----------
    surprisal : numpy.ndarray
        Shape `(n_tokens,)`: -ln p(token i given the tokens before it). NaN for token 0 where nothing stood before it.
    entropy : numpy.ndarray
        Shape `(n_tokens,)`: entropy of the prediction made at token i, which is of token i + 1.
    varentropy : numpy.ndarray or None
        Shape `(n_tokens,)`, squared nats: variance of ln p under that prediction; None where it was not asked for.
    """

    surprisal: Floats
    entropy: Floats
    varentropy: Floats | None

    @property
    def n_predicted(self) -> int:
        """How many tokens have a surprisal."""
        return int(np.isfinite(self.surprisal).sum())

    @property
    def mean_loss(self) -> float:
        """Mean surprisal over the tokens that were predicted; NaN where there is none."""
        return float(np.nanmean(self.surprisal)) if self.n_predicted else float("nan")

    @property
    def mean_entropy(self) -> float:
        """Mean entropy over all positions, the last one included."""
        return float(self.entropy.mean())


def token_losses(
    logits: torch.Tensor, token_ids: Any, *, first_logits: torch.Tensor | None = None, varentropy: bool = False
) -> TokenLosses:
    """Measure how surprising each token was and how uncertain each prediction is, in nats.

    Parameters
    ----------
    logits : torch.Tensor
        Shape `(n_tokens, n_vocabulary)`; row i predicts token i + 1.
    token_ids : array-like
        The tokens, `(n_tokens,)`.
    first_logits : torch.Tensor or None
        Shape `(n_vocabulary,)`: the prediction of token 0, where a beginning mark made one.
    varentropy : bool
        Whether to measure the variance of ln p as well (a second pass over the logits).

    Returns
    -------
    TokenLosses
        numpy arrays in float64.

    Raises
    ------
    ParameterError
        If shapes do not fit, or an id is outside the vocabulary.
    PointsError
        If a row of logits holds NaN or +inf, or nothing but -inf.

    Notes
    -----
    With z the logits less their maximum and Z = ln sum exp z: surprisal Z - z[token]; entropy Z - sum p z; varentropy
    sum p (ln p + entropy)^2. Computed in float32 (float64 for float64 logits) over blocks of rows. Logits of -inf have
    p = 0 and add nothing.

    Examples
    --------
    >>> found = token_losses(torch.zeros(3, 4), [0, 1, 2])
    >>> found.surprisal.round(4), found.entropy.round(4)
    (array([   nan, 1.3863, 1.3863]), array([1.3863, 1.3863, 1.3863]))
    """
    ids = np.asarray(token_ids, dtype=np.int64)
    if logits.ndim != 2 or ids.shape != (logits.shape[0],) or not len(ids):
        raise ParameterError(
            f"logits of shape {tuple(logits.shape)} and {ids.shape} token ids do not fit. Needed are (n_tokens, "
            "n_vocabulary) and (n_tokens,), with at least one token."
        )
    if ids.min() < 0 or ids.max() >= logits.shape[1]:
        raise ParameterError(
            f"The token ids reach from {ids.min()} to {ids.max()}, but the logits are of {logits.shape[1]} tokens. "
            "Were the ids made for another model?"
        )
    measured = [normalize(block, epsilon=0.0, varentropy=varentropy) for block in blocks(logits)]
    log_norm = np.concatenate([part[0] for part in measured])
    at = torch.from_numpy(ids[1:]).to(logits.device)
    chosen = logits[:-1].gather(1, at[:, None])[:, 0].double().cpu().numpy()
    surprisal = np.full(len(ids), np.nan)
    surprisal[1:] = log_norm[:-1] - chosen
    if first_logits is not None:
        first = normalize(first_logits[None], epsilon=0.0, varentropy=False)[0][0]
        surprisal[0] = first - float(first_logits[int(ids[0])])
    return TokenLosses(
        surprisal=surprisal,
        entropy=np.concatenate([part[1] for part in measured]),
        varentropy=np.concatenate([part[2] for part in measured]) if varentropy else None,
    )


def entropy(logits: torch.Tensor, *, epsilon: float = 0.0) -> Floats:
    """Measure the entropy of each row's softmax, in nats: 0 (certain) to ln n_vocabulary (uniform).

    Parameters
    ----------
    logits : torch.Tensor
        Shape `(n_rows, n_vocabulary)`.
    epsilon : float
        Added to p inside the logarithm, not in [0, 1): 1e-12 is what the authors of viswanathan2025 do for lens layers.

    Returns
    -------
    numpy.ndarray
        Shape `(n_rows,)`, float64.

    Raises
    ------
    ParameterError
        If `logits` is no matrix or `epsilon` is outside [0, 1).
    PointsError
        If a row holds NaN or +inf, or nothing but -inf.

    Notes
    -----
    -sum p ln(p + epsilon), which for epsilon > 0 can be below 0 by epsilon at most. Rows are handled in blocks, so
    memory stays bounded for any vocabulary.

    Examples
    --------
    >>> entropy(torch.zeros(1, 8)).round(4)
    array([2.0794])
    """
    if logits.ndim != 2 or not logits.shape[0] or not logits.shape[1]:
        raise ParameterError(f"logits of shape {tuple(logits.shape)} were given; needed is (n_rows, n_vocabulary).")
    if not 0 <= epsilon < 1:
        raise ParameterError(
            f"epsilon={epsilon} is outside [0, 1). The authors' value is 1e-12; 0 is the entropy itself."
        )
    return np.concatenate([normalize(block, epsilon=epsilon, varentropy=False)[1] for block in blocks(logits)])


def blocks(logits: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield rows that fit into the cache, or into what a device can spare."""
    elements = _ELEMENTS.get(logits.device.type, _ELEMENTS["cuda"])
    yield from torch.split(logits, max(1, elements // logits.shape[1]))


def normalize(block: torch.Tensor, *, epsilon: float, varentropy: bool) -> tuple[Floats, Floats, Floats | None]:
    """Return the log of the normalizer, the entropy and the varentropy of each row."""
    block = block if block.dtype == torch.float64 else block.float()
    top = block.amax(dim=1, keepdim=True)
    if not bool(torch.isfinite(top).all()):
        raise PointsError(
            "The logits of a token hold NaN or infinity, so they are no prediction. Load the model in float32 or "
            "bfloat16."
        )
    shifted = (block - top).clamp_(min=_NEVER)
    weights = shifted.exp()
    total = weights.sum(dim=1)
    log_total = total.double().log()
    spread = None
    if epsilon:
        weights /= total[:, None]
        found = -(weights + epsilon).log_().mul_(weights).sum(dim=1).double()
    elif varentropy:
        mean = (weights * shifted).sum(dim=1) / total
        found = (log_total - mean.double()).clamp(min=0)
        spread = (shifted.sub_(mean[:, None]).square_().mul_(weights).sum(dim=1) / total).double().cpu().numpy()
    else:
        mean = weights.mul_(shifted).sum(dim=1) / total
        found = (log_total - mean.double()).clamp(min=0)
    log_norm = (log_total + top[:, 0].double()).cpu().numpy()
    return log_norm, found.cpu().numpy(), spread
