"""The logit box: how few logits carry a prediction, how far they spread, and the entropy of a box of that size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.seeds import generator_from
from theodolite.models.losses import blocks, normalize

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LogitBox(Displayed):
    """What the largest logits of each prediction hold, token by token.

    Attributes
    ----------
    k_values : numpy.ndarray
        `(n_k,)` int64, ascending.
    mass : numpy.ndarray
        `(n_tokens, n_k)` float64 in [0, 1]: probability of the k likeliest tokens together.
    entropy_share : numpy.ndarray
        `(n_tokens, n_k)` float64 in [0, 1]: their part of the entropy, the sum of -p ln p over them by that over all;
        NaN where the entropy is 0.
    length : numpy.ndarray
        `(n_tokens, n_k)` float64: the largest logit less the k-th, z(1) - z(k), in nats; 0 at k = 1.
    entropy : numpy.ndarray
        `(n_tokens,)` float64, nats.
    """

    k_values: npt.NDArray[np.int64]
    mass: Floats
    entropy_share: Floats
    length: Floats
    entropy: Floats


def logit_box(logits: torch.Tensor, *, k_values: Sequence[int]) -> LogitBox:
    """Measure how much of each prediction its k largest logits hold, and how far those spread.

    Parameters
    ----------
    logits : torch.Tensor
        `(n_tokens, n_vocabulary)`, any floating dtype, any device.
    k_values : sequence of int
        Logits looked at, each from 1 to the size of the vocabulary. For the box of a prompt: its logit dimension,
        rounded to a whole number.

    Returns
    -------
    LogitBox
        Mass, entropy share and length for each token and each k.

    Raises
    ------
    ParameterError
        If a k is out of range.
    PointsError
        If the logits are not a table, or one of them is NaN or infinite.

    Notes
    -----
    With z sorted downwards and p = softmax(z), summed in the precision of the logits, float32 at least,

        mass(k) = sum over i <= k of p_i,    length(k) = z_1 - z_k,
        entropy_share(k) = sum over i <= k of -p_i ln p_i, over that of all i.

    A dimension D of the cloud of logits says that predictions move in about D directions; the authors picture the D
    largest logits as drawn from a box of side W = z(1) - z(D), and find that W falls as the entropy grows.

    References
    ----------
    K. Viswanathan et al., arXiv:2501.10573 (2025), logits and contextual entropy.

    Examples
    --------
    >>> box = logit_box(torch.tensor([[0.0, 0.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0]]), k_values=[1, 2])
    >>> box.mass.round(2).tolist(), box.length[:, 1].tolist()
    ([[0.25, 0.5], [0.98, 0.99]], [0.0, 5.0])
    """
    if logits.ndim != 2 or logits.shape[0] == 0:
        raise PointsError(
            f"Logits must be a table with a row for each token, but they have shape {tuple(logits.shape)}."
        )
    n_vocabulary = logits.shape[1]
    chosen = np.unique(np.asarray(k_values, dtype=np.int64))
    if len(chosen) == 0 or chosen[0] < 1 or chosen[-1] > n_vocabulary:
        raise ParameterError(
            f"k must lie in 1 to {n_vocabulary}, the size of the vocabulary, but k_values={list(k_values)} was given."
        )
    largest = int(chosen[-1])
    found = [_of_block(block, largest, chosen - 1) for block in blocks(logits.detach())]
    mass, share, length, entropy = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return LogitBox(k_values=chosen, mass=mass, entropy_share=share, length=length, entropy=entropy)


def _of_block(block: torch.Tensor, largest: int, places: npt.NDArray[np.int64]) -> tuple[Floats, ...]:
    """Return mass, entropy share, length and entropy of some tokens."""
    log_norm, entropy, _ = normalize(block, epsilon=0.0, varentropy=False)
    top = block.topk(largest, dim=1).values.double().cpu().numpy()
    logs = top - log_norm[:, None]
    mass = np.exp(logs)
    with np.errstate(invalid="ignore"):
        share = np.cumsum(-mass * logs, axis=1)[:, places] / entropy[:, None]
    return np.minimum(mass.cumsum(axis=1)[:, places], 1.0), np.minimum(share, 1.0), top[:, :1] - top[:, places], entropy


def box_entropy(n_dims: int, length: float, *, n_samples: int = 20_000, seed: int = 0) -> tuple[float, float]:
    """Estimate the mean entropy of the softmax of points drawn uniformly from a box, in nats: [0, ln n_dims].

    Parameters
    ----------
    n_dims : int
        Sides of the box.
    length : float
        Their length: 0 gives ln n_dims.
    n_samples : int
        Points drawn.
    seed : int
        Which.

    Returns
    -------
    mean, stderr : float
        Over the points drawn.

    Raises
    ------
    ParameterError
        If the box has no side, a side is negative or not finite, or fewer than two points are to be drawn.

    References
    ----------
    K. Viswanathan et al., arXiv:2501.10573 (2025): 20,000 points, 2 to 40 dimensions, sides 0, 1, 2, 5, 10, 20.

    Examples
    --------
    >>> box_entropy(8, 0.0)[0] == np.log(8)
    np.True_
    >>> box_entropy(8, 5.0)[0] < box_entropy(8, 1.0)[0]
    True
    """
    if n_dims < 1 or n_samples < 2 or not 0 <= length < np.inf:
        raise ParameterError(
            f"A box needs n_dims of at least 1, a length that is finite and not negative and n_samples of at least 2, "
            f"not n_dims={n_dims}, length={length} and n_samples={n_samples}."
        )
    if length == 0:
        return float(np.log(n_dims)), 0.0
    points = length * generator_from("box entropy", seed).random((n_samples, n_dims))
    points -= points.max(axis=1, keepdims=True)
    weights = np.exp(points)
    totals = weights.sum(axis=1)
    entropies = np.log(totals) - (weights * points).sum(axis=1) / totals
    return float(entropies.mean()), float(entropies.std(ddof=1) / np.sqrt(n_samples))
