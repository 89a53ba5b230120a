"""Logit lens and tuned lens against the plain formula; files of lenses, good and bad."""

import json
import pickle

import numpy as np
import pytest
import torch

from theodolite.core.errors import FormatError, NotFoundError, ParameterError, UnsafeFileError
from theodolite.models import entropy, hidden_states, lens, load_lens, logit_lens_entropy, tuned_lens_entropy

N_LAYERS, N_DIMS = 3, 32


def by_hand(model, state, *, norm):
    """Entropy in float64 of softmax(cap(head(norm(state))))."""
    if norm:
        state = model.module.get_submodule(model.final_norm)(state)
    logits = model.module.get_output_embeddings()(state) * model.readout.scale
    if model.readout.softcap is not None:
        logits = model.readout.softcap * torch.tanh(logits / model.readout.softcap)
    p = torch.softmax(logits.double(), dim=1)
    return -(p * p.log()).sum(1).detach().numpy()


@pytest.fixture
def lens_folder(tmp_path):
    """A lens as the tuned-lens package saves it: the state dict of a list of linear layers, and its config."""
    torch.manual_seed(5)
    layers = torch.nn.ModuleList([torch.nn.Linear(N_DIMS, N_DIMS) for _ in range(N_LAYERS)])
    torch.save(layers.state_dict(), tmp_path / "params.pt")
    config = {"base_model_name_or_path": "tiny", "d_model": N_DIMS, "num_hidden_layers": N_LAYERS, "bias": True}
    (tmp_path / "config.json").write_text(json.dumps(config | {"lens_type": "linear_tuned_lens"}))
    return tmp_path, layers


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2", "granite", "mamba"])
@pytest.mark.parametrize("last_layer", ["post_norm", "pre_norm"])
def test_logit_lens_is_norm_and_head_of_every_layer(name, last_layer, tiny, ragged):
    model = tiny(name)
    (found,) = hidden_states(model, ragged[:1], last_layer=last_layer, include_logits=True)
    measured = logit_lens_entropy(model, found.states, last_layer=found.last_layer)
    assert measured.shape == (N_LAYERS + 1, len(ragged[0]))
    for layer, state in enumerate(found.states):
        expected = by_hand(model, state, norm=layer < N_LAYERS or last_layer == "pre_norm")
        np.testing.assert_allclose(measured[layer], expected, rtol=1e-5)
    np.testing.assert_allclose(measured[-1], entropy(found.logits), rtol=1e-5)
    assert not np.allclose(measured[0], measured[-1], rtol=1e-6)


def test_logit_lens_in_blocks_and_with_epsilon(tiny, ragged, monkeypatch):
    model = tiny("llama")
    (found,) = hidden_states(model, ragged[:1])
    whole = logit_lens_entropy(model, found.states, last_layer="post_norm")
    shifted = logit_lens_entropy(model, found.states, last_layer="post_norm", epsilon=1e-2)
    assert (shifted[:-1] < whole[:-1] - 1e-3).all()
    np.testing.assert_array_equal(shifted[-1], whole[-1])
    monkeypatch.setattr(lens, "_ELEMENTS", 200)
    np.testing.assert_allclose(logit_lens_entropy(model, found.states, last_layer="post_norm"), whole, rtol=1e-6)


def test_tuned_lens_translates_then_reads_out(tiny, ragged, lens_folder):
    folder, layers = lens_folder
    model, tuned = tiny("llama"), load_lens(folder)
    assert tuned.weights.shape == (N_LAYERS, N_DIMS, N_DIMS)
    assert tuned.provenance["base_model"] == "tiny"
    (found,) = hidden_states(model, ragged[:1])
    measured = tuned_lens_entropy(model, found.states, tuned, last_layer="post_norm")
    for layer, linear in enumerate(layers):
        state = found.states[layer]
        np.testing.assert_allclose(measured[layer], by_hand(model, state + linear(state), norm=True), rtol=1e-5)
    np.testing.assert_allclose(measured[-1], by_hand(model, found.states[-1], norm=False), rtol=1e-5)


def test_a_lens_of_zeros_is_the_logit_lens(tiny, ragged, lens_folder):
    folder, _ = lens_folder
    zero = torch.zeros(N_DIMS, N_DIMS, dtype=torch.float16)
    torch.save({f"{i}.weight": zero for i in range(N_LAYERS)}, folder / "params.pt")
    model = tiny("gpt-neox")
    for last_layer in ("post_norm", "pre_norm"):
        (found,) = hidden_states(model, ragged[:1], last_layer=last_layer)
        np.testing.assert_array_equal(
            tuned_lens_entropy(model, found.states, load_lens(folder), last_layer=last_layer, epsilon=1e-12),
            logit_lens_entropy(model, found.states, last_layer=last_layer, epsilon=1e-12),
        )


def test_lenses_refuse_what_they_cannot_read(tiny, ragged, lens_folder):
    tuned = load_lens(lens_folder[0])
    bert, llama = tiny("bert"), tiny("llama")
    (found,) = hidden_states(bert, ragged[:1])
    with pytest.raises(ParameterError, match=r"those of bert \(BertForMaskedLM\) are not"):
        logit_lens_entropy(bert, found.states, last_layer=found.last_layer)
    (found,) = hidden_states(llama, ragged[:1])
    with pytest.raises(ParameterError, match=r"States of shape \(3, 7, 32\) were given; llama needs \(4, "):
        logit_lens_entropy(llama, found.states[1:], last_layer="post_norm")
    with pytest.raises(ParameterError, match="last_layer='last' is not known"):
        logit_lens_entropy(llama, found.states, last_layer="last")
    short = type(tuned)(weights=tuned.weights[:2], biases=tuned.biases[:2], provenance=tuned.provenance)
    with pytest.raises(ParameterError, match="The lens has 2 layers of 32 dimensions, but llama has 3 of 32"):
        tuned_lens_entropy(llama, found.states, short, last_layer="post_norm")


def test_files_that_are_no_lens(lens_folder):
    folder, _ = lens_folder
    params = folder / "params.pt"
    params.write_bytes(params.read_bytes()[:200])
    with pytest.raises(FormatError, match="cannot be read"):
        load_lens(folder)
    params.write_bytes(pickle.dumps({"0.weight": print}))
    with pytest.raises(UnsafeFileError, match="could only be read by running code"):
        load_lens(folder)
    torch.save({"0.weight": torch.zeros(4, 4), "2.weight": torch.zeros(4, 4)}, params)
    with pytest.raises(FormatError, match="does not hold one weight"):
        load_lens(folder)
    torch.save({"0.weight": torch.zeros(4, 3)}, params)
    with pytest.raises(FormatError, match=r"weights of shape \(4, 3\)"):
        load_lens(folder)
    params.unlink()
    with pytest.raises(NotFoundError, match=r"has no params\.pt"):
        load_lens(folder)
