"""The training study: which checkpoints, which losses, and where the fall is, on bundled and planted curves."""

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from theodolite import bundled, studies
from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.runs import Unit
from theodolite.runs.rows import frame_from_rows
from theodolite.studies.dimension import study as dimension
from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.training import study as training
from theodolite.studies.training.config import Config
from theodolite.studies.training.losses import known_losses
from theodolite.tables import Reference

QUICK = {"limit": 400, "k": 8, "mle_k": (2, 5), "which": ("input",), "nulls": ("gaussian",)}
STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
NULL, START, PLATEAU = 60.0, 60.5, 20.0


def planted(*, half=100.0, plateau=PLATEAU, start=START, null=NULL, loss_half=None, model="m"):
    """Curves that come down by half at `half`, as a logistic function of the logarithm of the step, with noise."""
    generator = np.random.default_rng(5)
    rows = []

    def add(condition, measure, step, value, **columns):
        blank = dict.fromkeys(COLUMNS)
        rows.append(
            {**blank, "model": model, "revision": f"step{step}", "step": step, "rows": "tokenizer", "extrinsic": 128}
            | {"condition": condition, "measure": measure, "value": value, **columns}
        )

    def level(step, middle, high, low):
        return high - (high - low) / (1 + (middle / max(step, 1e-9)) ** 2)

    for step in STEPS:
        named = {"which": "input", "method": "twonn", "scale": 2, "n1": 1, "n_used": 4000}
        value = level(step, half, start, plateau) + 0.3 * generator.normal()
        add("measured", "dimension", step, value, stderr=0.3, **named)
        if null is not None:
            add("gaussian", "dimension", step, null + generator.normal(), stderr=1.0, **named)
        if loss_half is not None:
            add("measured", "loss", step, level(step, loss_half, 8.3, 4.5), method="validation")
    return frame_from_rows(rows, COLUMNS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return studies.run(
        "training",
        references=["bundled:pocket-128"],
        revisions=["step[0128]", "step32,step128,step512", "main"],
        out=tmp_path_factory.mktemp("training") / "run",
        **QUICK,
    )


def test_checkpoints_are_the_ones_named_and_each_is_measured_as_the_dimension_study_does(finished):
    frame = finished.table()
    measured = frame.filter((pl.col("method") == "twonn") & (pl.col("condition") == "measured")).sort("step")
    assert measured["step"].to_list() == [0, 1, 2, 8, 32, 128, 512, 2198]
    alone = studies.run(
        "dimension", checkpoints=["bundled:pocket-128@step128"], out=finished.path.parent / "alone", **QUICK
    ).table()
    same = frame.filter(pl.col("revision") == "step128", pl.col("condition").is_not_null(), pl.col("measure") != "loss")
    assert same.equals(alone)


def test_losses_of_bundled_models_are_those_of_the_record(finished):
    losses = dict(finished.table().filter(pl.col("measure") == "loss").select("step", "value").rows())
    model = next(one for one in bundled.family().models if one.name == "pocket-128")
    assert losses == {one.step: one.validation_loss for one in model.revisions}


def test_the_fall_is_found_with_its_steps_and_against_the_null(finished):
    summary = training.summarize(finished.table())
    falls = {(row["method"], row["scale"]): row for row in summary if row["measure"] == "drop"}
    assert {("twonn", 2), ("participation_ratio", None), ("loss", None), ("gride", 8), ("mle", 5)} <= set(falls)
    fall = falls["twonn", 2]
    found = fall["params"]
    assert found["significant"]
    assert found["start_over_null"] == pytest.approx(1, abs=0.2)
    assert found["plateau_over_null"] < 0.7
    assert 32 <= found["half"] <= found["nine_tenths"] <= 2198
    assert (found["first_step"], found["last_step"]) == (0, 2198)
    assert fall["value"] > 5 * fall["stderr"]
    assert json.loads(json.dumps(summary, allow_nan=True)), "plain types only"
    flat = training.summary_frame(finished.table())
    assert flat.filter(pl.col("measure") == "loss").height == 14
    assert flat.filter(pl.col("method") == "twonn").height == 8
    early = [one for one in training.find(finished.table()) if one.id == "early-drop"]
    assert [one.verdict for one in early] == ["supported"]


@pytest.mark.parametrize("half", [8.0, 100.0, 300.0])
def test_a_planted_fall_is_found_where_it_was_planted(half):
    (one,) = [row for row in training.summarize(planted(half=half)) if row["measure"] == "drop"]
    found = one["params"]
    assert found["half"] == pytest.approx(half, rel=0.12)
    assert found["half_by"] == min(step for step in STEPS if step >= found["half"])
    assert found["plateau"] == pytest.approx(PLATEAU, abs=3)
    assert found["steepest_from"] <= half <= found["steepest_to"]
    assert found["null"] == pytest.approx(NULL, abs=4)


@pytest.mark.parametrize(
    ("settings", "verdict", "said"),
    [
        ({}, "supported", "Half of the fall is done by step 128"),
        ({"half": 900.0}, "not supported", "by step 1024"),
        ({"plateau": 45.0}, "not supported", "to 45"),
        ({"plateau": START}, "not supported", "TwoNN goes from 60"),
        ({"start": 40.0, "plateau": 12.0}, "undecided", "a Gaussian table of the same size reads 58.7"),
        ({"null": None}, "undecided", "TwoNN goes from 60"),
    ],
)
def test_verdicts_on_an_early_drop(settings, verdict, said):
    (found,) = training.find(planted(**settings))
    assert (found.id, found.verdict, found.subject) == ("early-drop", verdict, "m input")
    assert said in found.evidence
    assert "nan" not in found.evidence


@pytest.mark.parametrize(
    ("loss_half", "verdict"), [(800.0, "supported"), (10.0, "not supported"), (100.0, "undecided")]
)
def test_which_falls_first_is_said_only_where_the_interval_tells(loss_half, verdict):
    _, found = training.find(planted(loss_half=loss_half))
    assert (found.id, found.verdict) == ("drop-before-loss", verdict)
    assert "from 8.30 to " in found.evidence


def test_a_frame_without_a_curve_says_nothing():
    short = planted().filter(pl.col("step") < 2)
    assert training.find(short) == []
    assert not [row for row in training.summarize(short) if row["measure"] == "drop"]
    empty = planted().clear()
    assert (training.find(empty), training.summarize(empty)) == ([], [])


def test_points_spreads_checkpoints_over_the_logarithm_of_the_step():
    units = training.plan(Config(("bundled:pocket-128",), points=5, **QUICK))
    assert list(dict.fromkeys(unit.params["reference"] for unit in units if "content" in unit.params)) == [
        f"bundled:pocket-128{revision}" for revision in ("@step0", "@step16", "@step128", "@step2048", "")
    ]


def test_a_pattern_in_the_reference_does_the_same_as_the_setting():
    one = training.plan(Config(("bundled:pocket-128@step[0124]",), **QUICK))
    other = training.plan(Config(("bundled:pocket-128",), revisions=("step[0124]",), **QUICK))
    assert [unit.key for unit in one] == [unit.key for unit in other]
    assert len(one) == 4 + 1 + 1, "the checkpoints, a Gaussian null for all of them, the losses"
    with pytest.raises(ParameterError, match=r"names the revision 'step0' .* names others"):
        training.plan(Config(("bundled:pocket-128@step0",), revisions=("step1",), **QUICK))


@pytest.fixture
def trained_folder(tmp_path):
    """A model folder with checkpoints as transformers' Trainer leaves them."""
    folder = tmp_path / "my model"
    generator = np.random.default_rng(0)
    for step in (5, 10, 15):
        checkpoint = folder / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        config = {"model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"], "vocab_size": 200}
        (checkpoint / "config.json").write_text(json.dumps(config), encoding="utf-8")
        table = generator.normal(size=(200, 64)).astype(np.float32)
        save_file({"gpt_neox.embed_in.weight": table}, checkpoint / "model.safetensors")
        history = [{"step": one, "eval_loss": 9.0 - one / 10} for one in range(5, step + 1, 5)] + [
            {"step": 7, "loss": 3.0},
            {"step": "8", "eval_loss": 3.0},
            "not an entry",
        ]
        state = {"global_step": step, "log_history": history}
        (checkpoint / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
    return folder


def test_losses_that_the_trainer_wrote_down_are_read(trained_folder, tmp_path):
    quick = {**QUICK, "limit": None}
    run = studies.run("training", references=[str(trained_folder)], out=tmp_path / "run", **quick)
    losses = dict(run.table().filter(pl.col("measure") == "loss").select("step", "value").rows())
    assert losses == {5: 8.5, 10: 8.0, 15: 7.5}
    twonn = run.table().filter((pl.col("method") == "twonn") & (pl.col("condition") == "measured"))
    assert twonn["step"].to_list() == [5, 10, 15]


def test_losses_from_a_file_win(tmp_path):
    path = tmp_path / "losses.csv"
    path.write_text("step,loss,comment\n0,8.3,a\n512,5.05,b\n", encoding="utf-8")
    reference = Reference.parse("bundled:pocket-128")
    assert known_losses(reference, str(path)) == {0: 8.3, 512: 5.05}
    assert len(known_losses(reference, None)) == 14
    assert known_losses(Reference.parse("hub:EleutherAI/pythia-70m"), None) == {}
    assert known_losses(Reference.parse("bundled:none-such"), None) == {}


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("step,perplexity\n0,3\n", FormatError, r"Line 2 of .* needs the columns step and loss"),
        ("step,loss\n0,8.3\nten,5\n", FormatError, "Line 3 of .* does not say a step and a loss"),
        ("step,loss\n0\n", FormatError, "Line 2 of .* does not say a step and a loss"),
        ("step,loss\n0,nan\n", FormatError, r"gives the loss nan\. Leave the line out"),
        (None, NotFoundError, "Cannot read the losses in .*CSV file in UTF-8"),
    ],
)
def test_a_damaged_file_of_losses_is_refused(tmp_path, content, error, message):
    path = tmp_path / "losses.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(error, match=message):
        training.plan(Config(("bundled:pocket-128",), losses=str(path), **QUICK))


def test_settings_that_make_no_curve_are_refused():
    with pytest.raises(ParameterError, match="Nothing to follow"):
        Config()
    with pytest.raises(ParameterError, match="revisions is empty"):
        Config(("m",), revisions=())
    with pytest.raises(ParameterError, match=r"points=2 makes no curve\. Take at least 3"):
        Config(("m",), points=2)
    with pytest.raises(NotFoundError, match=r"has 2 checkpoints among step\[01\], but a curve needs at least 3"):
        training.plan(Config(("bundled:pocket-128",), revisions=("step[01]",), **QUICK))
    with pytest.raises(NotFoundError, match="No revision matches 'epoch"):
        training.plan(Config(("bundled:pocket-128",), revisions=("epoch*",), **QUICK))


def test_a_unit_of_another_study_is_refused():
    unit = Unit(study=dimension.NAME, version=1, params={}, group="", label="")
    with pytest.raises(ParameterError, match="no unit of the training study"):
        training.run(unit)
