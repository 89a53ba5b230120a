"""Reproductions: the plan, the paper's numbers, what counts as agreement."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import theodolite.studies as room
from theodolite.core.errors import NotFoundError, ParameterError, PointsError
from theodolite.report.reproduction import render_reproduction, write_reproduction
from theodolite.studies.finding import Finding
from theodolite.studies.layers import columns as layers_columns
from theodolite.studies.layers.config import BLOCK_SHUFFLE, FULL_SHUFFLE, STRUCTURED
from theodolite.studies.layers.summary import profiles
from theodolite.studies.probe.evaluation import SCHEMA
from theodolite.studies.published import published
from theodolite.studies.reproduce import probe as probe_comparison
from theodolite.studies.reproduce import reproduction as module
from theodolite.studies.reproduce.claims import CLAIMS, compare_claims
from theodolite.studies.reproduce.comparison import comparison_frame, layer_frame, written
from theodolite.studies.reproduce.config import Config
from theodolite.studies.reproduce.layers import compare_layers, has_authors_prompts, peaks
from theodolite.studies.reproduce.plan import names, plan
from theodolite.studies.reproduce.probe import compare_probe
from theodolite.studies.reproduce.reproduction import Outcome, Reproduction, reproduce
from theodolite.studies.reproduce.shapes import compare_shapes
from theodolite.studies.reproduce.tables import compare_tables

PROBE = {"preset": "probe", "positive": ("a.txt",), "negative": ("b.txt",)}
GPT2 = "hub:openai-community/gpt2"


def layer_row(measure, value, **place):
    blank = dict.fromkeys(layers_columns.COLUMNS)
    fixed = {"model": GPT2, "revision": "main", "prompts": "pile", "control": STRUCTURED, "positions": "all"}
    return {**blank, **fixed, "measure": measure, "value": float(value), "n_used": 1024, **place}


def gpt2_run(*, n_tokens=1024, n_prompts=2244, change=1.0):
    """A table in which the mean dimension is the published one times `change`, with the published spread."""
    curve = next(one for one in published("viswanathan2025") if one.model == "gpt2" and one.scale == 4 and one.sd)
    generator = np.random.Generator(np.random.PCG64(0))
    rows = []
    for layer, (mean, sd) in enumerate(zip(curve.values, curve.sd, strict=True), start=1):
        draws = generator.normal(size=n_prompts)
        draws = mean * change + 0.2 * sd * (draws - draws.mean())
        rows += [
            layer_row("dimension", value, prompt_row=row, layer=layer, method="gride", n1=2, scale=4)
            for row, value in enumerate(draws)
        ]
    rows += [layer_row("n_tokens", n_tokens, prompt_row=row) for row in range(n_prompts)]
    return pl.from_dicts(rows, infer_schema_length=None)


def summary_row(model, value, **more):
    row = {"model": model, "measure": "dimension", "method": "mle", "scale": 2, "which": "input", "value": value}
    extrinsic = more.get("extrinsic", 768)
    return {
        **row,
        "stderr": 0.3,
        "extrinsic": extrinsic,
        "redundancy": 1 - value / extrinsic,
        "unit_norm": 12.0,
        **more,
    }


# the plan


def test_the_papers_settings_reach_the_studies():
    tables, _, rank = plan(Config("kataiwa2025"))
    assert (tables.config.rows, tables.config.which, tables.config.mle_k[0]) == ("all", ("input",), 2)
    assert 100 in tables.config.mle_k
    assert rank.config.references == ("bundled:pocket-128",)
    similarity, transfer = plan(Config("lee2025", models=("a", "b")))
    assert (similarity.config.tokens, similarity.config.k) == (20_000, 10)
    assert similarity.config.pca_k == (20, 100, 1200)
    assert transfer.config.pairs == (("a", "b"), ("b", "a"))
    family, _ = plan(Config("lee2025"))
    assert (family.config.references, family.config.pca_k) == ((), (20, 100))
    assert transfer.config.maps[0] == "least_squares"
    (v1,) = plan(Config("viswanathan2025", preset="v1", models=("m",), prompts="pile.jsonl"))
    assert (v1.config.dtype, v1.config.k, v1.config.n_tokens) == ("bfloat16", 256, 1024)
    assert (v1.config.shuffles, v1.config.special_tokens) == ((0, 1, 2, 3, 4, 5), "none")
    (v2,) = plan(Config("viswanathan2025", models=("m",), prompts="pile.jsonl", index="rows.npy"))
    assert (v2.config.dtype, v2.config.k, v2.config.full_shuffles, v2.config.convention) == (
        "float32",
        64,
        20,
        "dadapy",
    )
    assert (v2.config.ess_k, v2.config.tle_k, v2.config.index) == (10, 20, "rows.npy")
    assert (v1.config.positions, v2.config.positions) == (("all",), ("all", "first"))
    (probe,) = plan(Config("viswanathan2025", models=("m",), **PROBE))
    assert (probe.config.special_tokens, probe.config.n_tokens) == ("inside", 1000)
    assert (probe.config.minimum, probe.config.maximum, probe.config.preset) == (501, 999, "viswanathan2025-probe")
    (own,) = plan(Config("viswanathan2025", join=8, lens="logit", guard=("g",), **PROBE))
    assert (own.config.minimum, own.config.maximum, own.config.join, own.config.guard) == (128, None, 8, ("g",))
    assert (own.config.standardize, own.config.special_tokens, own.config.seed) == (False, "inside", 42)
    assert any("at least 128 tokens" in one for one in own.departures)
    (lensed,) = plan(Config("viswanathan2025", models=("m",), lens="./lens", **PROBE))
    assert lensed.config.lens == "./lens"
    assert not any("--lens" in one for one in lensed.departures)


def test_every_departure_is_stated_and_quick_runs_say_so():
    for paper in ("kataiwa2025", "lee2025", "viswanathan2025"):
        for part in plan(Config(paper)):
            assert part.departures
        for part in plan(Config(paper, quick=True)):
            assert "not for a result" in part.departures[0]
    (own,) = plan(Config("viswanathan2025"))
    assert any("256 tokens" in one for one in own.departures)
    (given,) = plan(Config("viswanathan2025", prompts="pile.jsonl"))
    assert (given.config.n_tokens, given.config.minimum) == (None, 192)
    assert any("those given" in one for one in given.departures)
    shorter_ones = (("v1", 257, 128, 4), ("v1", 150, 128, 3), ("v2", 33, 32, -1), ("v2", 500, 64, -1))
    for preset, minimum, k, top in shorter_ones:
        short = Config("viswanathan2025", preset=preset, prompts="pile.jsonl", models=("m",), minimum=minimum)
        (shorter,) = plan(short)
        assert (shorter.config.minimum, shorter.config.n_tokens, shorter.config.k) == (minimum, None, k)
        assert max(shorter.config.shuffles, default=-1) == top
        assert any(f"of at least {minimum} tokens" in one for one in shorter.departures)
    (theirs,) = plan(Config("viswanathan2025", prompts="pile.jsonl", models=("m",)))
    assert not any("256 tokens" in one for one in theirs.departures)


def test_models_go_by_the_name_of_their_repository_or_the_one_given():
    assert names(Config("kataiwa2025", models=("EleutherAI/pythia-12b@step3000", "./mine"))) == {
        "hub:EleutherAI/pythia-12b": "pythia-12b"
    }
    assert names(Config("kataiwa2025", models=("./mine",), known_as=("Pythia-160M",))) == {"./mine": "pythia-160m"}
    assert names(Config("viswanathan2025")) == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"paper": "kataiwa2025", "models": ("a", "a")}, "named twice"),
        ({"paper": "kataiwa2025", "models": ("a",), "known_as": ("b", "c")}, "2 names for 1 model:"),
        ({"paper": "lee2025", "models": ("a",)}, "a alone shares its geometry with nothing"),
        ({"paper": "viswanathan2025", "preset": "probe"}, "--positive FILE"),
        ({"paper": "lee2025", "arrays": "x"}, "published no arrays"),
        ({"paper": "viswanathan2025", "arrays": "x", **PROBE}, "published no arrays of their probe"),
        ({"paper": "viswanathan2025", "minimum": 32}, "minimum=32 tokens cannot have 32 neighbors each.*at least 33"),
        ({"paper": "viswanathan2025", "join": 2}, "--join belongs to the probe: add --preset probe"),
        ({"paper": "viswanathan2025", "lens": "./lens"}, "A tuned lens is of one model, but no models are given"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ParameterError, match=message):
        Config(**settings)


# the published numbers


def test_published_numbers_are_whole():
    for paper, n in (("kataiwa2025", 6), ("viswanathan2025", 60)):
        found = published(paper)
        assert len(found) >= n
        for one in found:
            assert one.values or one.low < one.high
            assert len(one.sd) in (0, len(one.values))
            assert one.mark in ("published", "digitised", "reported")
    assert published("lee2025") == ()
    layers = {"gpt2": 12, "pythia-160m-deduped": 12, "opt-6.7b": 32}
    for one in published("viswanathan2025", preset="v2"):
        if one.first_layer == 1:
            assert len(one.values) == layers.get(one.model, 32)


# kataiwa2025


def test_a_model_of_the_paper_is_compared_within_its_tolerance():
    known = {"hub:EleutherAI/pythia-160m": "pythia-160m"}
    found = {one.claim: one for one in compare_tables([summary_row(*known, 27.9)], known) if one.our_values}
    assert found["dimension"].agreement == "agrees"
    assert found["dimension"].differences == pytest.approx((0.9,))
    assert found["redundancy"].agreement == "agrees"
    assert found["redundancy"].our_values == pytest.approx((1 - 27.9 / 768,))
    assert found["dimension without the hub of short rows"].agreement == "agrees"
    (far,) = [
        one for one in compare_tables([summary_row(*known, 31.0)], known) if one.claim == "dimension" and one.ours
    ]
    assert far.agreement == "differs"


def test_other_models_and_other_estimates_are_not_compared():
    rows = [summary_row("bundled:pocket-64", 27.0), summary_row("bundled:pocket-64", 27.0, method="twonn")]
    found = list(compare_tables(rows, {}))
    assert {one.agreement for one in found} == {"not comparable"}
    assert all("another model" in one.note for one in found)


def test_word_vectors_are_compared_by_name_and_width():
    known = {"./v.txt": "glove-wiki-gigaword-300", "./w.txt": "word2vec-google-news-300"}
    rows = [summary_row("./v.txt", 24.0, which="vectors", extrinsic=300, unit_norm=None)]
    rows.append(summary_row("./w.txt", 40.0, which="vectors", extrinsic=300, unit_norm=None))
    found = [one for one in compare_tables(rows, known) if one.ours]
    assert [(one.subject, one.agreement) for one in found] == [
        ("./v.txt", "agrees"),
        ("./v.txt", "agrees"),
        ("./w.txt", "differs"),
    ]


# viswanathan2025


@pytest.mark.parametrize(
    ("settings", "agreement"),
    [
        ({}, "agrees"),
        ({"change": 1.05}, "differs"),
        ({"n_tokens": 512}, "not comparable"),
        ({"n_prompts": 50}, "not comparable"),
    ],
)
def test_profiles_are_compared_only_on_the_authors_prompts(settings, agreement):
    frame = gpt2_run(**settings)
    assert has_authors_prompts(frame, 2244) == (agreement != "not comparable")
    found = list(compare_layers(frame, {GPT2: "gpt2"}, preset="v2"))
    (profile,) = [one for one in found if one.claim == "dimension, neighbor 4" and one.subject == GPT2]
    assert profile.agreement == agreement
    assert len(profile.our_values) == 12
    if settings == {"change": 1.05}:
        assert "largest difference 5.00 %, 2 % allowed" in profile.note
    if agreement == "not comparable":
        assert "other prompts" in profile.note
        assert "in 12 of 12" in profile.note
    others = [one for one in found if "opt-6.7b" in one.subject]
    assert [one.agreement for one in others] == ["not comparable"]


def llama_run():
    """A table of the box and the peak of the paper's example, on 50 prompts of 1024 tokens, as published."""
    rows = [layer_row("n_tokens", 1024, prompt_row=row, positions=None) for row in range(3200, 3250)]
    generator = np.random.Generator(np.random.PCG64(2))
    noise = generator.normal(size=50)
    for row in range(3200, 3250):
        at = {"prompt_row": row, "positions": None}
        spread = float(noise[row - 3200] - noise.mean())
        rows.append(layer_row("box_length", 5.13 + spread, **at))
        rows.append(layer_row("entropy", 1.8 - 0.1 * spread, method="model", **at))
        rows.append(layer_row("loss", 1.8 - 0.1 * spread + 0.001 * row, **at))
        for scale, mass in ((1, 0.585), (None, 0.84)):
            rows.append(layer_row("logit_mass", mass, method="probability", scale=scale, **at))
    at = {"prompt_row": 3218, "method": "gride", "n1": 2, "scale": 4}
    for layer, value in enumerate((5.0, 9.1, 7.0), start=1):
        rows.append(layer_row("dimension", value, layer=layer, **at))
        for repeat, more in enumerate((5.4, 6.0)):
            rows.append(layer_row("dimension", value + more, layer=layer, control=FULL_SHUFFLE, repeat=repeat, **at))
    return pl.from_dicts(rows, infer_schema_length=None)


