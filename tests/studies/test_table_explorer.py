"""Tokens to look around in: their neighbors, their place on the map, and which of them are kept."""

import json

import numpy as np
import pytest

from theodolite.core.errors import GeometryWarning, ParameterError
from theodolite.neighborhoods import neighbors
from theodolite.studies.dimension.config import UNIT_NORM, Config
from theodolite.studies.dimension.explorer import NEAREST, explored_rows
from theodolite.studies.dimension.rows import maker_of
from theodolite.studies.similarity.tokens import TokenIndex
from theodolite.tables import load_table

REFERENCE = "bundled:pocket-64"


@pytest.fixture(scope="module")
def table():
    return load_table(REFERENCE, which="input").select("tokenizer")


@pytest.fixture(scope="module")
def graph(table):
    return neighbors(table.points, k=20, metric="cosine", nonfinite="drop")


def explored(table, graph, most):
    rows = explored_rows(maker_of(table, condition=UNIT_NORM), table, graph, most=most)
    views = {row["token_id"]: json.loads(row["view"]) for row in rows if row["measure"] == "token"}
    return rows, views


def test_each_token_has_what_the_tokens_command_says_of_it(table, graph):
    rows, views = explored(table, graph, table.n_tokens)
    index = TokenIndex(table, k=NEAREST)
    assert sorted(views) == table.token_ids.tolist()
    for row in (5, 300, 1500, 4000):
        expected = index.view(row)
        view = views[expected.token_id]
        assert [one[0] for one in view["near"]] == [one.token_id for one in expected.neighbors]
        assert [one[1] for one in view["near"]] == pytest.approx([one.cosine for one in expected.neighbors], abs=6e-5)
        assert [one[2] for one in view["near"]] == pytest.approx([one.distance for one in expected.neighbors], rel=6e-4)
        assert view["norm"] == pytest.approx(expected.norm, rel=6e-4)
        assert view["hubness"] == pytest.approx(expected.hubness, rel=6e-4)
        assert view["count"] == expected.count
        (found,) = (one for one in rows if one["token_id"] == expected.token_id)
        assert found["value"] == pytest.approx(expected.dimension)
        assert found["token"] == expected.token


def test_the_map_is_the_plane_of_most_variance(table, graph):
    rows, views = explored(table, graph, table.n_tokens)
    said = {row["method"]: row["value"] for row in rows if row["measure"] == "token_map"}
    points = table.points.double().numpy()
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    centered = points - points.mean(axis=0)
    spectrum = np.linalg.svd(centered, compute_uv=False) ** 2
    assert said["explained"] == pytest.approx(spectrum[:2].sum() / spectrum.sum(), rel=1e-9)
    plane = np.array([views[token_id]["map"] for token_id in table.token_ids.tolist()])
    assert (plane**2).sum() == pytest.approx(spectrum[:2].sum(), rel=1e-3)
    assert 0.5 < said["trust"] < 1


def test_those_that_stand_out_come_first_and_then_the_most_frequent(table, graph):
    index = TokenIndex(table, k=NEAREST)
    rows, views = explored(table, graph, 700)
    ids = [row["token_id"] for row in rows if row["measure"] == "token"]
    assert [row["x"] for row in rows if row["measure"] == "token"] == list(range(700))
    lowest = [int(table.token_ids[row]) for row, _ in index.extremes(50)["lowest"]]
    assert ids[:50] == lowest
    shortest = int(table.token_ids[np.argmin(index.norms)])
    assert shortest in ids[:250]
    rest = [one for one in ids if "marks" not in views[one]][-100:]
    counts = [views[one]["count"] for one in rest]
    assert counts == sorted(counts, reverse=True)
    assert all(views[one]["band"] == 4 for one in rest)
    outside = [one for view in views.values() for one in view.get("near", ()) if one[0] not in views]
    assert outside
    assert all(len(one) == 4 and one[3] == table.tokens[one[0]] for one in outside)
    inside = [one for view in views.values() for one in view.get("near", ()) if one[0] in views]
    assert all(len(one) == 3 for one in inside)


def test_bands_are_quarters_of_the_seen_tokens(table, graph):
    _, views = explored(table, graph, table.n_tokens)
    bands = {token_id: view["band"] for token_id, view in views.items()}
    unseen = {int(one) for one in table.token_ids[table.counts == 0]}
    assert {token_id for token_id, band in bands.items() if band == 0} == unseen
    n_seen = len(bands) - len(unseen)
    for band in (1, 2, 3, 4):
        assert sum(one == band for one in bands.values()) == pytest.approx(n_seen / 4, abs=1)
    tops = [max(view["count"] for view in views.values() if view["band"] == band) for band in (1, 2, 3, 4)]
    assert tops == sorted(tops)


def test_rows_without_neighbors_are_there_and_marked(tmp_path):
    points = np.random.default_rng(3).standard_normal((60, 6))
    points[7], points[8], points[9] = 0.0, np.nan, points[3] * 2
    np.save(tmp_path / "odd.npy", points)
    table = load_table(str(tmp_path / "odd.npy"))
    with pytest.warns(GeometryWarning, match="1 of 60 rows hold NaN"):
        graph = neighbors(table.points, k=20, metric="cosine", nonfinite="drop")
    rows, views = explored(table, graph, 60)
    assert views[7]["marks"] == ["zero"]
    assert views[8]["marks"] == ["not finite"]
    assert views[9]["marks"] == ["same direction as an earlier row"]
    assert views[8]["norm"] is None
    for odd in (7, 8, 9):
        assert "near" not in views[odd]
        assert "map" not in views[odd]
    values = {row["token_id"]: row["value"] for row in rows if row["measure"] == "token"}
    assert values[7] is None
    assert values[3] > 0
    assert all(row["token"] is None for row in rows)


def test_none_are_kept_where_none_are_wanted(table, graph):
    assert explored(table, graph, 0)[0] == []
    with pytest.raises(ParameterError, match=r"explored=-1 is no number of tokens\. Take 0 for none"):
        Config(references=(REFERENCE,), explored=-1)


def test_few_points_have_no_trust(tmp_path):
    np.save(tmp_path / "few.npy", np.random.default_rng(4).standard_normal((12, 5)))
    table = load_table(str(tmp_path / "few.npy"))
    rows, views = explored(table, neighbors(table.points, k=4, metric="cosine"), 100)
    assert [row["method"] for row in rows if row["measure"] == "token_map"] == ["explained"]
    assert all(len(view["near"]) == 4 for view in views.values())
