"""The error of an overlap is the spread over samples, where that of independent points is too small."""

import numpy as np
import pytest

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import neighbors
from theodolite.similarity import neighborhood_overlap, overlap_stderr

K = 6


def graphs_of(rng, *, noise, n_points=150):
    shared = rng.normal(size=(n_points, 4)) * rng.lognormal(0, 0.5, size=(n_points, 1))
    return [neighbors(shared + noise * rng.normal(size=shared.shape), k=K + 1) for _ in range(2)]


@pytest.mark.parametrize("noise", [0.3, 30.0])
def test_the_error_is_the_spread_over_samples(noise):
    rng = np.random.default_rng(0)
    pairs = [graphs_of(rng, noise=noise) for _ in range(150)]
    found = [neighborhood_overlap(*pair, k_values=[K]) for pair in pairs]
    spread = np.std([one.values[0] for one in found])  # known to 6 %
    assert np.mean([overlap_stderr(*pair, k=K) for pair in pairs]) / spread == pytest.approx(1.05, abs=0.2)
    assert np.mean([one.stderr[0] for one in found]) / spread < 0.92


def test_the_influence_of_a_point_is_what_its_absence_changes():
    """By brute force: leave each point out and search again."""
    rng = np.random.default_rng(1)
    tables = [rng.normal(size=(30, 3)) for _ in range(2)]
    tables[1] += 2 * tables[0]
    graphs = [neighbors(table, k=K + 1) for table in tables]
    counts = neighborhood_overlap(*graphs, k_values=[K]).counts[:, 0].astype(float)
    influence, changes = np.empty(30), 0.0
    for point in range(30):
        left = [neighbors(np.delete(table, point, 0), k=K) for table in tables]
        without = neighborhood_overlap(*left, k_values=[K]).counts[:, 0]
        change = without - np.delete(counts, point)
        influence[point] = counts[point] - change.sum()
        near = [np.delete((graph.indices[:, :K] == point).any(axis=1), point) for graph in graphs]
        changes += np.square(change).sum()
        assert not change[~(near[0] | near[1])].any()
    variance = np.square(influence - influence.mean()).sum() - changes
    variance = max(variance, np.square(counts - counts.mean()).sum())
    assert overlap_stderr(*graphs, k=K) == pytest.approx(np.sqrt(variance) / (30 * K), rel=1e-12)


def test_points_of_one_graph_alone_are_left_out():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    first[5] = first[0]
    found = overlap_stderr(neighbors(first, k=4), neighbors(second, k=4), k=3)
    independent = neighborhood_overlap(neighbors(first, k=4), neighbors(second, k=4), k_values=[3])
    assert independent.n_points == 39
    assert found > 0.9 * independent.stderr[0]


def test_refusals():
    table = np.random.default_rng(0).normal(size=(9, 2))
    graph, asked = neighbors(table, k=3), neighbors(table, k=4, queries=np.arange(3))
    with pytest.raises(ParameterError, match="k=3 neighbors needs one more of every point, but a graph holds 3 of 9"):
        overlap_stderr(graph, graph, k=3)
    with pytest.raises(ParameterError, match="a graph holds 4 of 3 of 9 points"):
        overlap_stderr(asked, asked, k=3)
    with pytest.raises(ParameterError, match="Align the tables first"):
        overlap_stderr(graph, neighbors(table[1:], k=3), k=2)
    apart = [np.array(one)[:, None] for one in ([0.0, 0, 0, 1, 3], [0.0, 1, 3, 0, 0])]
    with pytest.raises(PointsError, match="have 1 rows in common, but an error needs 2"):
        overlap_stderr(*(neighbors(one, k=2) for one in apart), k=1)
