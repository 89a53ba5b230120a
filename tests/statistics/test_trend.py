"""Slopes against scipy, and their errors against repeated draws."""

from itertools import permutations

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


@pytest.mark.parametrize("n_points", [3, 4, 8, 20])
@pytest.mark.parametrize(
    ("excess", "given", "ratio"), [(1.0, False, 1), (0.0, True, 4), (1.0, True, 4), (2.0, True, 1), (8.0, True, 4)]
)
def test_the_interval_holds_the_truth_as_often_as_it_says(n_points, excess, given, ratio):
    generator = np.random.default_rng(n_points)
    errors = generator.permutation(np.geomspace(1, ratio, n_points))
    x = np.arange(n_points)
    covered = 0
    for _ in range(200):
        y = 2 * x + errors * generator.normal(size=n_points) + excess * generator.normal(size=n_points)
        found = trend(x, y, stderr=errors if given else None)
        covered += found.low <= 2 <= found.high
    assert covered >= 181  # 190 expected, standard deviation 3.1
    if given and not excess and n_points < 5:
        assert covered >= 195  # so few points cannot show that they lie on a line


def test_the_spread_beyond_the_errors_is_found():
    generator = np.random.default_rng(0)
    x, errors = np.arange(2000.0), np.geomspace(0.5, 4, 2000)
    y = x + errors * generator.normal(size=2000) + 3 * generator.normal(size=2000)
    found = trend(x, y, stderr=errors)
    assert found.excess == pytest.approx(3, abs=0.2)
    assert found.scatter > 1
    weights = 1 / (errors**2 + found.excess**2)
    assert (weights * (y - found.intercept - found.slope * x) ** 2).sum() == pytest.approx(1998)
    assert trend(x, x, stderr=errors).excess == 0


def test_points_that_scatter_more_than_their_errors_widen_the_error():
    y = np.array([1.0, 4.0, 1.5, 6.0, 4.0])
    honest, proud = trend(SIZES, y, stderr=np.full(5, 3.0)), trend(SIZES, y, stderr=np.full(5, 0.01))
    plain = trend(SIZES, y)
    assert honest.scatter < 1 < proud.scatter
    assert proud.stderr == pytest.approx(plain.stderr)  # then the residuals decide, as without errors
    assert proud.p_value == pytest.approx(plain.p_value)
    assert honest.stderr > plain.stderr
    assert proud.excess == pytest.approx(plain.excess, rel=1e-4)
    assert honest.excess == 0
    assert honest.high - honest.slope == pytest.approx(stats.t.ppf(0.975, 3) * honest.stderr)


def test_two_points_know_their_slope_only_with_errors():
    bare = trend([1, 2], [1.0, 3.0])
    assert bare.slope == 2
    assert np.isnan([bare.stderr, bare.p_value]).all()
    assert "two points do not show" in bare.reason
    known = trend([1, 2], [1.0, 3.0], stderr=[0.3, 0.4])
    assert known.stderr == pytest.approx(0.5)
    assert np.isnan([known.low, known.high, known.p_value, known.excess]).all()
    assert (known.order_p_value, known.least_p_value) == (1, 1)


def test_a_flat_line_has_no_trend():
    found = trend([1, 2, 3], [5.0, 5.0, 5.0])
    assert (found.slope, found.p_value, found.tau, found.order_p_value) == (0, 1, 0, 1)


@pytest.mark.parametrize(("sizes", "n_ties"), [([1, 2, 3, 4], 0), ([1, 2, 2, 3, 3], 0), ([1, 2, 3, 4, 5], 2)])
def test_the_p_value_of_the_order_counts_all_orders(sizes, n_ties):
    heights = np.array([3.0, 1.0, 4.0, 1.5, 9.0][: len(sizes)])
    heights[: n_ties + 1 if n_ties else 0] = heights[0]
    x = np.array(sizes, float)

    def surplus(y):
        return sum(np.sign(x[j] - x[i]) * np.sign(y[j] - y[i]) for i in range(len(x)) for j in range(i))

    every = np.abs([surplus(order) for order in permutations(heights)])
    found = trend(x, heights)
    exact = np.mean(every >= abs(surplus(heights)))
    assert found.order_p_value >= exact if n_ties else found.order_p_value == pytest.approx(exact)
    assert found.tau == pytest.approx(stats.kendalltau(x, heights).statistic)
    apart = every.max()
    assert n_ties or found.least_p_value == pytest.approx(np.mean(every == apart))


@pytest.mark.parametrize("n_points", [9, 50, 51])
def test_the_order_of_many_points_is_that_of_scipy(n_points):
    x = np.arange(n_points, dtype=float)
    y = 3 * np.sin(x) + 0.05 * x
    found = trend(x, y)
    reference = stats.kendalltau(x, y, method="exact")
    assert found.tau == pytest.approx(reference.statistic)
    assert found.order_p_value == pytest.approx(reference.pvalue, rel=1e-9 if n_points <= 50 else 0.05)
    assert trend(x, np.zeros(n_points)).order_p_value == 1


def test_an_exact_line_of_four_points_cannot_say_more_than_four_points():
    found = trend([1, 2, 3, 4], [1.0, 2.0, 3.0, 4.001], stderr=np.full(4, 0.01))
    assert found.p_value < 1e-3  # rests on the line
    assert (found.tau, found.order_p_value) == (1, pytest.approx(2 / 24))
    assert found.order_p_value == found.least_p_value


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
