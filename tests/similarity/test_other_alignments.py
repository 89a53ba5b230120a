"""Spearman, CKA and information imbalance equal plain references on the full matrices."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from theodolite.core.errors import ParameterError, PointsError
from theodolite.similarity import cka, information_imbalance, rsa_spearman


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(9)
    shared = rng.normal(size=(150, 6))
    return [
        (shared @ rng.normal(size=(6, 20)) + 0.7).astype(np.float32),
        shared @ rng.normal(size=(6, 35)) + 1.5 * rng.normal(size=(150, 35)),
    ]


def cosines(table, *, center=False):
    rows = np.asarray(table, dtype=np.float64)
    rows = rows - rows.mean(axis=0) if center else rows
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


@pytest.mark.parametrize("center", [False, True])
def test_spearman_of_all_pairs_equals_scipy(tables, center):
    above = np.triu_indices(150, 1)
    expected = spearmanr(cosines(tables[0], center=center)[above], cosines(tables[1], center=center)[above]).statistic
    found = rsa_spearman(tables[0], torch.from_numpy(tables[1]), group=150, center=center)
    assert (found.exact, found.n_pairs) == (True, 150 * 149 // 2)
    assert found.value == pytest.approx(expected, rel=1e-10)
    assert np.isnan(found.stderr)


def test_spearman_of_sampled_pairs_is_right_on_average(tables):
    whole = rsa_spearman(*tables, group=150).value
    draws = [rsa_spearman(*tables, group=10, seed=seed) for seed in range(40)]
    values = np.array([draw.value for draw in draws])
    assert {(draw.n_pairs, draw.exact) for draw in draws} == {(15 * 45, False)}
    assert abs(values.mean() - whole) < 4 * values.std() / np.sqrt(40) + 0.005


def samples(n_samples, *, n_points, noise, seed=2):
    """Independent pairs of tables of the same five factors, seen through noise."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(5, 12)), rng.normal(size=(5, 8))
    for _ in range(n_samples):
        shared = rng.normal(size=(n_points, 5))
        yield [shared @ mix + noise * rng.normal(size=(n_points, mix.shape[1])) for mix in mixing]


def error_over_spread(values, errors):
    """What an error says over what it should; the spread of 120 samples is itself known to 6.5 %."""
    return np.mean(errors) / np.std(values)


@pytest.mark.parametrize("noise", [0.1, 3.0])
def test_spearman_stderr_is_the_spread_over_draws_of_tokens(noise):
    draws = [rsa_spearman(*pair, group=10) for pair in samples(120, n_points=200, noise=noise)]
    ratio = error_over_spread([draw.value for draw in draws], [draw.stderr for draw in draws])
    assert ratio == pytest.approx(1, abs=0.2)  # three times 6.5 %; ranks held fixed would give 1.4 to 2


def test_spearman_null_is_that_of_all_permutations(tables):
    first, second = (table[:5] for table in tables)
    values = [rsa_spearman(first, second[list(order)], group=5).value for order in permutations(range(5))]
    found = rsa_spearman(first, second, group=5)
    assert (found.null_mean, np.mean(values)) == pytest.approx((0, 0), abs=1e-12)
    assert found.null_std == pytest.approx(np.std(values), rel=1e-10)


def test_spearman_null_of_sampled_pairs_is_the_spread_over_permutations(tables):
    rng = np.random.default_rng(4)
    values = [rsa_spearman(tables[0], tables[1][rng.permutation(150)], group=10).value for _ in range(120)]
    found = rsa_spearman(*tables, group=10)
    assert abs(np.mean(values)) < 4 * found.null_std / np.sqrt(120)
    assert found.null_std == pytest.approx(np.std(values), rel=0.2)  # the spread of 120 is known to 6.5 %


def test_spearman_ignores_what_keeps_the_order():
    """One column of angles: cosines of the second table are a rising function of those of the first."""
    angles = np.random.default_rng(0).uniform(0, np.pi / 2, 60)
    first = np.column_stack([np.cos(angles), np.sin(angles)])
    second = np.column_stack([np.cos(angles / 2), np.sin(angles / 2)])
    assert rsa_spearman(first, second, group=50).value == pytest.approx(1.0, abs=1e-9)


