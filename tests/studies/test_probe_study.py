"""The probe study as a whole: prompts, rows, a saved probe and its scores; and what is refused."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from theodolite import studies
from theodolite.core.errors import FormatError, NotFoundError, ParameterError, PointsError, TheodoliteError
from theodolite.dimension import (
    adaptive,
    correlation_dimension,
    ess,
    fisher_separability,
    gride,
    local_pca,
    local_twonn,
    mada,
    mle,
    mom,
    participation_ratio,
    persistence_dimension,
    tle,
    twonn,
)
from theodolite.models import guard_scores, hidden_states, load_guard, load_model, token_losses
from theodolite.neighborhoods import neighbors
from theodolite.prompts import Prompt
from theodolite.report.chapters.probe.accuracies import accuracy_data
from theodolite.report.chapters.probe.headline import headline
from theodolite.runs import Unit, config_from_mapping
from theodolite.similarity import mean_cosine, neighbor_angles, neighborhood_overlap
from theodolite.studies.probe import study as probe
from theodolite.studies.probe.asked import MEASURES
from theodolite.studies.probe.config import Config
from theodolite.studies.probe.evaluation import evaluate
from theodolite.studies.probe.features import read_features
from theodolite.studies.probe.geometry import measure_clouds
from theodolite.studies.probe.measure import measure_prompts
from theodolite.studies.probe.prompts import balanced, join_texts, read_labeled, read_source, read_written
from theodolite.studies.probe.saved import fit_saved, read_probe, write_probe
from theodolite.studies.probe.score import score_prompts
from theodolite.studies.probe.summary import summarize

MODEL = "bundled:pocket-64"
SETTINGS = {"minimum": 40, "n_tokens": 48, "k": 16, "folds": 3, "block": 8}
CONTRAST = Path(__file__).parents[3] / "shared" / "data" / "contrast" / "refusal_direction"
HOSTILE = [
    "the",
    "knife",
    "and",
    "the",
    "poison",
    "would",
    "kill",
    "a",
    "man",
    "before",
    "he",
    "could",
    "cry",
    "out",
    "in",
    "the",
    "dark",
]
BENIGN = [
    "a",
    "garden",
    "with",
    "roses",
    "and",
    "warm",
    "bread",
    "on",
    "the",
    "table",
    "where",
    "the",
    "children",
    "sang",
    "all",
    "day",
]


def sentences(words, n, *, length, seed):
    generator = np.random.Generator(np.random.PCG64(seed))
    return [" ".join(generator.choice(words, size=length).tolist()) for _ in range(n)]


def write(path, texts, **shared):
    path.write_text("".join(json.dumps({"text": text, **shared}) + "\n" for text in texts), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two sources of hostile and benign texts; the benign ones of the second are longer words."""
    folder = tmp_path_factory.mktemp("prompts")
    for number, source in enumerate("ab"):
        write(folder / f"bad-{source}.jsonl", sentences(HOSTILE, 9, length=60, seed=number))
        write(folder / f"good-{source}.jsonl", sentences(BENIGN, 11, length=60, seed=10 + number))
    write(folder / "short.jsonl", [*sentences(HOSTILE, 2, length=60, seed=30), "Too short."])
    return folder


