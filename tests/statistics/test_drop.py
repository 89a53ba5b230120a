"""A fall that was planted is found where it is; noise and rises are not called a fall."""

import numpy as np
import pytest

from theodolite.core.errors import ParameterError, PointsError
from theodolite.statistics import drop

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048.0])


def curve(begin=16, end=512, high=60.0, low=17.0):
    u = np.log2(1 + STEPS)
    done = np.clip((u - np.log2(1 + begin)) / (np.log2(1 + end) - np.log2(1 + begin)), 0, 1)
    return high + done * (low - high)


def test_a_planted_fall_is_found_where_it_is():
    found = drop(STEPS, curve(), stderr=np.full(13, 0.5), null=60.0, null_stderr=1.0)
    middle = np.sqrt(17 * 513) - 1
    assert found.significant
    assert found.start == 16
    assert found.half == pytest.approx(middle, rel=1e-9)
    assert found.half_interval[0] < middle < found.half_interval[1]
    assert (found.half_by, found.nine_tenths_by, found.plateau_from) == (128, 512, 512)
    assert (found.plateau, found.fall, found.share) == pytest.approx((17.0, 43.0, 43 / 60))
    assert found.plateau_stderr == pytest.approx(0.5 / np.sqrt(3))
    assert found.steepest == pytest.approx(43 / np.log2(513 / 17))
    assert 16 <= found.steepest_from < found.steepest_to <= 512
    assert (found.start_over_null, found.plateau_over_null) == pytest.approx((1.0, 17 / 60))
    assert found.p_value < 1e-50
    assert (found.null, found.null_stderr) == (60.0, 1.0)
    assert found.start_over_null_stderr == pytest.approx(np.hypot(0.5, 1.0) / 60)
    assert found.plateau_over_null_stderr == pytest.approx(np.hypot(found.plateau_stderr, 17 / 60) / 60)
    assert found.null_p_value < 1e-50


def test_half_interval_holds_the_truth_about_as_often_as_it_says():
    truth = drop(STEPS, curve(), stderr=np.zeros(13)).half
    covered = 0
    for seed in range(200):
        noisy = curve() + 2 * np.random.default_rng(seed).normal(size=13)
        low, high = drop(STEPS, noisy, stderr=np.full(13, 2.0), seed=seed, n_bootstrap=200).half_interval
        covered += low <= truth <= high
    assert 0.88 <= covered / 200 <= 1.0


def test_noise_is_no_fall():
    called = sum(
        drop(STEPS, 20 + np.random.default_rng(seed).normal(size=13), stderr=np.ones(13), sure=3).significant
        for seed in range(300)
    )
    assert called <= 3  # one-sided 3 sigma: 0.4 expected


def test_a_rise_is_no_fall():
    found = drop(STEPS, curve()[::-1], stderr=np.full(13, 0.5))
    assert not found.significant
    assert found.fall < 0
    assert found.p_value == pytest.approx(1.0)
    assert np.isnan([found.start, found.half, found.nine_tenths, found.half_interval[0]]).all()


def test_a_fall_that_rises_again_says_so():
    found = drop([0, 10, 100, 1000], [124.0, 16.0, 20.0, 25.0], stderr=[1.0] * 4)
    assert (found.lowest, found.lowest_at) == (16.0, 10.0)
    assert found.half_by == 10
    assert found.plateau == pytest.approx((16 + 20 + 25) / 3)


def test_a_late_fall_against_a_null_for_each_step():
    found = drop([0, 1, 2], [10.0, 10.0, 5.0], stderr=[0.1] * 3, null=[10.0, 10.0, 5.0], null_stderr=[0.1] * 3)
    assert (found.half_by, found.plateau_from) == (2, 2)
    assert found.plateau_over_null == 1
    assert found.null_p_value == pytest.approx(0.5)


def test_exact_readings_need_no_error():
    found = drop([0, 1, 2], [3.0, 2.0, 1.0], stderr=[0.0] * 3)
    assert found.significant
    assert found.p_value == 0
    assert found.half_interval == (found.half, found.half)


def test_readings_that_are_not_finite_are_left_out_and_order_does_not_matter():
    spoiled = curve()
    spoiled[1] = np.nan
    found = drop(STEPS[::-1], spoiled[::-1], stderr=np.full(13, 0.5))
    assert (found.n, found.n_dropped, found.half_by) == (12, 1, 128)


def test_too_few_readings_have_a_reason():
    found = drop([0, 1], [2.0, 1.0], stderr=[0.1, 0.1])
    assert found.reason == "2 readings left, and a fall needs 3"
    assert np.isnan(found.half)


def test_wrong_calls_are_refused():
    with pytest.raises(ParameterError, match="sure=0 standard errors"):
        drop([0, 1, 2], [1, 2, 3], stderr=[1, 1, 1], sure=0)
    with pytest.raises(PointsError, match="but have 3, 3 and 2"):
        drop([0, 1, 2], [1, 2, 3], stderr=[1, 1])
    with pytest.raises(PointsError, match="A standard error is negative"):
        drop([0, 1, 2], [1, 2, 3], stderr=[1, 1, -1])
    with pytest.raises(PointsError, match="x holds -1, but training begins at 0"):
        drop([-1, 1, 2], [1, 2, 3], stderr=[1, 1, 1])
    with pytest.raises(PointsError, match="x repeats a position"):
        drop([1, 1, 2], [1, 2, 3], stderr=[1, 1, 1])
    with pytest.raises(PointsError, match=r"null has shape \(2,\)"):
        drop([0, 1, 2], [1, 2, 3], stderr=[1, 1, 1], null=[1, 2])
