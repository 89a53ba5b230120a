"""Errors from halves of the points, confidence intervals, averages over k, and what a plateau is."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import (
    Calibration,
    DimensionEstimate,
    calibrate,
    fisher_separability,
    jackknife,
    mle,
    participation_ratio,
    recommend_scale,
    twonn,
)
from theodolite.neighborhoods import neighbors

POINTS = np.random.default_rng(0).normal(size=(300, 5))


def test_jackknife_keeps_the_reading_and_measures_its_spread():
    rng = np.random.default_rng(1)
    runs = [jackknife(fisher_separability, rng.normal(size=(150, 5)), n_halves=10) for _ in range(40)]
    spread = np.std([one.value for one in runs], ddof=1)
    assert 0.9 < np.mean([one.stderr for one in runs]) / spread < 2.2  # pairs are counted up to three times
    one = jackknife(fisher_separability, POINTS)
    assert one.value == fisher_separability(POINTS).value
    assert one.params["halves"] == 20
    assert one == jackknife(fisher_separability, POINTS)
    assert one.stderr != jackknife(fisher_separability, POINTS, seed=1).stderr


def test_copies_never_part():
    doubled = np.concatenate([POINTS, POINTS[:30]])
    one = jackknife(lambda points: twonn(neighbors(points, k=2)), doubled)
    assert (one.n_used, one.n_dropped) == (300, 30)
    assert one.stderr == jackknife(lambda points: twonn(neighbors(points, k=2)), POINTS).stderr


def test_groups_stay_together():
    """Thirty groups of ten rows that share most of what they are: thirty draws and not three hundred."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(30), 10)
    points = rng.normal(size=(30, 8))[groups] + 0.1 * rng.normal(size=(300, 8))
    alone = jackknife(participation_ratio, points).stderr
    together = jackknife(participation_ratio, points, groups=groups)
    assert together.stderr > 2 * alone
    assert together.params["groups"] == 30


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_halves": 5}, ParameterError, "n_halves=5 must be even"),
        ({"n_halves": 2}, ParameterError, "n_halves of at least 4"),
        ({"groups": [1, 2]}, ParameterError, r"one label for each of 300 rows, but have shape \(2,\)"),
        ({"groups": np.arange(300) % 3}, PointsError, "at least 4 groups to halve, but there are 3"),
    ],
)
def test_jackknife_refuses(settings, error, message):
    with pytest.raises(error, match=message):
        jackknife(participation_ratio, POINTS, **settings)


def reading(value, n1=1, stderr=0.0):
    return DimensionEstimate(
        value=value,
        stderr=stderr,
        method="gride",
        params={},
        n1=n1,
        n2=2 * n1,
        radius=1.0,
        n_used=9,
        n_dropped=0,
        n_dims=9,
    )


def test_intervals_hold_the_truth_as_often_as_they_say(model_graph):
    rng = np.random.default_rng(3)
    ends = [
        twonn(model_graph(np.c_[np.ones(40), rng.pareto(8.0, 40) + 1.0]), method="ml", errors="fisher").interval(0.9)
        for _ in range(600)
    ]
    held = sum(low < 8.0 < high for low, high in ends)
    assert binomtest(held, 600, 0.9).pvalue > 1e-3
    assert min(low for low, _ in ends) > 0


def test_intervals_of_what_has_no_error():
    assert all(math.isnan(end) for end in reading(3.0, stderr=math.nan).interval())
    assert all(math.isnan(end) for end in reading(0.0, stderr=1.0).interval())
    assert reading(3.0).interval() == (3.0, 3.0)
    with pytest.raises(ParameterError, match="confidence=95 is no probability"):
        reading(3.0, stderr=1.0).interval(95)


@pytest.mark.parametrize("aggregation", ["harmonic", "mean", "median"])
def test_mle_over_a_range_of_k(aggregation):
    graph = neighbors(POINTS, k=20)
    lids = np.array([mle(graph, k=k).pointwise for k in range(10, 21)])
    over_points = {"harmonic": lambda lids: 1 / np.mean(1 / lids), "mean": np.mean, "median": np.median}[aggregation]
    expected = over_points(lids if aggregation == "harmonic" else lids.mean(axis=0))
    found = mle(graph, k=20, smallest=10, aggregation=aggregation)
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert found.params["smallest"] == 10
    one = mle(graph, k=20, smallest=20, aggregation=aggregation)
    assert (one.value, one.stderr) == pytest.approx(
        (mle(graph, k=20, aggregation=aggregation).value, mle(graph, k=20, aggregation=aggregation).stderr)
    )
    between = sorted(
        [mle(graph, k=10, aggregation=aggregation).stderr, mle(graph, k=20, aggregation=aggregation).stderr]
    )
    assert 0.9 * between[0] < found.stderr < 1.1 * between[1]
    assert mle(graph, smallest=10, aggregation=aggregation, errors="fisher").stderr > 0


def test_mle_refuses_ranges():
    graph = neighbors(POINTS, k=20)
    with pytest.raises(ParameterError, match="smallest=15 is beyond k=10"):
        mle(graph, k=10, smallest=15)
    with pytest.raises(ParameterError, match="smallest of at least 3, but smallest=2"):
        mle(graph, k=10, smallest=2, unbiased=True)


def test_a_slow_drift_is_no_plateau():
    """Each reading is within 5 % of the next, and the last is a quarter below the first."""
    drift = [reading(10 * 0.96**scale, 2**scale) for scale in range(7)]
    verdict = recommend_scale(drift)
    assert verdict.stable
    assert verdict.estimate is drift[0]
    assert verdict.reason.startswith("The scales (1, 2) to (2, 4) all agree")
    level = [*drift[:3], *(reading(9.0, 2**scale) for scale in range(3, 7))]
    assert recommend_scale(level).estimate in level[3:]
    assert "(4, 8) to (64, 128)" in recommend_scale(level).reason


def test_a_reading_of_several_dimensions_is_inverted_to_none():
    curve = Calibration(
        dimensions=np.array([2.0, 10.0, 20.0, 30.0]), readings=np.array([12.0, 11.0, 15.0, 19.0]), stderrs=np.zeros(4)
    )
    assert math.isnan(curve.invert(11.5))
    assert curve.invert(17.0) == 25.0
    assert curve.invert(15.0) == 20.0
    assert math.isnan(curve.invert(10.0))


def test_shapes_of_calibration():
    settings = {"n_points": 800, "n_dims": 8, "dimensions": [1, 4, 7], "seed": 1}
    curves = {shape: calibrate(twonn, shape=shape, **settings) for shape in ("gaussian", "cube", "sphere")}
    for curve in curves.values():
        assert curve.readings == pytest.approx([1.0, 4.0, 7.0], rel=0.2)
    assert len({curve.readings[2] for curve in curves.values()}) == 3
    noisy = calibrate(participation_of, n_points=800, n_dims=8, dimensions=[7], shape="sphere", noise=1.0)
    assert (
        noisy.readings[0]
        > calibrate(participation_of, n_points=800, n_dims=8, dimensions=[7], shape="sphere").readings[0]
    )
    with pytest.raises(ParameterError, match="at most 7 for shape='sphere' with n_dims=8, not \\[8\\]"):
        calibrate(twonn, n_points=50, n_dims=8, dimensions=[8], shape="sphere")
    with pytest.raises(ParameterError, match="shape must be 'gaussian', 'cube', 'sphere', not 'torus'"):
        calibrate(twonn, n_points=50, n_dims=8, dimensions=[2], shape="torus")


def participation_of(graph):
    return mle(graph, k=2)
