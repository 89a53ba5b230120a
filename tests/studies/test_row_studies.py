"""Which rows matter: short rows by estimator, rows by name, tokens by frequency, models by size."""

import numpy as np
import polars as pl
import pytest

import theodolite as td
from theodolite import studies
from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.dimension import gride, mle
from theodolite.neighborhoods import neighbors
from theodolite.runs.rows import frame_from_rows
from theodolite.studies.dimension import study as dimension
from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.dimension.config import Config
from theodolite.studies.dimension.size_trends import size_data, size_trends, trend_rows, without_hub
from theodolite.studies.families import FAMILIES, family_references
from theodolite.studies.survey import config as survey_config
from theodolite.studies.survey import study as survey

SMALL = {"k": 20, "nulls": [], "mle_k": [2, 20], "shortest": [10]}


def measure(path, **settings):
    return studies.run("dimension", references=[str(path)], out=path.parent / "run", **{**SMALL, **settings})


@pytest.fixture(scope="module")
def pocket(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pocket") / "run"
    return studies.run("dimension", references=["bundled:pocket-64"], which=["input"], out=folder, **SMALL)


def test_the_sweep_by_share_is_a_search_of_its_own_for_every_estimator(table_file, manifold):
    lengths = 1 + np.random.default_rng(1).random(3000)
    points = (manifold * lengths[:, None]).astype(np.float32)
    np.save(table_file, points)
    table = measure(table_file, shares=[0.01, 0.1]).table()
    swept = table.filter((pl.col("condition") == "without_shortest") & (pl.col("measure") == "dimension"))
    values = {(row["method"], row["scale"], row["x"]): row["value"] for row in swept.iter_rows(named=True)}
    order = np.argsort(np.linalg.norm(points.astype(np.float64), axis=1), kind="stable")
    for removed in (30, 300):
        remaining = neighbors(points[np.sort(order[removed:])], k=20)
        assert values["mle", 20, removed] == pytest.approx(mle(remaining, k=20).value, rel=1e-9)
        assert values["gride", 16, removed] == pytest.approx(gride(remaining)[-1].value, rel=1e-9)
    assert {key[2] for key in values if key[0] == "twonn"} == {10.0, 30.0, 300.0}


def test_short_rows_that_only_wide_scales_see_are_named_for_these_alone(tmp_path):
    """On a sphere of 24 columns the two nearest of 2000 rows are nearer than its center, the 20 nearest are not."""
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(2000, 24))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    path = tmp_path / "hub.npy"
    np.save(path, np.concatenate([rows, 0.02 * generator.normal(size=(150, 24))]).astype(np.float32))
    found = {one.id: one for one in dimension.find(measure(path).table())}
    assert found["hub-of-short-rows"].verdict == "not supported"
    assert found["hub-of-short-rows-mle"].verdict == "supported"
    assert "MLE (k = 20) reads" in found["hub-of-short-rows-mle"].evidence
    assert "215 shortest rows (10.0" in found["hub-of-short-rows-mle"].evidence


def test_rows_that_repeat_and_rows_like_those_never_seen_are_named(tmp_path, manifold):
    points = manifold[:600].copy()
    points[11] = points[10] = points[500]
    points[20] = points[21]
    points[:8] = points[0] + 1e-3 * np.random.default_rng(0).normal(size=(8, 48)).astype(np.float32)
    counts = tmp_path / "counts.tsv"
    counts.write_text("id\tcount\n" + "".join(f"{i}\t{i}\n" for i in range(5, 600)) + "9999\t3\n", encoding="utf-8")
    path = tmp_path / "table.npy"
    np.save(path, points)
    table = measure(path, counts=str(counts), shares=[]).table()
    groups = table.filter(pl.col("measure") == "duplicate").select("token_id", "value").rows()
    assert groups == [(10, 3.0), (20, 2.0)]
    named = table.filter(pl.col("measure") == "undertrained")
    assert set(named["token_id"][:3]) == {5, 6, 7}, "rows 0 to 4 were never seen, and 5 to 7 are like them"
    assert named["value"].is_sorted(descending=True)
    unseen = table.filter((pl.col("method") == "never_seen") & (pl.col("measure") == "count"))
    assert unseen["value"].to_list() == [5.0]


