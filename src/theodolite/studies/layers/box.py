"""The logit box of a prompt: what its largest logits hold, and how far they spread."""

from collections.abc import Sequence

import numpy as np
import torch

from theodolite.models import logit_box
from theodolite.studies.rows import Row, RowMaker

_LOGITS = (1, 3, 16, 32, 128)
_SCALE = 4


def measure_box(logits: torch.Tensor, measured: Sequence[Row], make: RowMaker) -> list[Row]:
    """Measure what the largest logits of a prompt hold.

    Parameters
    ----------
    logits : torch.Tensor
        `(n_tokens, n_vocabulary)`.
    measured : sequence of dict
        Rows of the prompt, among them the dimension of its logits.
    make : RowMaker
        Makes rows of the prompt.

    Returns
    -------
    list of dict
        Means over tokens: the share of probability and of entropy in the k largest logits; the same for as many as the
        logits have dimensions, and how far those spread. Empty where GRIDE did not read the logits at neighbors 2, 4.

    Notes
    -----
    The authors' D is the dimension of the prompt's logits at neighbors 2 and 4, rounded to a whole number of logits.
    """
    dimension = next(
        (
            row["value"]
            for row in measured
            if (row["measure"], row["method"], row["scale"]) == ("logit_dimension", "gride", _SCALE)
        ),
        None,
    )
    if dimension is None or not np.isfinite(dimension):
        return []
    n_tokens, n_vocabulary = logits.shape
    sides = min(max(round(dimension), 1), n_vocabulary)
    box = logit_box(logits, k_values=sorted({sides, *(k for k in _LOGITS if k <= n_vocabulary)}))
    rows = []
    for place, k in enumerate(box.k_values.tolist()):
        shares = {"probability": box.mass[:, place], "entropy": box.entropy_share[:, place]}
        for method, share in shares.items():
            mean = float(np.nanmean(share)) if np.isfinite(share).any() else float("nan")
            rows += [
                make.row("logit_mass", mean, method=method, scale=scale, n_used=n_tokens)
                for scale in [k] * (k in _LOGITS) + [None] * (k == sides)
            ]
        if k == sides:
            rows.append(make.row("box_length", float(box.length[:, place].mean()), n_used=n_tokens))
    return rows