def test_the_logit_box_and_the_example_of_the_paper_are_compared():
    found = {one.claim: one for one in compare_layers(llama_run(), {GPT2: "meta-llama-3-8b"}, preset="v2") if one.ours}
    agreement = {
        "box length": "agrees",
        "probability of the largest logits, 1 of them": "agrees",
        "probability of the largest logits, as many as dimensions of them": "agrees",
        "rank correlation of box length with entropy": "differs",  # -1 was planted, -0.91 is published
        "peak dimension of one prompt, neighbor 4": "agrees",
        "peak dimension of one prompt, fully shuffled, neighbor 4": "agrees",
        "loss": "not comparable",  # published of 2,244 prompts, and these are 50
    }
    assert {claim: found[claim].agreement for claim in agreement} == agreement
    assert found["rank correlation of box length with entropy"].our_values == pytest.approx((-1.0,))
    assert "correlation of entropy with loss" in found
    without = llama_run().filter(pl.col("prompt_row") != 3218)
    lines = list(compare_layers(without, {GPT2: "meta-llama-3-8b"}, preset="v2"))
    peaks_there = [one for one in lines if one.claim.startswith("peak dimension")]
    assert {(one.agreement, one.ours) for one in peaks_there} == {("not applicable", "")}
    (lens,) = (one for one in lines if one.subject == GPT2 and "tuned-lens" in one.claim)
    assert (lens.agreement, lens.ours) == ("not applicable", "")
    assert "takes a tuned lens (--lens FOLDER)" in lens.note