def test_rare_tokens_in_more_dimensions_are_found_at_equal_numbers_of_rows(tmp_path):
    """Four groups of 500 rows on planes of 12, 9, 6 and 3 dimensions, the last the most frequent."""
    generator = np.random.default_rng(2)
    groups = [generator.normal(size=(500, n)) @ generator.normal(size=(n, 30)) for n in (12, 9, 6, 3)]
    path = tmp_path / "table.npy"
    np.save(path, np.concatenate(groups).astype(np.float32))
    counts = tmp_path / "counts.tsv"
    lines = (f"{row}\t{10 ** (row // 500) + row % 3}\n" for row in range(2000))
    counts.write_text("id\tcount\n" + "".join(lines), encoding="utf-8")
    run = measure(path, counts=str(counts), shares=[])
    bands = run.table().filter((pl.col("condition") == "frequency_band") & (pl.col("method") == "twonn")).sort("x")
    assert bands["n_used"].to_list() == [500] * 4
    assert bands["value"].to_list() == pytest.approx([9.5, 7.5, 5.5, 3], rel=0.15)
    spans = run.table().filter(pl.col("measure") == "band_count").select("x", "method", "value").rows()
    assert (1.0, "lowest", 1.0) in spans
    assert (4.0, "highest", 1002.0) in spans
    random = run.table().filter((pl.col("condition") == "random_part") & (pl.col("method") == "twonn"))
    assert random["n_used"].to_list() == [500]
    assert bands["value"][3] < random["value"][0] < bands["value"][0]
    (found,) = [one for one in dimension.find(run.table()) if one.id == "frequent-tokens-lower"]
    assert found.verdict == "supported"


def test_bundled_counts_are_known_and_the_reported_order_is_seen(pocket):
    (found,) = [one for one in dimension.find(pocket.table()) if one.id == "frequent-tokens-lower"]
    assert found.verdict == "supported"
    parameters = pocket.table().filter(pl.col("measure") == "parameters")["value"].to_list()
    (known,) = [one.n_parameters for one in td.bundled.family().models if one.name == "pocket-64"]
    assert parameters == [known]
    undertrained = pocket.table().filter(pl.col("measure") == "undertrained")
    assert undertrained.height == 20


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, NotFoundError, "Cannot read the counts in .*TSV file in UTF-8"),
        ("word\tcount\nx\t1\n", FormatError, "counts need the column count, and id or token"),
        ("", FormatError, r"has the columns \(none\)"),
        ("id\tcount\n3\tmany\n", FormatError, r"Line 2 of .* gives the count 'many'"),
        ("id\tcount\n3\n", FormatError, r"Line 2 of .* gives the count ''"),
        ("id\tcount\n99999\t4\n", FormatError, "No token of the 1 in"),
        ("token\tcount\n99999\t4\n", FormatError, "No token of the 1 in"),
    ],
)
def test_damaged_counts_are_refused_before_anything_is_measured(table_file, content, error, message):
    path = table_file.parent / "counts.tsv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(error, match=message):
        dimension.plan(Config((str(table_file),), counts=str(path)))


def test_counts_by_token_are_matched_with_what_is_shown(tmp_path):
    tokens = td.load_table("bundled:pocket-64").tokens
    path = tmp_path / "counts.tsv"
    path.write_text("count\ttoken\n" + "".join(f"7\t{token}\n" for token in tokens[300:310]), encoding="utf-8")
    dimension.plan(Config(("bundled:pocket-64",), which=("input",), counts=str(path)))
    counts = dimension._table("bundled:pocket-64", "input", "tokenizer", str(path)).counts
    assert np.flatnonzero(counts).tolist() == list(range(300, 310))


def test_shares_that_remove_too_much_are_refused():
    for share in (0.0, 0.6):
        with pytest.raises(ParameterError, match=r"must lie above 0 and at most at 0\.5"):
            Config(("x.npy",), shares=(share,))


