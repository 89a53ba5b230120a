"""Local estimators: refusals, awkward points, scale invariance, errors."""

import numpy as np
import pytest

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import correlation_dimension, ess, local_pca, mada, mom, tle
from theodolite.neighborhoods import neighbors

POINTS = np.random.default_rng(0).normal(size=(200, 5))


@pytest.fixture(scope="module")
def graph():
    return neighbors(POINTS, k=24)


def everything(points, graph):
    return [
        ess(graph, points, k=12),
        ess(graph, points, k=12, version="b", aggregation="median"),
        tle(graph, points),
        mom(graph, aggregation="harmonic"),
        mada(graph),
        local_pca(graph, points, k=24),
        local_pca(graph, points, k=24, rule="fo"),
        local_pca(graph, points, k=24, rule="fan"),
    ]


@pytest.mark.parametrize("power", [-30, 20])
def test_a_power_of_two_changes_no_digit(graph, power):
    moved = POINTS * 2.0**power
    for plain, scaled in zip(everything(POINTS, graph), everything(moved, neighbors(moved, k=24)), strict=True):
        assert scaled.value == plain.value
        assert scaled.stderr == plain.stderr


def test_pointwise_values_and_radius(graph):
    for estimate in everything(POINTS, graph):
        assert estimate.pointwise.shape == (200,)
        assert estimate.n_used + estimate.n_dropped == 200
        assert 2.5 < estimate.value < 8
        assert estimate.stderr < 1
        assert estimate.stderr > 0 or np.ptp(estimate.pointwise) == 0
        assert estimate.radius == pytest.approx(graph.distances[:, estimate.n2 - 1].mean())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: ess(g, POINTS, k=2), "ess needs k of at least 3, but k=2"),
        (lambda g: ess(g, POINTS, version="c"), "not 'c'"),
        (lambda g: ess(g, POINTS, k=99), "Pass k=99"),
        (lambda g: ess(g, POINTS[:, :3]), "made from 200 rows of 5 columns, but these points have shape"),
        (lambda g: tle(g, POINTS, k=2), "tle needs k of at least 3"),
        (lambda g: tle(g, POINTS, epsilon=1.0), "fraction of the radius"),
        (lambda g: mom(g, k=1), "mom needs k of at least 2"),
        (lambda g: mom(g, aggregation="mode"), "not 'mode'"),
        (lambda g: mada(g, k=1), "mada needs k of at least 2"),
        (lambda g: local_pca(g, POINTS, k=2), "local_pca needs k of at least 3"),
        (lambda g: local_pca(g, POINTS, k=9, rule="kaiser"), "not 'kaiser'"),
        (lambda g: local_pca(g, POINTS, k=9, threshold=1.0), "threshold is a share"),
        (lambda g: correlation_dimension(g, k1=5, k2=5), "k1 < k2 is needed"),
        (correlation_dimension, "end inside the larger radius for .* Pass k=96"),
    ],
)
def test_refusals(graph, call, message):
    with pytest.raises(ParameterError, match=message):
        call(graph)


def test_queries():
    part = neighbors(POINTS, k=24, queries=np.arange(50))
    whole = neighbors(POINTS, k=24)
    for some, every in zip(everything(POINTS, part), everything(POINTS, whole), strict=True):
        np.testing.assert_allclose(some.pointwise, every.pointwise[:50], rtol=1e-12)
    with pytest.raises(ParameterError, match="without queries"):
        correlation_dimension(part)


def test_copies_fix_no_dimension():
    points = np.concatenate([POINTS, np.zeros((40, 5))])
    graph = neighbors(points, k=24, duplicates="keep")
    for estimate in everything(points, graph):
        assert estimate.n_dropped <= 70  # the copies, and points whose nearest are all copies
        assert np.isfinite([estimate.value, estimate.stderr]).all()
        assert estimate.value < 10
    only = np.repeat(POINTS[:3], 10, axis=0)
    with pytest.raises(PointsError, match="0 of 30 do"):
        tle(neighbors(only, k=5, duplicates="keep"), only, k=5)
    with pytest.raises(PointsError, match="no scale lies between"):
        correlation_dimension(neighbors(only, k=8, duplicates="keep"), k1=2, k2=4)


@pytest.mark.slow
@pytest.mark.parametrize("n_dims", [3, 12])
def test_reported_errors_are_of_the_size_of_the_spread(n_dims, brute):
    rng = np.random.default_rng(5)
    runs = []
    for _ in range(80):
        points = rng.normal(size=(250, n_dims))
        runs.append([*everything(points, brute(points, 24)), correlation_dimension(brute(points, 249))])
    ratios = []
    for estimates in zip(*runs, strict=True):
        values = np.array([one.value for one in estimates])
        if values.std() < 0.02:  # nearly always three components out of three: a rare event has no measured spread
            continue
        ratio = np.mean([one.stderr for one in estimates]) / values.std(ddof=1)
        ratios.append((estimates[0].method, round(float(ratio), 2)))
    assert all(0.6 < ratio < 1.7 for _, ratio in ratios), ratios


@pytest.mark.parametrize("measure", [ess, local_pca])
def test_neighbors_that_are_all_copies_of_one_point_fix_nothing(measure):
    """Their mean is rounded and their spread is not 0 then; seen from far away their distance is not 0 either."""
    rng = np.random.default_rng(8)
    points = np.concatenate([rng.normal(size=(40, 3)), [[90.1, 0.7, 0.3]], np.full((7, 3), [99.3, 0.1, 0.7])])
    found = measure(neighbors(points, k=6, duplicates="keep"), points, k=6)
    assert np.isfinite(found.pointwise).nonzero()[0].tolist() == list(range(40))
    assert (found.n_used, found.n_dropped) == (40, 8)