def test_the_first_version_is_read_at_its_own_scale():
    rows = [
        layer_row(
            "dimension", base + 0.01 * prompt, prompt_row=prompt, layer=layer, method="gride", n1=n1, scale=2 * n1
        )
        for prompt in range(10)
        for n1, profile in ((1, (5, 8, 6)), (2, (5, 6, 8)))
        for layer, base in enumerate(profile, start=1)
    ]
    run = SimpleNamespace(table=lambda: pl.from_dicts(rows, infer_schema_length=None), status="success")
    for preset, verdict in (("v1", "supported"), ("v2", "not supported")):
        config = Config("viswanathan2025", preset=preset, models=("m",))
        outcomes = [Outcome(part=part, run=run) for part in plan(config)]
        found = [one for one in module._compare(config, outcomes, {}) if "peaks in inner layers" in one.claim]
        assert [one.agreement for one in found] == [verdict]


def shuffled_run(peak_by_level, angle_by_level):
    rows = []
    generator = np.random.Generator(np.random.PCG64(1))
    for level, peak in peak_by_level.items():
        control = STRUCTURED if level == 0 else BLOCK_SHUFFLE
        for prompt in range(10):
            for layer in (1, 2, 3, 4, 5, 6):
                at = {"prompt_row": prompt, "layer": layer, "control": control, "level": level or None}
                value = peak - abs(layer - 3) + generator.normal(scale=0.01)
                rows.append(layer_row("dimension", value, method="gride", n1=1, scale=2, **at))
                if level == 0:
                    for name, scale in (("gride", 4), ("ess", 10), ("tle", 20)):
                        sign = -1 if name == "tle" else 1
                        rows.append(layer_row("dimension", sign * value + 20, method=name, scale=scale, **at))
                if level in angle_by_level:
                    rows.append(layer_row("angle", angle_by_level[level] + generator.normal(scale=0.1), **at))
    return pl.from_dicts(rows, infer_schema_length=None)


