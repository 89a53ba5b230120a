"""The layer study as a whole: from prompts to rows, summary, findings and a page."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import numpy as np
import polars as pl
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from theodolite import studies
from theodolite.core.errors import FormatError, ParameterError, RunWarning, TheodoliteError
from theodolite.dimension import (
    adaptive,
    constant_density_neighbors,
    ess,
    fisher_separability,
    gride,
    local_pca,
    local_twonn,
    mada,
    mle,
    mom,
    persistence_dimension,
    tle,
    twonn,
    twonn_linearity,
)
from theodolite.models import evaluate_loss, hidden_states, load_model, load_states, load_tokenizer
from theodolite.neighborhoods import neighbors
from theodolite.studies.layers import study as layers
from theodolite.studies.layers.config import Config, Estimator
from theodolite.studies.layers.controls import controls_of
from theodolite.studies.layers.early import refuse_early
from theodolite.studies.layers.sources import prompts_of, room_of
from theodolite.tables import display_token

MODEL = "bundled:pocket-64"
SMALL = {
    "positions": ("all", "first"),
    "n_tokens": 96,
    "minimum": 64,
    "k": 16,
    "mle_k": 10,
    "overlap_k": 8,
    "limit": 3,
    "block": 2,
    "shown": 1,
}


SETTINGS = {"shuffles": [1], "full_shuffles": 2, "lens": "logit", "homogeneity": True}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("layers") / "run"
    return studies.run("layers", references=[MODEL], out=out, **SETTINGS, **SMALL)


@pytest.fixture(scope="module")
def states():
    """The states of the first prompt, from a forward pass of its own."""
    model = load_model(MODEL, device="cpu")
    prompts = prompts_of(Config((MODEL,), **SMALL), MODEL)
    (found,) = hidden_states(model, prompts.token_ids[:1], include_logits=True)
    return model, found


def test_shown_tokens_are_spelled_as_in_the_text(finished, states):
    model, found = states
    tokens = of(finished, "surprisal").sort("position")["token"].to_list()
    assert "".join(tokens) == display_token(model.tokenizer.decode(found.token_ids))
    assert any(token.startswith(" ") for token in tokens)


def of(run, measure, **place):
    rows = run.table().filter((pl.col("measure") == measure) & (pl.col("prompt_row") == 0))
    place = {"control": "structured", **place}
    for column, value in place.items():
        rows = rows.filter(pl.col(column) == value)
    return rows


def test_every_layer_reads_what_the_estimators_read_on_its_cloud(finished, states):
    _, found = states
    for layer in range(1, len(found.states)):
        graph = neighbors(found.states[layer], k=16)
        for estimate in gride(graph):
            row = of(finished, "dimension", positions="all", layer=layer, method="gride", scale=estimate.n2).row(
                0, named=True
            )
            assert row["value"] == pytest.approx(estimate.value, rel=1e-4)  # batches of other sizes round otherwise
            assert row["n_used"] == 96
        likely = of(finished, "dimension", positions="all", layer=layer, method="mle")["value"].item()
        assert likely == pytest.approx(mle(graph, k=10).value, rel=1e-4)


def test_every_estimator_reads_what_it_reads_on_one_cloud(states, tmp_path):
    _, found = states
    settings = {"positions": ("all",), "limit": 1, "ess_k": 9, "tle_k": 11, "logits": False, "box": False}
    run = studies.run(
        "layers", references=[MODEL], out=tmp_path / "run", estimators=get_args(Estimator), **{**SMALL, **settings}
    )
    for layer in range(1, len(found.states)):
        points = found.states[layer]
        graph = neighbors(points, k=16)
        for estimate in (
            gride(graph)[1],
            twonn(graph),
            mle(graph, k=10),
            mom(graph, k=10),
            mada(graph, k=10),
            ess(graph, points, k=9),
            tle(graph, points, k=11),
            local_twonn(graph, points, n_neighbors=16),
            local_pca(graph, points, k=16, rule="fo"),
        ):
            row = of(run, "dimension", layer=layer, method=estimate.method, scale=estimate.n2).row(0, named=True)
            assert row["value"] == pytest.approx(estimate.value, rel=1e-3)
            assert (row["stderr"] > 0, row["n_used"]) == (True, estimate.n_used)
        for estimate in (adaptive(graph), fisher_separability(points), persistence_dimension(points)):
            row = of(run, "dimension", layer=layer, method=estimate.method).row(0, named=True)
            assert (row["value"], row["stderr"]) == pytest.approx((estimate.value, estimate.stderr), rel=1e-3)
            assert (row["n1"], row["scale"], row["n_used"]) == (None, None, estimate.n_used)
            assert row["radius"] == (pytest.approx(estimate.radius, rel=1e-3) if estimate.n2 else None)
    assert set(of(run, "dimension")["method"]) == set(get_args(Estimator))


def test_the_embedding_layer_has_one_point_for_each_token_type(finished, states):
    _, found = states
    n_types = len(np.unique(found.token_ids))
    row = of(finished, "dimension", positions="all", layer=0, method="gride", scale=2).row(0, named=True)
    assert row["n_used"] == n_types
    assert row["n_dropped"] == 96 - n_types
    first = of(finished, "dimension", positions="first", layer=1, method="gride", scale=2).row(0, named=True)
    assert first["n_used"] == n_types


def test_cosines_norms_and_participation_ratio_are_those_of_the_matrix(finished, states):
    _, found = states
    for layer, cloud in enumerate(found.states.double()):
        unit = cloud / cloud.norm(dim=1, keepdim=True)
        cosines = unit @ unit.T
        rows = of(finished, "mean_cosine", positions="all", layer=layer)
        assert rows.filter(pl.col("method") == "with_diagonal")["value"].item() == pytest.approx(
            float(cosines.mean()), abs=1e-5
        )
        deviation = of(finished, "sd_cosine", positions="all", layer=layer)["value"].item()
        assert deviation == pytest.approx(float(cosines.std(correction=0)), abs=1e-5)
        norm = of(finished, "norm", positions="all", layer=layer, method="mean")["value"].item()
        assert norm == pytest.approx(float(cloud.norm(dim=1).mean()), rel=1e-5)
        spectrum = torch.linalg.eigvalsh(torch.cov(cloud.T))
        ratio = of(finished, "participation_ratio", positions="all", layer=layer)["value"].item()
        assert ratio == pytest.approx(float(spectrum.sum() ** 2 / spectrum.square().sum()), rel=1e-3)


def test_overlap_is_the_share_of_common_neighbors(finished, states):
    _, found = states
    one, other = (neighbors(found.states[layer], k=8).indices for layer in (1, 2))
    for k in (1, 3, 8):
        shared = np.mean([len(set(a[:k]) & set(b[:k])) / k for a, b in zip(one, other, strict=True)])
        value = of(finished, "overlap", positions="all", layer=1, layer_to=2, scale=k)["value"].item()
        assert value == pytest.approx(shared, abs=0.011 / k)  # one neighbor of one of 96 tokens may tie


def test_loss_and_entropies_are_the_models(finished, states):
    model, found = states
    loss = of(finished, "loss")["value"].item()
    assert loss == pytest.approx(evaluate_loss(model, [found.token_ids]).mean, abs=1e-4)
    surprisal = of(finished, "surprisal").sort("position")["value"]
    assert np.isnan(surprisal[0]), "nothing stands before the first token"
    assert surprisal[1:].mean() == pytest.approx(loss, abs=1e-9)
    assert surprisal.len() == 96
    log_p = torch.log_softmax(found.logits.double(), dim=-1)
    entropy = float(-(log_p.exp() * log_p).sum(dim=-1).mean())
    assert of(finished, "entropy", method="model")["value"].item() == pytest.approx(entropy, abs=1e-4)
    by_lens = of(finished, "entropy", method="logit_lens").sort("layer")
    assert by_lens["layer"].to_list() == list(range(len(found.states)))
    assert by_lens["value"][-1] == pytest.approx(entropy, abs=1e-3)  # the last layer's lens is the model itself


def test_the_logit_box_has_as_many_sides_as_the_logits_have_dimensions(finished, states):
    _, found = states
    logits = found.logits.double().numpy()
    dimension = of(finished, "logit_dimension", positions="all", method="gride", scale=4)["value"].item()
    highest = -np.sort(-logits, axis=1)
    length = (highest[:, 0] - highest[:, round(dimension) - 1]).mean()
    assert round(dimension) > 1
    assert of(finished, "box_length")["value"].item() == pytest.approx(length, rel=1e-4)
    p = np.exp(highest - np.logaddexp.reduce(highest, axis=1, keepdims=True))
    mass = of(finished, "logit_mass", method="probability").sort("scale", nulls_last=True)
    assert mass["scale"].to_list() == [1, 3, 16, 32, 128, None]
    expected = [p[:, : k or round(dimension)].sum(axis=1).mean() for k in mass["scale"]]
    assert mass["value"].to_list() == pytest.approx(expected, rel=1e-4)
    parts = -p * np.log(p)
    share = of(finished, "logit_mass", method="entropy").filter(pl.col("scale") == 32)["value"].item()
    assert share == pytest.approx((parts[:, :32].sum(axis=1) / parts.sum(axis=1)).mean(), rel=1e-3)
    assert finished.table().filter(pl.col("measure") == "box_length")["control"].unique().to_list() == ["structured"]


def test_density_and_straightness_are_those_of_each_cloud(finished, states):
    _, found = states
    for layer in (1, len(found.states) - 1):
        graph = neighbors(found.states[layer], k=16)
        reached = constant_density_neighbors(graph, twonn(graph, method="ml").value)
        rows = of(finished, "constant_density", positions="all", layer=layer).sort("method")
        assert rows["method"].to_list() == ["at_limit", "mean"]
        assert rows["scale"].to_list() == [15, 15]
        assert rows["value"].to_list() == pytest.approx([np.mean(reached == 15), reached.mean()], abs=0.11)
        gaps = of(finished, "linearity_gap", positions="all", layer=layer).sort("n1")
        assert gaps["n1"].to_list() == [1, 2]
        expected = [twonn_linearity(graph, n1=n1).distance for n1 in (1, 2)]
        assert gaps["value"].to_list() == pytest.approx(expected, abs=0.02)  # one of 96 ratios may change its place


def test_disturbed_prompts_hold_the_same_tokens_in_another_order(finished):
    for measure in ("n_tokens", "n_types"):
        own = of(finished, measure)["value"].item()
        assert of(finished, measure, control="full_shuffle")["value"].to_list() == [own, own]
    severities = {
        control: of(finished, "bleu", control=control)["value"].mean() for control in ("block_shuffle", "full_shuffle")
    }
    assert 0 <= severities["full_shuffle"] < 0.2 < severities["block_shuffle"] < 1


def test_only_shown_prompts_keep_their_tokens_and_only_as_written(finished):
    rows = finished.table().filter(pl.col("measure") == "surprisal")
    assert rows["prompt_row"].unique().to_list() == [0]
    assert rows["control"].unique().to_list() == ["structured"]
    assert finished.table().filter(pl.col("prompt_row") == 2)["control"].n_unique() == 3


def test_the_summary_averages_over_prompts_and_correlates(finished):
    summary = layers.summarize(finished.table())
    assert json.dumps(summary, allow_nan=True)
    here = {
        "measure": "dimension",
        "method": "gride",
        "scale": 4,
        "layer": 2,
        "positions": "all",
        "control": "structured",
    }
    (one,) = [row for row in summary if all(row[name] == value for name, value in here.items())]
    values = finished.table().filter(pl.all_horizontal(pl.col(name) == value for name, value in here.items()))["value"]
    assert one["value"] == pytest.approx(values.mean())
    assert one["stderr"] == pytest.approx(values.std() / np.sqrt(3))
    assert one["n_prompts"] == 3
    pearson = [row for row in summary if row["measure"] == "pearson" and row["params"]["with"] == "loss"]
    (found,) = [
        row
        for row in pearson
        if (row["method"], row["scale"], row["layer"], row["positions"]) == ("gride", 4, 2, "all")
    ]
    loss = finished.table().filter((pl.col("measure") == "loss") & (pl.col("control") == "structured"))
    loss = loss.sort("prompt_row")["value"]
    rows = finished.table().filter(pl.all_horizontal(pl.col(name) == value for name, value in here.items()))
    expected = np.corrcoef(np.log(rows.sort("prompt_row")["value"]), loss)[0, 1]
    assert found["value"] == pytest.approx(expected)


def test_findings_of_three_prompts_are_undecided(finished):
    found = {one.id: one for one in layers.find(finished.table())}
    assert {"peak-inside", "dimension-loss", "shuffle-dimension", "kept-neighbors", "logits-entropy"} <= found.keys()
    assert {one.verdict for one in found.values()} == {"undecided"}
    assert all("3 prompts: too few to tell" in one.evidence for one in found.values())


def test_time_and_prompts_are_on_record(finished):
    assert finished.manifest["part_seconds"].keys() == {"model", "geometry"}
    assert min(finished.manifest["part_seconds"].values()) > 0
    (given,) = finished.manifest["inputs"]
    assert given["reference"] == MODEL
    assert given["prompts"]["n_tokens"] == 96
    assert (given["prompts"]["kind"], len(given["prompts"]["sha256"])) == ("jsonl", 64)


def test_the_same_settings_give_the_same_table_and_redo_nothing(finished, tmp_path):
    settings = {"references": [MODEL], **SETTINGS}
    again = studies.run("layers", **settings, out=tmp_path / "again", **SMALL)
    assert again.manifest["table"]["sha256"] == finished.manifest["table"]["sha256"]
    kept = studies.run("layers", **settings, out=tmp_path / "again", **SMALL)
    assert kept.manifest["units"]["done"] == 0


def test_short_prompts_are_listed_and_none_left_is_refused(tmp_path):
    path = tmp_path / "prompts.jsonl"
    long = "It was a bright cold day in April, and the clocks were striking. " * 12
    texts = [long + "One more thing.", "Too short.", long + "And another thing.", " "]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    run = studies.run("layers", references=[MODEL], prompts=str(path), out=tmp_path / "run", **SMALL | {"limit": None})
    said = " ".join(run.warnings)
    assert "left out because they have fewer than 64 tokens: prompts-1." in said
    out = run.table().filter(pl.col("measure") == "left_out")
    assert "1 of the prompts left out because they have no text: row 3." in said
    assert out.select("prompt", "prompt_row", "method").rows() == [("row 3", 3, "empty"), ("prompts-1", 1, "short")]
    assert out["value"][0] == 0
    assert 1 < out["value"][1] < 9
    assert run.table().filter(pl.col("measure") == "loss")["prompt_row"].to_list() == [0, 2]
    path.write_text(json.dumps({"text": "Too short."}) + "\n")
    with pytest.raises(ParameterError, match="No prompt of 1 can be used: at least 90 tokens"):
        studies.run("layers", references=[MODEL], prompts=str(path), out=tmp_path / "none", **SMALL | {"minimum": 90})


def test_prompts_of_few_distinct_tokens_lose_one_choice_of_positions_and_say_so(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"text": "yes no maybe " * 60}) + "\n")
    run = studies.run("layers", references=[MODEL], prompts=str(path), out=tmp_path / "run", **SMALL)
    assert any("first positions" in one and "cannot have k=16 neighbors" in one for one in run.warnings)
    rows = run.table().filter(pl.col("measure") == "dimension")
    assert rows["positions"].unique().to_list() == ["all"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"references": ()}, "name at least one model"),
        ({"k": 1}, "k=1 is too small"),
        ({"k": 8}, "An estimator needs 20 neighbors"),
        ({"k": 8, "estimators": ("mada",)}, "An estimator needs 20 neighbors"),
        ({"k": 2, "estimators": ("local_pca",)}, "k=2 makes no neighborhoods for local_twonn and local_pca"),
        ({"k": 3, "estimators": ("adaptive",)}, "adaptive can read nothing from k=3 neighbors. Take 4 or more"),
        ({"mle_k": 1}, "mle can read nothing from k=1 neighbors. Take 2 or more"),
        ({"estimators": ("tle",), "tle_k": 2}, "tle can read nothing from k=2 neighbors. Take 3 or more"),
        ({"overlap_k": 65}, "overlap_k=65 must lie between 1 and k=64"),
        ({"n_tokens": 100}, "n_tokens=100 cuts every prompt below minimum=128"),
        ({"minimum": 64}, "minimum=64 tokens cannot have k=64 neighbors"),
        ({"shuffles": (-1,)}, "shuffles=-1 is no level"),
        ({"replaced": (0.5, 1.5)}, "replaced=1.5 is no share of words"),
        ({"full_shuffles": -1}, "full_shuffles=-1 is no number of repetitions"),
        ({"positions": ("all", "all")}, "positions=all,all names one twice"),
        ({"estimators": ("twonn", "mle", "twonn")}, "estimators=twonn,mle,twonn names one twice"),
        ({"limit": 0}, "limit=0 leaves nothing to do"),
        ({"positions": ()}, "positions is empty"),
    ],
)
def test_settings_that_no_unit_could_run_with_are_refused(settings, message):
    with pytest.raises(ParameterError, match=message):
        Config(**{"references": (MODEL,), **settings})


def test_what_would_fail_in_every_unit_is_refused_before_the_first(tmp_path):
    for settings, message in (
        ({"n_tokens": 300}, "A prompt has 300 tokens, but bundled:pocket-64 takes at most 256"),
        ({"lens": str(tmp_path)}, "A tuned lens is a folder with"),
        ({"encoder": "bundled:nothing"}, "No bundled model is called 'nothing'"),
    ):
        with pytest.raises(TheodoliteError, match=message):
            layers.plan(Config((MODEL,), **SMALL | settings))
    prompts = prompts_of(Config((MODEL,), **SMALL), MODEL)
    marked = SimpleNamespace(n_positions=96, front_ids=[0], back_ids=[], provenance={"reference": "mine"})
    with pytest.raises(ParameterError, match="mine takes at most 95 beside its special tokens"):
        refuse_early(Config((MODEL,), special_tokens="outside"), marked, prompts)
    few = type("Few", (), {"all_special_ids": [0, 1], "__len__": lambda _: 90})()
    small = SimpleNamespace(n_positions=None, tokenizer=few, provenance={"reference": "mine"})
    with pytest.raises(ParameterError, match="mine has only 88 that are text: random prompts"):
        refuse_early(Config((MODEL,), random_vocabularies=1), small, prompts)


def test_special_tokens_have_room_without_being_asked_for():
    marked = replace(load_model(MODEL, device="cpu"), front_ids=(0,), back_ids=(0,))
    assert room_of(Config((MODEL,), special_tokens="inside"), marked) == 254
    assert room_of(Config((MODEL,)), marked) == 256


def test_a_shuffle_into_more_blocks_than_tokens_is_refused():
    config = Config((MODEL,), shuffles=(4,))
    with pytest.raises(ParameterError, match=r"level 4 needs 256 tokens.*the highest level is 3"):
        controls_of(config, 96)


def test_replaced_words_and_random_tokens_are_controls_too(tmp_path):
    settings = SMALL | {"limit": 1, "positions": ["all"], "logits": False}
    run = studies.run(
        "layers", references=[MODEL], replaced=[0.5], random_vocabularies=1, out=tmp_path / "run", **settings
    )
    table = run.table()
    types = dict(table.filter(pl.col("measure") == "n_types").select("control", "value").iter_rows())
    assert types["random_vocabulary"] == 96
    bleu = table.filter((pl.col("measure") == "bleu") & (pl.col("control") == "word_replacement"))["value"].item()
    assert 0 < bleu < 0.7
    assert table.filter(pl.col("measure") == "logit_dimension").is_empty()


def test_a_model_without_a_tokenizer_is_refused(tmp_path):
    model = load_model(MODEL, device="cpu")
    model.module.save_pretrained(tmp_path / "bare")
    with pytest.raises(TheodoliteError, match="tokenizer"):
        studies.run("layers", references=[str(tmp_path / "bare")], out=tmp_path / "run", **SMALL)


def test_an_encoder_says_how_much_of_a_disturbed_prompt_is_left(tmp_path):
    settings = SMALL | {"limit": 1, "positions": ["all"], "logits": False, "encoder": MODEL}
    run = studies.run("layers", references=[MODEL], shuffles=[1, 3], out=tmp_path / "run", **settings)
    match = dict(run.table().filter(pl.col("measure") == "match").select("level", "value").iter_rows())
    assert 0.5 < match[3.0] < match[1.0] < 1, "finer blocks leave less"
    assert run.table().filter(pl.col("measure") == "match")["method"].unique().to_list() == [MODEL]


def test_a_prompt_whose_states_are_not_finite_is_left_out_and_the_layer_is_named(tmp_path):
    model = load_model(MODEL, device="cpu")
    config = Config((MODEL,), **SMALL)
    tokens = prompts_of(config, MODEL)
    own = sorted(set(tokens.token_ids[1]) - set(tokens.token_ids[0]) - set(tokens.token_ids[2]))
    with torch.no_grad():
        model.module.get_input_embeddings().weight[own[0]] = torch.inf
    model.module.save_pretrained(tmp_path / "broken")
    model.tokenizer.save_pretrained(tmp_path / "broken")
    broken = str(tmp_path / "broken")
    run = studies.run("layers", references=[broken], out=tmp_path / "run", **SMALL | {"block": 3})
    (said,) = [one for one in run.warnings if "not finite" in one]
    name = tokens.prompts[1].name
    assert said.startswith(f"{broken} {name}: Layer 0 holds values that are not finite (torch.float32).")
    assert run.table().filter(pl.col("measure") == "loss")["prompt_row"].to_list() == [0, 2]
    out = run.table().filter(pl.col("method") == "not finite")
    assert out.select("prompt", "measure", "control", "value").rows() == [(name, "left_out", "structured", 96.0)]
    alone = studies.run("layers", references=[broken], out=tmp_path / "alone", **SMALL | {"block": 1})
    assert alone.status == "success"
    assert [one for one in alone.warnings if "not finite" in one] == [said]
    assert alone.table().filter(pl.col("method") == "not finite").equals(out)
    assert alone.table().equals(run.table())


def test_states_are_kept_where_they_are_asked_for_and_read_again(states, tmp_path):
    settings = SMALL | {"positions": ["all"], "logits": False, "full_shuffles": 2, "controlled": 1}
    home = tmp_path / "states"
    run = studies.run("layers", references=[MODEL], save_states=str(home), out=tmp_path / "run", **settings)
    saved = list(load_states(home))
    assert [one.path.relative_to(home).parts[1:] for one in saved] == [
        ("full_shuffle", "prompt-00000.safetensors"),
        ("full_shuffle-repeat-1", "prompt-00000.safetensors"),
        *(("structured", f"prompt-{row:05}.safetensors") for row in range(3)),
    ]
    assert {len(one.found.token_ids) for one in saved} == {96}
    assert len({one.found.token_ids.tobytes() for one in saved}) == 5
    model, found = states
    assert torch.allclose(saved[2].found.states, found.states, atol=1e-4)
    assert saved[2].about["prompt"]["name"] == run.table()["prompt"][0]
    assert saved[1].about["control"]["repeat"] == 1
    assert saved[2].about["model"]["content"] == model.provenance["content"]
    assert run.manifest["part_seconds"]["saving"] > 0
    n_numbers = 5 * (model.n_layers + 1) * 96 * model.n_dims
    assert 0 <= sum(one.path.stat().st_size for one in saved) - 4 * n_numbers < 5 * 5000
    written = {one.path: one.path.stat().st_mtime_ns for one in saved}
    saved[3].path.unlink()
    (tmp_path / "run" / "table.parquet").unlink()
    for unit in (tmp_path / "run" / "units").iterdir():
        unit.unlink()
    studies.run("layers", references=[MODEL], save_states=str(home), out=tmp_path / "run", **settings)
    again = {one.path: one.path.stat().st_mtime_ns for one in load_states(home)}
    assert {path for path in written if again[path] != written[path]} == {saved[3].path}, "what is there stays"


def test_states_of_other_settings_are_not_written_over(tmp_path):
    settings = SMALL | {"positions": ["all"], "logits": False, "limit": 1, "save_states": str(tmp_path / "states")}
    studies.run("layers", references=[MODEL], out=tmp_path / "run", **settings)
    with pytest.warns(RunWarning, match="is there already and holds other states"):
        studies.run("layers", references=[MODEL], out=tmp_path / "other", **settings | {"n_tokens": 90})
    (file,) = (tmp_path / "states").rglob("*.safetensors")
    file.write_bytes(b"cut short")
    with pytest.warns(RunWarning, match="is there already and holds other states"):
        studies.run("layers", references=[MODEL], out=tmp_path / "third", **settings)


def test_a_disk_without_room_for_states_is_refused_before_anything_is_run(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr("theodolite.studies.layers.kept_states.shutil.disk_usage", lambda _: usage)
    full = r"The states take 368\.6\skB, but the disk of .* has 100\.0\skB left"
    for folder, message in ((tmp_path, full), ("s3://x", "no folder of this machine")):
        with pytest.raises(TheodoliteError, match=message):
            layers.plan(Config((MODEL,), save_states=str(folder), **SMALL))


def test_prompts_need_the_minimum_under_other_tokenizers_which_come_without_their_model(tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    texts = ["a few long words " * 40, "-".join(["run", "together"] * 100)]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    config = Config((MODEL,), also_under=(str(tmp_path),), prompts=str(tmp_path / "texts.json"), **SMALL)
    found = prompts_of(config, MODEL)
    (out,) = found.dropped
    assert (out.row, out.n_tokens[str(tmp_path)]) == (1, 1)
    assert out.n_tokens[""] > 64, "long enough for the model itself"
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(FormatError, match="has no tokenizer"):
        load_tokenizer(tmp_path)