def plain_cka(first, second, *, debiased):
    one, other = (
        np.asarray(table, dtype=np.float64) @ np.asarray(table, dtype=np.float64).T for table in (first, second)
    )
    n = len(one)
    if debiased:
        one, other = one * (1 - np.eye(n)), other * (1 - np.eye(n))
    else:
        middle = np.eye(n) - 1 / n
        one, other = middle @ one @ middle, middle @ other @ middle

    def criterion(a, b):
        rows = a.sum(axis=0), b.sum(axis=0)
        corrections = rows[0].sum() * rows[1].sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * rows[0] @ rows[1]
        return np.sum(a * b) + (corrections if debiased else 0.0)

    return criterion(one, other) / np.sqrt(criterion(one, one) * criterion(other, other))


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_equals_the_kernels(tables, debiased):
    found = cka(tables[0], torch.from_numpy(tables[1]), debiased=debiased)
    assert found.value == pytest.approx(plain_cka(*tables, debiased=debiased), rel=1e-10)
    assert found.n_points == 150
    few = [table[:12] for table in tables]
    assert cka(*few, debiased=debiased).value == pytest.approx(plain_cka(*few, debiased=debiased), rel=1e-9)


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_stderr_leaves_out_one_row_at_a_time(tables, debiased):
    few = [table[:15] for table in tables]
    without = [plain_cka(*(np.delete(table, row, 0) for table in few), debiased=debiased) for row in range(15)]
    assert cka(*few, debiased=debiased).stderr == pytest.approx(np.sqrt(14 * np.var(without)), rel=1e-9)
    assert np.isnan(cka(*(table[:4] for table in tables)).stderr) or not debiased


@pytest.mark.parametrize(("noise", "most"), [(0.7, 1.2), (30.0, 1.6)])
def test_cka_stderr_is_the_spread_over_draws_of_rows(noise, most):
    """Three times the 6.5 % that the spread is known to; tables of noise alone read up to sqrt(2) too much."""
    found = [cka(*pair) for pair in samples(120, n_points=100, noise=noise)]
    assert 0.8 < error_over_spread([one.value for one in found], [one.stderr for one in found]) < most


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), debiased=st.booleans())
def test_cka_invariances(seed, debiased):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, 30, 4)) * [3.0, 1.0, 0.3, 0.1]
    value = cka(first, second, debiased=debiased).value
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    order = rng.permutation(30)
    assert cka(second, first, debiased=debiased).value == pytest.approx(value, abs=1e-10)
    assert cka(first[order], second[order], debiased=debiased).value == pytest.approx(value, abs=1e-10)
    moved = 1e150 * (7.0 * first @ rotation + 5.0)
    assert cka(moved, second, debiased=debiased).value == pytest.approx(value, abs=1e-8)
    assert cka(first, moved, debiased=debiased).value == pytest.approx(1.0, abs=1e-8)


def test_debiased_cka_of_unrelated_tables_is_zero_on_average():
    rng = np.random.default_rng(0)
    draws = [[cka(*rng.normal(size=(2, 40, 40)), debiased=form).value for form in (True, False)] for _ in range(60)]
    debiased, biased = np.mean(draws, axis=0)
    assert debiased == pytest.approx(0.0, abs=4 * np.std(draws, axis=0)[0] / np.sqrt(60))
    assert biased == pytest.approx(0.5, abs=0.02)  # d / (n + d)


def plain_imbalance(first, second, k, *, metric):
    distances = []
    for table in (first, second):
        rows = np.asarray(table, dtype=np.float64)
        apart = 1 - cosines(rows) if metric == "cosine" else np.linalg.norm(rows[:, None] - rows[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        distances.append(apart)
    order = [np.argsort(apart, axis=1) for apart in distances]
    ranks = [np.argsort(each, axis=1) + 1 for each in order]
    return [2 / len(first) * np.take_along_axis(ranks[1 - i], order[i][:, :k], axis=1).mean() for i in (0, 1)]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 4])
def test_imbalance_equals_ranks_written_out(tables, metric, k):
    found = information_imbalance(tables[0], torch.from_numpy(tables[1]), metric=metric, k=k)
    assert [found.forward, found.backward] == pytest.approx(plain_imbalance(*tables, k, metric=metric), rel=1e-12)
    back = information_imbalance(tables[1], tables[0], metric=metric, k=k)
    assert (back.forward, back.forward_stderr) == (found.backward, found.backward_stderr)
    some = information_imbalance(*tables, metric=metric, k=k, n_queries=60, seed=2)
    assert (some.n_points, some.n_queries) == (150, 60)
    assert abs(some.forward - found.forward) < 4 * some.forward_stderr
    assert some.forward != found.forward


