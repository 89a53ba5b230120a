"""Probes on planted numbers: known separability, chance, leakage, intervals and paired comparison."""

import json
from typing import get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

from theodolite.core.errors import PointsError
from theodolite.studies.probe.asked import EVERYTHING, MEASURES, Measure
from theodolite.studies.probe.columns import COLUMNS
from theodolite.studies.probe.config import Config
from theodolite.studies.probe.evaluation import classifiers, evaluate, folds_of, split_of
from theodolite.studies.probe.features import read_features
from theodolite.studies.probe.findings import find
from theodolite.studies.probe.fit import fit_probe
from theodolite.studies.probe.intervals import accuracy, area_under_curve, paired_gain, wilson
from theodolite.studies.probe.names import asked_name, is_layered, name_of

PROTOCOL = {
    "estimator": "gride",
    "scale": 8,
    "lens": "logit",
    "features": "dimension",
    "first_layers": None,
    "folds": 5,
    "shuffle_folds": True,
    "test_share": 0.2,
    "standardize": True,
    "seed": 42,
}
BLANK = dict.fromkeys(COLUMNS)
WORDS = {True: "gun bomb poison theft", False: "cake garden music walk"}


def planted(n, *, apart=0.0, sources=("here",), seed=0, n_layers=4, words=False, protocol=None, signs=None):
    """A table of prompts whose dimensions differ between kinds by `apart` standard deviations in one layer.

    `signs` turns the difference around in a source, so that what is learned in the others misleads there.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for number in range(n):
        positive = bool(number % 2)
        source = sources[number // 2 % len(sources)]
        shared = {
            "model": "bundled:pocket-64",
            "revision": "main",
            "prompt": f"p{number}",
            "prompt_row": number,
            "label": "harmful" if positive else "benign",
            "positive": positive,
            "source": source,
        }
        text = " ".join(generator.permutation(WORDS[positive if words else bool(generator.integers(2))].split()))
        sign = (signs or {}).get(source, 1)
        numbers = [
            {
                "measure": "text",
                "value": 20.0,
                "text": text,
                "n_used": 130 + number % 200,
                "protocol": json.dumps(protocol or PROTOCOL),
            },
            {"measure": "n_tokens", "value": 130.0 + number % 200},
            {"measure": "n_types", "value": float(generator.integers(50, 90))},
            {"measure": "loss", "value": generator.normal(4, 0.5)},
        ]
        for layer in range(1, n_layers + 1):
            value = 8 + generator.normal() + (sign * apart * (positive - 0.5) if layer == 2 else 0)
            place = {"measure": "dimension", "method": "gride", "layer": layer, "n1": 4, "scale": 8}
            numbers.append({**place, "value": value})
            numbers.append({**place, "value": 99.0 * positive, "n1": 2, "scale": 4})  # another scale: never read
        rows += [{**BLANK, **shared, **one} for one in numbers]
    return pl.from_dicts(rows, infer_schema_length=None)


def only(results, evaluation, features, statistic="accuracy", **place):
    rows = results.filter(
        (pl.col("evaluation") == evaluation) & (pl.col("features") == features) & (pl.col("statistic") == statistic)
    )
    for column, value in place.items():
        rows = rows.filter(pl.col(column) == value)
    return rows.row(0, named=True)


def test_known_separability_gives_the_accuracy_of_the_best_rule():
    results = evaluate(planted(2000, apart=2.0))
    best = norm.cdf(1.0)  # two unit normals, two standard deviations apart, cut half way
    for evaluation in ("cross_validation", "held_out"):
        found = only(results, evaluation, "dimension")
        assert found["low"] < best < found["high"]
    assert only(results, "cross_validation", "dimension", "auc")["value"] == pytest.approx(
        norm.cdf(2 / np.sqrt(2)), abs=0.02
    )
    assert only(results, "single_layer", "dimension", layers=2)["value"] == pytest.approx(best, abs=0.02)
    assert only(results, "single_layer", "dimension", layers=3)["value"] == pytest.approx(0.5, abs=0.04)
    assert only(results, "first_layers", "dimension", layers=1)["value"] == pytest.approx(0.5, abs=0.04)
    assert only(results, "first_layers", "dimension", layers=2)["value"] == pytest.approx(best, abs=0.02)


def test_permuted_labels_give_chance():
    frame = planted(1200, apart=2.0)
    labels = np.random.Generator(np.random.PCG64(5)).permutation(1200) % 2 == 1
    frame = frame.with_columns(pl.Series("positive", labels[frame["prompt_row"].to_numpy()]))
    results = evaluate(frame)
    for name in ("dimension", "surprisal", "types"):
        area = only(results, "cross_validation", name, "auc")["value"]
        assert abs(area - 0.5) < 4 * np.sqrt(1201 / (12 * 600 * 600))  # the spread of Mann and Whitney's statistic
        assert abs(only(results, "cross_validation", name)["value"] - 0.5) < 4 * np.sqrt(0.25 / 1200)
    assert only(results, "cross_validation", "majority", "auc")["value"] == 0.5


def test_no_prompt_is_in_training_and_test():
    (data,) = read_features(planted(203, sources=("a", "b")))
    tested = []
    for train, test in folds_of(data):
        assert not set(train) & set(test)
        assert len(train) + len(test) == 203
        tested += test.tolist()
    assert sorted(tested) == list(range(203))
    train, test = split_of(data)
    assert not set(train) & set(test)
    assert len(test) == 41  # a fifth, rounded up as scikit-learn does


def test_the_evaluation_without_standardizing_is_the_authors_call_of_scikit_learn():
    protocol = {**PROTOCOL, "standardize": False, "shuffle_folds": False}
    frame = planted(300, apart=1.0, protocol=protocol)
    (data,) = read_features(frame)
    model = LogisticRegression(solver="liblinear", random_state=42)
    theirs = cross_val_score(model, data.sets["dimension"].values, data.positive, cv=5).mean()
    assert only(evaluate(frame), "cross_validation", "dimension")["value"] == pytest.approx(theirs, abs=1e-12)


def test_what_misleads_elsewhere_is_found_by_leaving_the_source_out():
    frame = planted(900, apart=3.0, sources=("a", "b", "c"), signs={"c": -1})
    results = evaluate(frame)
    assert only(results, "without_source", "dimension", test="c")["value"] < 0.2
    assert only(results, "without_source", "dimension", "auc", test="c")["high"] < 0.1
    assert only(results, "cross_source", "dimension", train="a", test="b")["value"] > 0.9
    assert only(results, "cross_source", "dimension", train="a", test="c")["value"] < 0.2
    assert only(results, "cross_source", "dimension", train="c", test="c")["value"] > 0.9
    verdicts = {one.id: one.verdict for one in find(frame)}
    assert verdicts["dimension-tells"] == "not supported"


def test_verdicts_follow_planted_truths():
    good = find(planted(600, apart=4.0, sources=("a", "b")))
    assert {one.id: one.verdict for one in good} == {
        "dimension-tells": "supported",
        "dimension-beats-text": "supported",
    }
    assert "600 prompts have fewer than 500 tokens" in good[0].evidence
    frame = planted(100, apart=4.0)
    each = [find(pl.concat([frame, frame.with_columns(model=pl.lit("other"))]))[place] for place in (0, -2)]
    assert all(" 100 prompts have fewer than 500 tokens" in one.evidence for one in each), "counted for each model"
    few = find(planted(150, apart=4.0, sources=("a", "b")))[0]
    assert few.verdict == "undecided"
    assert "on 30 prompts" in few.evidence
    noise = find(planted(600, apart=0.0))[0]
    assert noise.verdict == "undecided"  # no better than the larger class, and not surely worse
    assert "of the dimension probe 47.5\u00a0% (38.8\u00a0% to 56.4\u00a0%)" in noise.evidence
    poor = find(planted(600, sources=("a", "b"), words=True))
    assert {one.id: one.verdict for one in poor} == {
        "dimension-tells": "not supported",
        "dimension-beats-text": "not supported",
    }


def test_one_source_says_that_leaving_one_out_is_not_applicable():
    frame = planted(600, apart=4.0)
    results = evaluate(frame)
    assert "without_source" not in results["evaluation"]
    found = next(one for one in find(frame) if one.id == "dimension-tells")
    assert found.verdict == "undecided"
    assert "Leaving a source out is not applicable" in found.evidence


def test_accuracy_by_length_adds_up():
    results = evaluate(planted(400, apart=2.0))
    bins = results.filter(
        (pl.col("evaluation") == "length") & (pl.col("features") == "dimension") & (pl.col("statistic") == "accuracy")
    )
    assert bins["test"].to_list() == ["100 to 199", "200 to 299", "300 to 399"]
    assert bins["n"].sum() == 400
    right = (bins["n"] * bins["value"]).sum()
    assert right / 400 == pytest.approx(only(results, "cross_validation", "dimension")["value"])


def test_missing_numbers_are_filled_with_the_mean_of_the_training_prompts_and_counted():
    frame = planted(400, apart=3.0)
    lost = (pl.col("measure") == "dimension") & (pl.col("layer") == 3) & (pl.col("prompt_row") < 10)
    results = evaluate(frame.filter(~lost))
    assert only(results, "cross_validation", "dimension")["n_filled"] == 10
    probe = fit_probe([[1.0, 5.0], [3.0, np.nan], [7.0, 9.0], [9.0, 10.0]], [False, False, True, True])
    assert probe.n_filled == 1
    assert probe.fill.tolist() == [5.0, 8.0]
    assert probe.score([[2.0, np.nan]]) == probe.score([[2.0, 8.0]])


def test_the_probe_is_scikit_learns():
    generator = np.random.Generator(np.random.PCG64(2))
    values, positive = generator.normal(size=(80, 3)) * [1, 10, 0.1], generator.integers(2, size=80) == 1
    theirs = LogisticRegression(solver="liblinear", random_state=42).fit(values, positive)
    ours = fit_probe(values, positive, standardize=False)
    np.testing.assert_allclose(ours.score(values), theirs.predict_proba(values)[:, 1], rtol=1e-12)
    one = fit_probe(values * [1, 2, 30], positive)
    np.testing.assert_allclose(one.score(values * [1, 2, 30]), fit_probe(values, positive).score(values), rtol=1e-9)


def test_a_score_does_not_depend_on_the_prompts_beside_it():
    generator = np.random.Generator(np.random.PCG64(3))
    values = generator.normal(size=(50, 7))
    probe = fit_probe(values, np.arange(50) % 2 == 0)
    together = probe.score(values)
    assert [probe.score(row[None])[0] for row in values] == together.tolist()


def test_one_kind_is_refused():
    with pytest.raises(PointsError, match="Prompts of one kind only"):
        fit_probe([[1.0], [2.0], [3.0]], [True, True, True])


def test_another_width_is_refused():
    probe = fit_probe([[1.0, 2.0], [3.0, 4.0]], [True, False])
    with pytest.raises(PointsError, match=r"reads 2 numbers of each prompt, but was given a table of shape \(1, 3\)"):
        probe.score([[1.0, 2.0, 3.0]])


def test_a_kind_with_one_prompt_cannot_be_cross_validated():
    frame = planted(21).with_columns((pl.col("prompt_row") == 1).alias("positive"))
    (data,) = read_features(frame)
    with pytest.raises(PointsError, match="A kind has 1 prompt,"):
        list(folds_of(data))


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=40, deadline=None)
def test_wilson_stays_inside_and_holds_the_share(counts):
    right, n = counts
    found = wilson(right / n, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_wilson_is_the_published_formula():
    found = wilson(0.8, 50)  # Newcombe 1998: the roots of |p - x| = z sqrt(x (1 - x) / n)
    z = norm.ppf(0.975)
    for end in (found.low, found.high):
        assert abs(0.8 - end) == pytest.approx(z * np.sqrt(end * (1 - end) / 50))
    assert np.isnan(wilson(0.5, 0).value)


def test_area_is_scikit_learns_and_its_interval_covers():
    generator = np.random.Generator(np.random.PCG64(4))
    truth, covered = norm.cdf(1 / np.sqrt(2)), 0
    for _ in range(200):
        positive = generator.integers(2, size=120) == 1
        scores = np.round(generator.normal(size=120) + positive, 2)
        found = area_under_curve(scores, positive)
        assert found.value == pytest.approx(roc_auc_score(positive, scores))
        covered += found.low < truth < found.high
    assert 0.90 <= covered / 200 <= 0.99  # 95 % and three standard errors


def test_area_within_groups_compares_nothing_across_them():
    positive = np.array([True, False, True, False])
    scores = np.array([0.9, 0.8, 0.2, 0.1])
    assert area_under_curve(scores, positive).value == 0.75
    assert area_under_curve(scores, positive, groups=np.array([0, 0, 1, 1])).value == 1.0
    assert np.isnan(area_under_curve(scores, np.ones(4, dtype=bool)).value)


def test_gain_and_mcnemar():
    positive = np.ones(100, dtype=bool)
    first, second = np.full(100, 0.9), np.full(100, 0.9)
    first[:2], second[2:12] = 0.1, 0.1
    found = paired_gain(first, second, positive)
    assert found.value == pytest.approx(0.08)
    assert found.p_value == pytest.approx(2 * sum(np.array([1, 12, 66])) / 2**12)  # 2 or fewer of 12
    assert found.low < 0.08 < found.high
    assert paired_gain(first, first, positive).p_value == 1.0


@pytest.mark.parametrize(
    ("more", "name", "columns", "words"),
    [
        ({"layer": 2}, "dimension, layer 2", 1, "dimension, layer 2"),
        ({"first_layers": 1}, "dimension, first layer", 1, "dimension, first layer"),
        ({"features": "norm", "measures": ["norm"]}, "norm", 4, "norm of every layer"),
        (
            {"features": "dimension+norm", "measures": ["norm"], "first_layers": 3},
            "dimension+norm, first 3 layers",
            6,
            "dimension and norm, first 3 layers",
        ),
        ({"features": "all", "measures": ["norm"], "layer": 4}, "all, layer 4", 2, "all measures, layer 4"),
    ],
)
def test_what_the_saved_probe_reads_is_evaluated_by_name(more, name, columns, words):
    protocol = {**PROTOCOL, **more}
    frame = planted(24, apart=3.0, protocol=protocol)
    norms = frame.filter((pl.col("measure") == "dimension") & (pl.col("scale") == 8)).with_columns(
        pl.lit("norm").alias("measure"), pl.lit("mean").alias("method"), scale=None, n1=None
    )
    (data,) = read_features(pl.concat([frame, norms], how="vertical_relaxed"))
    assert asked_name(protocol) == name
    assert data.sets[name].values.shape == (24, columns)
    assert name_of(name) == words
    assert is_layered(name)
    assert classifiers(data).index(name) < classifiers(data).index("majority")
    assert ("all" in data.sets) == ("measures" in more)


def test_every_measure_can_be_asked_for():
    assert {*MEASURES, EVERYTHING} == set(get_args(Measure))


def test_accuracy_counts_both_sides():
    assert accuracy(np.array([0.9, 0.4, 0.6, 0.1]), np.array([True, True, False, False])).value == 0.5


def test_the_preset_is_the_authors():
    config = Config(("bundled:pocket-64",), positive=("a",), negative=("b",), preset="viswanathan2025-probe", seed=1)
    assert (config.scale, config.minimum, config.maximum, config.n_tokens, config.seed) == (8, 501, 999, 1000, 42)
    assert (config.standardize, config.shuffle_folds, config.special_tokens) == (False, False, "inside")
