"""Scale analysis, homogeneity checks, recommendation and calibration."""

import math

import numpy as np
import pytest

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import (
    adaptive,
    calibrate,
    constant_density_neighbors,
    gride,
    local_twonn,
    mle,
    recommend_scale,
    twonn,
    twonn_decimation,
    twonn_linearity,
)
from theodolite.neighborhoods import neighbors


@pytest.fixture(scope="module")
def sheet():
    """Return a plane in ten columns with noise of a hundredth: two-dimensional beyond the noise."""
    rng = np.random.default_rng(0)
    flat = np.zeros((1500, 10))
    flat[:, :2] = rng.random((1500, 2))
    return flat + 0.01 * rng.normal(size=(1500, 10))


@pytest.fixture(scope="module")
def sheet_graph(sheet):
    return neighbors(sheet, k=130)


@pytest.fixture(scope="module")
def square_graph():
    return neighbors(np.random.default_rng(1).random((1500, 2)), k=130)


def test_decimation_starts_at_twonn_and_leaves_noise_behind(sheet, sheet_graph):
    curve = twonn_decimation(sheet, parts=(1, 4, 16))
    assert curve[0].value == pytest.approx(twonn(sheet_graph).value, rel=1e-12)
    assert curve[0].value > curve[1].value > curve[2].value > 2
    assert curve[0].radius < curve[1].radius < curve[2].radius
    assert [one.n_used for one in curve] == [1500] * 3
    assert twonn_decimation(sheet, parts=(1, 4, 16)) == curve
    assert twonn_decimation(sheet, parts=(4,), seed=1)[0].value != curve[1].value


@pytest.mark.parametrize("parts", [(), (0,), (1, 1000)])
def test_decimation_refuses_parts_too_small(sheet, parts):
    with pytest.raises(ParameterError, match="at least 10 of the 1500 distinct points"):
        twonn_decimation(sheet, parts=parts)


def test_local_twonn_pools_neighborhoods(square_graph):
    estimate = local_twonn(square_graph)
    logs = np.log(square_graph.distances[:, 1] / square_graph.distances[:, 0])
    pooled = logs[np.r_[7, square_graph.indices[7, :128]]]
    assert estimate.pointwise[7] == pytest.approx(128 / pooled.sum())
    assert estimate.value == pytest.approx(twonn(square_graph, method="ml").value, rel=0.05)
    with pytest.raises(ParameterError, match="n_neighbors=1"):
        local_twonn(square_graph, n_neighbors=1)
    with pytest.raises(ParameterError, match="Pass k=500"):
        local_twonn(square_graph, n_neighbors=500)


def test_linearity_sees_a_mixture_of_dimensions(model_graph):
    rng = np.random.default_rng(2)
    straight = twonn_linearity(model_graph(np.c_[np.ones(4000), rng.pareto(5.0, 4000) + 1]))
    assert straight.straight
    assert straight.lower_slope == pytest.approx(5.0, rel=0.1)
    assert straight.upper_slope == pytest.approx(5.0, rel=0.2)
    rates = np.repeat([2.0, 40.0], 2000)
    bent = twonn_linearity(model_graph(np.c_[np.ones(4000), rng.pareto(rates) + 1]))
    assert not bent.straight
    assert bent.lower_slope > 1.5 * bent.upper_slope