def test_peaks_angles_and_estimators_are_read_off_the_run():
    found = {
        one.claim[:20]: one for one in compare_shapes(shuffled_run({0: 8, 1: 9, 2: 12}, {0: 68, 2: 62}), preset="v1")
    }
    assert found["Shuffling makes the "].agreement == "supported"
    assert "layer 2 of 6: 68.0° to 62.0°" in found["Shuffling makes the "].ours
    assert found["The peak of the prof"].agreement == "supported"
    assert found["ESS and GRIDE have s"].agreement == "supported"
    assert found["TLE and GRIDE have s"].agreement == "not supported"
    other = {
        one.claim[:20]: one for one in compare_shapes(shuffled_run({0: 8, 1: 7, 2: 9}, {0: 68, 2: 74}), preset="v1")
    }
    assert other["Shuffling makes the "].agreement == "not supported"
    assert other["The peak of the prof"].agreement == "not supported"


def test_estimators_are_compared_over_the_same_clouds():
    """Clouds of one token of each type are another cloud: their profiles are compared beside, not mixed in."""
    found = []
    for positions, sign in (("all", 1), ("first", -1)):
        for layer in (1, 2, 3, 4, 5):
            at = {"layer": layer, "positions": positions}
            found.append(layer_row("dimension", 5 + layer, method="gride", n1=2, scale=4, **at))
            found.append(layer_row("dimension", 10 + sign * layer, method="tle", scale=20, **at))
    lines = list(compare_shapes(pl.from_dicts(found, infer_schema_length=None), preset="v2"))
    assert [(one.figure.endswith("(ours)"), one.agreement) for one in lines] == [
        (False, "supported"),
        (True, "not supported"),
    ]


