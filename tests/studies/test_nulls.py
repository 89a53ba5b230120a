"""Nulls of tables: several draws, once for all tables that share them, with an error that holds."""

import numpy as np
import polars as pl
import pytest
import torch

from theodolite import studies
from theodolite.core.errors import ParameterError
from theodolite.dimension import gride, mle, twonn
from theodolite.dimension.nulls import gaussian_points
from theodolite.neighborhoods import neighbors
from theodolite.studies.dimension import nulls
from theodolite.studies.dimension import study as dimension
from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.dimension.config import GAUSSIAN, Config
from theodolite.studies.dimension.rows import estimate_row
from theodolite.studies.rows import RowMaker

SMALL = {"k": 6, "mle_k": (5,), "shortest": (), "shares": (), "explored": 0}
MAKE = RowMaker.of(COLUMNS, condition=GAUSSIAN)


@pytest.fixture
def tables(tmp_path):
    """Three tables: two of one size, of which the second is five times as long, and a copy of the first."""
    generator = np.random.default_rng(4)
    points = {"a": generator.normal(size=(200, 6)), "b": 5 * generator.normal(size=(200, 6)) ** 3}
    paths = []
    for name, values in (points | {"c": points["a"]}).items():
        np.save(tmp_path / f"{name}.npy", values.astype(np.float32))
        paths.append(str(tmp_path / f"{name}.npy"))
    return paths


def of_table(frame, path, **values):
    chosen = [pl.col(name) == value for name, value in values.items()]
    return frame.filter(pl.col("model") == path, *chosen)


def test_tables_of_one_size_share_a_gaussian_null_and_equal_ones_all(tables):
    units = dimension.plan(Config(tuple(tables), **SMALL))
    kinds = [unit.params["condition"] for unit in units]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "measured": 3, "unit_norm": 3, "permuted": 2, "covariance": 2, "gaussian": 1
    }  # fmt: skip
    assert units[-1].label == "gaussian 200 x 6 (3 tables)"


def test_a_shared_null_reads_for_each_table_what_it_reads_for_it_alone(tables, tmp_path):
    together = studies.run("dimension", references=tables, out=tmp_path / "all", **SMALL).table()
    turned = studies.run("dimension", references=tables[::-1], out=tmp_path / "turned", **SMALL).table()
    for path in tables:
        alone = studies.run("dimension", references=[path], out=tmp_path / f"{path[-5]}-alone", **SMALL).table()
        order = ["condition", "measure", "method", "params", "scale", "x", "token_id"]
        expected = alone.sort(order)
        assert of_table(together, path).sort(order).equals(expected)
        assert of_table(turned, path).sort(order).equals(expected)
    one, other = (
        of_table(together, path, condition="gaussian", method="twonn").row(0, named=True) for path in tables[:2]
    )
    assert (one["value"], one["stderr"], one["n_draws"]) == (other["value"], other["stderr"], 3)
    lengths = [np.sqrt(np.load(path).astype(float).var(axis=0).mean()) for path in tables[:2]]
    assert other["radius"] / one["radius"] == pytest.approx(lengths[1] / lengths[0], rel=1e-5)


def test_draws_go_on_from_fewer_and_their_mean_is_the_null(tables, tmp_path):
    def drawn(draws):
        settings = {**SMALL, "nulls": ["permuted"], "null_draws": draws, "which": ["input"]}
        (unit,) = [one for one in dimension.plan(Config((tables[1],), **settings)) if "places" in one.params]
        return {(row["method"], row["scale"]): row for row in dimension.run(unit).rows}, unit

    several, unit = drawn(3)
    single, _ = drawn(1)
    table = dimension._table(tables[1], "", "tokenizer", None)
    found = [twonn(neighbors(points, k=6)) for points in nulls.draws_of(unit.params, table)]
    values, own = [one.value for one in found], np.mean([one.stderr**2 for one in found])
    assert single["twonn", 2]["value"] == values[0]
    assert (single["twonn", 2]["stderr"], single["twonn", 2]["n_draws"]) == (found[0].stderr, 1)
    row = several["twonn", 2]
    assert row["value"] == pytest.approx(np.mean(values), rel=1e-12)
    assert row["stderr"] == pytest.approx(np.sqrt((2 * np.var(values, ddof=1) + 10 * own) / 12 / 3), rel=1e-12)
    assert several["max", 6]["stderr"] > 0, "a number without an error of its own has that of the spread"


def test_the_error_of_a_null_holds_what_many_draws_read():
    """Over 120 nulls of 3 draws: the 68 and 95 % that one and two standard errors promise, by each estimator.

    A share of 120 is itself known to 4 and 2 %, of which two are allowed below.
    """
    found = []
    for seed in range(360):
        graph = neighbors(gaussian_points(250, 6, seed=seed), k=8)
        found.append([estimate_row(MAKE, one) for one in (twonn(graph), mle(graph, k=8), *gride(graph))])
    for place in range(len(found[0])):
        truth = np.mean([rows[place]["value"] for rows in found])
        means = [nulls.mean_of_draws([rows[place : place + 1] for rows in found[i : i + 3]]) for i in range(0, 360, 3)]
        off = np.array([abs(mean[0]["value"] - truth) / mean[0]["stderr"] for mean in means])
        assert (off < 1).mean() > 0.60, found[0][place]["method"]
        assert (off < 2).mean() > 0.91
        assert (off < 0.25).mean() < 0.45, "and it is no error that holds everything"


def test_long_tables_are_searched_in_shares(monkeypatch):
    params = {"condition": GAUSSIAN, "n_points": 600, "n_dims": 4, "dtype": "float32", "draws": 3, "seed": 0}
    params |= {"k": 6, "mle_k": [5], "discard": 0.1, "places": [dict.fromkeys((*nulls._PLACE,)) | {"deviation": 2.0}]}

    def read():
        return {(row["method"], row["scale"]): row for row in dimension._null(params, None).rows}

    whole = read()
    monkeypatch.setattr(nulls, "_WHOLE", 500)
    shared = read()
    assert set(whole) - set(shared) == {("max", 6), ("skewness", 6)}, "counts of all points need all points"
    for place in set(shared) - {("short_share", 6)}:
        one, other = whole[place], shared[place]
        assert abs(one["value"] - other["value"]) < 3 * other["stderr"]
        assert 1 <= other["stderr"] / one["stderr"] < 2.5 or place[0] == "covariance"
    repeated = torch.arange(300.0)[:, None].repeat(2, 1)[:501]
    assert nulls.n_queries(repeated, 2) == 251
    assert nulls.n_queries(repeated // 20, 2) is None, "too few distinct points for a share"


def test_no_draws_are_refused():
    with pytest.raises(ParameterError, match="null_draws=0 draws nothing"):
        Config(("a",), null_draws=0)
