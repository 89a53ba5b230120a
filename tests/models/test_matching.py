"""Greedy matching: BERTScore's formula by plain loops, bounds, order of tokens."""

import numpy as np
import pytest
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.models import greedy_match, hidden_states


def test_equals_the_formula_by_loops():
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(7, 5)), draw.normal(size=(4, 5))

    def cosine(x, y):
        return x @ y / np.sqrt((x @ x) * (y @ y))

    precision = np.mean([max(cosine(x, y) for y in b) for x in a])
    recall = np.mean([max(cosine(x, y) for x in a) for y in b])
    found = greedy_match(torch.from_numpy(a), torch.from_numpy(b))
    assert tuple(found) == pytest.approx((precision, recall, 2 * precision * recall / (precision + recall)), rel=1e-12)
    back = greedy_match(torch.from_numpy(b), torch.from_numpy(a))
    assert (back.precision, back.recall) == pytest.approx((recall, precision))


def test_equals_what_the_authors_package_computes():
    """Printed by `greedy_cos_idf` of bert-score 0.3.13 on the same numbers, all weights one: precision, recall, F1."""
    candidate = torch.from_numpy(np.cos(np.arange(35.0).reshape(7, 5) ** 1.3))
    reference = torch.from_numpy(np.sin(np.arange(20.0).reshape(4, 5) ** 1.2))
    theirs = (0.43505622743577055, 0.5770674246437776, 0.496099021548932)
    assert tuple(greedy_match(candidate, reference)) == pytest.approx(theirs, rel=1e-9)
    # the first and the last row as marks: the package weighs them 0, but a token may still be matched to one
    with_marks = (0.2966922208810351, 0.7240476658745936)
    inner = greedy_match(candidate[1:-1], reference[1:-1])
    assert inner.precision < with_marks[0]
    assert inner.recall <= with_marks[1]


def test_equal_texts_score_one_and_shuffled_ones_less(tiny, ragged):
    model = tiny("bert")
    ids = ragged[1]
    (text,) = hidden_states(model, [ids])
    (shuffled,) = hidden_states(model, [np.random.default_rng(0).permutation(ids)])
    (other,) = hidden_states(model, [np.arange(20, 32)])
    same = greedy_match(text.states[-1], text.states[-1]).f1
    moved = greedy_match(shuffled.states[-1], text.states[-1]).f1
    assert same == pytest.approx(1, abs=1e-6)
    assert greedy_match(other.states[-1], text.states[-1]).f1 < moved < 1


def test_opposite_states_have_no_harmonic_mean():
    assert tuple(greedy_match(torch.ones(2, 3), -torch.ones(2, 3))) == pytest.approx((-1, -1, 0))


def test_refusals():
    with pytest.raises(ParameterError, match=r"States of shapes \(2, 3\) and \(2, 4\)"):
        greedy_match(torch.ones(2, 3), torch.ones(2, 4))
    for wrong in (torch.zeros(2, 3), torch.full((1, 3), torch.nan), torch.ones(0, 3)):
        with pytest.raises(PointsError, match="zero or not finite"):
            greedy_match(torch.ones(2, 3), wrong)
