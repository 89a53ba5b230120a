"""The training script on a tiny made-up corpus: every step, end to end, twice the same, resumable."""

import importlib
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

TOOLS = Path(__file__).parents[2] / "tools"
RECIPE = {"name": "tiny-16", "seed": 5, "n_dims": 16, "n_layers": 2, "n_heads": 2, "learning_rate": 3e-3}
N_TOKENS = 20_000  # 10 steps


@pytest.fixture(scope="module")
def tool():
    """Import a module of tools/ by name, as the script itself does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOLS))
        threads = torch.get_num_threads()
        yield importlib.import_module
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 7))) for _ in range(300)]
    for book in range(4):
        lines = (" ".join(draw.choices(words, k=40)) for _ in range(100))
        (folder / f"BOOK{book}_Made.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def build(tool, texts):
    """Run the whole script into a folder and return what it packaged."""

    def run(folder, *steps, recipe=RECIPE):
        (folder / "recipes.json").write_text(json.dumps([recipe | {"keeps_checkpoints": True}]))
        options = ["--texts", texts, "--work", folder / "work", "--out", folder / "out"]
        options += ["--recipes", folder / "recipes.json", "--tokens", N_TOKENS]
        options += ["--validation-books", 1, "--vocabulary", 400, "--corpus-name", "made up"]
        assert tool("train_pocket").main([*steps, *map(str, options)]) == 0
        return folder / "out"

    return run


@pytest.fixture(scope="module")
def packaged(build, tmp_path_factory):
    return build(tmp_path_factory.mktemp("packaged"))


def hashes(out):
    family = json.loads((out / "family.json").read_text())
    return {revision["file"]: revision["sha256"] for model in family["models"] for revision in model["revisions"]}


def test_package_is_complete(packaged):
    family = json.loads((packaged / "family.json").read_text())
    (model,) = family["models"]
    assert [r["revision"] for r in model["revisions"]] == ["step0", "step1", "step2", "step4", "step8", "main"]
    assert model["n_tokens_trained"] == 20_480
    assert model["validation_loss"] < model["validation_curve"]["loss"][0]
    assert family["corpus"]["validation_files"] == ["BOOK2_Made.txt"]
    assert family["baselines"]["bigram"]["loss"] < family["baselines"]["unigram"]["loss"]
    assert {path.name for path in packaged.iterdir()} == {
        "README.md",
        "family.json",
        "loss.svg",
        "tiny-16",
        "token_counts.npy",
    }
    assert not list(packaged.rglob("*.txt"))


def test_same_seed_gives_the_same_weights_and_another_seed_does_not(build, packaged, tmp_path_factory):
    again = build(tmp_path_factory.mktemp("again"))
    assert hashes(again) == hashes(packaged)
    for name in ("tiny-16/main/tokenizer.json", "token_counts.npy", "tiny-16/main/config.json"):
        assert (again / name).read_bytes() == (packaged / name).read_bytes()
    other = build(tmp_path_factory.mktemp("other"), recipe=RECIPE | {"seed": 6})
    assert not set(hashes(other).values()) & set(hashes(packaged).values())


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(tool, build, packaged, tmp_path, monkeypatch):
    training = tool("pocket_training")
    update, done = training._update, []

    def fail_after_seven(*args):
        if len(done) == 7:
            raise KeyboardInterrupt
        done.append(1)
        return update(*args)

    monkeypatch.setattr(training, "SAVE_EVERY", 3)
    monkeypatch.setattr(training, "_update", fail_after_seven)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, "tokenizer", "train")
    monkeypatch.setattr(training, "_update", update)
    assert hashes(build(tmp_path, "train", "package")) == hashes(packaged)


def test_a_finished_model_is_kept_and_other_settings_are_refused(tool, build, packaged, monkeypatch, caplog):
    monkeypatch.setattr(tool("pocket_training"), "_update", None)  # training again would fail
    build(packaged.parent, "train")
    with pytest.raises(AssertionError):
        build(packaged.parent, "train", recipe=RECIPE | {"learning_rate": 1e-3})
    assert "holds a model trained with" in caplog.text
    build(packaged.parent, "card", "evaluate")
    assert "tiny-16" in caplog.text


def test_books_are_held_out_evenly(tool, texts):
    split_books = tool("pocket_corpus").split_books
    training, held_out = split_books(texts, 2)
    assert [path.name[4] for path in training] == ["0", "2"]
    assert [path.name[4] for path in held_out] == ["1", "3"]
    with pytest.raises(ValueError, match=r"holds 4 \.txt files, but holding out 4 .* Change --validation-books"):
        split_books(texts, 4)


def test_a_vocabulary_the_texts_cannot_fill_is_refused(tool):
    with pytest.raises(ValueError, match=r"give 260 distinct tokens, but 300 were asked for\. Lower --vocabulary"):
        tool("pocket_corpus").train_tokenizer(["aa aa aa"], 300)


def test_a_held_out_book_shorter_than_a_window_is_refused(tool):
    with pytest.raises(ValueError, match=r"has 20 tokens, but a window needs 257"):
        tool("pocket_corpus").validation_windows([np.zeros(20, dtype=np.uint16)], 4)


def test_baselines_follow_their_formulas(tool):
    training = np.array([0, 1, 0, 1, 0, 2], dtype=np.uint16)
    counts = np.bincount(training, minlength=4)
    unigram, bigram = tool("pocket_corpus").baselines(training, counts, np.array([[0, 1, 3, 2]]))
    p = np.array([4, 3, 2, 1]) / 10
    assert unigram == pytest.approx(-np.log(p[[1, 3, 2]]).mean())
    # 0 is followed by 1, 1, 2: t = 2; 1 by 0, 0: t = 1; 3 was never seen
    expected = [(2 + 2 * p[1]) / (3 + 2), (0 + 1 * p[3]) / (2 + 1), p[2]]
    assert bigram == pytest.approx(-np.log(expected).mean())


def test_batches_visit_every_window_once_and_go_on_from_any_step(tool):
    training = tool("pocket_training")
    stream = np.arange(24 * training.CONTEXT + 1, dtype=np.uint16)
    rows = list(training.batches(stream, 7, 0, 6))
    starts = [int(row[0]) for batch in rows[:3] for row in batch]
    assert sorted(starts) == [i * training.CONTEXT for i in range(24)]
    assert [int(row[0]) for batch in rows[3:] for row in batch] != starts
    assert all(torch.equal(a, b) for a, b in zip(training.batches(stream, 7, 4, 6), rows[4:], strict=True))
    with pytest.raises(ValueError, match=r"has 2 windows of 256 tokens, but a batch needs 8"):
        next(training.batches(stream[: 2 * training.CONTEXT + 1], 7, 0, 1))


def test_learning_rate_warms_up_and_ends_at_ten_percent(tool):
    training = tool("pocket_training")
    rates = [training.learning_rate(step, 1000, 2.0) for step in range(1001)]
    assert rates[0] == pytest.approx(0.04)
    assert max(rates) == rates[49] == rates[50] == pytest.approx(2.0)
    assert rates[1000] == pytest.approx(0.2)
    assert rates[50:] == sorted(rates[50:], reverse=True)


def test_only_matrices_inside_the_blocks_decay(tool):
    training = tool("pocket_training")
    model = training.build(training.Recipe(**RECIPE), 300)
    decayed, others = training.optimizer_for(model).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert len(decayed["params"]) == 4 * RECIPE["n_layers"]
    tables = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    assert tables <= {id(parameter) for parameter in others["params"]}


def test_the_learning_curve_has_at_most_200_points_and_the_right_mean(tool):
    losses = list(np.linspace(8, 4, 1000))
    curve = tool("pocket_package").loss_curve(losses)
    assert len(curve["step"]) == 200
    assert curve["step"][-1] == 1000
    assert np.mean(curve["loss"]) == pytest.approx(6, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dance"], "unknown step dance. Available: tokenizer, train"),
        (["train", "--models", "pocket-1"], "unknown model pocket-1. Available: pocket-64"),
        (["tokenizer"], "needs --texts FOLDER"),
        (["package"], "need --out FOLDER"),
        (["package", "--out", "out"], "corpus.json is missing. Run the step 'tokenizer' first"),
    ],
)
def test_wrong_use_is_explained_without_a_traceback(tool, caplog, tmp_path, arguments, message):
    assert tool("train_pocket").main([*arguments, "--work", str(tmp_path)]) == 2
    assert message in caplog.text


def test_the_shipped_card_is_the_one_that_the_script_writes(tool):
    home = TOOLS.parent / "src" / "theodolite" / "bundled"
    card = tool("pocket_card")
    family = json.loads((home / "family.json").read_text(encoding="utf-8"))
    assert (home / "README.md").read_text(encoding="utf-8") == card.card(family)
    assert (home / "loss.svg").read_text(encoding="utf-8") == card.loss_figure(family)