def test_severity_and_lenses_are_shown_beside_the_authors():
    rows = []
    generator = np.random.Generator(np.random.PCG64(2))
    for prompt in range(12):
        for level, bleu in ((1, 0.95), (2, 0.9), (3, 0.5)):
            rows.append(layer_row("bleu", bleu, prompt_row=prompt, control=BLOCK_SHUFFLE, level=level))
        for layer in (0, 1, 2):
            at = {"prompt_row": prompt, "layer": layer}
            rows.append(layer_row("dimension", 5 + generator.normal(), method="gride", n1=2, scale=4, **at))
            rows.append(layer_row("entropy", 3 + generator.normal(), method="logit_lens", **at))
    severity, lens = compare_shapes(pl.from_dicts(rows, infer_schema_length=None), preset="v1")
    assert (severity.agreement, severity.our_values) == ("supported", pytest.approx((0.95, 0.9, 0.5)))
    assert severity.published_values == (0.99, 0.97, 0.86)
    assert (lens.agreement, "lag 1" in lens.ours, "lag 0" in lens.ours) == ("not applicable", True, True)
    assert "--lens FOLDER" in lens.note


LLAMA = "hub:meta-llama/Meta-Llama-3-8B"


def probe_run(monkeypatch, *, sources, accuracies, lengths=None):
    """A table that only says where its prompts come from, with these cross-validated accuracies."""
    shared = {**dict.fromkeys(SCHEMA), "model": LLAMA, "revision": "main", "statistic": "accuracy", "n": 6000}

    def row(evaluation, features, value, **more):
        return {**shared, "evaluation": evaluation, "features": features, "value": value} | {
            "low": value - 0.01,
            "high": value + 0.01,
            **more,
        }

    results = [row("cross_validation", features, value) for features, value in accuracies.items()]
    for source in sources:
        for test in sources:
            value = 0.97 if source == test else 0.5
            results.append(row("cross_source", "varentropy", value, train=source, test=test))
    results += [row("length", "dimension", value, test=test) for test, value in (lengths or {}).items()]
    table = pl.DataFrame(results, schema=SCHEMA, orient="row")
    monkeypatch.setattr(probe_comparison, "evaluate", lambda _: table)
    return pl.DataFrame({"model": [LLAMA] * len(sources), "source": list(sources)})