def test_imbalance_of_identical_and_unrelated_tables():
    rng = np.random.default_rng(3)
    table = rng.normal(size=(400, 5))
    same = information_imbalance(table, -2.0 * table + 3.0, metric="euclidean", k=3)
    assert (same.forward, same.backward) == pytest.approx((4 / 400, 4 / 400))
    unrelated = information_imbalance(table, rng.normal(size=(400, 5)))
    assert abs(unrelated.forward - 1.0) < 4 * unrelated.forward_stderr
    assert unrelated.null_mean == 1
    assert 1.0 < unrelated.forward_null_std / (2 / np.sqrt(12 * 400)) < 1.5  # hubs widen it


@pytest.mark.parametrize("k", [1, 3])
def test_imbalance_null_is_that_of_all_permutations(tables, k):
    first, second = (table[:5] for table in tables)
    draws = [information_imbalance(first, second[list(order)], k=k) for order in permutations(range(5))]
    found = information_imbalance(first, second, k=k)
    for way in ("forward", "backward"):
        values = [getattr(draw, way) for draw in draws]
        assert found.null_mean == pytest.approx(np.mean(values), rel=1e-12)
        assert getattr(found, f"{way}_null_std") == pytest.approx(np.std(values), rel=1e-10)


def test_imbalance_null_of_some_queries_is_the_spread_over_permutations(tables):
    rng = np.random.default_rng(4)
    some = {"n_queries": 60, "k": 2, "seed": 1}
    values = [information_imbalance(tables[0], tables[1][rng.permutation(150)], **some).forward for _ in range(120)]
    found = information_imbalance(*tables, **some)
    assert found.forward_null_std == pytest.approx(np.std(values), rel=0.2)  # the spread of 120 is known to 6.5 %


@pytest.mark.parametrize(("noise", "settings"), [(0.7, {"k": 3, "n_queries": 100}), (30.0, {})])
def test_imbalance_stderr_is_the_spread_over_draws_of_points(noise, settings):
    found = [information_imbalance(*pair, **settings) for pair in samples(120, n_points=200, noise=noise)]
    ratio = error_over_spread([one.forward for one in found], [one.forward_stderr for one in found])
    assert ratio == pytest.approx(1, abs=0.2)


def test_imbalance_errors_where_there_is_nothing_left_to_take(tables):
    few = [table[:4] for table in tables]
    assert information_imbalance(*few, k=3).forward == pytest.approx(1)  # all ranks there are
    assert information_imbalance(*few, k=3).forward_stderr == 0
    assert np.isnan(information_imbalance(*tables, n_queries=1).forward_stderr)
    assert information_imbalance(*tables, n_queries=1).forward_null_std == pytest.approx(2 / np.sqrt(12), rel=0.01)


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (ParameterError, lambda a, b: rsa_spearman(a, b, group=1), "at least 2 tokens to make a pair, but group=1"),
        (PointsError, lambda a, _: rsa_spearman(a, np.ones((150, 2))), "cosines of the second table are equal"),
        (ParameterError, lambda a, b: cka(a, b[1:]), "they have 150, 149 rows"),
        (PointsError, lambda a, b: cka(a[:3], b[:3]), "at least 4 rows, but 3 were given"),
        (PointsError, lambda a, _: cka(a, np.ones((150, 3))), "All 150 rows are equal"),
        (
            PointsError,
            lambda _, b: cka(np.array([[1.0, 1, 0], [-1, 0, 1], [0, -1, -1], [0, 0, 0]]), b[:4]),
            "no structure beyond noise",
        ),
        (
            ParameterError,
            lambda a, b: information_imbalance(a, b, metric="dot"),
            '"euclidean" or "cosine", not \'dot\'',
        ),
        (ParameterError, lambda a, b: information_imbalance(a, b, k=150), "1 to 149 for 150 points, but k=150"),
        (
            ParameterError,
            lambda a, b: information_imbalance(a, b, n_queries=0),
            "n_queries must lie in 1 to 150, but 0",
        ),
        (ParameterError, lambda a, b: information_imbalance(a, b[1:], metric="euclidean"), "they have 150, 149 rows"),
    ],
)
def test_refusals(tables, error, call, message):
    with pytest.raises(error, match=message):
        call(*tables)
