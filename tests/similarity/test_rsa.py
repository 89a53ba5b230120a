"""The correlation of all cosines equals that of the full matrices; so do its error, its null and its draws."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.progress import Silent
from theodolite.core.seeds import generator_from
from theodolite.similarity import rsa, rsa_bootstrap, rsa_matrix, rsa_permutations


def cosines(table, *, center=False):
    rows = np.asarray(table, dtype=np.float64)
    rows = rows - rows.mean(axis=0) if center else rows
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


def entries(matrix, *, include_diagonal=False):
    return matrix.ravel() if include_diagonal else matrix[np.triu_indices(len(matrix), 1)]


def plain(first, second, *, center=False, include_diagonal=False):
    one, other = (
        entries(cosines(table, center=center), include_diagonal=include_diagonal) for table in (first, second)
    )
    return np.corrcoef(one, other)[0, 1]


@pytest.fixture(scope="module")
def tables():
    """Three tables of 90 tokens: two that share 12 directions, one that shares 3, all with an offset."""
    rng = np.random.default_rng(5)
    shared = rng.normal(size=(90, 12))
    return [
        (shared @ rng.normal(size=(12, 40)) + 1.0).astype(np.float32),
        shared @ rng.normal(size=(12, 25)) + 0.5 * rng.normal(size=(90, 25)) + 2.0,
        shared[:, :3] @ rng.normal(size=(3, 60)) + 2.0 * rng.normal(size=(90, 60)) - 1.0,
    ]


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("include_diagonal", [False, True])
def test_equal_to_the_full_matrices(tables, center, include_diagonal):
    settings_ = {"center": center, "include_diagonal": include_diagonal}
    found = rsa(tables[0], torch.from_numpy(tables[1]), **settings_)
    assert found.value == pytest.approx(plain(tables[0], tables[1], **settings_), rel=1e-11)
    assert found.n_pairs == 90 * 89 // 2 + (90 if include_diagonal else 0)
    assert found.low < found.value < found.high
    heat = rsa_matrix(tables, **settings_)
    for one in range(3):
        for other in range(3):
            expected = plain(tables[one], tables[other], **settings_)
            assert heat.values[one, other] == pytest.approx(expected, rel=1e-11)
    assert heat.stderr[0, 1] == pytest.approx(found.stderr, rel=1e-12)
    assert heat.null_std[1, 0] == pytest.approx(found.null_std, rel=1e-12)
    assert heat.null_mean[1, 0] == pytest.approx(found.null_mean, abs=1e-12)


def test_tables_wider_than_long_keep_their_numbers():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(30, 4))
    first, second = (shared @ rng.normal(size=(4, width)) + rng.normal(size=(30, width)) for width in (500, 31))
    for center in (False, True):
        found = rsa(first.astype(np.float32), second, center=center)
        assert found.value == pytest.approx(plain(first.astype(np.float32), second, center=center), rel=1e-11)


@pytest.mark.parametrize("include_diagonal", [False, True])
def test_stderr_is_the_delete_one_jackknife(tables, include_diagonal):
    first, second = tables[0][:25], tables[1][:25]
    without = [
        plain(np.delete(first, token, axis=0), np.delete(second, token, axis=0), include_diagonal=include_diagonal)
        for token in range(25)
    ]
    expected = np.sqrt(24 / 25 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert rsa(first, second, include_diagonal=include_diagonal).stderr == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("include_diagonal", [False, True])
def test_null_moments_are_those_of_all_permutations(include_diagonal):
    first, second = (np.random.default_rng(seed).normal(size=(6, 3)) + 1.0 for seed in (1, 2))
    one, other = cosines(first), cosines(second)
    values = []
    for order in permutations(range(6)):
        moved = other[np.ix_(order, order)]
        pair = (entries(matrix, include_diagonal=include_diagonal) for matrix in (one, moved))
        values.append(np.corrcoef(*pair)[0, 1])
    found = rsa(first, second, include_diagonal=include_diagonal)
    assert found.null_mean == pytest.approx(np.mean(values), abs=1e-12)
    assert found.null_std == pytest.approx(np.std(values), rel=1e-10)


def test_permutations_follow_the_null(tables):
    found = rsa(tables[0], tables[2])
    draws = rsa_permutations(tables[0], tables[2], n_repeats=400, seed=3)
    assert draws.mean() == pytest.approx(0.0, abs=4 * found.null_std / 20)
    assert draws.std() == pytest.approx(found.null_std, rel=0.15)  # its own error is about 4 %
    order = np.random.default_rng(0).permutation(90)
    assert abs(rsa(tables[0], tables[1][order]).value) < 5 * rsa(tables[0], tables[1]).null_std


def test_bootstrap_agrees_with_weights_written_out_and_with_the_jackknife(tables):
    first, second = tables[0], tables[2]
    draws = rsa_bootstrap(first, second, n_repeats=200, seed=1)
    draw = generator_from("rsa_bootstrap", 1).standard_exponential(90)
    weights = draw / draw.sum()
    pairs = np.triu_indices(90, 1)
    weight = np.outer(weights, weights)[pairs]
    one, other = cosines(first)[pairs], cosines(second)[pairs]
    covariance = np.cov(one, other, aweights=weight, bias=True)
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert draws[0] == pytest.approx(expected, rel=1e-10)
    assert draws.std() == pytest.approx(rsa(first, second).stderr, rel=0.2)


def test_stderr_is_the_spread_over_samples_of_tokens():
    rng = np.random.default_rng(8)
    mixing = rng.normal(size=(5, 12)), rng.normal(size=(5, 8))
    found = []
    for _ in range(150):
        shared = rng.standard_t(8, size=(80, 5))
        first, second = (shared @ mix + 0.7 * rng.normal(size=(80, mix.shape[1])) for mix in mixing)
        found.append(rsa(first, second))
    spread = np.std([each.value for each in found])
    assert np.mean([each.stderr for each in found]) == pytest.approx(spread, rel=0.2)  # spread itself: 6 %
    truth = np.mean([each.value for each in found])
    assert np.mean([each.low < truth < each.high for each in found]) > 0.88


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_points=st.integers(8, 40), n_dims=st.integers(3, 10))
def test_invariances(seed, n_points, n_dims):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, n_points, n_dims)) + 0.3
    found = rsa(first, second)
    rotation, _ = np.linalg.qr(rng.normal(size=(n_dims, n_dims)))
    order = rng.permutation(n_points)
    longer = first * rng.uniform(0.5, 2.0, size=(n_points, 1))
    for moved in (rsa(second, first), rsa(longer @ rotation, second), rsa(first[order], second[order])):
        assert moved.value == pytest.approx(found.value, abs=1e-9)
        assert moved.stderr == pytest.approx(found.stderr, rel=1e-6)
        assert moved.null_std == pytest.approx(found.null_std, rel=1e-6)
    same = rsa(first, 3.0 * first @ rotation)
    assert same.value == pytest.approx(1.0, abs=1e-10)
    assert same.stderr == pytest.approx(0.0, abs=1e-6)


def test_independent_tables_lie_within_their_null():
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(40):
        found = rsa(rng.normal(size=(200, 10)) + 0.2, rng.normal(size=(200, 30)))
        scores.append(found.value / found.null_std)
    assert abs(np.mean(scores)) < 0.6
    assert 0.7 < np.std(scores) < 1.35


def test_rows_without_direction_are_left_out_of_both(tables):
    first, second = tables[0].copy(), tables[1].copy()
    first[3] = 0.0
    second[[3, 40]] = 0.0
    found = rsa(first, second)
    rest = np.delete(np.arange(90), [3, 40])
    assert (found.n_points, found.n_zero) == (88, 2)
    assert found.value == pytest.approx(rsa(tables[0][rest], tables[1][rest]).value, rel=1e-12)


def test_progress_counts_pairs(tables):
    seen = []

    class Watching(Silent):
        def start(self, total, label):
            seen.append((total, label))

        def advance(self, steps, _note=""):
            seen.append(steps)

        def stop(self):
            seen.append("end")

    rsa_matrix(tables, progress=Watching())
    assert seen == [(3, "cosines of 3 tables"), 1, 1, 1, "end"]


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (ParameterError, lambda t: rsa(t[0], t[1][:5]), "same tokens row by row, but they have 90, 5 rows"),
        (ParameterError, lambda t: rsa_matrix(t[:1]), "at least 2 tables, but 1 was given"),
        (ParameterError, lambda t: rsa_bootstrap(t[0], t[1], n_repeats=0), "n_repeats must be at least 1, but 0"),
        (ParameterError, lambda t: rsa_permutations(t[0], t[1], n_repeats=0), "n_repeats must be at least 1, but 0"),
        (PointsError, lambda t: rsa(t[0][:3], t[1][:3]), "at least 4 rows with a direction.*but 3 of 3"),
        (PointsError, lambda t: rsa(t[0], np.ones((90, 2))), "cosines of the second table are equal"),
        (PointsError, lambda t: rsa(np.eye(90), t[0]), "cosines of the first table are equal"),
        (PointsError, lambda t: rsa(t[0] * np.nan, t[1]), "90 of 90 rows hold NaN"),
        (
            PointsError,
            lambda t: rsa(t[1] * 1e200, t[0], center=True),
            "Centering needs rows of comparable size",
        ),
    ],
)
def test_refusals(tables, error, call, message):
    with pytest.raises(error, match=message):
        call(tables)
