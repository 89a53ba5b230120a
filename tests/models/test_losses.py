"""Surprisal, entropy and varentropy against float64 formulas and the model's own loss; bounded memory; odd logits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from theodolite.core.errors import ParameterError, PointsError
from theodolite.models import entropy, hidden_states, losses, token_losses


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_tokens=st.integers(1, 9),
    n_vocabulary=st.integers(1, 40),
    spread=st.sampled_from([1e-3, 1.0, 30.0, 1e4]),
    shift=st.sampled_from([0.0, -500.0, 1e4]),
)
def test_all_three_equal_the_formulas_in_float64(seed, n_tokens, n_vocabulary, spread, shift):
    draw = np.random.default_rng(seed)
    logits = draw.normal(scale=spread, size=(n_tokens, n_vocabulary)) + shift
    ids = draw.integers(n_vocabulary, size=n_tokens)
    found = token_losses(torch.from_numpy(logits), ids, varentropy=True)
    log_p = log_softmax(logits, axis=1)
    expected = -(np.exp(log_p) * np.where(log_p > -700, log_p, 0)).sum(1)
    spreads = (np.exp(log_p) * np.where(log_p > -700, log_p + expected[:, None], 0) ** 2).sum(1)
    np.testing.assert_allclose(found.entropy, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.varentropy, spreads, rtol=1e-8, atol=1e-9)
    assert math.isnan(found.surprisal[0])
    wanted = -log_p[np.arange(n_tokens - 1), ids[1:]]
    np.testing.assert_allclose(found.surprisal[1:], wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(entropy(torch.from_numpy(logits)), expected, rtol=1e-9, atol=1e-9)
    single = token_losses(torch.from_numpy(logits - shift).float(), ids)
    np.testing.assert_allclose(single.entropy, expected, rtol=2e-4, atol=2e-5)


def test_uniform_and_certain_predictions():
    assert entropy(torch.zeros(1, 1000))[0] == pytest.approx(math.log(1000), abs=1e-6)
    certain = torch.full((1, 1000), -200.0)
    certain[0, 3] = 200
    assert entropy(certain)[0] == 0
    found = token_losses(torch.zeros(4, 50), [1, 2, 3, 4], varentropy=True)
    assert found.mean_loss == pytest.approx(math.log(50), abs=1e-6)
    assert found.n_predicted == 3
    assert found.varentropy.max() == pytest.approx(0, abs=1e-9)


def test_tokens_that_cannot_come_add_nothing():
    logits = torch.randn(5, 20, generator=torch.Generator().manual_seed(0))
    ids = [0, 1, 2, 3, 4]
    masked = torch.cat([logits, torch.full((5, 7), -torch.inf)], dim=1)
    plain, found = token_losses(logits, ids, varentropy=True), token_losses(masked, ids, varentropy=True)
    np.testing.assert_allclose(found.entropy, plain.entropy, rtol=1e-6)
    np.testing.assert_allclose(found.varentropy, plain.varentropy, rtol=1e-5)
    np.testing.assert_allclose(found.surprisal, plain.surprisal, rtol=1e-6)
    assert token_losses(masked, [0, 25, 0, 0, 0]).surprisal[1] == np.inf


def test_epsilon_is_added_inside_the_logarithm():
    logits = torch.randn(6, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 9
    p = torch.softmax(logits, dim=1)
    for epsilon in (1e-12, 1e-3):
        expected = -(p * (p + epsilon).log()).sum(1)
        np.testing.assert_allclose(entropy(logits, epsilon=epsilon), expected.numpy(), rtol=1e-12, atol=1e-12)


def test_blocks_change_nothing(monkeypatch):
    logits = torch.randn(50, 300, generator=torch.Generator().manual_seed(2))
    ids = np.arange(50)
    whole = token_losses(logits, ids, varentropy=True)
    monkeypatch.setitem(losses._ELEMENTS, "cpu", 700)
    cut = token_losses(logits, ids, varentropy=True)
    for name in ("surprisal", "entropy", "varentropy"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name))


@pytest.mark.parametrize("name", ["llama", "gemma2", "mamba"])
def test_mean_loss_is_the_models_own(name, tiny, ragged):
    model = tiny(name)
    for found in hidden_states(model, ragged, include_logits=True):
        ids = torch.as_tensor(found.token_ids)[None]
        with torch.no_grad():
            expected = float(model.module(input_ids=ids, labels=ids).loss)
        assert token_losses(found.logits, found.token_ids).mean_loss == pytest.approx(expected, rel=2e-6)


def test_the_mark_in_front_predicts_the_first_token(tiny, ragged):
    (found,) = hidden_states(tiny("gpt-neox"), ragged[:1], special_tokens="outside", include_logits=True)
    outside = token_losses(found.logits, found.token_ids, first_logits=found.first_logits)
    (whole,) = hidden_states(tiny("gpt-neox"), ragged[:1], special_tokens="inside", include_logits=True)
    inside = token_losses(whole.logits, whole.token_ids)
    assert outside.n_predicted == len(ragged[0]) == inside.n_predicted
    np.testing.assert_array_equal(outside.surprisal, inside.surprisal[1:])
    np.testing.assert_array_equal(outside.entropy, inside.entropy[1:])


def test_half_precision_logits_are_summed_in_float32():
    logits = torch.randn(4, 50_000, generator=torch.Generator().manual_seed(3)).to(torch.bfloat16)
    expected = entropy(logits.double())
    np.testing.assert_allclose(entropy(logits), expected, rtol=2e-6)


def test_refusals():
    fine = torch.zeros(2, 3)
    with pytest.raises(ParameterError, match=r"logits of shape \(2, 3\) and \(3,\) token ids do not fit"):
        token_losses(fine, [0, 1, 2])
    with pytest.raises(ParameterError, match="reach from 0 to 3, but the logits are of 3 tokens"):
        token_losses(fine, [0, 3])
    with pytest.raises(PointsError, match="hold NaN or infinity"):
        token_losses(torch.tensor([[0.0, torch.nan]]), [0])
    with pytest.raises(PointsError, match="hold NaN or infinity"):
        entropy(torch.tensor([[0.0, torch.inf]]))
    with pytest.raises(PointsError, match="hold NaN or infinity"):
        entropy(torch.full((1, 3), -torch.inf))
    with pytest.raises(ParameterError, match=r"logits of shape \(3,\) were given"):
        entropy(torch.zeros(3))
    with pytest.raises(ParameterError, match="epsilon=1 is outside"):
        entropy(fine, epsilon=1)
    assert math.isnan(token_losses(fine[:1], [0]).mean_loss)