def planted_sizes(*, without=0.0, measured=4.0, parameters=True):
    """Five models whose TwoNN rises by `measured` per doubling of the parameters, and by `without` on unit rows."""
    generator = np.random.default_rng(4)
    rows = []
    for step in range(5):
        place = {"model": f"m{step}", "revision": "main", "which": "input", "extrinsic": 64 * 2**step, "rows": "all"}
        shared = {**dict.fromkeys(COLUMNS), **place, "measure": "dimension", "method": "twonn", "scale": 2, "n1": 1}
        shared |= {"n_used": 4000, "n_dropped": 0, "stderr": 0.2}

        def noise():
            return 0.15 * generator.normal()

        rows.append({**shared, "condition": "measured", "value": 20 + measured * step + noise()})
        rows.append({**shared, "condition": "unit_norm", "value": 14 + without * step + noise()})
        for removed in (40.0, 400.0, 1000.0):
            value = 15 + without * step + noise() - (removed > 400) * 9
            rows.append({**shared, "condition": "without_shortest", "x": removed, "value": value})
        if parameters:
            named = {**dict.fromkeys(COLUMNS), **place, "condition": "measured", "measure": "parameters"}
            rows.append({**named, "value": 1e6 * 2.0**step})
    return frame_from_rows(rows, COLUMNS)


@pytest.mark.parametrize("parameters", [True, False])
def test_a_planted_trend_is_found_with_its_interval(parameters):
    trends = {one.quantity: one for one in size_trends(planted_sizes(without=1.0, parameters=parameters))}
    assert {one.size for one in trends.values()} == {"parameters" if parameters else "columns"}
    for quantity, slope in (("dimension", 4.0), ("unit_norm", 1.0), ("without_shortest", 1.0)):
        found = trends[quantity].found
        assert found.slope == pytest.approx(slope, abs=0.25)
        assert found.low < slope < found.high
    assert trends["redundancy"].found.slope > 0


def test_trends_are_summary_rows_and_the_sweep_is_read_at_a_tenth():
    frame = planted_sizes()
    rows = {row["method"]: row for row in trend_rows(frame)}
    assert rows["dimension"]["measure"] == "trend"
    assert rows["dimension"]["params"]["per_doubling_of"] == "parameters"
    assert rows["dimension"]["n_used"] == 5
    assert [row for row in dimension.summarize(frame) if row["measure"] == "trend"] == list(rows.values())
    assert size_data(frame).filter(pl.col("condition") == "without_shortest")["value"].min() > 13


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({"without": 0.0}, "supported"),
        ({"without": 1.0}, "not supported"),
        ({"without": 0.0, "measured": 0.0}, "undecided"),
    ],
)
def test_growth_that_short_rows_make_is_told_from_growth_that_stays(settings, verdict):
    (found,) = without_hub(planted_sizes(**settings))
    assert (found.verdict, found.subject) == (verdict, "input")
    assert "for each doubling of the parameters (95 % interval of a straight line" in found.evidence
    ordered = "5 models; by their order alone p = 0.017, the least that so few can have" in found.evidence
    assert ordered == (verdict != "undecided")  # where nothing grows, nothing is in order


def test_two_sizes_are_no_trend():
    frame = planted_sizes().filter(pl.col("model").is_in(["m0", "m1"]))
    assert size_trends(frame) == []
    assert size_data(frame).is_empty()


def test_a_family_is_one_word(monkeypatch):
    assert family_references("pythia")[0] == "hub:EleutherAI/pythia-14m"
    assert family_references("pythia")[-1] == "hub:EleutherAI/pythia-12b"
    assert len(FAMILIES["pythia"]) == 10
    assert set(FAMILIES["pocket"]) == {f"bundled:{name}" for name in td.bundled.family().names}
    planned = []
    monkeypatch.setattr(dimension, "plan", lambda config: planned.append(config) or ["a unit"])
    survey.plan(survey_config.Config(family="pythia", parts=("tables",)))
    survey.plan(survey_config.Config(("a.npy",), family="pocket", parts=("tables",)))
    assert planned[0].references == FAMILIES["pythia"]
    assert planned[0].checkpoints == ()
    assert planned[1].references == ("a.npy", *FAMILIES["pocket"])
    with pytest.raises(ParameterError, match="No family is called 'llama'"):
        survey_config.Config(family="llama")
