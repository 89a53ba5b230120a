"""One product for all neighborhoods of a cloud: the numbers of their own rows, or their own rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import theodolite as td
from theodolite.core.errors import PointsError
from theodolite.dimension import ess, grams, local_pca, tle

K = 8


def cloud(offset=0.0):
    """Return a cloud wide enough for one product to pay, half of it a knot 1e-6 wide and 30 from the middle."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(240, 64))
    points[120:] = 1e-6 * points[120:] + 60 * np.eye(64)[0]
    return points + offset


def gathered(graph, points):
    """Return the neighborhoods read from the product of all points."""
    return list(grams._gathered(graph, K, *grams._multiplied(graph, points), 0.0))


@pytest.mark.parametrize("offset", [0.0, 2000.0])
def test_products_are_as_exact_as_claimed_and_the_rest_is_multiplied_anew(offset):
    points = cloud(offset)
    graph = td.neighbors(points, k=K)
    assert grams._gathering_pays(graph, K)
    kept = np.concatenate([found.batch for found in gathered(graph, points)])
    assert_array_equal(kept, np.arange(120))  # a knot is too far from the mean for its width: its products are rounding
    seen = np.zeros(len(points), dtype=int)
    for found in grams.grams_of(graph, points, K):
        seen[found.batch] += 1
        rows = points[graph.indices[found.batch, :K]].astype(np.longdouble)
        rows -= rows.mean(axis=1, keepdims=True)
        exact = rows @ rows.transpose(0, 2, 1)
        spread = np.einsum("bii->b", exact) / K
        assert (np.abs(found.products - exact).max(axis=(1, 2)) <= grams.ACCURACY * spread).all()
        assert_allclose(found.radius, graph.distances[found.batch, K - 1])
    assert_array_equal(seen, 1)


def test_estimates_do_not_depend_on_how_products_are_made(monkeypatch):
    """Errors of 1e-9 in products are 4e-9 in a squared sine, and 2 d times as much in a dimension d of 10."""
    rng = np.random.default_rng(1)
    points = rng.normal(size=(240, 10)) @ rng.normal(size=(10, 64)) + 0.1 * rng.normal(size=(240, 64))
    points[:, 5] *= 300  # rogue
    points[100:120] = points[80:100] + 1e-7 * rng.normal(size=(20, 64))
    graph = td.neighbors(points, k=12)
    measures = (ess, lambda *given, k: ess(*given, k=k, version="b"), tle, local_pca)
    fast = [measure(graph, points, k=12) for measure in measures]
    assert grams._gathering_pays(graph, 12)
    monkeypatch.setattr(grams, "_gathering_pays", lambda *_: False)
    for one, measure in zip(fast, measures, strict=True):
        slow = measure(graph, points, k=12)
        assert_allclose(one.pointwise, slow.pointwise, rtol=1e-7)
        assert_allclose([one.value, one.stderr], [slow.value, slow.stderr], rtol=1e-7)


def test_points_beyond_squares_and_points_that_are_not_finite():
    points = cloud()[:120]
    graph, huge = td.neighbors(points, k=K), points * 2.0**600
    for measure in (ess, tle, local_pca):
        assert_allclose(measure(td.neighbors(huge, k=K), huge, k=K).value, measure(graph, points, k=K).value, rtol=1e-9)
    points[graph.indices[3, 0]] = np.nan
    with pytest.raises(PointsError, match="is not finite here"):
        ess(graph, points, k=K)


def test_fan_reads_one_where_one_component_is_all_but_a_twentieth():
    """The formula divides rounding by rounding there: what is left beyond the mean of all sums to nothing."""
    rng = np.random.default_rng(2)
    points = rng.normal(size=(200, 1)) * rng.normal(size=30) + 1e-3 * rng.normal(size=(200, 30))
    assert_array_equal(local_pca(td.neighbors(points, k=20), points, k=20, rule="fan").pointwise, 1)
