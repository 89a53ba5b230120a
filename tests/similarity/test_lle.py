"""LLE weights equal scikit-learn's, and their comparison equals that of sparse rows written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.manifold._locally_linear import barycenter_weights

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.progress import Silent
from theodolite.neighborhoods import neighbors
from theodolite.similarity import lle_similarity, lle_weights


@pytest.mark.parametrize(("n_dims", "k", "reg"), [(30, 10, 1e-3), (4, 10, 1e-3), (60, 20, 1e-6), (3, 1, 1e-3)])
def test_equal_to_scikit_learn(n_dims, k, reg):
    points = np.random.default_rng(n_dims).normal(size=(400, n_dims)) + 2.0
    graph = neighbors(points, k=k, metric="cosine")
    found = lle_weights(points, graph, reg=reg)
    chosen = graph.rows[graph.indices]
    assert_array_equal(found.neighbors, chosen)
    expected = barycenter_weights(points[graph.rows], points, chosen, reg=reg)
    assert_allclose(found.weights, expected, atol=1e-8)
    rebuilt = np.einsum("nk,nkd->nd", found.weights, points[chosen])
    assert_allclose(found.error, np.linalg.norm(points[graph.rows] - rebuilt, axis=1), rtol=1e-6, atol=1e-9)
    assert_allclose(found.weights.sum(axis=1), 1.0, rtol=1e-12)


def test_more_neighbors_than_columns_and_copies_are_decided_by_the_regularisation():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(300, 5))
    assert lle_weights(points, neighbors(points, k=12)).n_regularized > 290
    high = rng.normal(size=(300, 100))
    assert lle_weights(high, neighbors(high, k=12)).n_regularized == 0
    copies = np.repeat(rng.normal(size=(20, 6)), 4, axis=0)
    found = lle_weights(copies, neighbors(copies, k=3, duplicates="keep"))
    assert_allclose(found.weights, 1 / 3)
    assert_allclose(found.error, 0.0, atol=1e-12)
    assert np.isnan(found.relative_error).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_dims=st.integers(2, 8), k=st.integers(1, 6))
def test_weights_do_not_change_when_points_are_moved_turned_or_scaled(seed, n_dims, k):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(30, n_dims))
    graph = neighbors(points, k=k)
    found = lle_weights(points, graph)
    rotation, _ = np.linalg.qr(rng.normal(size=(n_dims, n_dims)))
    moved = lle_weights(5.0 * points @ rotation + 100.0, graph)
    assert_allclose(moved.weights, found.weights, atol=1e-7)
    assert_allclose(moved.relative_error, found.relative_error, atol=1e-5)
    assert (found.relative_error < 1.0 + 1e-9).mean() == 1.0


def test_a_few_neighbors_of_a_larger_graph_and_some_queries(layers):
    graph = neighbors(layers[0], k=12)
    few = lle_weights(torch.from_numpy(layers[0]), graph, k=4)
    assert_array_equal(few.weights, lle_weights(layers[0], neighbors(layers[0], k=4)).weights)
    some = lle_weights(layers[0], neighbors(layers[0], k=4, queries=np.array([8, 2])))
    assert_array_equal(some.rows, [8, 2])
    assert_allclose(some.weights, few.weights[[8, 2]], rtol=1e-12)


def sparse(weights):
    whole = np.zeros((weights.n_given, weights.n_given))
    for row, near, values in zip(weights.rows, weights.neighbors, weights.weights, strict=True):
        whole[row, near] = values
    return whole


def test_similarity_equals_that_of_rows_written_out(layers):
    first, second = layers[0].copy(), layers[1][:, :25].astype(np.float64)
    first[9] = first[70]  # a copy: row 70 is no point of the first graph
    graphs = [neighbors(table, k=8, metric="cosine") for table in (first, second)]
    found = lle_similarity(first, second, first_graph=graphs[0], second_graph=graphs[1])
    one, other = (lle_weights(table, graph) for table, graph in zip((first, second), graphs, strict=True))
    rows = np.delete(np.arange(120), 70)
    assert_array_equal(found.rows, rows)
    a, b = sparse(one)[rows], sparse(other)[rows]
    expected = np.vecdot(a, b) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert_allclose(found.cosines, expected, atol=1e-14)
    assert found.mean == pytest.approx(expected.mean())
    assert found.stderr == pytest.approx(expected.std(ddof=1) / np.sqrt(119))
    shared, either = ((a != 0) & (b != 0)).sum(axis=1), ((a != 0) | (b != 0)).sum(axis=1)
    assert_allclose(found.jaccard, shared / either)
    forced = barycenter_weights(second[graphs[0].rows], second, graphs[0].rows[graphs[0].indices])
    expected = np.vecdot(one.weights, forced) / np.linalg.norm(one.weights, axis=1) / np.linalg.norm(forced, axis=1)
    assert_allclose(found.weight_cosines, expected[np.isin(graphs[0].rows, rows)], atol=1e-8)
    assert found.histogram.sum() == 119
    assert_array_equal(found.histogram, np.histogram(found.cosines, bins=found.edges)[0])
    back = lle_similarity(second, first, first_graph=graphs[1], second_graph=graphs[0])
    assert_allclose(back.cosines, found.cosines, atol=1e-14)


def test_planted_and_unrelated_tables():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(1000, 8))
    rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    graph = neighbors(table, k=10)
    same = table @ rotation * 3.0
    planted = lle_similarity(table, same, first_graph=graph, second_graph=neighbors(same, k=10))
    assert planted.cosines.min() == pytest.approx(1.0, abs=1e-9)
    assert planted.neighbor_agreement == 1.0
    noise = rng.normal(size=(1000, 8))
    unrelated = lle_similarity(table, noise, first_graph=graph, second_graph=neighbors(noise, k=10))
    for found in (planted, unrelated):  # two lists of 10 among 999 share 0.1 on average
        assert found.null_mean == pytest.approx(0.01, abs=0.01)
    assert abs(unrelated.mean - unrelated.null_mean) < 4 * np.hypot(unrelated.stderr, unrelated.null_stderr)
    assert unrelated.neighbor_agreement == pytest.approx(0.005, abs=0.003)
    again = lle_similarity(table, noise, first_graph=graph, second_graph=neighbors(noise, k=10), seed=1)
    assert again.null_mean != unrelated.null_mean


def test_progress_counts_points(layers):
    seen = []

    class Watching(Silent):
        def advance(self, steps, _note=""):
            seen.append(steps)

    lle_weights(layers[0], neighbors(layers[0], k=4), progress=Watching())
    assert sum(seen) == 120


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (ParameterError, lambda p, g: lle_weights(p, g, reg=0.0), "reg must be positive, but 0.0"),
        (ParameterError, lambda p, g: lle_weights(p, g, reg=float("nan")), "reg must be positive, but nan"),
        (ParameterError, lambda p, g: lle_weights(p, g, k=5), "1 to 4, which the graph holds, but k=5"),
        (ParameterError, lambda p, g: lle_weights(p[1:], g), "made from 120 rows, but these points have 119"),
        (
            ParameterError,
            lambda p, g: lle_similarity(p, p[1:], first_graph=g, second_graph=neighbors(p[1:], k=4)),
            "the graphs come from 120 and 119 rows",
        ),
        (
            PointsError,
            lambda p, g: lle_similarity(p, p, first_graph=g, second_graph=neighbors(p, k=4, queries=np.array([1]))),
            "1 token with neighbors in both tables, but at least 2",
        ),
    ],
)
def test_refusals(layers, error, call, message):
    with pytest.raises(error, match=message):
        call(layers[0], neighbors(layers[0], k=4))
