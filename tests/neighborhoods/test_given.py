"""Graphs that others computed: accepted where they can be what they claim to be, refused by row where not."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.neighbors import NearestNeighbors

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import gride, mle, twonn
from theodolite.neighborhoods import graph_from_distances, graph_from_neighbors, neighbors


def cloud(n_points=300, n_dims=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n_points, n_dims))


def matrix_of(points):
    apart = points[:, None] - points[None]
    return np.sqrt(np.vecdot(apart, apart))


def test_neighbors_of_scikit_learn_give_the_same_estimates():
    points = cloud()
    distances, indices = NearestNeighbors(n_neighbors=17, algorithm="brute").fit(points).kneighbors(points)
    theirs = graph_from_neighbors(indices, distances, n_dims=4, self_included=True, exact=True)
    ours = neighbors(points, k=16)
    assert_array_equal(theirs.indices, ours.indices)
    assert (theirs.k, theirs.exact, theirs.path, theirs.n_points, theirs.n_dims) == (16, True, "given", 300, 4)
    for estimator in (twonn, mle):
        choices = {"k": 16} if estimator is mle else {}
        found, wanted = estimator(theirs, **choices), estimator(ours, **choices)
        assert found.value == pytest.approx(wanted.value, rel=1e-9)
        assert found.stderr == pytest.approx(wanted.stderr, rel=1e-9)
    assert len(gride(theirs)) == 4


def test_what_a_row_may_hold_where_the_point_stands_in_it():
    points = np.array([[0.0], [0.0], [0.0], [1.0]])
    indices = [[1, 0, 2], [0, 1, 2], [0, 1, 3], [3, 0, 1]]  # row 2: two copies took the place of the point itself
    distances = [[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1]]
    graph = graph_from_neighbors(indices, distances, n_dims=1, self_included=True)
    assert_array_equal(graph.indices, [[1, 2], [0, 2], [0, 1], [0, 1]])
    assert_array_equal(graph.distances, neighbors(points, k=2, duplicates="keep").distances)


def test_ties_are_put_in_the_order_of_their_indices():
    graph = graph_from_neighbors([[2, 1], [0, 2], [0, 1]], [[1, 1], [1, 1], [1, 1]], n_dims=2)
    assert_array_equal(graph.indices, [[1, 2], [0, 2], [0, 1]])


def test_float32_distances_and_tensors_are_taken():
    ours = neighbors(cloud(), k=8)
    indices, distances = torch.from_numpy(ours.indices), torch.from_numpy(ours.distances.astype(np.float32))
    graph = graph_from_neighbors(indices, distances, n_dims=4, exact=True)
    assert_array_equal(graph.indices, ours.indices)
    assert graph.distances.dtype == np.float64


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_points=st.integers(3, 40), data=st.data())
def test_a_matrix_gives_the_graph_of_its_points(seed, n_points, data):
    points = np.random.default_rng(seed).integers(-2, 3, (n_points, 3)).astype(np.float64)
    k = data.draw(st.integers(1, n_points - 1))
    if (points == points[0]).all():
        return
    wanted = neighbors(points, k=k, duplicates="keep")
    graph = graph_from_distances(matrix_of(points), n_dims=3, k=k)
    assert_array_equal(graph.indices, wanted.indices)
    assert_array_equal(graph.distances, wanted.distances)
    assert_array_equal(
        graph_from_neighbors(graph.indices, graph.distances, n_dims=3, exact=True).indices, wanted.indices
    )


def test_a_matrix_is_read_in_pieces(monkeypatch):
    monkeypatch.setattr("theodolite.neighborhoods.given._NUMBERS_AT_ONCE", 1000)
    points = cloud()
    assert_array_equal(graph_from_distances(matrix_of(points), n_dims=4, k=9).indices, neighbors(points, k=9).indices)


def changed(values, where, value):
    values = np.array(values, dtype=np.float64 if isinstance(value, float) else None)
    values[where] = value
    return values


INDICES, DISTANCES = [[1, 2], [0, 2], [1, 0]], [[1.0, 3.0], [1.0, 2.0], [2.0, 3.0]]


@pytest.mark.parametrize(
    ("indices", "distances", "message"),
    [
        (INDICES, [[1.0], [1.0], [2.0]], r"one shape \(n_points, k\), but these have \(3, 2\) and \(3, 1\)"),
        ([1, 2], [1.0, 2.0], r"one shape"),
        (np.empty((3, 0), dtype=int), np.empty((3, 0)), r"one shape"),
        (np.array(INDICES) + 0.0, DISTANCES, "Indices must be whole numbers, but these have dtype float64"),
        (changed(INDICES, (2, 1), 3), DISTANCES, "Row 2 names a point outside 0 to 2. 1 of 3 rows do"),
        (changed(INDICES, (0, 1), -1), DISTANCES, "Row 0 names a point outside"),
        (changed(INDICES, (1, 1), 1), DISTANCES, "Row 1 names itself. Leave the point out, or pass self_included=True"),
        (changed(INDICES, (1, 1), 0), DISTANCES, "Row 1 names the same neighbor twice"),
        (INDICES, changed(DISTANCES, (2, 1), 0.5), "Row 2 is not ascending: sort each row"),
        (INDICES, changed(DISTANCES, (1, 1), np.inf), "Row 1 holds a distance that is not finite"),
        (INDICES, changed(DISTANCES, (1, 0), -1.0), "Row 1 holds a negative distance"),
        (INDICES, [["a", "b"]] * 3, "Distances must be real numbers, but these have dtype <U1"),
        (
            INDICES,
            changed(DISTANCES, (0, 1), 3.5),
            "Points 0 and 2 are 3.5 apart in one row and 3 in the other; 1 pairs",
        ),
    ],
)
def test_arrays_that_cannot_be_a_graph_are_refused(indices, distances, message):
    with pytest.raises(PointsError, match=message):
        graph_from_neighbors(indices, distances, n_dims=1)


def test_a_graph_that_is_not_exact_cannot_be_called_so():
    points = cloud(60)
    ours = neighbors(points, k=8)
    indices, distances = np.delete(ours.indices, 2, axis=1)[:, :6], np.delete(ours.distances, 2, axis=1)[:, :6]
    assert not graph_from_neighbors(indices, distances, n_dims=4).exact
    with pytest.raises(PointsError, match=r"The graph is not exact: point .* is not among the 6 neighbors of point"):
        graph_from_neighbors(indices, distances, n_dims=4, exact=True)


def test_arrays_in_each_others_order_are_noticed():
    ours = neighbors(cloud(60), k=8)
    with pytest.raises(PointsError, match="Check that indices and distances belong together"):
        graph_from_neighbors(ours.indices, ours.distances[::-1], n_dims=4)


def test_points_that_stand_in_their_rows_twice_or_alone():
    with pytest.raises(PointsError, match="Row 1 names itself twice"):
        graph_from_neighbors([[0, 1], [1, 1]], [[0, 1], [0, 0]], n_dims=1, self_included=True)
    with pytest.raises(PointsError, match="Rows of one entry hold no neighbor"):
        graph_from_neighbors([[0], [1]], [[0], [0]], n_dims=1, self_included=True)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 3)), r"is square, \(n_points, n_points\), but this array has \(2, 3\)"),
        (np.eye(3), "Point 0 is at distance 1 of itself. Give distances, not similarities"),
        ([[0.0, 1.0], [2.0, 0.0]], "Row 0 differs from its column: make the matrix symmetric"),
        ([[0.0, np.nan], [np.nan, 0.0]], "Row 0 holds a distance that is not finite"),
        ([[0.0, -1.0], [-1.0, 0.0]], "Row 0 holds a negative distance"),
        ([["a"]], "k=1 needs at least 2 points, but the matrix has 1. Lower k"),
        ([["a", "b"], ["b", "a"]], "Distances must be real numbers"),
    ],
)
def test_matrices_that_hold_no_distances_are_refused(matrix, message):
    with pytest.raises(PointsError, match=message):
        graph_from_distances(matrix, n_dims=1, k=1)


def test_settings_outside_their_range():
    with pytest.raises(ParameterError, match="n_dims is the number of columns of the points, at least 1, not 0"):
        graph_from_neighbors(INDICES, DISTANCES, n_dims=0)
    for n_dims in (math.nan, "3", 2.5, True):
        with pytest.raises(ParameterError, match="n_dims is the number of columns of the points, at least 1, not"):
            graph_from_neighbors(INDICES, DISTANCES, n_dims=n_dims)
    with pytest.raises(ParameterError, match='metric must be "euclidean" or "cosine", not'):
        graph_from_distances(np.zeros((3, 3)), n_dims=1, metric="manhattan")
    with pytest.raises(ParameterError, match="tolerance is a relative difference"):
        graph_from_neighbors(INDICES, DISTANCES, n_dims=1, tolerance=-1.0)
    with pytest.raises(ParameterError, match="k must be at least 1, but k=0"):
        graph_from_distances(np.zeros((3, 3)), n_dims=1, k=0)


def test_distances_that_are_no_chords_are_refused():
    """A cosine would be read from them, and clipped."""
    with pytest.raises(PointsError, match="A distance of 90 is no chord of unit rows, which is at most 2"):
        graph_from_distances(90 * (1 - np.eye(3)), n_dims=2, k=2, metric="cosine")
    assert graph_from_distances(2 * (1 - np.eye(2)), n_dims=1, k=1, metric="cosine").cosines.tolist() == [[-1], [-1]]