def test_the_papers_probe_is_compared_on_its_data_sets_only(monkeypatch):
    known = {LLAMA: "meta-llama-3-8b"}
    sets = ("MALICIOUS", "JAILBREAK", "ATTACK")
    run = probe_run(monkeypatch, sources=sets, accuracies={"dimension": 0.92, "guard ./g": 0.5})
    found = list(compare_probe(run, known))
    headline, guard = (one for one in found if one.figure == "abstract")
    shown = headline.ours.replace("\N{NO-BREAK SPACE}", " ")
    assert (headline.agreement, shown) == ("agrees", "92.0 % (91.0 % to 93.0 %) on 6,000 prompts")
    assert (guard.agreement, guard.subject) == ("not comparable", f"guard ./g on the text of {LLAMA}")
    varentropy = {one.claim: one for one in found if one.claim.startswith("accuracy, varentropy")}
    assert varentropy["accuracy, varentropy, MALICIOUS"].agreement == "agrees"  # 0.97 within its source, 0.97 printed
    assert varentropy["accuracy, varentropy, JAILBREAK"].agreement == "differs"  # 0.67 printed
    by_length = next(one for one in found if one.claim == "accuracy by length, dimension, MALICIOUS")
    assert by_length.agreement == "not applicable"
    assert "only source" in by_length.note
    (others,) = (one for one in found if one.note == "another model than those given")
    assert (others.subject, others.published) == ("mistral-7b-v0.1, pythia-6.9b", "9 profiles and numbers, 9 values")
    lengths = {"100 to 199": 0.8, "200 to 299": 0.86, "400 to 499": 0.7}
    run = probe_run(monkeypatch, sources=("malicious",), accuracies={"dimension": 0.9}, lengths=lengths)
    alone = {one.claim: one for one in compare_probe(run, known)}
    by_length = alone["accuracy by length, dimension, MALICIOUS"]  # 0.79, 0.85, 0.87, 0.91 printed
    assert (by_length.agreement, by_length.ours) == ("differs", "0.80, 0.86, –, 0.70")
    assert "2 of 3 within 0.03" in by_length.note
    assert np.isnan(by_length.our_values[2])
    assert alone["accuracy by length, dimension, ATTACK"].agreement == "not applicable"
    assert alone["accuracy, dimension, cross-validated"].agreement == "not comparable"
    assert alone["accuracy, guards"].note.startswith("No guard was given")


def test_peaks_are_the_highest_mean_at_each_level():
    found = peaks(profiles(shuffled_run({0: 8, 1: 9}, {})), scale=2)
    assert found == pytest.approx({0.0: 8, 1.0: 9}, abs=0.02)


# claims


def finding(id, verdict, subject=""):
    return Finding(id=id, claim="", source="", verdict=verdict, evidence="as found", subject=subject)


