"""The rank study on models whose rank is known, tied and untied, from plan to export."""

import json
import shutil
import sys
import warnings

import numpy as np
import peft
import polars as pl
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from theodolite import bundled, runs, studies
from theodolite.core.errors import FormatError, NotFoundError, ParameterError, RunWarning
from theodolite.models import evaluate_loss, load_model
from theodolite.models.adapters_factors import FactorizedEmbedding, load_factors, truncations
from theodolite.studies.rank import study as rank
from theodolite.studies.rank.config import Config
from theodolite.studies.rank.curves import read_models
from theodolite.studies.rank.export import export_rank, export_recommended
from theodolite.studies.rank.text import text_windows

QUICK = {"text": "examples", "windows": 8, "context": 32, "batch": 4, "steps": 3}
PLANTED = 12


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Pocket-64 with an input embedding that truly has rank 12."""
    folder = tmp_path_factory.mktemp("planted")
    for file in bundled.path("pocket-64").iterdir():
        shutil.copy(file, folder / file.name)
    tensors = load_file(folder / "model.safetensors")
    (name,) = (name for name in tensors if "embed_in" in name)
    tensors[name] = truncations(tensors[name]).factors(PLANTED).table()  # float32: float16 would restore full rank
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


def run(out, **settings):
    return studies.run("rank", out=out, **{**QUICK, **settings})


@pytest.fixture(scope="module")
def planted_run(planted, tmp_path_factory):
    ranks = [1, 2, 4, 6, 8, 10, 12, 14, 16, 24, 48]
    out = tmp_path_factory.mktemp("runs") / "planted"
    return run(out, references=[planted], training_free=True, ranks=ranks, windows=16, context=64)


def test_a_planted_rank_is_found(planted_run):
    frame = planted_run.table()
    (model,) = read_models(frame)
    assert [curve.method for curve in model.curves] == ["svd", "pca"]
    for curve in model.curves:
        increase = {rank: one.value for rank, one in zip(curve.ranks.tolist(), curve.increase(), strict=True)}
        assert increase[PLANTED - 2] > 0.05
        assert all(abs(increase[at]) < 1e-3 for at in (14, 16, 24, 48))  # centering may cost one rank
        assert curve.sufficient(0.005) in ((PLANTED,) if curve.method == "svd" else (PLANTED, 14))
        low, high = curve.placed(curve.knee())
        assert low <= PLANTED <= high
    assert model.curves[0].increase()[6].value == pytest.approx(0, abs=1e-5)
    left_out = frame.filter((pl.col("measure") == "left_out") & (pl.col("method") == "svd"))
    by_rank = dict(left_out.select("rank", "value").rows())
    assert by_rank[10] > 1e-3
    assert by_rank[PLANTED] < 1e-10


def test_the_summary_holds_what_the_study_promises(planted_run):
    summary = rank.summarize(planted_run.table())
    measures = {row["measure"] for row in summary}
    assert measures == {"dimension", "perplexity", "loss_increase", "knee", "recommended_rank"}
    assert json.dumps(summary, allow_nan=False)
    chosen = [row for row in summary if row["measure"] == "recommended_rank" and row["params"]["tolerance"] == 0.01]
    assert chosen[0]["value"] == PLANTED
    assert chosen[0]["params"]["parameters"] == PLANTED * (4096 + 64)
    assert chosen[0]["params"]["saved"] == pytest.approx(1 - PLANTED * (4096 + 64) / (4096 * 64))
    flat = rank.summary_frame(planted_run.table())
    assert len(flat) == len(summary)


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "trained"
    return run(out, references=["bundled:pocket-64"], ranks=[1, 4, 8, 64], steps=12, learning_rate=0.02)


def test_every_curve_is_measured_once_for_each_rank_and_seed(trained_run):
    frame = trained_run.table()
    (model,) = read_models(frame)
    assert [(one.condition, one.method, one.losses.shape) for one in model.curves] == [
        ("truncated", "svd", (1, 8, 4)),
        ("truncated", "pca", (1, 8, 4)),
        ("update", "svd", (2, 8, 4)),
        ("adapter", "lora", (2, 8, 4)),
    ]
    assert model.full.value < model.base.value
    update, adapter = model.curves[2], model.curves[3]
    assert update.increase()[-1].value == pytest.approx(0, abs=1e-5)  # the whole update
    assert adapter.parameters.tolist() == [at * (4096 + 64) for at in (1, 4, 8, 64)]
    assert adapter.loss()[-1].value < adapter.loss()[0].value < model.base.value
    first = frame.filter((pl.col("measure") == "train_loss") & (pl.col("x") == 1))
    assert first.group_by("seed").agg(pl.col("value").n_unique())["value"].to_list() == [1, 1]


def test_losses_are_those_of_the_model_itself(trained_run):
    model = load_model("bundled:pocket-64", device="cpu")
    frame = trained_run.table()
    text = rank._windows(reference="bundled:pocket-64", text="examples", context=32, windows=8, batch=4, device="auto")
    wanted = evaluate_loss(model, list(text.held_out))
    base = frame.filter(pl.col("condition") == "base")
    assert base.filter(pl.col("measure") == "loss")["value"].item() == pytest.approx(wanted.mean, rel=1e-6)
    windows = base.filter(pl.col("measure") == "window_loss").sort("x")["value"].to_numpy()
    np.testing.assert_allclose(windows, wanted.per_window, rtol=1e-5)
    train = {tuple(row) for row in text.training.tolist()}
    assert not train & {tuple(row) for row in text.held_out.tolist()}


def test_a_run_goes_on_where_it_stopped(trained_run):
    table = trained_run.table()
    units = sorted((trained_run.path / "units").glob("*.parquet"))
    assert len(units) == 1 + 2 + 2 + 4 * 2
    kept = {path.name: path.stat().st_mtime_ns for path in units[1:]}
    units[0].unlink()
    again = run(trained_run.path, references=["bundled:pocket-64"], ranks=[1, 4, 8, 64], steps=12, learning_rate=0.02)
    assert again.table().equals(table)
    assert {path.name: path.stat().st_mtime_ns for path in units[1:]} == kept


def test_what_is_recommended_can_be_loaded(trained_run, tmp_path):
    config = Config(("bundled:pocket-64",), ranks=(1, 4, 8, 64), learning_rate=0.02, **{**QUICK, "steps": 12})
    frame = trained_run.table()
    (exported,) = export_recommended(frame, config, tmp_path / "export", tolerance=3.0)
    facts = json.loads((exported.folder / "rank.json").read_text(encoding="utf-8"))
    assert facts["table"]["rank"] == exported.table_rank
    assert facts["adapter"]["rank"] == exported.adapter_rank == 1
    model = load_model("bundled:pocket-64", device="cpu")
    text = rank._windows(reference="bundled:pocket-64", text="examples", context=32, windows=8, batch=4, device="auto")

    def measured(condition, at, method):
        rows = frame.filter((pl.col("condition") == condition) & (pl.col("rank") == at) & (pl.col("method") == method))
        return rows.filter(pl.col("measure") == "loss").sort("seed")["value"][0]

    factors, _ = load_factors(exported.folder / "table.safetensors")
    model.module.set_input_embeddings(FactorizedEmbedding(factors))
    found = evaluate_loss(model, list(text.held_out)).mean
    assert found == pytest.approx(measured("truncated", exported.table_rank, facts["method"]), rel=1e-5)

    model = load_model("bundled:pocket-64", device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        peft.PeftModel.from_pretrained(model.module, exported.folder / "adapter")
    found = evaluate_loss(model, list(text.held_out)).mean
    assert found == pytest.approx(measured("adapter", 1, "lora"), rel=1e-5)
    readme = (exported.folder / "README.md").read_text(encoding="utf-8")
    assert "FactorizedEmbedding" in readme
    assert "PeftModel" in readme


def test_exports_that_cannot_be_are_refused(trained_run, tmp_path):
    config = Config(("bundled:pocket-64",))
    with pytest.raises(ParameterError, match="tolerance=0 allows no loss"):
        export_recommended(trained_run.table(), config, tmp_path, tolerance=0)
    only_cut = trained_run.table().filter(pl.col("condition").is_in(["base", "truncated"]))
    with pytest.raises(ParameterError, match="No measured rank of bundled:pocket-64 keeps the loss"):
        export_recommended(only_cut, config, tmp_path, tolerance=1e-9)
    with pytest.raises(ParameterError, match="rank=65 is not possible for a table of 64 columns"):
        export_rank("bundled:pocket-64", 65, tmp_path)


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("tied")
    config = transformers.GPT2Config(
        vocab_size=4096, n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(bundled.path("pocket-64") / name, folder / name)
    return str(folder)


def test_tied_tables_are_said_and_measured_on_both_sides(tied, tmp_path):
    finished = run(tmp_path / "run", references=[tied], ranks=[2, 16], seeds=1)
    assert any("input and output embedding are one table" in warning for warning in finished.warnings)
    (model,) = read_models(finished.table())
    assert [(one.condition, one.method, one.side) for one in model.curves] == [
        ("truncated", "svd", "input"),
        ("truncated", "svd", "both"),
        ("truncated", "pca", "input"),
        ("truncated", "pca", "both"),
        ("update", "svd", "both"),
        ("adapter", "lora", "input"),
        ("adapter", "lora", "both"),
    ]
    losses = [one.loss()[0].value for one in model.curves]
    assert len({round(loss, 6) for loss in losses}) == len(losses)
    names = {one.subject for one in rank.find(finished.table())}
    assert any("merged into the tied table" in name for name in names)


def test_models_and_texts_that_cannot_be_used_are_refused(tied, tmp_path):
    def plan(reference="bundled:pocket-64", **settings):
        return rank.plan(Config((reference,), **{**QUICK, **settings}))

    with pytest.raises(ParameterError, match="ranks holds 65, but the table has 64 columns"):
        plan(ranks=(4, 65))
    with pytest.raises(ParameterError, match="context=300 is more than the 256 tokens"):
        plan(context=300)
    short = tmp_path / "short.txt"
    short.write_text("A short text that fills no window.", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"The text .*short.txt has \d+ tokens, but 8 held-out windows"):
        plan(text=str(short))
    with pytest.raises(NotFoundError, match="There are no prompts at nowhere"):
        plan(text="nowhere.txt")
    silent = tmp_path / "silent"
    shutil.copytree(tied, silent)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (silent / name).unlink()
    with pytest.raises(ParameterError, match="has no tokenizer, so it cannot read a text"):
        plan(str(silent))
    encoder = tmp_path / "encoder"
    config = transformers.BertConfig(
        vocab_size=4096, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertForMaskedLM(config).save_pretrained(encoder)
    with pytest.raises(ParameterError, match=r"is no causal model \(encoder\)"):
        plan(str(encoder))
    with pytest.raises(NotFoundError, match="running a model needs all its weights"):
        plan("bundled:pocket-128@step512")


def test_a_training_that_diverges_fails_its_units_and_spares_the_others(tmp_path):
    with pytest.warns(RunWarning, match="2 units failed"):
        finished = run(tmp_path / "run", references=["bundled:pocket-64"], ranks=[2], seeds=1, learning_rate=1e30)
    assert finished.status == "partial"
    failures = finished.failures()
    assert {one.label for one in failures} == {
        "bundled:pocket-64 full seed 0",
        "bundled:pocket-64 adapter rank 2 seed 0",
    }
    assert all("Lower the learning rate" in one.message for one in failures)
    (model,) = read_models(finished.table())
    assert model.full is None
    assert [one.condition for one in model.curves] == ["truncated", "truncated"]


def test_a_text_that_changed_after_the_plan_is_refused(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("One sentence follows another, and then a third. " * 80, encoding="utf-8")
    (unit, *_) = rank.plan(Config(("bundled:pocket-64",), **{**QUICK, "text": str(text)}))
    text.write_text("Quite another text stands here instead of it now. " * 80, encoding="utf-8")
    rank._windows.cache_clear()
    with pytest.raises(FormatError, match="or its text changed after the run was planned"):
        rank.run(unit)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"references": ()}, "Nothing to measure: name at least one model"),
        ({"seeds": 0}, "seeds=0 is too small. Take at least 1"),
        ({"ranks": (0, 4)}, "ranks holds 0, but a rank is at least 1"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 does not train"),
        ({"training_free": True, "truncations": ()}, "neither training nor a truncation"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ParameterError, match=message):
        Config(**{"references": ("bundled:pocket-64",), **settings})


def test_the_ranks_go_across_the_dimension():
    config = Config(("x",))
    assert config.ranks_for(64, adapters=True) == (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
    assert config.ranks_for(100, adapters=False) == (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 100)
    assert max(config.ranks_for(4096, adapters=True)) == 256
    assert max(config.ranks_for(4096, adapters=False)) == 4096
    assert Config(("x",), ranks=(8, 2, 8)).ranks_for(16, adapters=True) == (2, 8)


def test_the_study_runs_from_a_file(planted_run, tmp_path):
    name, _, mapping = runs.read_study_file(planted_run.path / "study.yaml")
    assert name == "rank"
    assert runs.config_from_mapping(studies.resolve(name).Config, mapping).ranks[:3] == (1, 2, 4)


@pytest.mark.slow
def test_on_a_held_out_novel_the_cut_table_bends_where_it_should(shared_data, tmp_path):
    """Expected: a knee at rank 12 to 32 (tables of this family cut on their validation text bend there)."""
    novel = shared_data / "text" / "eltec-eng" / "ENG18952_Wells.txt"
    finished = studies.run(
        "rank", references=["bundled:pocket-128"], text=str(novel), training_free=True, windows=32, out=tmp_path / "run"
    )
    (model,) = read_models(finished.table())
    assert 4.1 < model.base.value < 4.7  # the family's validation loss is 4.41 over five such books
    assert 15 < model.dimension.value < 25
    for curve in model.curves:
        found = curve.knee()
        assert found.supported
        assert 12 <= found.low < found.high <= 32
        assert found.slope_before < -0.5 < found.slope_after
        assert 24 <= curve.sufficient(0.1) <= 48


@pytest.mark.slow
def test_another_text_trains_another_table(shared_data, tmp_path):
    text = shared_data / "text" / "wikitext2" / "valid.txt"
    finished = run(tmp_path / "run", references=["bundled:pocket-64"], text=str(text), ranks=[1, 64], steps=20, seeds=1)
    (model,) = read_models(finished.table())
    adapter = model.curves[-1]
    assert model.full.high < model.base.value
    assert adapter.loss()[1].value < adapter.loss()[0].value < model.base.value


def test_the_default_text_is_that_of_every_python(monkeypatch):
    tokenizer = load_model("bundled:pocket-64", device="cpu").tokenizer
    text = text_windows("python", tokenizer, n_tokens=64, n_held_out=10, batch=8)
    assert text.held_out.shape == (10, 64)
    assert len(text.training) + 10 == text.origin["n_windows"] > 1000
    assert "statement" in tokenizer.decode(text.held_out[0])  # the first chapter is about assert
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(NotFoundError, match="comes without its language reference"):
        text_windows("python", tokenizer, n_tokens=64, n_held_out=10, batch=8)
