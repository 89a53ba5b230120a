"""Identities between estimators, invariances, and values on models where the truth is known."""

import math

import numpy as np
import pytest

from theodolite.dimension import gride, mle, twonn
from theodolite.neighborhoods import neighbors


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).normal(size=(500, 7))


@pytest.fixture(scope="module")
def graph(points):
    return neighbors(points, k=33)


def test_first_gride_scale_is_maximum_likelihood_twonn(graph):
    first = gride(graph)[0]
    assert first.value == twonn(graph, method="ml").value
    assert first.stderr == pytest.approx(twonn(graph, method="ml").stderr, rel=5e-3)


def test_mle_with_two_neighbors_is_twonn_with_n(graph):
    logs = np.log(graph.distances[:, 1] / graph.distances[:, 0])
    assert mle(graph, k=2).value == pytest.approx(len(logs) / logs.sum(), rel=1e-14)
    assert mle(graph, k=2).value == pytest.approx(twonn(graph, method="ml", convention="N").value, rel=1e-14)
    assert mle(graph, k=2, errors="fisher").stderr == pytest.approx(mle(graph, k=2).value / math.sqrt(500), rel=1e-14)


def test_harmonic_mean_is_the_joint_likelihood(graph):
    estimate = mle(graph, k=10)
    assert estimate.value == pytest.approx(1 / np.mean(1 / estimate.pointwise), rel=1e-14)
    pooled = np.log(graph.distances[:, 9:10] / graph.distances[:, :9])
    assert estimate.value == pytest.approx(1 / pooled.mean(), rel=1e-12)


def test_unbiased_counts_one_less(graph):
    plain, unbiased = mle(graph, k=10), mle(graph, k=10, unbiased=True)
    assert unbiased.value == pytest.approx(plain.value * 8 / 9, rel=1e-14)
    assert unbiased.stderr == pytest.approx(plain.stderr * 8 / 9, rel=1e-12)


def test_gride_maximises_the_published_likelihood(graph):
    def log_likelihood(d, logs, n1, n2):
        inner = (n2 - n1 - 1) * np.log(np.expm1(d * logs)).sum()
        return (len(logs) - 1) * math.log(d) + inner - ((n2 - 1) * d + 1) * logs.sum()

    for one in gride(graph)[1:]:
        logs = np.log(graph.distances[:, one.n2 - 1] / graph.distances[:, one.n1 - 1])
        best = log_likelihood(one.value, logs, one.n1, one.n2)
        for nearby in (one.value * (1 - 1e-4), one.value * (1 + 1e-4)):
            assert log_likelihood(nearby, logs, one.n1, one.n2) < best


def test_scales_are_the_powers_of_two_within_reach(graph):
    assert [(one.n1, one.n2) for one in gride(graph)] == [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32)]
    assert [one.n2 for one in gride(graph, largest=9)] == [2, 4, 8]
    radii = [one.radius for one in gride(graph)]
    assert radii == sorted(radii)
    assert radii[2] == pytest.approx(graph.distances[:, 7].mean())


def _all(graph):
    return [
        mle(graph, k=2),
        mle(graph),
        mle(graph, aggregation="mean"),
        mle(graph, aggregation="median"),
        twonn(graph),
        twonn(graph, method="ml"),
        *gride(graph),
        *gride(graph, convention="dadapy"),
    ]


@pytest.mark.parametrize("power", [-20, 1, 30])
def test_a_power_of_two_changes_no_digit(points, power):
    for plain, scaled in zip(_all(neighbors(points, k=33)), _all(neighbors(points * 2.0**power, k=33)), strict=True):
        assert scaled.value == plain.value
        assert scaled.stderr == plain.stderr
        assert scaled.radius == plain.radius * 2.0**power


@pytest.mark.parametrize("factor", [1e-6, 3e7])
def test_scale_and_offset_change_only_rounding(points, factor):
    for plain, moved in zip(
        _all(neighbors(points, k=33)), _all(neighbors((points + 1000.0) * factor, k=33)), strict=True
    ):
        assert moved.value == pytest.approx(plain.value, rel=1e-7)


def test_pareto_ratios_are_read_without_bias(model_graph):
    """mu of a d-dimensional process is Pareto(d): the mean of (N-1)/sum ln mu is d, its spread d / sqrt(N)."""
    rng = np.random.default_rng(1)
    truth, n_points, repeats = 8.0, 200, 300
    ml, fit, fit_zero = [], [], []
    for repeat in range(repeats):
        graph = model_graph(np.c_[np.ones(n_points), rng.pareto(truth, n_points) + 1.0], seed=repeat)
        ml.append(twonn(graph, method="ml", errors="fisher"))
        fit.append(twonn(graph, errors="fisher"))
        fit_zero.append(twonn(graph, convention="(i-1)/N", errors="fisher"))
    for estimates, bias in ((ml, 0.0), (fit, 0.02), (fit_zero, 0.02)):
        values = np.array([one.value for one in estimates])
        assert abs(values.mean() / truth - 1) < bias + 3 / math.sqrt(n_points * repeats)
        reported = np.mean([one.stderr for one in estimates])
        assert reported == pytest.approx(values.std(ddof=1), rel=0.15)  # the spread itself is known to 4 %


@pytest.mark.parametrize("truth", [1.0, 6.0, 40.0])
def test_poisson_radii_are_read_without_bias(model_graph, truth):
    """Volumes of a Poisson process are sums of exponentials; radii are their d-th roots, independent for each point."""
    rng = np.random.default_rng(2)
    n_points, repeats = 100, 200
    runs = []
    for repeat in range(repeats):
        volumes = rng.exponential(size=(n_points, 32)).cumsum(axis=1)
        graph = model_graph(volumes ** (1 / truth), seed=repeat)
        runs.append(
            [mle(graph, k=10, errors="fisher"), mle(graph, k=10), *gride(graph, errors="fisher"), *gride(graph)]
        )
    for estimates in zip(*runs, strict=True):
        values = np.array([one.value for one in estimates])
        spread = values.std(ddof=1)
        assert abs(values.mean() - truth) < 3.5 * spread / math.sqrt(repeats) + truth / n_points
        assert np.mean([one.stderr for one in estimates]) == pytest.approx(spread, rel=0.15)
