"""Overlap equals plain set intersections exactly, between graphs, clouds and distance matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import cloud_neighbors, neighbors
from theodolite.similarity import cloud_overlaps, neighborhood_overlap, overlap_of_distances


def plain(first, second, k):
    """Return, for rows that are points of both graphs, how many input rows the first k of both lists share."""
    lists = []
    for graph in (first, second):
        lists.append({int(row): graph.rows[graph.indices[at, :k]] for at, row in enumerate(graph.rows)})
    both = sorted(set(lists[0]) & set(lists[1]))
    return both, [len(set(lists[0][row].tolist()) & set(lists[1][row].tolist())) for row in both]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_points=st.integers(5, 40), copies=st.integers(0, 4), data=st.data())
def test_equal_to_sets_with_and_without_dropped_rows(seed, n_points, copies, data):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(2, n_points, 3))
    other = one + 0.5 * other
    for _ in range(copies):  # copies in one cloud only, as at layer 0
        one[rng.integers(n_points)] = one[rng.integers(n_points)]
    most = min(len(np.unique(one, axis=0)), n_points) - 1
    k = data.draw(st.integers(1, most))
    first, second = neighbors(one, k=k), neighbors(other, k=k)
    found = neighborhood_overlap(first, second)
    assert_array_equal(found.k_values, np.arange(1, k + 1))
    for column, at_k in enumerate(found.k_values.tolist()):
        rows, counts = plain(first, second, at_k)
        assert found.rows.tolist() == rows
        assert found.counts[:, column].tolist() == counts
        assert found.values[column] == np.sum(counts) / (len(rows) * at_k)
        if len(rows) > 1:
            spread = np.std(np.array(counts) / at_k, ddof=1) / np.sqrt(len(rows))
            assert found.stderr[column] == pytest.approx(spread, rel=1e-12, abs=1e-15)
    assert found.n_only_first + found.n_points == first.n_points
    assert found.n_only_second + found.n_points == second.n_points
    back = neighborhood_overlap(second, first)
    assert_array_equal(back.counts, found.counts)
    assert_array_equal(neighborhood_overlap(second, second).values, np.ones(k))


def test_independent_clouds_overlap_by_chance():
    rng = np.random.default_rng(4)
    one, other = (neighbors(rng.normal(size=(1500, 12)), k=20) for _ in range(2))
    found = neighborhood_overlap(one, other)
    assert_allclose(found.chance, np.arange(1, 21) / 1499)
    assert np.abs((found.values - found.chance) / np.sqrt(found.chance / (1500 * found.k_values))).max() < 4


def test_chance_level_with_dropped_rows_is_what_random_lists_give():
    rng = np.random.default_rng(6)
    base = rng.normal(size=(60, 5))
    base[50:] = base[:10]  # ten copies in the first table
    values = []
    for _ in range(60):
        found = neighborhood_overlap(neighbors(base, k=10), neighbors(rng.normal(size=(60, 5)), k=10))
        values.append(found.values[-1])
    assert found.n_only_second == 10
    assert found.chance[-1] == pytest.approx(10 * 49 / (49 * 59))
    assert np.mean(values) == pytest.approx(found.chance[-1], abs=4 * np.std(values) / np.sqrt(60))


def test_pairs_of_clouds(layers):
    found = cloud_neighbors(layers, k=31)
    consecutive = cloud_overlaps(found)
    assert list(consecutive) == [(0, 1), (1, 2), (2, 3)]
    everything = cloud_overlaps(found, pairs="all", k_values=[10, 2])
    assert len(everything) == 6
    for (one, other), overlap in everything.items():
        whole = neighborhood_overlap(found.graph(one), found.graph(other))
        assert_array_equal(overlap.k_values, [2, 10])
        assert_array_equal(overlap.values, whole.values[[1, 9]])
    assert everything[0, 3].values[1] < everything[0, 1].values[1]
    assert_array_equal(
        cloud_overlaps(found, pairs=[(3, 1)])[3, 1].counts, cloud_overlaps(found, pairs="all")[1, 3].counts
    )


def test_only_some_queries(layers):
    whole = [neighbors(cloud, k=6) for cloud in layers[:2]]
    asked = np.array([7, 3, 90, 41])
    some = [neighbors(cloud, k=6, queries=asked) for cloud in layers[:2]]
    found = neighborhood_overlap(*some)
    assert found.rows.tolist() == sorted(asked.tolist())
    assert_array_equal(found.counts, neighborhood_overlap(*whole).counts[found.rows])
    assert_allclose(found.chance, np.arange(1, 7) / 119)


def authors(first, second, largest):
    """Do as the published code does: argsort, skip rank 0, flags, one point after the other."""
    first, second = np.argsort(first, axis=1), np.argsort(second, axis=1)
    shares = np.zeros((len(first), largest + 1))
    for point in range(len(first)):
        seen, also = (np.zeros(len(first), dtype=bool) for _ in range(2))
        for k in range(1, largest + 1):
            seen[first[point, k]] = also[second[point, k]] = True
            shares[point, k] = np.sum(seen & also) / k
    return shares.mean(axis=0)


def test_distance_matrices_give_the_authors_numbers(layers):
    copies = layers[:2, :60].astype(np.float64).copy()
    copies[0, 30:40] = copies[0, :10]
    one, other = (np.linalg.norm(cloud[:, None] - cloud[None], axis=2) for cloud in copies)
    found = overlap_of_distances(one, other)
    assert_allclose(found.values, authors(one, other, 31)[1:], rtol=1e-14)
    same = overlap_of_distances(other, other, largest=5)
    assert_array_equal(same.values, np.ones(5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, _: neighborhood_overlap(f.graph(0), neighbors(np.eye(9), k=2)), "from 120 and 9 rows"),
        (lambda f, _: neighborhood_overlap(f.graph(0), f.graph(1), k_values=[0, 3]), r"1 to 8.*k_values=\[0, 3\]"),
        (lambda f, _: neighborhood_overlap(f.graph(0), f.graph(1), k_values=[9]), "1 to 8, which the graphs hold"),
        (lambda f, _: neighborhood_overlap(f.graph(0), f.graph(1), k_values=[]), r"k_values=\[\] was given"),
        (lambda f, _: cloud_overlaps(f, pairs="some"), '"consecutive", "all" or pairs.*not \'some\''),
        (lambda f, _: cloud_overlaps(f, pairs=[(0, 4)]), r"numbered 0 to 3, but the pair \(0, 4\)"),
        (lambda _, d: overlap_of_distances(d, d[:5, :5], largest=2), r"square matrices.*\(6, 6\) and \(5, 5\)"),
        (lambda _, d: overlap_of_distances(d, d, largest=6), "1 to 5 for 6 points, not 6"),
    ],
)
def test_refusals(layers, call, message):
    with pytest.raises(ParameterError, match=message):
        call(cloud_neighbors(layers, k=8), np.ones((6, 6)))


def test_graphs_without_a_common_row(layers):
    one = neighbors(layers[0], k=3, queries=np.array([1, 2]))
    other = neighbors(layers[1], k=3, queries=np.array([3]))
    with pytest.raises(PointsError, match="no row in common"):
        neighborhood_overlap(one, other)
