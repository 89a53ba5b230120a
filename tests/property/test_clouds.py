"""Clouds of generated points: neighbors and dimensions equal to those of each cloud alone, as far as is promised."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.dimension import cloud_gride, cloud_mle, cloud_twonn, gride, mle, twonn
from theodolite.neighborhoods import cloud_neighbors, neighbors


@st.composite
def batches(draw):
    """Draw ragged batches of clouds: smooth, on a grid, with near-duplicates, shifted and scaled."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_dims = draw(st.integers(1, 200))
    batch = []
    for _ in range(draw(st.integers(1, 3))):
        n_points = draw(st.integers(12, 140))
        kind = draw(st.sampled_from(["smooth", "grid", "near-duplicates"]))
        points = rng.normal(size=(n_points, n_dims))
        if kind == "grid":
            points = np.round(points)
            points[:, 0] += np.arange(n_points) % 5
        elif kind == "near-duplicates":
            points[::2] = points[1::2][: len(points[::2])].mean(axis=0) + 1e-5 * points[::2]
        points = points + draw(st.sampled_from([0.0, 1.0, 1000.0]))
        batch.append((points * draw(st.sampled_from([1.0, 2.0**-60, 2.0**60]))).astype(np.float32))
    return batch


@settings(max_examples=60, deadline=None)
@given(batch=batches(), k=st.integers(1, 11))
def test_neighbors(batch, k):
    fast = cloud_neighbors(batch, k=k, duplicates="keep")
    exact = cloud_neighbors(batch, k=k, duplicates="keep", precision="float64")
    assert (fast.distance_error <= 2e-4).all()
    assert (exact.distance_error <= 1e-10).all()
    for number, cloud in enumerate(batch):
        graph = neighbors(cloud, k=k, duplicates="keep")
        one, other = fast.graph(number), exact.graph(number)
        assert_array_equal(other.indices, graph.indices)
        assert_allclose(other.distances, graph.distances, rtol=1e-10)
        assert_array_equal(np.sort(one.indices, axis=1), np.sort(graph.indices, axis=1))
        assert_allclose(one.distances, graph.distances, rtol=one.distance_error)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_clouds=st.integers(1, 4), n_dims=st.integers(1, 12))
def test_dimensions(seed, n_clouds, n_dims):
    rng = np.random.default_rng(seed)
    batch = [rng.normal(size=(int(rng.integers(30, 90)), n_dims)) for _ in range(n_clouds)]
    found = cloud_neighbors(batch, k=16)
    for errors in ("neighbors", "fisher"):
        scales, lines = cloud_gride(found, errors=errors), cloud_twonn(found, errors=errors)
        likely = cloud_mle(found, k=16, errors=errors)
        for number in range(n_clouds):
            graph = found.graph(number)
            alone = gride(graph, errors=errors)
            assert_allclose(scales.value[number], [one.value for one in alone], rtol=1e-12)
            assert_allclose(scales.stderr[number], [one.stderr for one in alone], rtol=1e-10)
            assert_allclose(lines.value[number], twonn(graph, errors=errors).value, rtol=1e-12)
            assert_allclose(lines.stderr[number], twonn(graph, errors=errors).stderr, rtol=1e-10)
            assert_allclose(likely.value[number], mle(graph, k=16, errors=errors).value, rtol=1e-12)
            assert_allclose(likely.stderr[number], mle(graph, k=16, errors=errors).stderr, rtol=1e-10)
