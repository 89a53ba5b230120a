"""The pocket family as it ships: complete, unaltered, loadable, and better than the baselines it is printed beside."""

import hashlib
import json
import math

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from theodolite import bundled
from theodolite.core.errors import NotFoundError

NAMES = ("pocket-64", "pocket-128", "pocket-128-b", "pocket-256")
HOME = bundled.path("pocket-64").parents[1]
INPUT, OUTPUT = "gpt_neox.embed_in.weight", "embed_out.weight"
OWN_SENTENCE = (
    "The old gentleman put down his newspaper, looked at her for a moment over his spectacles, and said that he did "
    "not think it would rain before the evening; but she had already taken her umbrella and gone out of the room."
)
AWKWARD = (
    "plain",
    "  leading and   many   blanks \t\n\n and lines \r\n",
    "typographic “quotes” — dashes … ‘single’ soft\u00adhyphen",
    "naïve café œuvre Ærø; combining e\u0301",
    "emoji 😀 and 日本語, العربية, null \x00 and replacement \ufffd",
    "def f(x): return {'a': [1, 2]}  # code",
    "",
)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module", params=NAMES)
def loaded(request):
    folder = bundled.path(request.param)
    return request.param, AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def test_family_lists_the_four_models_with_different_seeds():
    family = bundled.family()
    assert family.names == NAMES
    assert len({model.seed for model in family.models}) == len(NAMES)
    assert len({model.n_tokens_trained for model in family.models}) == 1


def test_the_whole_room_stays_small_and_holds_no_text_of_the_corpus():
    files = [path for path in HOME.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= 60_000_000
    assert not [path for path in files if path.suffix == ".txt"]


@pytest.mark.parametrize("name", NAMES)
def test_weights_and_tokenizer_have_the_recorded_hashes(name):
    record = bundled.provenance()
    model = next(model for model in bundled.family().models if model.name == name)
    for revision in model.revisions:
        assert sha256(HOME / name / revision.file) == revision.sha256
    assert sha256(HOME / name / "main" / "tokenizer.json") == record["tokenizer"]["sha256"]
    assert sha256(HOME / "token_counts.npy") == record["token_counts"]["sha256"]


def test_plain_transformers_loads_float32_with_the_recorded_shape(loaded):
    name, model, tokenizer = loaded
    known = next(m for m in bundled.family().models if m.name == name)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert sum(parameter.numel() for parameter in model.parameters()) == known.n_parameters
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (known.n_dims, known.n_layers)
    assert model.get_input_embeddings().weight is not model.get_output_embeddings().weight
    assert len(tokenizer) == model.config.vocab_size == bundled.family().n_tokens == 4096


@pytest.mark.parametrize("text", AWKWARD)
def test_tokenizer_gives_every_text_back(loaded, text):
    _, _, tokenizer = loaded
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert all(0 <= token < 4096 for token in ids)


def test_special_tokens_are_single_ids_and_not_added(loaded):
    _, _, tokenizer = loaded
    assert tokenizer("<|endoftext|>")["input_ids"] == [0]
    assert tokenizer.eos_token_id == 0
    assert tokenizer.pad_token_id == 1
    assert 0 not in tokenizer("Yes.")["input_ids"]


def test_every_model_predicts_our_own_sentence_better_than_word_frequencies(loaded):
    _, model, tokenizer = loaded
    ids = tokenizer(OWN_SENTENCE, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        loss = float(functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:]))
    counts = bundled.token_counts() + 1
    unigram = float(-np.log(counts / counts.sum())[ids[0, 1:].numpy()].mean())
    assert loss < unigram - 1


def test_recorded_losses_beat_both_baselines_and_fall_during_training():
    family = bundled.family()
    for model in family.models:
        assert model.validation_loss < family.bigram_loss < family.unigram_loss < math.log(family.n_tokens)
    losses = [revision.validation_loss for revision in family.models[1].revisions]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == pytest.approx(math.log(family.n_tokens), abs=0.05)


def test_revisions_follow_the_training():
    found = bundled.revisions("pocket-128")
    assert found[-1] == "main"
    steps = [int(name.removeprefix("step")) for name in found[:-1]]
    assert steps == [0, *(2**i for i in range(len(steps) - 1))]
    assert bundled.revisions("pocket-64") == ("main",)


@pytest.mark.parametrize("revision", bundled.revisions("pocket-128")[:-1])
def test_a_checkpoint_holds_the_two_tables_and_a_config(revision):
    folder = bundled.path("pocket-128", revision)
    tables = load_file(folder / "tables.safetensors")
    assert {name: table.shape for name, table in tables.items()} == {INPUT: (4096, 128), OUTPUT: (4096, 128)}
    assert all(np.isfinite(table).all() for table in tables.values())
    assert json.loads((folder / "config.json").read_text())["model_type"] == "gpt_neox"


def test_rows_of_tokens_that_never_occur_keep_their_initial_values():
    first = load_file(bundled.path("pocket-128", "step0") / "tables.safetensors")[INPUT]
    last = load_file(bundled.path("pocket-128") / "model.safetensors")[INPUT]
    never = bundled.token_counts() == 0
    assert never[1]  # padding
    np.testing.assert_array_equal(first[never], last[never])
    assert (first[~never] != last[~never]).any(axis=1).mean() > 0.95


def test_token_counts_add_up_to_the_training_text():
    counts = bundled.token_counts()
    assert counts.dtype == np.int64
    assert counts.sum() == bundled.provenance()["corpus"]["n_tokens_training"]


def test_an_unknown_name_lists_what_exists():
    with pytest.raises(
        NotFoundError, match=r"'pocket-12'\. Did you mean 'pocket-128.*Available: pocket-64, pocket-128,"
    ):
        bundled.path("pocket-12")
    with pytest.raises(NotFoundError, match=r"no revision 'step3'\..*Available: step0, step1, step2, step4"):
        bundled.path("pocket-128", "step3")


def test_a_missing_folder_is_said_so(tmp_path, monkeypatch):
    bundled.family()
    monkeypatch.setattr(bundled, "_HOME", tmp_path)
    with pytest.raises(NotFoundError, match=r"pocket-64@main is missing from this installation. Reinstall"):
        bundled.path("pocket-64")


def test_a_missing_record_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "_HOME", tmp_path)
    bundled._record.cache_clear()
    with pytest.raises(NotFoundError, match=r"family\.json is missing.*Reinstall"):
        bundled.provenance()
