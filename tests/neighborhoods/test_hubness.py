"""Counts of k-occurrences, on graphs whose counts are known."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import skew

from theodolite.core.errors import ParameterError
from theodolite.neighborhoods import hubness, neighbors


@pytest.fixture
def star():
    """A center that is everybody's nearest; the center's own nearest is point 1."""
    rim = np.concatenate([np.diag([2.0, 3.0, 4.0]), -np.diag([2.5, 3.5, 4.5])])
    return neighbors(np.concatenate([np.zeros((1, 3)), rim]), k=2)


def test_counts_add_up_to_k_for_each_point(star):
    hubs = hubness(star)
    assert hubs.counts.sum() == star.n_points * 2
    assert hubs.k == 2
    assert_array_equal(hubs.counts, [(star.indices == point).sum() for point in range(star.n_points)])
    assert hubs.maximum == hubs.counts.max()
    assert hubs.n_antihubs == (hubs.counts == 0).sum()


def test_center_of_a_star_takes_all_it_can(star):
    hubs = hubness(star, k=1)
    assert hubs.counts[0] == hubs.maximum == star.n_points - 1
    assert hubs.share(np.array([0])) == (star.n_points - 1) / star.n_points
    assert hubs.share(np.arange(star.n_points) == 0) == hubs.share(np.array([0]))
    assert hubs.share(np.arange(star.n_points)) == 1.0
    assert hubs.share(np.array([], dtype=np.int64)) == 0.0


def test_skewness_is_that_of_the_population():
    graph = neighbors(np.random.default_rng(0).normal(size=(300, 40)), k=10)
    hubs = hubness(graph)
    assert hubs.skewness == pytest.approx(skew(hubs.counts), rel=1e-12)
    assert hubs.skewness > 1  # 40 independent dimensions make hubs


def test_equal_counts_have_no_skew():
    ring = np.exp(2j * np.pi * np.arange(8) / 8)
    graph = neighbors(np.stack([ring.real, ring.imag], axis=1).round(6), k=7)
    assert hubness(graph).skewness == 0.0


def test_refusals(star):
    hubs = hubness(star)
    with pytest.raises(ParameterError, match="graph of 2 neighbors can be cut to k from 1 to 2, not to 3"):
        hubness(star, k=3)
    with pytest.raises(ParameterError, match=r"mask has shape \(3,\), but the graph has 7 points"):
        hubs.share(np.ones(3, dtype=bool))
    with pytest.raises(ParameterError, match="A point is named twice"):
        hubs.share(np.array([1, 1]))
    with pytest.raises(ParameterError, match="Points are numbered 0 to 6, but -1 to 2 were given"):
        hubs.share(np.array([-1, 2]))
    with pytest.raises(ParameterError, match="whole numbers or a mask of bool, not an array of float64"):
        hubs.share(np.array([0.5]))
    assert hubs.share(np.array([])) == 0.0
