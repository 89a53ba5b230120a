"""Greedy matching of two texts' states: BERTScore's measure, with whatever encoder is given."""

from typing import NamedTuple

import torch

from theodolite.core.errors import ParameterError, PointsError


class Matching(NamedTuple):
    """Precision, recall and F1 of a greedy matching, each in [-1, 1]."""

    precision: float
    recall: float
    f1: float


def greedy_match(candidate: torch.Tensor, reference: torch.Tensor) -> Matching:
    """Match each token to the most similar token of the other text; cosines in [-1, 1], 1 for equal texts.

    Parameters
    ----------
    candidate, reference : torch.Tensor
        States of one layer of an encoder, `(n_tokens, n_dims)`, without special tokens.

    Returns
    -------
    Matching
        Precision: mean over the candidate's tokens of their best cosine. Recall: the same over the reference's. F1:
        their harmonic mean, 0 where their sum is not positive.

    Raises
    ------
    ParameterError
        If shapes do not fit.
    PointsError
        If a state is zero or not finite.

    Notes
    -----
    BERTScore as its authors' package computes it by default, idf weights off and rescaling by a baseline off, with two
    differences that lie outside this function. The package lets a token be matched to the other text's marks ([CLS]
    and [SEP] weigh nothing but can be the most similar), which can only raise its numbers; here marks are left out. And
    it takes an inner layer of the encoder, tuned to judgments of translations (17 of roberta-large), where the layer
    study gives the last one. Published values (0.90 to 0.76 for shuffled prompts) belong to the package's default
    English encoder: numbers of other encoders or layers cannot be compared with them.

    References
    ----------
    Zhang et al. 2020, arXiv:1904.09675, equation 2.

    Examples
    --------
    >>> greedy_match(torch.eye(3), torch.eye(3)).f1
    1.0
    """
    if candidate.ndim != 2 or reference.ndim != 2 or candidate.shape[1] != reference.shape[1]:
        raise ParameterError(
            f"States of shapes {tuple(candidate.shape)} and {tuple(reference.shape)} were given; needed are two "
            "matrices (n_tokens, n_dims) of the same width."
        )
    unit = []
    for states in (candidate, reference):
        lengths = states.double().norm(dim=1, keepdim=True)
        if not bool((torch.isfinite(lengths) & (lengths > 0)).all()) or not len(lengths):
            raise PointsError(
                "A state is zero or not finite, or there is none, so it has no cosine. Leave such tokens out."
            )
        unit.append(states.double() / lengths)
    cosines = unit[0] @ unit[1].T
    precision, recall = float(cosines.max(dim=1).values.mean()), float(cosines.max(dim=0).values.mean())
    total = precision + recall
    return Matching(precision, recall, 2 * precision * recall / total if total > 0 else 0.0)
