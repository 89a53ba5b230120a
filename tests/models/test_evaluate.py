"""Loss of windows: equal to the model's own loss, for ragged windows, marks in front, and any batch."""

import numpy as np
import pytest
import torch

from theodolite.core.errors import ParameterError
from theodolite.models import evaluate_loss, forward


def own_loss(model, ids):
    ids = torch.as_tensor(ids)[None]
    with torch.no_grad():
        return float(model.module(input_ids=ids, labels=ids).loss)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2", "mamba"])
def test_per_window_is_the_models_own_loss(name, tiny, ragged):
    model = tiny(name)
    found = evaluate_loss(model, ragged, batch_size=3)
    np.testing.assert_allclose(found.per_window, [own_loss(model, ids) for ids in ragged], rtol=2e-6)
    assert found.n_predicted.tolist() == [6, 11, 2, 11, 4]
    assert found.mean == pytest.approx(np.average(found.per_window, weights=found.n_predicted), rel=1e-12)
    assert found.perplexity == pytest.approx(np.exp(found.mean))


def test_with_a_mark_in_front_the_first_token_is_predicted_too(tiny, ragged):
    model = tiny("gpt-neox")
    for special_tokens in ("outside", "inside"):
        found = evaluate_loss(model, ragged, special_tokens=special_tokens)
        np.testing.assert_allclose(found.per_window, [own_loss(model, [3, *ids]) for ids in ragged], rtol=2e-6)
        assert found.n_predicted.tolist() == [7, 12, 3, 12, 5]
    assert evaluate_loss(model, [[8]], special_tokens="outside").n_predicted.tolist() == [1]


def test_the_last_token_needs_no_room_in_the_context(tiny):
    model = tiny("gpt2")
    assert model.n_positions == 1024
    window = np.arange(1025) % 97
    assert evaluate_loss(model, [window]).n_predicted.tolist() == [1024]
    with pytest.raises(ParameterError, match="Prompt 0 has 1026 tokens, but gpt2 takes at most 1025"):
        evaluate_loss(model, [np.arange(1026) % 97])


def test_huge_vocabularies_get_small_batches(tiny, ragged, monkeypatch):
    model = tiny("llama")
    expected = evaluate_loss(model, ragged)
    monkeypatch.setattr(forward, "_LOGITS", 97 * 25)
    found = evaluate_loss(model, ragged)
    assert (expected.batch_size, found.batch_size) == (8, 2)
    np.testing.assert_allclose(found.per_window, expected.per_window, rtol=1e-6)


def test_refusals(tiny):
    with pytest.raises(ParameterError, match=r"bert is no causal model \(encoder\)"):
        evaluate_loss(tiny("bert"), [[1, 2]])
    with pytest.raises(ParameterError, match="There are no windows"):
        evaluate_loss(tiny("llama"), [])
    with pytest.raises(ParameterError, match=r"Window 1 has 1 token\(s\), of which none is predicted"):
        evaluate_loss(tiny("llama"), [[1, 2], [3]])
    with pytest.raises(ParameterError, match="GPT2Model has no head"):
        evaluate_loss(tiny("gpt2-bare"), [[1, 2]])