def test_only_the_nearest_two_neighbors_have_a_straight_line(model_graph):
    """Under constant density (r_2 / r_4)^d is drawn from Beta(2, 2), whose plot begins flat."""
    rng = np.random.default_rng(4)
    ratios = rng.beta(2, 2, 4000) ** (-1 / 5)
    distances = np.c_[np.full(4000, 0.5), np.ones(4000), (1 + ratios) / 2, ratios]
    bent = twonn_linearity(model_graph(distances), n1=2)
    assert not bent.straight
    assert bent.upper_slope > 1.3 * bent.lower_slope
    x = np.sort(np.log(ratios))[:3600]
    below = np.arange(1, 3601) / 4000
    slope = (x @ -np.log(1 - below)) / (x @ x)
    assert bent.distance == pytest.approx(np.abs(below - (1 - np.exp(-slope * x))).max())
    assert bent.n_used == 4000
    with pytest.raises(ParameterError, match="needs n1 of at least 1, but n1=0: the nearest neighbor is 1"):
        twonn_linearity(model_graph(distances), n1=0)
    with pytest.raises(ParameterError, match="compares 8 neighbors"):
        twonn_linearity(model_graph(distances), n1=4)
    with pytest.raises(ParameterError, match="discard=1 must be a share"):
        twonn_linearity(model_graph(distances), discard=1)
    with pytest.raises(PointsError, match="needs 4 ratios that are not all 1, but 3 of 4 remain"):
        twonn_linearity(model_graph(distances[:4]))


def test_constant_density_reaches_as_far_as_the_density_is_constant(square_graph):
    reached = constant_density_neighbors(square_graph, 2.0)
    assert np.median(reached) > 100
    rng = np.random.default_rng(3)
    uneven = neighbors(rng.normal(size=(1500, 2)) ** 3, k=130)
    assert np.median(constant_density_neighbors(uneven, 2.0)) < 60
    with pytest.raises(ParameterError, match="compares 4 neighbors"):
        constant_density_neighbors(square_graph.truncate(3), 2.0)


def test_adaptive_reads_the_plane_through_the_noise(square_graph, sheet_graph):
    flat = adaptive(square_graph)
    assert flat.value == pytest.approx(mle(square_graph, k=128).value, abs=0.08)  # both meet the boundary
    assert flat.params["at_ceiling"] > 0.3
    noisy = adaptive(sheet_graph)
    assert noisy.value < 0.75 * twonn(sheet_graph).value
    assert 0 < noisy.stderr < 0.2


def test_recommendation_finds_the_plateau(square_graph, sheet_graph):
    flat = recommend_scale(gride(square_graph))
    assert flat.stable
    assert flat.estimate.value == pytest.approx(2.0, abs=0.15)
    assert "agree" in flat.reason
    scales = gride(sheet_graph)
    noisy = recommend_scale(scales, tolerance=0.0)
    assert noisy.estimate in scales
    single = recommend_scale(scales[:1])
    assert (single.stable, single.reason) == (False, "Only one scale was given.")


def test_recommendation_says_when_there_is_none(model_graph):
    rng = np.random.default_rng(4)
    radii = np.exp(
        np.cumsum(rng.exponential(1 / np.array([1, 1, 8, 12, 40, 50, 60, 70])[None, :] / 3, (3000, 8)), axis=1)
    )
    verdict = recommend_scale(gride(model_graph(radii)))
    assert not verdict.stable
    assert "Report the whole curve" in verdict.reason


@pytest.mark.parametrize(("estimates", "tolerance", "message"), [((), 0.1, "at least one"), (None, -1.0, "not -1.0")])
def test_recommendation_refuses(square_graph, estimates, tolerance, message):
    with pytest.raises(ParameterError, match=message):
        recommend_scale(gride(square_graph) if estimates is None else estimates, tolerance=tolerance)


def test_calibration_inverts_a_reading():
    curve = calibrate(lambda graph: mle(graph, k=10), n_points=600, n_dims=40, dimensions=[2, 10, 20, 40], k=10)
    assert (np.diff(curve.readings) > 0).all()
    assert curve.readings[3] < 30  # far below 40: the bias the curve is for
    assert curve.invert(float(curve.readings[2])) == 20.0
    assert math.isnan(curve.invert(1e3))
    noisy = calibrate(twonn, n_points=600, n_dims=40, dimensions=[2], noise=0.1)
    assert noisy.readings[0] > 3
    with pytest.raises(ParameterError, match="n_dims=3, not"):
        calibrate(twonn, n_points=50, n_dims=3, dimensions=[2, 5])
    with pytest.raises(ParameterError, match="noise is a share"):
        calibrate(twonn, n_points=50, n_dims=3, dimensions=[2], noise=-1.0)
