"""Neighbor graphs of generated tables: equal to the plain float64 search, and unmoved by what must not move them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import PointsError
from theodolite.neighborhoods import neighbors
from theodolite.neighborhoods.search import METHODS


def plain(points, k):
    """Return the k nearest by (distance, index) from float64 differences."""
    values = np.asarray(points).astype(np.float64)
    apart = values[:, None] - values[None]
    measured = np.sqrt(np.vecdot(apart, apart))
    np.fill_diagonal(measured, np.inf)
    return np.argsort(measured, axis=1, kind="stable")[:, :k], np.sort(measured, axis=1)[:, :k]


@st.composite
def tables(draw):
    """Draw tables that are hard: few distinct values, low rank, offsets, duplicates, mixed scales."""
    n_points, n_dims = draw(st.integers(2, 40)), draw(st.integers(1, 12))
    kind = draw(st.sampled_from(["grid", "floats", "low rank", "near-duplicates"]))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    if kind == "grid":
        points = draw(arrays(np.float64, (n_points, n_dims), elements=st.integers(-2, 2).map(float)))
    elif kind == "floats":
        # multiples of 2**-20 below 2**10: sums of squares are exact, so the order of summation cannot matter
        elements = st.integers(-(2**30), 2**30).map(lambda whole: whole / 2**20)
        points = draw(arrays(np.float64, (n_points, n_dims), elements=elements))
        points = np.round(points * 2**10) / 2**10
    elif kind == "low rank":
        rank = draw(st.integers(1, 3))
        points = (rng.integers(-9, 9, (n_points, rank)) @ rng.integers(-3, 3, (rank, n_dims))).astype(np.float64)
    else:
        points = rng.integers(-2, 3, (n_points, n_dims)) + rng.integers(-1, 2, (n_points, n_dims)) * 2.0**-18
    points = points + draw(st.sampled_from([0.0, 1.0, 2048.0])) * draw(st.sampled_from([0, 1, -1]))
    return points * draw(st.sampled_from([1.0, 2.0**-60, 2.0**60]))


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60, deadline=None)
@given(points=tables(), data=st.data())
def test_equal_to_plain_search(method, points, data):
    k = data.draw(st.integers(1, len(points) - 1))
    if (points == points[0]).all():
        with pytest.raises(PointsError, match="rows are equal"):
            neighbors(points, k=k, duplicates="keep", method=method)
        return
    graph = neighbors(points, k=k, duplicates="keep", method=method)
    indices, distances = plain(points, k)
    assert_array_equal(graph.indices, indices)
    assert_array_equal(graph.distances, distances)
    narrow = points.astype(np.float32)
    if (narrow == points).all():
        assert_array_equal(neighbors(narrow, k=k, duplicates="keep", method=method).indices, indices)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-90, 90), shift=st.integers(-(2**12), 2**12))
def test_scale_translation_and_order(seed, exponent, shift):
    """Powers of two and whole shifts of dyadic points are exact, so the graph must not change by a bit."""
    rng = np.random.default_rng(seed)
    points = rng.integers(-(2**9), 2**9, (60, 9)) / 2.0**6
    graph = neighbors(points, k=8, duplicates="keep")
    scaled = neighbors((points * 2.0**exponent).astype(np.float32), k=8, duplicates="keep")
    assert_array_equal(scaled.indices, graph.indices)
    assert_array_equal(scaled.distances, graph.distances * 2.0**exponent)
    moved = neighbors(points + shift, k=8, duplicates="keep")
    assert_array_equal(moved.indices, graph.indices)
    assert_array_equal(moved.distances, graph.distances)
    mixed = neighbors(points[:, rng.permutation(9)] * rng.choice([-1.0, 1.0], 9), k=8, duplicates="keep")
    assert_array_equal(mixed.indices, graph.indices)
    assert_array_equal(mixed.distances, graph.distances)
    order = rng.permutation(60)
    shuffled = neighbors(points[order], k=8, duplicates="keep")
    assert_array_equal(shuffled.distances, graph.distances[order])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_rotation(seed):
    """A rotation rounds each coordinate by about 1e-16 of the norm: distances of order 1 move by a few 1e-15."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(80, 10))
    rotation = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    graph, turned = neighbors(points, k=8), neighbors(points @ rotation, k=8)
    assert_allclose(turned.distances, graph.distances, rtol=1e-12)
    assert (turned.indices == graph.indices).mean() > 0.999


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_cosine_ignores_lengths(seed):
    """Positive whole factors leave the direction of whole rows exactly as it is."""
    rng = np.random.default_rng(seed)
    points = rng.integers(-20, 20, (50, 6)).astype(np.float64)
    points = points[(points != 0).any(axis=1)]
    factors = rng.integers(1, 1000, (len(points), 1))
    one = neighbors(points, k=5, metric="cosine", duplicates="keep")
    other = neighbors(points * factors, k=5, metric="cosine", duplicates="keep")
    assert_array_equal(one.indices, other.indices)
    assert_array_equal(one.distances, other.distances)
