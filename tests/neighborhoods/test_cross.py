"""Queries that are no rows of the table: equal to the plain float64 search of the reference."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from theodolite.core.errors import GeometryWarning, ParameterError, PointsError
from theodolite.core.progress import Progress
from theodolite.neighborhoods import cross_neighbors, cross_search, neighbors, searcher
from theodolite.neighborhoods.search import METHODS

RNG = np.random.default_rng(0)


def plain(queries, reference, k):
    """Every distance from coordinate differences in float64, sorted by (distance, row)."""
    apart = reference.astype(np.float64)[None] - queries.astype(np.float64)[:, None]
    measured = np.sqrt(np.vecdot(apart, apart))
    return np.argsort(measured, axis=1, kind="stable")[:, :k], np.sort(measured, axis=1)[:, :k]


GRID = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
TABLES = {
    "plain": (RNG.normal(size=(40, 30)), RNG.normal(size=(500, 30))),
    "float32 with an offset": tuple((2000 + RNG.normal(size=(n, 30))).astype(np.float32) for n in (40, 500)),
    "more queries than references": (RNG.normal(size=(700, 4)), RNG.normal(size=(30, 4))),
    "queries far away": (1e6 + RNG.normal(size=(20, 8)), RNG.normal(size=(200, 8))),
    "references far away": (RNG.normal(size=(20, 8)), np.concatenate([RNG.normal(size=(200, 8)), 1e9 * np.eye(8)])),
    "queries among the references": (GRID[::5], GRID),
    "ties": (GRID + 0.5, GRID),
    "mixed types": (RNG.normal(size=(20, 8)), RNG.normal(size=(200, 8)).astype(np.float32)),
}


@pytest.mark.parametrize("method", [*METHODS, "tiles"])
@pytest.mark.parametrize("name", TABLES)
def test_equal_to_plain_search(name, method, monkeypatch):
    queries, reference = TABLES[name]
    if method == "tiles":
        method = "float32"
        monkeypatch.setattr(searcher, "_FEW_SCORES", 0)
    for k in (1, 7, 30):
        found = cross_neighbors(queries, reference, k=k, method=method)
        indices, distances = plain(queries, reference, k)
        assert_array_equal(found.indices, indices)
        assert_array_equal(found.distances, distances)
        assert_array_equal(found.queries, np.arange(len(queries)))
        assert found.exact
        assert found.k == k


SCALES = [(1e-150, 1e10), (1e-150, 1e100), (1e-200, 1.0), (1.0, 1e-300), (1e110, 1e-200), (1e-300, 1e-160)]


@pytest.mark.parametrize(("held", "asking"), SCALES)
def test_tables_of_scales_far_apart(held, asking):
    """Both are scaled by what is largest in either: neither overflows nor is the other lost where it matters."""
    reference, queries = held * RNG.normal(size=(60, 4)), asking * RNG.normal(size=(9, 4))
    power = np.frexp(max(np.abs(reference).max(), np.abs(queries).max()))[1]
    indices, distances = plain(np.ldexp(queries, -power), np.ldexp(reference, -power), 5)
    for search in (cross_search(reference, k=5).search, lambda asked: cross_neighbors(asked, reference, k=5)):
        found = search(queries)
        assert_array_equal(found.indices, indices)
        np.testing.assert_allclose(found.distances, np.ldexp(distances, power), rtol=1e-14)


def test_a_distance_that_is_lost_is_no_copy():
    tiny = np.array([[1e-200], [2e-200], [0.0], [1.0]])
    with pytest.raises(PointsError, match="1 points are so near to each other"):
        cross_neighbors(tiny[:1], tiny, k=2)
    with pytest.raises(PointsError, match="3 points are so near to each other"):
        neighbors(tiny, k=1, duplicates="keep")
    assert cross_neighbors(tiny[3:], tiny, k=1).distances.tolist() == [[0.0]]


def test_all_of_the_reference():
    queries, reference = TABLES["more queries than references"]
    assert_array_equal(np.sort(cross_neighbors(queries, reference, k=30).indices, axis=1)[0], np.arange(30))


def test_rows_of_the_table_itself_are_found_first():
    """Looked up in its own table, a point is its own neighbor; the others are those of `neighbors`."""
    points = RNG.normal(size=(300, 12)).astype(np.float32)
    found = cross_neighbors(points[:50], torch.from_numpy(points), k=9)
    graph = neighbors(points, k=8, queries=np.arange(50))
    assert_array_equal(found.indices[:, 0], np.arange(50))
    assert (found.distances[:, 0] == 0).all()
    assert_array_equal(found.indices[:, 1:], graph.indices)
    assert_array_equal(found.distances[:, 1:], graph.distances)


def test_cosine():
    queries, reference = RNG.integers(-9, 9, (30, 6)).astype(float), RNG.integers(-9, 9, (200, 6)).astype(float)
    queries[3] = 0
    reference[5] = 0
    reference[9] = 3 * reference[2]
    found = cross_neighbors(queries, reference, k=4, metric="cosine")
    assert found.queries.tolist() == [i for i in range(30) if i != 3]
    assert (found.n_zero, found.n_duplicates > 0) == (1, True)
    kept = [i for i in range(200) if i not in (5, 9)]
    units = reference[kept] / np.linalg.norm(reference[kept], axis=1, keepdims=True)
    asking = queries[found.queries] / np.linalg.norm(queries[found.queries], axis=1, keepdims=True)
    nearest = np.sqrt(2 - 2 * (asking @ units.T).max(axis=1).clip(max=1))
    np.testing.assert_allclose(found.distances[:, 0], nearest, atol=3e-8)
    assert not np.isin(found.indices, [5, 9]).any()
    with pytest.raises(PointsError, match="All queries are zero"):
        cross_neighbors(np.zeros((2, 6)), reference, k=1, metric="cosine")


def test_what_is_dropped_is_counted_and_rows_keep_their_names():
    queries, reference = RNG.normal(size=(5, 4)), RNG.normal(size=(50, 4))
    reference[7] = np.nan
    reference[20] = reference[10]
    queries[2, 2] = np.inf
    with pytest.warns(GeometryWarning, match="row"):
        found = cross_neighbors(queries, reference, k=48, nonfinite="drop")
    assert (found.n_given, found.n_nonfinite, found.n_duplicates) == (50, 1, 1)
    assert found.queries.tolist() == [0, 1, 3, 4]
    assert sorted(found.indices[0].tolist()) == [i for i in range(50) if i not in (7, 20)]


def test_equal_queries_are_all_answered():
    queries = np.ones((4, 3))
    found = cross_neighbors(queries, GRID, k=2)
    assert found.indices.shape == (4, 2)
    assert (found.distances[:, 0] == 0).all()


def test_little_memory_and_progress():
    done = []

    class Counts(Progress):
        def start(self, total, label):
            done.append((total, label))

        def advance(self, steps, *_):
            done.append(steps)

        def stop(self):
            done.append("end")

    queries, reference = TABLES["plain"]
    found = cross_neighbors(queries, reference, k=7, max_memory=1, progress=Counts())
    assert_array_equal(found.indices, plain(queries, reference, 7)[0])
    assert done[0] == (40, "7 nearest of 40 queries")
    assert sum(n for n in done[1:] if isinstance(n, int)) == 40


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_search_asked_again_answers_as_a_new_one(metric):
    """The first search multiplies rows as they pass, later ones keep them; another scale needs others."""
    queries, reference = TABLES["mixed types"]
    search = cross_search(reference, k=5, metric=metric)
    for asking in (queries, queries[3:4], 2 * queries[:7], np.ldexp(queries[:2], 600), queries):
        found = search.search(asking)
        alone = cross_neighbors(asking, reference, k=5, metric=metric)
        assert_array_equal(found.indices, alone.indices)
        assert_array_equal(found.distances, alone.distances)
    assert search._direct is not None
    assert search._direct.n_passes == (4 if metric == "euclidean" else 5)


def test_refusals():
    queries, reference = TABLES["plain"]
    with pytest.raises(PointsError, match="k=501 needs at least 501 reference points but only 500 of 500 rows remain"):
        cross_neighbors(queries, reference, k=501)
    with pytest.raises(ParameterError, match="queries have 29 columns and the reference 30"):
        cross_neighbors(queries[:, :29], reference, k=2)
    with pytest.raises(PointsError, match=r"Queries: 1 of 40 rows hold NaN or infinite values \(row 0\)"):
        cross_neighbors(np.where(np.arange(40)[:, None] == 0, np.nan, queries), reference, k=2)
    with pytest.raises(ParameterError, match="k must be at least 1"):
        cross_neighbors(queries, reference, k=0)
