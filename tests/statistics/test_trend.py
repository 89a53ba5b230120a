"""Slopes against scipy, and their errors against repeated draws."""

import numpy as np
import pytest
from scipy import stats

from theodolite.core.errors import ParameterError, PointsError
from theodolite.statistics import trend

SIZES = np.array([64, 128, 256, 512, 1024.0])


def test_without_errors_it_is_ordinary_least_squares():
    y = np.array([3.0, 3.9, 5.2, 5.8, 7.1])
    reference = stats.linregress(np.log10(SIZES), y)
    found = trend(SIZES, y, axis="log10")
    assert (found.slope, found.stderr, found.intercept, found.p_value) == pytest.approx(
        (reference.slope, reference.stderr, reference.intercept, reference.pvalue)
    )
    assert found.high - found.slope == pytest.approx(stats.t.ppf(0.975, 3) * found.stderr)


@pytest.mark.parametrize("errors", [True, False])
def test_the_interval_holds_the_truth_as_often_as_it_says(errors):
    generator = np.random.default_rng(0)
    spread = np.array([0.5, 0.5, 1.0, 2.0, 2.0]) if errors else np.ones(5)
    found = [
        trend(
            SIZES,
            2 * np.log2(SIZES) + spread * generator.normal(size=5),
            stderr=spread if errors else None,
            axis="log2",
        )
        for _ in range(400)
    ]
    covered = np.mean([one.low <= 2 <= one.high for one in found])
    assert 0.92 <= covered <= 0.99  # 400 draws: standard error 0.011; inflation by scatter only widens


def test_points_that_scatter_more_than_their_errors_widen_the_error():
    y = np.array([1.0, 4.0, 1.5, 6.0, 4.0])
    honest, proud = trend(SIZES, y, stderr=np.full(5, 3.0)), trend(SIZES, y, stderr=np.full(5, 0.01))
    plain = trend(SIZES, y)
    assert honest.scatter < 1 < proud.scatter
    assert proud.stderr == pytest.approx(plain.stderr)  # then the residuals decide, as without errors
    assert proud.p_value == pytest.approx(plain.p_value)
    assert honest.stderr > plain.stderr


def test_two_points_know_their_slope_only_with_errors():
    bare = trend([1, 2], [1.0, 3.0])
    assert bare.slope == 2
    assert np.isnan([bare.stderr, bare.p_value]).all()
    assert "two points without standard errors" in bare.reason
    known = trend([1, 2], [1.0, 3.0], stderr=[0.3, 0.4])
    assert known.stderr == pytest.approx(0.5)
    assert known.p_value == pytest.approx(2 * stats.norm.sf(4))


def test_a_flat_line_has_no_trend():
    found = trend([1, 2, 3], [5.0, 5.0, 5.0])
    assert (found.slope, found.p_value) == (0, 1)


def test_points_that_are_not_finite_are_left_out():
    found = trend([1, 2, 3, 4], [1.0, np.nan, 3.0, 4.0], stderr=[1, 1, 1, np.inf])
    assert (found.n, found.n_dropped, found.slope) == (2, 2, 1.0)


@pytest.mark.parametrize("x", [[3.0], [2.0, 2.0]])
def test_no_slope_has_a_reason(x):
    found = trend(x, x)
    assert np.isnan(found.slope)
    assert found.reason == "1 distinct position left, and a trend needs 2"


def test_wrong_calls_are_refused():
    with pytest.raises(PointsError, match="must have one number for each point, but have 2, 3"):
        trend([1, 2], [1, 2, 3])
    with pytest.raises(PointsError, match="stderr holds -1"):
        trend([1, 2], [1, 2], stderr=[1, -1])
    with pytest.raises(ParameterError, match="confidence=1 is no probability"):
        trend([1, 2], [1, 2], confidence=1)
    with pytest.raises(PointsError, match="x holds 0, which has no place"):
        trend([0, 2], [1, 2], axis="log2")
