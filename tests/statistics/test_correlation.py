"""Correlations against scipy, by brute force, and on pairs that have none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from theodolite.core.errors import ParameterError, PointsError
from theodolite.statistics import correlation, correlations, partial_correlation, partial_correlations


def draw(n, rho, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n)
    return x, rho * x + np.sqrt(1 - rho**2) * generator.normal(size=n)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("n", [4, 30, 500])
def test_value_and_p_value_are_those_of_scipy(method, n):
    x, y = draw(n, 0.4, seed=n)
    y = np.round(y, 1)  # ties
    reference = stats.pearsonr(x, y) if method == "pearson" else stats.spearmanr(x, y)
    found = correlation(x, y, method=method, n_bootstrap=20)
    assert found.value == pytest.approx(reference.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(reference.pvalue, rel=1e-9)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_resamples_are_what_scipy_computes_on_repeated_rows(method):
    from theodolite.statistics.correlation import _coefficients  # noqa: PLC0415
    from theodolite.statistics.resampling import bootstrap_counts  # noqa: PLC0415

    x, y = draw(15, 0.5)
    values = np.column_stack([np.round(x, 1), y])
    values = values - values.mean(axis=0)
    counts = next(bootstrap_counts(15, 30, seed=3))
    for row, value in zip(counts, _coefficients(values, counts, method), strict=True):
        repeated = np.repeat(values, row.astype(int), axis=0)
        function = stats.pearsonr if method == "pearson" else stats.spearmanr
        assert value == pytest.approx(function(*repeated.T).statistic, abs=1e-12)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_interval_holds_the_truth_about_as_often_as_it_says(method):
    rho = 0.5
    truth = rho if method == "pearson" else 6 / np.pi * np.arcsin(rho / 2)
    found = [correlation(*draw(80, rho, seed), method=method, n_bootstrap=200, seed=seed) for seed in range(200)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    # 200 draws at 0.95 have a standard error of 0.015; the percentile bootstrap itself is a little narrow at n = 80
    assert 0.89 <= covered <= 0.99
    assert np.mean([one.stderr for one in found]) == pytest.approx(np.std([one.value for one in found]), rel=0.15)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("n", [4, 7])
def test_the_interval_of_few_pairs_holds_the_truth_too(method, n):
    """The percentile bootstrap of so few holds it in 81 to 93 %; 400 draws at 0.95 have a standard error of 0.011."""
    rho = 0.5
    truth = rho if method == "pearson" else 6 / np.pi * np.arcsin(rho / 2)
    found = [correlation(*draw(n, rho, seed), method=method, n_bootstrap=20) for seed in range(400)]
    assert np.mean([one.low <= truth <= one.high for one in found]) > 0.95 - 3 * 0.011
    assert all(-1 <= one.low <= one.value <= one.high <= 1 for one in found)


def test_the_interval_of_few_pairs_is_fishers():
    x, y = draw(7, 0.6)
    found = correlation(x, y)
    reference = stats.pearsonr(x, y).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), rel=1e-12)
    assert found.stderr == pytest.approx((1 - found.value**2) / 2)
    eight = correlation(*draw(8, 0.6))
    assert (eight.low, eight.high) != pytest.approx(tuple(stats.pearsonr(*draw(8, 0.6)).confidence_interval(0.95)))
    three = correlation(x[:3], y[:3])
    assert (three.low, three.high) == (-1, 1)
    assert np.isnan(three.stderr)
    agreed = correlation([1, 2, 3, 4], [-2, -3, -5, -9], method="spearman")
    assert (agreed.value, agreed.low) == (pytest.approx(-1), -1)
    assert agreed.high > 0  # one order of 24


def test_p_values_are_uniform_without_a_correlation():
    p_values = [correlation(*draw(20, 0.0, seed), n_bootstrap=20).p_value for seed in range(300)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_partial_correlation_is_that_of_residuals():
    generator = np.random.default_rng(4)
    fixed = generator.normal(size=(60, 2))
    x = fixed @ [1.0, -2.0] + generator.normal(size=60)
    y = fixed @ [0.5, 1.0] + 0.7 * x + generator.normal(size=60)
    design = np.column_stack([np.ones(60), fixed])
    residuals = [one - design @ np.linalg.lstsq(design, one, rcond=None)[0] for one in (x, y)]
    found = partial_correlation(x, y, fixed, n_bootstrap=500)
    assert found.value == pytest.approx(stats.pearsonr(*residuals).statistic, abs=1e-10)
    t = found.value * np.sqrt(56 / (1 - found.value**2))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(t), 56), rel=1e-9)
    assert found.low < found.value < found.high
    assert found.n_given == 2


def test_partial_rank_correlation_follows_the_textbook_formula():
    generator = np.random.default_rng(5)
    x, y, z = generator.normal(size=(3, 40))
    x, y = x + z, np.exp(y + z)
    xy, xz, yz = (stats.spearmanr(a, b).statistic for a, b in ((x, y), (x, z), (y, z)))
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert partial_correlation(x, y, z, method="spearman", n_bootstrap=20).value == pytest.approx(expected, abs=1e-10)


def test_given_quantities_that_repeat_each_other_count_once():
    x, y = draw(30, 0.5)
    z = np.arange(30.0)
    once = partial_correlation(x, y, z, n_bootstrap=100)
    twice = partial_correlation(x, y, np.column_stack([z, 3 - 2 * z]), n_bootstrap=100)
    assert (twice.value, twice.p_value) == pytest.approx((once.value, once.p_value), rel=1e-6)


def test_pairs_with_numbers_that_are_not_finite_are_left_out_and_counted():
    x, y = draw(50, 0.6)
    spoiled = x.copy()
    spoiled[[3, 7]] = np.nan, np.inf
    columns = np.column_stack([x, spoiled])
    whole, part = correlations(columns, y, n_bootstrap=50)
    keep = np.isfinite(spoiled)
    assert (part.n, part.n_dropped) == (48, 2)
    assert part == correlation(x[keep], y[keep], n_bootstrap=50).__class__(
        **{**_fields(correlation(x[keep], y[keep], n_bootstrap=50)), "n_dropped": 2}
    )
    assert whole == correlation(x, y, n_bootstrap=50)


def _fields(found):
    return {name: getattr(found, name) for name in found.__slots__}


@pytest.mark.parametrize(
    ("x", "y", "given_", "reason"),
    [
        ([1.0, 2.0], [1.0, 2.0], None, "2 pairs left"),
        ([1.0, np.nan, 2.0, 3.0], [1.0, 2.0, np.nan, 4.0], None, "2 pairs left"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], None, "x is constant"),
        ([0.1] * 4, [0.3] * 4, None, "x and y are constant"),
        ([1.0, 2.0, 3.0, 5.0], [2.0, 1.0, 4.0, 3.0], [1.0, 2.0, 3.0, 5.0], "explains x or y in full"),
        ([1.0, 2.0, 4.0], [2.0, 1.0, 4.0], [1.0, 4.0, 2.0], "too few to hold 1"),
    ],
)
def test_no_value_has_a_reason(x, y, given_, reason):
    found = correlation(x, y) if given_ is None else partial_correlation(x, y, given_)
    assert np.isnan([found.value, found.low, found.high, found.stderr, found.p_value]).all()
    assert reason in found.reason


def test_a_perfect_correlation_is_certain():
    x = np.arange(10.0)
    found = correlation(x, -3 * x + 1)
    assert (found.value, found.p_value, found.high) == pytest.approx((-1.0, 0.0, -1.0), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.floats(-1e4, 1e4))
def test_scale_and_place_do_not_matter(seed, scale, shift):
    x, y = draw(25, 0.3, seed)
    one, other = correlation(x, y, n_bootstrap=50), correlation(scale * x + shift, y, n_bootstrap=50)
    assert other.value == pytest.approx(one.value, abs=1e-7)
    assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=1e-7)
    ranks = correlation(np.exp(x / 10), y, method="spearman", n_bootstrap=50)
    assert ranks == correlation(x, y, method="spearman", n_bootstrap=50)


def test_wrong_calls_are_refused():
    with pytest.raises(ParameterError, match='method must be "pearson" or "spearman", not \'kendall\''):
        correlation([1, 2, 3], [1, 2, 3], method="kendall")
    with pytest.raises(ParameterError, match="n_bootstrap=5 draws give no interval"):
        correlation([1, 2, 3], [1, 2, 3], n_bootstrap=5)
    with pytest.raises(ParameterError, match="confidence=95 is no probability"):
        correlation([1, 2, 3], [1, 2, 3], confidence=95)
    with pytest.raises(PointsError, match="x has 3 points but y has 2"):
        correlation([1, 2, 3], [1, 2])
    with pytest.raises(PointsError, match="given has 1 points but y has 3"):
        partial_correlations(np.eye(3), [1, 2, 3], [1])
    with pytest.raises(PointsError, match=r"y needs one number for each point, but has shape \(3, 3\)"):
        correlation([1, 2, 3], np.eye(3))
    with pytest.raises(PointsError, match="x must be real numbers, but has dtype <U1"):
        correlation(["a"], [1])