def test_claims_take_the_verdicts_of_the_findings_that_test_them():
    found = {
        "dimension": [finding("low-dimension", "supported", "m input"), finding("one-number", "supported")],
        "rank": [
            finding("knee-at-dimension", "not supported", "m, trained adapter"),
            finding("knee-at-dimension", "supported", "m, table cut to a rank"),
        ],
    }
    lines = list(compare_claims(CLAIMS["kataiwa2025"], found, {"training": "no checkpoints"}, paper="kataiwa2025"))
    by_figure = {one.figure: one for one in lines}
    assert by_figure["abstract; Fig. 1, random baseline"].agreement == "supported"
    assert by_figure["LoRA on the embedding layer"].agreement == "not supported"
    assert by_figure["training-free form of the LoRA figure (ours)"].agreement == "supported"
    assert (by_figure["training sweep"].agreement, by_figure["training sweep"].note) == ("not run", "no checkpoints")
    assert by_figure["answer by Quemy 2026"].agreement == "not applicable"


def test_every_claim_names_findings_of_its_study_that_exist():
    files = room.Path(room.__file__).parent.rglob("*.py")
    written_there = "\n".join(path.read_text(encoding="utf-8") for path in files if path.parent.name != "reproduce")
    for claims in CLAIMS.values():
        for claim in claims:
            assert claim.study in room.STUDIES
            for id in claim.findings:
                assert f'"{id}"' in written_there or f'-{id.split("-", 1)[1]}"' in written_there, id


# frames, files, pages


def test_values_of_layers_are_one_row_each():
    comparisons = list(compare_layers(gpt2_run(n_prompts=5), {GPT2: "gpt2"}, preset="v2"))
    layers = layer_frame(comparisons).filter(pl.col("subject") == GPT2)
    assert layers["layer"].to_list() == list(range(1, 13))
    assert layers["difference"].to_numpy() == pytest.approx((layers["ours"] - layers["published"]).to_numpy())
    assert comparison_frame(comparisons).height == len(comparisons)
    assert written([float("nan"), 2.0, 1.0, float("nan")]) == "– ... 2.00 (highest) ... –"


def test_a_part_that_fails_leaves_the_others(tmp_path, monkeypatch):
    def execute(name, config, **_):
        raise PointsError(f"{name} has <b>too few</b> rows")

    monkeypatch.setattr(module.studies, "execute", execute)
    found = reproduce(Config("kataiwa2025"), out=tmp_path)
    assert found.outcomes[0].error == "dimension has <b>too few</b> rows"
    assert found.tally == {"not run": len(CLAIMS["kataiwa2025"])}
    assert {path.name for path in tmp_path.iterdir()} == {"comparison.csv", "comparison.json", "layers.csv"}
    page = write_reproduction(found).read_text(encoding="utf-8")
    assert "&lt;b&gt;too few" in page
    assert "<b>too few" not in page


def test_the_page_links_reports_that_are_there_and_cites_the_paper(tmp_path):
    (tmp_path / "dimension").mkdir()
    (tmp_path / "dimension" / "report.html").write_text("x", encoding="utf-8")
    parts = plan(Config("kataiwa2025"))
    comparisons = tuple(compare_tables([summary_row("m", 27.9)], {"m": "pythia-160m"}))
    outcomes = tuple(Outcome(part=part, run=None) for part in parts[1:])
    run = SimpleNamespace(status="success", warnings=["2 rows are <b>zero</b>."])
    outcomes = (Outcome(part=parts[0], run=run), *outcomes)
    found = Reproduction(title="kataiwa2025", path=tmp_path, outcomes=outcomes, comparisons=comparisons)
    page = render_reproduction(found)
    assert 'href="dimension/report.html"' in page
    assert 'href="rank/report.html"' not in page
    assert "2 rows are &lt;b&gt;zero&lt;/b&gt;." in page
    assert "2503.02142" in page
    assert "Quemy" in page
    assert found.tally["agrees"] == 3
    assert "<script" not in page
    assert replace(found, comparisons=()).tally == {}


def test_arrays_that_are_not_there_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(NotFoundError, match=r"filtered_indices\.npy and prompt_id"):
        reproduce(Config("viswanathan2025", arrays=str(tmp_path)), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