def sources(files):
    return {
        "positive": tuple(f"{one}={files / f'bad-{one}.jsonl'}" for one in "ab"),
        "negative": tuple(f"{one}={files / f'good-{one}.jsonl'}" for one in "ab"),
    }


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    """A classifier of few words, trained here to know hostile ones."""
    words = sorted({*HOSTILE, *BENIGN})
    inner = Tokenizer(models.WordLevel({word: place for place, word in enumerate(["?", *words])}, unk_token="?"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="?", pad_token="?")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = BertForSequenceClassification(
            BertConfig(
                vocab_size=64,
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=16,
                max_position_embeddings=80,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                id2label={0: "harmful", 1: "benign"},
            )
        )
    texts = [*sentences(HOSTILE, 8, length=30, seed=50), *sentences(BENIGN, 8, length=30, seed=51)]
    ids, labels = torch.tensor([tokenizer.encode(text) for text in texts]), torch.tensor([0] * 8 + [1] * 8)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(30):
        optimizer.zero_grad()
        module(ids, labels=labels).loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("guard")
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def finished(files, guard, tmp_path_factory):
    out = tmp_path_factory.mktemp("probe") / "run"
    settings = {**SETTINGS, "k": 20, "measures": ["all"]}
    return studies.run("probe", references=[MODEL], guard=[guard], out=out, **settings, **sources(files))


def test_a_guard_stands_beside_the_baselines_as_it_is(finished, guard):
    (data,) = read_features(finished.table())
    expected = guard_scores(load_guard(guard, device="cpu"), data.texts)
    np.testing.assert_allclose(data.sets[f"guard {guard}"].values[:, 0], expected, rtol=1e-5)
    results = evaluate(finished.table()).filter(pl.col("features") == f"guard {guard}")
    whole = results.filter((pl.col("evaluation") == "cross_validation") & (pl.col("statistic") == "accuracy"))
    assert whole["value"].item() == np.mean((expected >= 0.5) == data.positive) > 0.8
    assert whole["low"].item() < whole["value"].item() < whole["high"].item()
    assert whole["n"].item() == data.n_prompts
    assert {"held_out", "length", "cross_source", "without_source"} <= set(results["evaluation"])
    assert "gain" in results["statistic"]
    table = headline(summarize(finished.table()), ())
    assert [row.which for row in table.rows][-1] == f"guard {guard}, not fitted"
    assert (accuracy_data(finished.table())["classifier"] == f"guard {guard}, not fitted").sum() == 2
    assert [given["reference"] for given in finished.manifest["inputs"]] == [MODEL, guard]


@pytest.fixture(scope="module")
def saved(finished):
    (found,) = fit_saved(finished)
    return found


def test_rows_are_what_the_estimators_read(finished):
    frame = finished.table()
    (data,) = read_features(frame)
    assert data.n_prompts == 36  # nine of each kind in each source: two benign ones of each left out
    assert (data.positive.sum(), data.sources.count("a")) == (18, 18)
    config = config_from_mapping(Config, finished.config)
    prompts, notes = probe._prompts(config, MODEL)
    assert any("4 of 40 prompts left out so that both kinds are equally many" in note for note in notes)
    model = load_model(MODEL, device="cpu")
    (found,) = hidden_states(model, [prompts[5][1]], include_logits=True)
    own = frame.filter(pl.col("prompt_row") == prompts[5][0].row)
    for layer in range(1, len(found.states)):
        estimate = next(one for one in gride(neighbors(found.states[layer], k=16)) if one.n2 == 8)
        value = own.filter((pl.col("measure") == "dimension") & (pl.col("layer") == layer) & (pl.col("scale") == 8))
        assert value["value"].item() == pytest.approx(estimate.value, rel=1e-4)
    losses = token_losses(found.logits, found.token_ids, varentropy=True)
    for measure, expected in (("loss", losses.mean_loss), ("varentropy", losses.varentropy.mean())):
        assert own.filter(pl.col("measure") == measure)["value"].item() == pytest.approx(expected, rel=1e-4)
    states = own.filter(pl.col("measure") == "mean_state").sort("position")
    assert states["layer"].unique().to_list() == [len(found.states) // 2]
    np.testing.assert_allclose(
        states["value"].to_numpy(), found.states[len(found.states) // 2].double().mean(dim=0), rtol=1e-3, atol=1e-4
    )
    assert data.texts[5] == model.tokenizer.decode(found.token_ids.tolist())


def test_further_measures_are_those_of_one_cloud(finished):
    """Every further measure of a layer, measured in all layers at once, is what one cloud alone gives."""
    frame = finished.table()
    (data,) = read_features(frame)
    config = config_from_mapping(Config, finished.config)
    assert config.measures == tuple(MEASURES)
    prompts, _ = probe._prompts(config, MODEL)
    (found,) = hidden_states(load_model(MODEL, device="cpu"), [prompts[5][1]])
    states = [state.numpy() for state in found.states[1:]]
    graphs = [neighbors(state, k=20) for state in states]
    pairs = list(zip(graphs, states, strict=True))
    expected = {
        "twonn": [twonn(graph).value for graph in graphs],
        "mle": [mle(graph, k=20).value for graph in graphs],
        "mom": [mom(graph, k=20).value for graph in graphs],
        "mada": [mada(graph, k=20).value for graph in graphs],
        "adaptive": [adaptive(neighbors(state, k=config.k)).value for state in states],
        "ess": [ess(graph, state, k=10).value for graph, state in pairs],
        "tle": [tle(graph, state, k=20).value for graph, state in pairs],
        "local_twonn": [local_twonn(graph, state, n_neighbors=20).value for graph, state in pairs],
        "local_pca": [local_pca(graph, state, k=20, rule="fo").value for graph, state in pairs],
        "correlation_dimension": [correlation_dimension(neighbors(state, k=47)).value for state in states],
        "fisher_separability": [fisher_separability(state).value for state in states],
        "persistence_dimension": [persistence_dimension(state, seed=config.seed).value for state in states],
        "participation_ratio": [participation_ratio(state).value for state in states],
        "norm": [np.linalg.norm(state, axis=1).mean() for state in states],
        "mean_cosine": [mean_cosine(state).off_mean for state in states],
        "angle": [neighbor_angles(graph, state).mean for graph, state in pairs],
        "overlap": [
            np.nan,
            *(neighborhood_overlap(one, other, k_values=[10]).values[0] for one, other in pairwise(graphs)),
        ],
    }
    row = next(number for number, text in enumerate(data.texts) if text == data.texts[5])
    for name, values in expected.items():
        own = data.sets[name]
        first = 2 if name == "overlap" else 1  # no layer below layer 1 is measured
        assert own.layers == tuple(range(first, 5))
        np.testing.assert_allclose(own.values[row], values[first - 1 :], rtol=1e-4, err_msg=name)
    assert data.sets["all"].values.shape == (36, (len(MEASURES) + 1) * 4 + 3)
    results = evaluate(frame)
    for evaluation in ("cross_validation", "held_out", "first_layers", "single_layer", "without_source"):
        assert {*MEASURES, "all"} <= set(results.filter(pl.col("evaluation") == evaluation)["features"])


def test_a_layer_with_too_few_tokens_for_fisher_separability_has_none():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(2, 48, 400, generator=generator)  # all separable
    states[1, :, 4:] = 0.0
    config = Config(
        (MODEL,), positive=("a",), negative=("b",), measures=("fisher_separability",), **SETTINGS | {"scale": 8}
    )
    rows, refusal = measure_clouds(states, config)
    assert [row["layer"] for row in rows if row["method"] == "fisher_separability"] == [2]
    assert refusal == ""


def test_a_saved_probe_reproduces_scores_exactly(finished, saved, files, tmp_path):
    write_probe(saved, tmp_path / "probe.json")
    again = read_probe(tmp_path)
    assert again.features == tuple(f"dimension gride layer {layer}" for layer in range(1, 5))
    (data,) = read_features(finished.table())
    values = data.sets["dimension"].values
    assert again.probe.score(values).tolist() == saved.probe.score(values).tolist()
    scored = score_prompts(again, str(files / "bad-a.jsonl"))
    known = dict(zip(data.texts, saved.probe.score(values), strict=True))
    config = again.config
    model = load_model(MODEL, device="cpu")
    for one, prompt in zip(scored, read_source(str(files / "bad-a.jsonl"), "text"), strict=True):
        ids = model.tokenizer.encode(prompt.text, add_special_tokens=False)[: config.n_tokens]
        assert one.probability == pytest.approx(known[model.tokenizer.decode(ids)], abs=1e-4)  # other batches
        assert one.label == ("harmful" if one.probability >= 0.5 else "benign")
    assert [one.probability for one in score_prompts(saved, str(files / "bad-a.jsonl"))] == [
        one.probability for one in scored
    ]


def test_facts_of_a_saved_probe_are_those_of_the_evaluation(saved):
    assert (saved.facts["n_prompts"], saved.facts["n_positive"], saved.facts["most_tokens"]) == (36, 18, 48)
    assert {one["evaluation"] for one in saved.facts["evaluation"]} == {
        "cross_validation",
        "held_out",
        "without_source",
    }
    assert (saved.n_dims, saved.n_layers) == (64, 4)


def test_short_prompts_are_listed_and_only_short_ones_refused(saved, files, tmp_path):
    scored = score_prompts(saved, str(files / "short.jsonl"))
    assert [one.probability is None for one in scored] == [False, False, True]
    assert scored[2].reason == "has fewer than 40 tokens"
    texts = [one.text for one in read_source(str(files / "short.jsonl"), "text")]
    holed = score_prompts(saved, str(write(tmp_path / "holed.jsonl", [texts[0], "  ", texts[1], ""])))
    assert [one.reason for one in holed] == ["", "holds no text", "", "holds no text"]
    assert [one.name for one in holed] == ["holed-0", "row 1", "holed-2", "row 3"]
    *_, last = score_prompts(saved, str(files / "short.jsonl"), join=2)
    assert (last.name, last.reason) == ("1 further text", "left over when 2 each were joined")
    with pytest.raises(PointsError, match="3 texts do not make a prompt of 4 joined ones"):
        score_prompts(saved, str(files / "short.jsonl"), join=4)
    with pytest.raises(PointsError, match="None of the 2 prompts can be scored: a cloud takes minimum=40 tokens"):
        score_prompts(saved, str(write(tmp_path / "all.jsonl", ["Short.", "Short too."])))


def test_another_model_is_refused(saved, files):
    message = r"bundled:pocket-128 is not the model of the probe.*4 layers of 64 dimensions.*6 of 128|6 layers of 128"
    with pytest.raises(FormatError, match=message):
        score_prompts(saved, str(files / "bad-a.jsonl"), reference="bundled:pocket-128")


def test_damaged_and_missing_probes_are_refused(saved, tmp_path):
    with pytest.raises(NotFoundError, match="There is no probe at"):
        read_probe(tmp_path)
    file = tmp_path / "probe.json"
    write_probe(saved, file)
    content = json.loads(file.read_text())
    for change, message in (
        ({"format": "other"}, "is no probe of this version"),
        ({"weights": content["weights"][1:]}, "is damaged: its numbers do not fit its 4 features"),
        ({"center": [float("nan")] * 4}, "is damaged"),
        ({"settings": {"folds": "many"}}, "is no probe, or was changed by hand"),
    ):
        file.write_text(json.dumps({**content, **change}))
        with pytest.raises(FormatError, match=message):
            read_probe(file)
    file.write_text("not json")
    with pytest.raises(FormatError, match="is no probe, or was changed by hand"):
        read_probe(file)


def test_a_probe_of_other_features_reads_them(finished, files, tmp_path):
    config = {**SETTINGS, **sources(files), "features": "entropy+norm", "first_layers": 2}
    run = studies.run("probe", references=[MODEL], out=tmp_path / "run", **config)
    (found,) = fit_saved(run)
    assert found.features == (
        "entropy logit_lens layer 1",
        "entropy logit_lens layer 2",
        "norm layer 1",
        "norm layer 2",
    )
    own = evaluate(run.table()).filter(pl.col("features") == "entropy+norm, first 2 layers")
    assert {"cross_validation", "held_out", "without_source"} <= set(own["evaluation"])
    assert len(found.facts["evaluation"]) == 8  # accuracy and area: crossed, held out, without each of two sources
    assert len(score_prompts(found, str(files / "bad-b.jsonl"))) == 9
    with pytest.raises(PointsError, match="No dimension of any layer was measured"):
        fit_saved(_Without(finished))


class _Without:
    """A run whose prompts have no dimension."""

    def __init__(self, run):
        self.manifest, self.config, self.path = run.manifest, run.config, run.path
        self._table = run.table().filter(pl.col("measure") != "dimension")

    def table(self):
        return self._table


def test_probes_are_fitted_on_probe_runs_only(tmp_path):
    class Other:
        manifest, path = {"study": "layers"}, tmp_path

    with pytest.raises(ParameterError, match="is a run of 'layers'"):
        fit_saved(Other())


@pytest.mark.parametrize("asked", [{"first_layers": 5}, {"layer": 5}])
def test_more_layers_than_the_model_has_are_refused(files, asked):
    name = next(iter(asked))
    with pytest.raises(ParameterError, match=f"{name}=5 asks for more than the 4 layers of bundled:pocket-64"):
        probe.plan(Config((MODEL,), **SETTINGS, **sources(files), **asked))


def test_a_lens_that_is_none_is_refused_before_any_unit(files, tmp_path):
    with pytest.raises(TheodoliteError, match="A tuned lens is a folder with"):
        probe.plan(Config((MODEL,), **SETTINGS, **sources(files), lens=str(tmp_path)))


def test_prompts_from_standard_input():
    records = '{"body": "One", "name": "first"}\n\n"Two"\n'
    assert [(one.name, one.text) for one in read_written(records, "body")] == [("first", "One"), ("prompt-1", "Two")]
    assert read_written('"Quoted," she said,\nand left.', "body").texts == ('"Quoted," she said,\nand left.',)
    with pytest.raises(FormatError, match="Line 2 of the standard input is no valid JSON"):
        read_written('{"body": "One"}\n{broken', "body")
    with pytest.raises(FormatError, match="has no 'text'"):
        read_written('{"body": "One"}', "text")
    with pytest.raises(FormatError, match="holds no text"):
        read_written("  \n", "text")


def test_copies_never_meet_in_training_and_test(tmp_path):
    texts = sentences(HOSTILE, 4, length=20, seed=1)
    both = sentences(BENIGN, 1, length=20, seed=2)
    bad = write(tmp_path / "bad.jsonl", [*texts, texts[0] + "  ", " ", *both])
    good = write(tmp_path / "good.jsonl", [*sentences(BENIGN, 3, length=20, seed=3), *both])
    found = read_labeled(Config((MODEL,), positive=(str(bad),), negative=(str(good),)))
    assert len({prompt.text.strip() for prompt in found.prompts}) == len(found.prompts) == 7
    assert found.notes == (
        "1 record without text left out.",
        "3 texts left out as copies of others (1 of them under both labels).",
    )
    assert [prompt.row for prompt in found.prompts] == list(range(7))


def test_prompts_that_are_equal_once_cut_are_copies(tmp_path):
    start = " ".join(HOSTILE * 4)
    bad = write(tmp_path / "bad.jsonl", [f"{start} {ending}" for ending in ("one", "two", "three")])
    write(tmp_path / "more.jsonl", sentences(HOSTILE, 4, length=60, seed=4))
    good = write(tmp_path / "good.jsonl", sentences(BENIGN, 6, length=60, seed=5))
    config = Config((MODEL,), positive=(str(bad), str(tmp_path / "more.jsonl")), negative=(str(good),), **SETTINGS)
    prompts, notes = probe._prompts(config, MODEL)
    assert sum(prompt.label == "harmful" for prompt, _ in prompts) == 5
    assert "2 texts left out as copies of others, once cut to the tokens that are measured." in notes


def test_joined_texts_share_label_and_source_and_occur_once():
    texts = [
        Prompt(text=f"{label}-{source}-{i}", name=f"{i}", row=i, label=label, source=source)
        for label in ("harmful", "benign")
        for source in "ab"
        for i in range(7)
    ]
    joined = join_texts(texts, 3, seed=0)
    parts = [part for one in joined for part in one.text.split("\n")]
    assert len(joined) == 8
    assert len(parts) == len(set(parts)) == 24
    for one in joined:
        assert all(part.startswith(f"{one.label}-{one.source}-") for part in one.text.split("\n"))
    assert len({one.name for one in joined}) == 8
    assert join_texts(texts, 3, seed=0) == joined
    assert join_texts(texts, 3, seed=1) != joined


def test_balance_is_within_sources_that_have_both_kinds():
    ids = np.arange(3)
    counts = {("a", "x"): 5, ("a", "y"): 2, ("b", "x"): 4, ("c", "y"): 3}
    pairs = [
        (Prompt(text="", name="", row=number, label=label, source=source), ids)
        for number, (source, label) in enumerate(place for place, n in counts.items() for _ in range(n))
    ]
    kept = balanced(pairs, seed=0)
    found = {place: sum((one.source, one.label) == place for one, _ in kept) for place in counts}
    assert found == {("a", "x"): 2, ("a", "y"): 2, ("b", "x"): 3, ("c", "y"): 3}


def test_what_stays_of_a_source_does_not_depend_on_the_others():
    own, other = (
        [
            (Prompt(text="", name=f"{source}{number}", row=0, label=label, source=source), np.arange(3))
            for number, label in enumerate("x" * 20 + "y" * 9)
        ]
        for source in "ab"
    )
    beside = [pair for pair in balanced([*other, *own], seed=0) if pair[0].source == "a"]
    assert [one.name for one, _ in balanced(own, seed=0)] == [one.name for one, _ in beside]


def test_sources_and_fields_are_read_from_the_name(tmp_path):
    file = tmp_path / "some=odd#name.json"
    file.write_text(json.dumps([{"instruction": "Bake bread.", "text": "other"}]))
    assert read_source(f"mine={file}#instruction", "text").items[0].text == "Bake bread."
    assert read_source(f"mine={file}#instruction", "text").items[0].source == "mine"
    assert read_source(str(file), "text").items[0].text == "other"
    assert read_source(str(file), "text").items[0].source == "some=odd#name"


def test_records_are_chosen_by_a_column(tmp_path):
    file = tmp_path / "mixed.jsonl"
    kinds = ["jailbreak", "benign", "prompt_injection", "benign"]
    file.write_text("".join(json.dumps({"prompt": f"text {i}", "type": kind}) + "\n" for i, kind in enumerate(kinds)))
    chosen = read_source(f"jb={file}#prompt?type=benign", "text")
    assert [(one.text, one.source, one.row) for one in chosen.items] == [("text 1", "jb", 1), ("text 3", "jb", 3)]
    assert [one.text for one in read_source(f"{file}#prompt?type=jailbreak", "text").items] == ["text 0"]
    positive = tuple(f"jb={file}#prompt?type={kind}" for kind in ("jailbreak", "prompt_injection"))
    found = read_labeled(Config((MODEL,), positive=positive, negative=(f"jb={file}#prompt?type=benign",)))
    assert [one.label for one in found.prompts] == ["harmful", "harmful", "benign", "benign"]
    with pytest.raises(FormatError, match=r"has no 'kind' to choose by\. It has prompt, type"):
        read_source(f"{file}#prompt?kind=benign", "text")


def test_long_prompts_are_left_out_and_the_first_usable_ones_are_taken(tmp_path):
    lengths = [10, 45, 100, 50, 55, 60]
    files = [
        write(tmp_path / f"{name}.jsonl", [sentences(words, 1, length=n, seed=n)[0] for n in lengths])
        for name, words in (("bad", HOSTILE), ("good", BENIGN))
    ]
    settings = {"minimum": 40, "maximum": 90, "k": 16, "folds": 2, "limit": 2, "positive": (str(files[0]),)}
    prompts, notes = probe._prompts(Config((MODEL,), negative=(str(files[1]),), **settings), MODEL)
    assert [prompt.name for prompt, _ in prompts] == ["bad-1", "bad-3", "good-1", "good-3"]
    assert any("2 prompts left out, with more than maximum=90 tokens" in note for note in notes)


def test_labels_of_records(tmp_path):
    file = tmp_path / "all.jsonl"
    records = [{"text": f"t{i}", "label": "bad" if i % 2 else "good", "source": "s"} for i in range(4)]
    file.write_text("".join(json.dumps(one) + "\n" for one in records))
    config = Config((MODEL,), prompts=(str(file),), positive_label="bad", negative_label="good")
    assert [prompt.label for prompt in read_labeled(config).prompts] == ["good", "bad", "good", "bad"]
    with pytest.raises(FormatError, match="all-0 has the label 'good'"):
        read_labeled(replace(config, negative_label="fine"))
    with pytest.raises(FormatError, match="has no label"):
        read_labeled(replace(config, prompts=(str(write(tmp_path / "plain.jsonl", ["x"])),)))


def test_one_kind_of_prompts_is_refused(tmp_path):
    one = str(write(tmp_path / "one.jsonl", ["a", "b"], label="harmful"))
    with pytest.raises(FormatError, match="There is no benign prompt among 2: a probe needs both kinds"):
        read_labeled(Config((MODEL,), prompts=(one,)))
    other = str(write(tmp_path / "other.jsonl", ["c"]))
    with pytest.raises(FormatError, match="or join fewer; copies and texts under both labels do not count"):
        read_labeled(Config((MODEL,), positive=(one,), negative=(other,), join=2))


def test_too_few_long_prompts_are_refused(files, tmp_path):
    settings = {**SETTINGS, **sources(files), "positive": (str(files / "short.jsonl"),)}
    with pytest.raises(TheodoliteError, match="2 harmful prompts have at least minimum=40 tokens, which is fewer than"):
        studies.run("probe", references=[MODEL], out=tmp_path / "run", **settings)


def test_a_prompt_of_infinite_states_costs_no_other(files):
    model = load_model(MODEL, device="cpu")
    with torch.no_grad():
        model.module.get_input_embeddings().weight[100] = torch.inf
    bad, good = (
        (Prompt(text="", name=name, row=row), np.arange(first, first + 48))
        for row, (name, first) in enumerate((("bad", 100), ("good", 200)))
    )
    config = Config((MODEL,), **SETTINGS, **sources(files), lens=None)
    measured = list(measure_prompts(model, [bad, good], config))
    assert [bool(rows) for _, rows, _ in measured] == [False, True]
    assert measured[0][2].startswith("Layer 0 holds values that are not finite")
    assert measured[1][2] == ""
    alone = list(measure_prompts(model, [bad], config))
    assert [(rows, said) for _, rows, said in alone] == [([], measured[0][2])]


def test_prompts_that_change_after_the_plan_are_noticed(files):
    config = Config((MODEL,), **SETTINGS, **sources(files))
    unit = probe.plan(config)[0]
    changed = Unit(study=unit.study, version=unit.version, params={**unit.params, "tokens": "other"})
    with pytest.raises(FormatError, match="changed after the run was planned"):
        probe.run(changed)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"references": ()}, "name at least one model"),
        ({"maximum": 100}, "maximum=100 lies below minimum=128"),
        ({"guard": ("a", "a")}, "A guard is named twice"),
        ({"negative": ()}, "give --positive FILE and --negative FILE"),
        ({"negative_label": "harmful"}, "Both kinds of prompts are called 'harmful'"),
        ({"minimum": 20}, "minimum=20 tokens cannot have k=32"),
        ({"n_tokens": 100}, "n_tokens=100 cuts every prompt below minimum=128"),
        ({"scale": 6}, "scale=6 is no doubling scale"),
        ({"estimator": "twonn"}, "TwoNN compares neighbors 1 and 2, not scale=8"),
        ({"estimator": "mle", "scale": 1}, "scale=1 is too small for MLE"),
        ({"scale": 64}, "beyond the k=32 neighbors"),
        ({"folds": 1}, "folds=1 leaves nothing to test on"),
        ({"test_share": 1.0}, "no share between 0 and 1"),
        ({"features": "entropy", "lens": None}, "needs entropies of layers"),
        (
            {"features": "dimensions"},
            "no features 'dimensions' of layers. Ask for dimension, entropy, combined, all, twonn",
        ),
        ({"features": "norm+norm"}, "names a measure twice"),
        ({"measures": ("hubness",)}, "measures='hubness' is nothing that can be measured.*Take some of twonn, mle"),
        ({"measures": ("tle",), "k": 16}, "measures=tle need 20 neighbors, but k=16"),
        ({"measures": ("adaptive",), "k": 3, "scale": 2}, "measures=adaptive need 4 neighbors, but k=3"),
        ({"first_layers": 2, "layer": 3}, "cannot read the first 2 layers and layer 3 only"),
        ({"features": "overlap", "layer": 1}, "overlap begins with layer 2"),
        ({"join": 0}, "join=0 leaves nothing to do"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    given = {"references": (MODEL,), "positive": ("a",), "negative": ("b",), **settings}
    with pytest.raises(ParameterError, match=message):
        Config(**given)


@pytest.mark.slow
@pytest.mark.skipif(not CONTRAST.is_dir(), reason="needs the contrast sets beside the project")
def test_harmful_and_harmless_instructions(tmp_path):
    """Joined instructions: a fitted text baseline is at its ceiling, and the dimensions are well above chance."""
    names = {"first": "train", "second": "test"}
    run = studies.run(
        "probe",
        references=[MODEL],
        positive=[f"{one}={CONTRAST / f'harmful_{file}.json'}#instruction" for one, file in names.items()],
        negative=[f"{one}={CONTRAST / f'harmless_{file}_first1000.json'}#instruction" for one, file in names.items()],
        join=8,
        n_tokens=128,
        out=tmp_path / "run",
    )
    results = studies.resolve("probe").summary_frame(run.table())
    assert {"first", "second"} == set(results.filter(pl.col("evaluation") == "without_source")["test"])
    crossed = results.filter((pl.col("evaluation") == "cross_validation") & (pl.col("statistic") == "auc"))
    areas = dict(crossed.select("features", "low").iter_rows())
    assert areas["dimension"] > 0.6  # measured: see docs/probe.md
    assert areas["ngrams"] > 0.9
    assert dict(crossed.select("features", "value").iter_rows())["length"] == 0.5  # all cut to 128 tokens
