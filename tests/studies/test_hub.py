"""The hub of short rows: filtering a graph equals searching again, and the sweep shows the switch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theodolite.dimension import twonn
from theodolite.neighborhoods import neighbors
from theodolite.studies.hub import removal_sweep, row_norms, without_points


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_a_filtered_graph_equals_a_new_search(seed, n_dropped):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(60, 4))
    dropped = np.zeros(60, dtype=bool)
    dropped[generator.choice(60, n_dropped, replace=False)] = True
    filtered = without_points(neighbors(points, k=20), dropped)
    searched = neighbors(points[~dropped], k=filtered.k)
    assert filtered.k >= 20 - n_dropped
    np.testing.assert_array_equal(filtered.indices, searched.indices)
    np.testing.assert_array_equal(filtered.distances, searched.distances)
    np.testing.assert_array_equal(filtered.rows, np.flatnonzero(~dropped))


def test_a_row_that_keeps_fewer_than_two_neighbors_needs_a_new_search():
    points = np.array([[0.0], [1.0], [1.1], [1.3], [9.0], [9.4], [9.9]])
    graph = neighbors(points, k=3)
    assert without_points(graph, np.array([False, True, True, False, False, False, False])) is None


def test_the_sweep_searches_again_where_the_graph_cannot_tell(isolated_rows):
    hub = np.random.default_rng(0).normal(size=(150, 128)).astype(np.float32) * 1e-3
    points = np.concatenate([hub, isolated_rows])
    graph = neighbors(points, k=20)
    assert np.isin(graph.indices[150:, :2], np.arange(150)).all(), "the planted hub takes every place"
    swept = dict(removal_sweep(points, graph, norms=row_norms(points), removed=(10, 150, 2000)))
    assert list(swept) == [10, 150], "a removal of more than half of the rows is left out"
    assert swept[150].n_points == 3000
    np.testing.assert_array_equal(swept[150].distances, neighbors(isolated_rows, k=2).distances)


def test_a_planted_hub_inflates_and_its_removal_heals(isolated_rows):
    """Rows at the origin are nearer than any neighbor with cosine below 1/2, at nearly equal distances."""
    hub = np.random.default_rng(0).normal(size=(150, 128)).astype(np.float32) * 1e-3
    points = np.concatenate([isolated_rows, hub])
    clean = twonn(neighbors(isolated_rows, k=2))
    graph = neighbors(points, k=20)
    inflated = twonn(graph)
    healed = twonn(dict(removal_sweep(points, graph, norms=row_norms(points), removed=(150,)))[150])
    assert inflated.value > 10 * clean.value
    assert healed.value == clean.value


def test_norms_are_accumulated_in_float64():
    assert row_norms(np.full((1, 4), 3e30, dtype=np.float32))[0] == pytest.approx(6e30, rel=1e-6)
