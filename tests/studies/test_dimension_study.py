"""The dimension study as a whole: from a file to rows, summary and findings."""

import json

import numpy as np
import polars as pl
import pytest

from theodolite import studies
from theodolite.core.errors import NotFoundError, ParameterError, PointsError, RunWarning
from theodolite.dimension import gride, mle, twonn
from theodolite.neighborhoods import neighbors
from theodolite.studies.dimension import study as dimension
from theodolite.studies.dimension.config import Config


def measure(path, **settings):
    return studies.run("dimension", references=[str(path)], out=path.parent / "run", **{"k": 20, **settings})


def test_every_number_of_the_summary_is_the_estimators_own(table_file, manifold):
    run = measure(table_file, mle_k=[2, 10], shortest=[])
    rows = {
        (row["method"], row["scale"]): row for row in dimension.summarize(run.table()) if row["measure"] == "dimension"
    }
    graph = neighbors(manifold, k=20)
    expected = [twonn(graph), mle(graph, k=10), *gride(graph)]
    for estimate in expected:
        row = rows[estimate.method, estimate.n2]
        assert (row["value"], row["stderr"], row["n_used"]) == (estimate.value, estimate.stderr, estimate.n_used)
        assert row["redundancy"] == pytest.approx(1 - estimate.value / 48)
        assert set(row["null"]) == set(row["null_stderr"]) == {"gaussian", "permuted", "covariance"}
    assert rows["twonn", 2]["null"]["gaussian"] > 2.5 * rows["twonn", 2]["value"]
    assert 0 < rows["twonn", 2]["null_stderr"]["gaussian"] < 0.1 * rows["twonn", 2]["null"]["gaussian"]
    assert 5 < rows["twonn", 2]["value"] < 8, "the manifold has 6 dimensions"


def test_the_same_table_in_another_dtype_or_place_keeps_its_units_apart_by_content(tmp_path, manifold):
    one, other = tmp_path / "one.npy", tmp_path / "other.npy"
    np.save(one, manifold)
    first = [unit.key for unit in dimension.plan(Config((str(one),), k=20))]
    assert [unit.key for unit in dimension.plan(Config((str(one),), k=20))] == first
    changed = manifold.copy()
    changed[0, 0] += 1
    np.save(one, changed)
    dimension._table.cache_clear()
    assert not set(first) & {unit.key for unit in dimension.plan(Config((str(one),), k=20))}
    np.save(other, manifold)
    assert not set(first) & {unit.key for unit in dimension.plan(Config((str(other),), k=20))}


def test_rows_that_are_not_finite_or_repeat_are_counted_and_said(tmp_path, manifold):
    points = manifold[:500].copy()
    points[3] = np.nan
    points[10] = points[11] = points[12]
    points[20] = 0
    path = tmp_path / "broken.npy"
    np.save(path, points)
    run = measure(path)
    counts = {row["method"]: row["value"] for row in dimension.summarize(run.table()) if row["measure"] == "count"}
    assert counts["stored"] == 500
    assert counts["measured"] == 497
    assert (counts["nonfinite"], counts["duplicates"], counts["zero"]) == (1, 2, 1)
    said = " ".join(run.warnings)
    assert "rows that repeat an earlier row were left out: 2." in said
    assert "rows that are zero: 1." in said
    assert "row 3" in said


def test_too_few_rows_are_refused_before_anything_is_computed(tmp_path, manifold):
    path = tmp_path / "small.npy"
    np.save(path, manifold[:40])
    with pytest.raises(PointsError, match=r"has 40 rows .* k=64 needs at least 65\. Lower k"):
        studies.run("dimension", references=[str(path)], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_constant_table_fails_with_its_reason(tmp_path):
    path = tmp_path / "constant.npy"
    np.save(path, np.ones((100, 5), dtype=np.float32))
    with pytest.warns(RunWarning, match="4 units failed"):
        run = measure(path)
    assert run.status == "failed"
    assert "All 100 rows are equal" in run.failures()[0].message


def test_nothing_to_measure_is_refused():
    with pytest.raises(ParameterError, match="name at least one reference"):
        Config()
    with pytest.raises(ParameterError, match="k=1 is too small"):
        Config(("a",), k=1)
    with pytest.raises(ParameterError, match=r"limit=10 leaves too few rows for k=64"):
        Config(("a",), limit=10)
    with pytest.raises(NotFoundError, match="nowhere"):
        dimension.plan(Config(("./nowhere.npy",)))


def test_a_limit_is_marked_in_the_run(table_file):
    run = measure(table_file, limit=400, nulls=[], shares=[])
    assert any("only 400 random rows of 3000 were measured" in warning for warning in run.warnings)
    headline = run.table().filter((pl.col("method") == "twonn") & (pl.col("measure") == "dimension"))
    assert set(headline["n_used"]) <= {400, 390, 370, 300}


def test_a_planted_hub_is_found_and_the_headline_disowned(tmp_path, isolated_rows):
    hub = np.random.default_rng(0).normal(size=(150, 128)).astype(np.float32) * 1e-3
    path = tmp_path / "hub.npy"
    np.save(path, np.concatenate([isolated_rows, hub]))
    found = {one.id: one for one in dimension.find(measure(path, nulls=[], shortest=[10, 150, 300]).table())}
    assert found["hub-of-short-rows"].verdict == "supported"
    assert found["hub-of-short-rows"].evidence.startswith("Do not trust the headline.")
    assert "without the 150 shortest rows" in found["hub-of-short-rows"].evidence


def test_a_table_without_a_hub_is_left_in_peace(table_file):
    found = {one.id: one for one in dimension.find(measure(table_file, shortest=[10, 100]).table())}
    assert found["hub-of-short-rows"].verdict == "not supported"
    assert found["low-dimension"].verdict == "supported"


def test_the_seed_changes_the_nulls_and_nothing_else(table_file):
    first = measure(table_file, seed=0).table()
    second = studies.run("dimension", references=[str(table_file)], k=20, seed=1, out=table_file.parent / "two").table()
    same = pl.col("condition").is_in(["measured", "unit_norm", "without_shortest"])
    assert first.filter(same).equals(second.filter(same))
    assert not first.filter(~same).equals(second.filter(~same))


def test_params_of_a_row_are_json(table_file):
    for text in measure(table_file, nulls=[]).table()["params"].drop_nulls().unique():
        assert isinstance(json.loads(text), dict)
