"""A planted direction is carried whole, permuted pairs carry nothing; the real family keeps what it keeps."""

from dataclasses import asdict

import numpy as np
import polars as pl
import pytest
import torch

from theodolite.core.errors import FormatError, ParameterError
from theodolite.models import load_model
from theodolite.runs import config_to_mapping
from theodolite.studies import resolve
from theodolite.studies.transfer import sources as transfer_sources
from theodolite.studies.transfer import study as transfer
from theodolite.studies.transfer.effects import (
    is_monotone,
    ratio_spread,
    share_of_draws,
    slopes,
    surpassed,
    working_range,
)

SMALL = {
    "contrasts": ("gender",),
    "maps": ("least_squares", "logit_matching"),
    "tokens": ("last",),
    "layers": (1, 2),
    "draws": 2,
    "n_generated": 4,
}


POCKET = {
    **SMALL,
    "sources": ("bundled:pocket-64",),
    "targets": ("bundled:pocket-128",),
    "layers": (6,),
    "strengths": (-0.25, 0.25),
}

_READS = tuple(
    f"{part}.weight" for part in ("embed_tokens", "q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "lm_head")
)
"""Matrices of a Llama that read the residual stream; the others write to it."""


def turned(model, seed):
    """The same function of its tokens with its whole residual stream turned: a Llama whose norms have no gain."""
    import copy  # noqa: PLC0415

    other = copy.deepcopy(model)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(model.config.hidden_size,) * 2))
    turn = torch.from_numpy(turn)
    with torch.no_grad():
        for name, weight in other.named_parameters():
            wide = weight.double()
            if name.endswith(_READS):
                weight.copy_(wide @ turn.T)
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.copy_(turn @ wide)
    return other


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Two folders: a small random Llama with the pocket tokenizer, and the same one turned."""
    import transformers  # noqa: PLC0415 - seconds

    pocket = load_model("bundled:pocket-64", device="cpu")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=4096,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        tie_word_embeddings=False,
        initializer_range=0.3,
        max_position_embeddings=256,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    folders = []
    for name, one in (("plain", model), ("turned", turned(model, 1))):
        folder = tmp_path_factory.mktemp(name)
        one.save_pretrained(folder)
        pocket.tokenizer.save_pretrained(folder)
        folders.append(str(folder))
    return folders


def run_all(config):
    rows, warnings = [], []
    for unit in transfer.plan(config):
        found = transfer.run(unit)
        rows += found.rows
        warnings += found.warnings
    return pl.DataFrame(rows, infer_schema_length=None), warnings


def value(frame, measure, condition, **where):
    for name, one in where.items():
        frame = frame.filter(pl.col(name) == one)
    return frame.filter((pl.col("measure") == measure) & (pl.col("condition") == condition))["value"].to_list()


def test_a_planted_direction_is_carried_whole_and_permuted_pairs_carry_nothing(planted):
    source, target = planted
    settings = {**SMALL, "layers": (2,), "strengths": (-0.25, 0.25), "n_generated": 0}
    frame, _ = run_all(transfer.Config(sources=(source,), targets=(target,), **settings))
    for kind in ("least_squares", "logit_matching"):
        assert value(frame, "cosine", kind) == pytest.approx([1], abs=1e-4)
        assert value(frame, "effect_retained", kind) == pytest.approx([1], abs=1e-2)
        assert value(frame, "r2_held_out", kind) == pytest.approx([1], abs=1e-6)
    assert np.abs(value(frame, "cosine", "permuted")).max() < 0.5
    native = np.mean(value(frame, "effect", "native", chosen=True))
    controls = [one for name in ("permuted", "random", "identity") for one in value(frame, "effect", name)]
    assert abs(np.mean(controls)) < 0.3 * abs(native)


@pytest.fixture(scope="module")
def pocket_run():
    return run_all(transfer.Config(**POCKET))


def test_gender_crosses_from_the_smallest_pocket_model_to_a_larger_one(pocket_run):
    frame, warnings = pocket_run
    assert warnings == []
    (kept,) = value(frame, "effect_retained", "least_squares", chosen=True)
    assert 0.3 < kept < 1
    overall, finding = transfer.find(drawn_often(frame))
    assert overall.id == "emb2emb"
    assert overall.verdict == finding.verdict == "supported"
    assert "keeps" in finding.evidence
    assert "0 of 39 maps of permuted pairs do as well (p = 0.025; of all such, 0.0" in finding.evidence
    assert finding.subject == "bundled:pocket-64 to bundled:pocket-128, gender"
    assert value(frame, "monotone", "native", chosen=True) == [1]
    assert min(value(frame, "kl", "native")) > 0


def with_number(frame, measure, number, column="value"):
    changed = pl.when(pl.col("measure") == measure).then(number).otherwise(pl.col(column))
    return frame.with_columns(changed.cast(frame.schema[column]).alias(column))


def drawn_often(frame):
    """The same run as if its controls had been drawn 39 times with the same share that does as well."""
    return with_number(frame, "draws_as_good", 39, "n_used")


def test_few_draws_support_nothing_and_say_so(pocket_run):
    frame, _ = pocket_run
    assert value(frame, "draws_as_good", "permuted") == value(frame, "draws_as_good", "random") == [0]
    finding = transfer.find(frame)[1]
    assert finding.verdict == "undecided"
    assert "0 of 2 random vectors do as well (p = 0.33, the least that 2 draws can show" in finding.evidence


@pytest.mark.parametrize(
    ("measure", "number", "column", "verdict"),
    [
        ("beyond_control", -0.1, "low", "undecided"),
        ("beyond_control", -0.1, "high", "not supported"),
        ("draws_as_good", 1 / 39, "value", "supported"),
        ("draws_as_good", 2 / 39, "value", "undecided"),
        ("draws_as_good", 0.06, "low", "not supported"),
        ("monotone", 0.0, "value", "undecided"),
    ],
)
def test_the_findings_follow_the_controls(pocket_run, measure, number, column, verdict):
    frame, _ = pocket_run
    changed = with_number(drawn_often(frame), measure, number, column)
    if verdict == "not supported":
        changed = with_number(changed, "monotone", 0.0)
    assert transfer.find(changed)[1].verdict == verdict


def test_the_findings_follow_what_is_kept(pocket_run):
    frame = drawn_often(pocket_run[0])
    little = with_number(with_number(frame, "monotone", 0.0), "effect_retained", 0.09, "high")
    assert [one.verdict for one in transfer.find(little)] == ["not supported", "not supported"]
    idle = frame.filter(pl.col("measure") != "working_strength")
    assert [one.verdict for one in transfer.find(idle)] == ["not applicable", "not applicable"]
    alone = frame.filter(~pl.col("measure").is_in(["beyond_control", "draws_as_good"]))
    assert transfer.find(alone)[1].verdict == "undecided"
    assert "No control was run." in transfer.find(alone)[1].evidence


def test_numbers_do_not_depend_on_what_else_was_asked_for(pocket_run, monkeypatch):
    monkeypatch.setattr(transfer_sources, "same_tokens", lambda *_: False)
    asked = {
        **POCKET,
        "maps": ("least_squares", "states"),
        "draws": 1,
        "n_generated": 0,
        "contrasts": ("tense", "gender"),
    }
    unit = transfer.plan(transfer.Config(**asked))[1]
    found = transfer.run(unit)
    assert "cut texts into different tokens, so their states have no partners" in found.warnings[0]
    alone = pl.DataFrame(found.rows, infer_schema_length=None)
    of_all_draws = pl.col("measure").is_in(["beyond_control", "draws_as_good", "draws_keep"])
    rest = (pl.col("condition") != "logit_matching") & (pl.col("draw").fill_null(0) == 0) & ~of_all_draws
    more = pocket_run[0].filter(rest & (pl.col("measure") != "distinct_2"))
    assert alone.filter(~of_all_draws).equals(more)
    with pytest.raises(ParameterError, match="Name another map first"):
        transfer.run(transfer.plan(transfer.Config(**{**asked, "maps": ("states",)}))[1])


def test_what_is_to_be_surpassed_is_the_test_at_five_percent():
    draw = np.random.default_rng(0)
    for n_draws in (19, 20, 39, 40, 99):
        draws = draw.normal(size=n_draws)
        for one in draw.normal(size=50):
            p_value = (1 + (draws >= one).sum()) / (1 + n_draws)
            assert (one > surpassed(draws)) == (p_value <= 0.05)
    shares = [share_of_draws(draw.random(39), 0.9, confidence=0.95) for _ in range(200)]
    assert np.mean([one.low <= 0.1 <= one.high for one in shares]) >= 0.95


def test_rows_have_the_columns_of_the_study_and_the_summary_keeps_the_chosen_layer(pocket_run):
    frame, _ = pocket_run
    assert list(frame.columns) == list(transfer.COLUMNS)
    summary = transfer.summarize(frame)
    assert {row["layer"] for row in summary if row["measure"] == "effect"} == set(
        frame.filter(pl.col("chosen"))["layer"].to_list()
    )
    assert {"perplexity", "kl", "distinct_2", "preference", "beyond_control", "r2_held_out"} <= {
        row["measure"] for row in summary
    }
    assert len(transfer.summary_frame(frame)) == len(summary)


def test_a_native_vector_that_damages_text_has_no_working_range():
    config = transfer.Config(
        sources=("bundled:pocket-64",),
        targets=("bundled:pocket-64",),
        **{**SMALL, "layers": (4,), "strengths": (-30.0, 30.0), "n_generated": 0},
    )
    frame, warnings = run_all(config)
    assert any("no working range" in one for one in warnings)
    assert transfer.find(frame)[1].verdict == "not applicable"


def test_a_unit_is_redone_only_if_something_in_it_changed():
    config = transfer.Config(
        sources=("bundled:pocket-64",), targets=("bundled:pocket-128",), contrasts=("gender", "tense")
    )
    first, second = transfer.plan(config)
    assert first.key != second.key
    assert [one.key for one in transfer.plan(config)] == [first.key, second.key]
    changed = {**asdict(config), "seed": 1}
    changed.pop("_", None)
    assert transfer.plan(transfer.Config(**changed))[0].key != first.key
    assert resolve("transfer") is transfer
    assert config_to_mapping(config)["contrasts"] == ["gender", "tense"]
    stale = type(first)(study="transfer", version=1, params={**first.params, "content": ["other"]})
    with pytest.raises(FormatError, match="changed after the run was planned"):
        transfer.run(stale)


def test_states_without_partners_are_refused(planted, tmp_path):
    import shutil  # noqa: PLC0415

    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415

    other = tmp_path / "other"
    shutil.copytree(planted[0], other)
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(other / "tokenizer.json"))
    with pytest.raises(ParameterError, match=r"their states have no partners|no token tells them apart"):
        transfer_sources.state_map(planted[0], str(other), (1, 1), contrast="gender", seed=0)


def test_effects_by_hand():
    changes = {
        -2.0: np.array([-1.0, -3.0]),
        -1.0: np.array([-1.0, -1.0]),
        1.0: np.array([0.5, 1.5]),
        2.0: np.array([0.0, 1.0]),
    }
    assert slopes(changes, [-1.0, 1.0]).tolist() == [0.75, 1.25]
    assert working_range(changes) == [-2.0, -1.0, 1.0]
    assert is_monotone(changes, [-2.0, -1.0, 1.0])
    assert not is_monotone(changes, [-2.0, -1.0, 1.0, 2.0])
    assert working_range({-1.0: np.array([1.0]), 1.0: np.array([1.0])}) == []


def test_the_interval_of_a_ratio_covers_what_it_should():
    draw = np.random.default_rng(0)
    hits = 0
    for seed in range(60):
        bottom = draw.normal(2, 1, size=40)
        top = 0.5 * bottom + draw.normal(0, 0.5, size=40)
        found = ratio_spread(top, bottom, n_bootstrap=400, confidence=0.95, seed=seed)
        hits += found.low <= 0.5 <= found.high
    assert hits >= 50  # 57 expected; below 50 has probability 0.003 at 95 % coverage
    assert ratio_spread(np.ones(4), np.array([1.0, -1, 1, -1]), n_bootstrap=200, confidence=0.95, seed=0).low == -np.inf


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": ("a", "b", "c")}, "make no pairs"),
        ({"contrasts": ()}, "Nothing to transfer"),
        ({"strengths": (0.5, 1.0)}, "must have both signs"),
        ({"strengths": (-1.0, 0.0, 1.0)}, "distinct and not 0"),
        ({"draws": 0}, "must be at least 1"),
        ({"layers": (-1,)}, "counts from 0"),
        ({"most_damage": 1.0}, "forbids all steering"),
        ({"confidence": 0.3}, "no coverage"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ParameterError, match=message):
        transfer.Config(**{"sources": ("a", "b"), "targets": ("c",), **settings})
