"""Real trained models on real text: losses as published with the weights, shuffling, lenses, precision."""

import json
import re

import numpy as np
import pytest
import torch

from theodolite import bundled
from theodolite.models import (
    entropy,
    evaluate_loss,
    hidden_states,
    load_model,
    logit_lens_entropy,
    token_losses,
)
from theodolite.prompts import full_shuffles, read_prompts, tokenize


@pytest.fixture(scope="module", params=["stories260k", "aidreams260k"])
def known(request, shared_data):
    """A real model, and what was measured of it by another program."""
    expected = json.loads((shared_data / "models" / "expected.json").read_text(encoding="utf-8"))[request.param]
    return load_model(shared_data / "models" / request.param, device="cpu"), expected


@pytest.fixture(scope="module")
def chunks(shared_data):
    """The first 60 chunks: three paragraphs each, joined by a newline, cut to 700 characters."""
    (file,) = (shared_data / "text" / "tinystories_sample").glob("*.txt")
    paragraphs = [part for part in re.split(r"\n\s*\n", file.read_text(encoding="utf-8")) if part.strip()]
    return ["\n".join(paragraphs[i : i + 3])[:700] for i in range(0, 180, 3)]


def test_token_ids_and_logits_are_those_expected(known):
    model, expected = known
    text = "Once upon a time, there was a little girl named Lily."
    assert model.tokenizer.encode(text) == expected["probe_ids"]
    (found,) = hidden_states(model, [expected["probe_ids"]], include_logits=True)
    total = expected["logits_abs_sum"]
    assert float(found.logits.double().sum()) == pytest.approx(expected["logits_sum"], abs=1e-6 * total)
    assert float(found.logits.double().abs().sum()) == pytest.approx(total, rel=1e-6)


def test_cross_entropy_on_the_first_60_chunks(known, chunks):
    model, expected = known
    stated = expected["ce_nats_per_token"]["chunks_60"]
    ids = [np.array(model.tokenizer.encode(chunk, add_special_tokens=False)) for chunk in chunks]
    if expected["context"] < 512:
        ids = [part[: expected["context"] - 1] for part in ids]
    found = evaluate_loss(model, ids, special_tokens="outside")
    assert int(found.n_predicted.sum()) == stated["tokens"]
    assert found.mean == pytest.approx(stated["ce"], abs=6e-5)  # stated with four decimals
    assert model.front_ids == (1,)
    (first,) = hidden_states(model, ids[:1], special_tokens="outside", include_logits=True)
    losses = token_losses(first.logits, first.token_ids, first_logits=first.first_logits)
    assert losses.mean_loss == pytest.approx(found.per_window[0], rel=1e-5)


@pytest.mark.slow
def test_validation_loss_of_the_smallest_pocket_model(shared_data):
    """The shipped loss is of 64 windows in each of five books; here every fourth window, so within its noise."""
    (known,) = [model for model in bundled.family().models if model.name == "pocket-64"]
    model = load_model("bundled:pocket-64", device="cpu")
    windows = []
    for name in bundled.provenance()["corpus"]["validation_files"]:
        text = (shared_data / "text" / "eltec-eng" / name).read_text(encoding="utf-8")
        book = np.array([0, *model.tokenizer.encode(text)])
        starts = np.unique(np.linspace(0, len(book) - 257, num=64, dtype=np.int64))[::4]
        windows += [book[start : start + 257] for start in starts]
    found = evaluate_loss(model, windows)
    stderr = found.per_window.std() / np.sqrt(len(windows))
    assert set(found.n_predicted.tolist()) == {256}
    assert found.mean == pytest.approx(known.validation_loss, abs=3 * stderr)
    assert 3 * stderr < 0.2


@pytest.fixture(scope="module")
def prose_on_a_model():
    """A pocket model and 256 tokens of some example prompts."""
    model = load_model("bundled:pocket-256", device="cpu")
    prose = [prompt for prompt in read_prompts("examples") if prompt.label == "prose"]
    return model, tokenize(prose, model.tokenizer, n_tokens=256, minimum=256)


def test_shuffled_prose_loses_its_sense_and_predictions_their_confidence(prose_on_a_model):
    model, prompts = prose_on_a_model
    ids = prompts.token_ids[0]
    whole = evaluate_loss(model, prompts.token_ids)
    shuffled = evaluate_loss(model, [full_shuffles(ids, n_repeats=1)[0] for ids in prompts.token_ids])
    assert len(prompts) == 8
    assert (shuffled.per_window > whole.per_window + 2).all()
    (found,) = hidden_states(model, [ids], include_logits=True)
    lens = logit_lens_entropy(model, found.states, last_layer=found.last_layer)
    np.testing.assert_allclose(lens[-1], entropy(found.logits), rtol=1e-5)
    assert lens.mean(axis=1).argmax() == 0
    assert lens[-1].mean() < np.log(model.n_vocabulary) - 2


def test_one_token_in_two_contexts_is_one_point_at_layer_0_only(prose_on_a_model):
    model, prompts = prose_on_a_model
    ids = prompts.token_ids[0]
    (found,) = hidden_states(model, [ids])
    first, second = np.flatnonzero(ids == np.bincount(ids).argmax())[:2]
    apart = (found.states[:, first] - found.states[:, second]).norm(dim=1)
    assert apart[0] == 0
    assert (apart[1:] > 0).all()


def test_bfloat16_gives_the_same_loss_within_its_precision(prose_on_a_model):
    model, prompts = prose_on_a_model
    half = load_model("bundled:pocket-256", dtype="bfloat16", device="cpu")
    assert next(half.module.parameters()).dtype == torch.bfloat16
    found = evaluate_loss(half, prompts.token_ids[:2]).per_window
    np.testing.assert_allclose(found, evaluate_loss(model, prompts.token_ids[:2]).per_window, rtol=0.01)
