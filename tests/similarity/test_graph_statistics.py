"""Reciprocity and transitivity equal networkx's on the directed graph, for every k at once."""

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import ParameterError
from theodolite.neighborhoods import neighbors
from theodolite.similarity import graph_statistics


def directed(graph, k):
    edges = [(point, int(other)) for point, row in enumerate(graph.indices[:, :k]) for other in row]
    return networkx.DiGraph(edges)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_points=st.integers(3, 40), n_dims=st.integers(1, 4), data=st.data())
def test_equal_to_networkx(seed, n_points, n_dims, data):
    points = np.random.default_rng(seed).normal(size=(n_points, n_dims))
    graph = neighbors(points, k=data.draw(st.integers(1, min(12, n_points - 1))))
    found = graph_statistics(graph)
    for column, k in enumerate(found.k_values.tolist()):
        other = directed(graph, k)
        assert found.reciprocity[column] == pytest.approx(networkx.overall_reciprocity(other), rel=1e-14)
        assert found.transitivity[column] == pytest.approx(networkx.transitivity(other), rel=1e-14)


def test_large_enough_for_several_chunks():
    points = np.random.default_rng(0).normal(size=(3000, 6))
    graph = neighbors(points, k=31)
    found = graph_statistics(graph, k_values=[31, 5])
    assert_array_equal(found.k_values, [5, 31])
    other = directed(graph, 5)
    assert found.reciprocity[0] == pytest.approx(networkx.overall_reciprocity(other), rel=1e-14)
    assert found.transitivity[0] == pytest.approx(networkx.transitivity(other), rel=1e-14)
    assert found.n_points == 3000


def test_random_neighbors_give_the_chance_level(layers):
    rng = np.random.default_rng(2)
    graph = neighbors(rng.normal(size=(800, 3)), k=20)
    shuffled = np.array([rng.choice(np.delete(np.arange(800), point), 20, replace=False) for point in range(800)])
    graph.indices[:] = shuffled
    found = graph_statistics(graph, k_values=[20])
    assert_allclose(found.chance, 20 / 799)
    # 16,000 edges and 304,000 pairs: standard deviations of the two shares are 0.0018 and about 0.0003
    assert found.reciprocity[0] == pytest.approx(found.chance[0], abs=0.007)
    assert found.transitivity[0] == pytest.approx(found.chance[0], abs=0.002)


def test_refusals(layers):
    with pytest.raises(ParameterError, match=r"neighbors of every point.*without queries"):
        graph_statistics(neighbors(layers[0], k=3, queries=np.array([1])))
    with pytest.raises(ParameterError, match=r"1 to 3, but k_values=\[4\]"):
        graph_statistics(neighbors(layers[0], k=3), k_values=[4])
