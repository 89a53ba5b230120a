"""Mean cosines equal those of the full matrix, and lose no digits where all rows are nearly parallel."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics.pairwise import cosine_similarity

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import cloud_neighbors
from theodolite.similarity import cloud_cosines, mean_cosine, norms

RNG_MOMENTS = np.random.default_rng(12)


def plain(points):
    """Return the four numbers from the full matrix."""
    matrix = cosine_similarity(np.asarray(points, dtype=np.float64))
    off = matrix[~np.eye(len(matrix), dtype=bool)]
    return matrix.mean(), matrix.std(), off.mean(), off.std()


def numbers(found):
    return found.mean, found.std, found.off_mean, found.off_std


@pytest.mark.parametrize("shape", [(2, 3), (50, 8), (40, 200), (300, 6), (300, 300)])
def test_equal_to_the_full_matrix(shape):
    points = np.random.default_rng(1).normal(size=shape) + 0.4
    assert_allclose(numbers(mean_cosine(points))[:3], plain(points)[:3], rtol=1e-12, atol=1e-14)
    assert_allclose(mean_cosine(points).off_std, plain(points)[3], atol=2e-8)
    narrow = points.astype(np.float32)
    assert_allclose(numbers(mean_cosine(narrow))[:3], plain(narrow)[:3], rtol=2e-6)
    assert_allclose(mean_cosine(narrow).off_std, plain(narrow)[3], atol=2e-4)


def test_products_in_pieces_add_up(monkeypatch):
    points = np.random.default_rng(2).normal(size=(500, 7)).astype(np.float32) + 1
    whole = mean_cosine(points)
    monkeypatch.setattr("theodolite.similarity.cosines._ROWS_PER_PRODUCT", 120)
    assert_allclose(numbers(mean_cosine(points)), numbers(whole), rtol=1e-6)


def test_clouds_with_a_rogue_column_keep_their_digits(layers):
    for found, cloud in zip(cloud_cosines(layers), layers, strict=True):
        assert found.mean > 0.9
        assert_allclose(numbers(found), plain(cloud), rtol=2e-6)
    assert numbers(cloud_cosines(torch.from_numpy(layers))[2]) == numbers(mean_cosine(layers[2]))


def test_nearly_parallel_rows_against_exact_arithmetic():
    """cos = 1 - 1e-14 or so: the full matrix in float64 rounds the deviations away, the formula does not."""
    angles = np.array([-3e-7, -1e-7, 2e-7, 2e-7])
    points = np.column_stack([np.ones(4), angles])
    exact = [[1 - Fraction(float(a) - float(b)) ** 2 / 2 for a in angles] for b in angles]  # to order angle**4 = 1e-26
    entries = [entry for row in exact for entry in row]
    mean = sum(entries) / 16
    variance = sum((entry - mean) ** 2 for entry in entries) / 16
    assert mean_cosine(points).std == pytest.approx(float(variance) ** 0.5, rel=1e-6, abs=0)
    assert plain(points)[1] != pytest.approx(float(variance) ** 0.5, rel=1e-4, abs=0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_points=st.integers(2, 30), n_dims=st.integers(1, 12))
def test_unmoved_by_scale_rotation_and_order(seed, n_points, n_dims):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n_points, n_dims)) + rng.normal()
    found = numbers(mean_cosine(points))
    rotation, _ = np.linalg.qr(rng.normal(size=(n_dims, n_dims)))
    moved = (points * rng.uniform(0.1, 10, size=(n_points, 1)))[rng.permutation(n_points)] @ rotation
    assert_allclose(numbers(mean_cosine(moved)), found, atol=1e-7)  # off_std is a root: 1e-14 in its square


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_lengths_neither_vanish_nor_overflow(scale):
    points = np.random.default_rng(0).normal(size=(20, 5))
    assert_allclose(numbers(mean_cosine(points * scale)), numbers(mean_cosine(points)), rtol=1e-12)


def test_zero_rows_are_left_out_and_counted():
    points = np.random.default_rng(0).normal(size=(9, 4))
    holes = np.insert(points, [2, 5], 0.0, axis=0)
    found = mean_cosine(holes)
    assert (found.n_points, found.n_zero, found.n_dims) == (9, 2, 4)
    assert numbers(found) == numbers(mean_cosine(points))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_cosine(np.array([[1.0], [np.nan], [2.0]])), r"1 of 3 rows hold NaN or infinite values \(row 1\)"),
        (
            lambda: mean_cosine(np.array([[1.0], [np.inf], [2.0]], dtype=np.float32)),
            r"1 of 3 rows hold NaN or infinite values \(row 1\)",
        ),
        (lambda: mean_cosine(np.eye(3)[:1]), "at least 2 rows that are not zero, but 1 of 1 are"),
        (lambda: mean_cosine(np.diag([1.0, 0.0, 0.0])), "but 1 of 3 are"),
        (lambda: cloud_cosines([np.eye(2), np.zeros((2, 2))]), "Cloud 1: Cosines need at least 2"),
        (lambda: norms(np.ones((0, 2))), "no row to measure"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(PointsError, match=message):
        call()


def test_norms_are_those_of_numpy(layers):
    lengths = np.linalg.norm(layers[0].astype(np.float64), axis=1)
    found = norms(layers[0])
    assert found.mean == pytest.approx(lengths.mean(), rel=1e-14)
    assert found.std == pytest.approx(lengths.std(), rel=1e-12)
    assert_allclose(list(found.quantiles.values()), np.quantile(lengths, list(found.quantiles)), rtol=1e-14)
    far = norms(layers[0].astype(np.float64) * 1e200)
    assert far.mean == pytest.approx(lengths.mean() * 1e200, rel=1e-14)


KNOWN = {
    "near the origin": RNG_MOMENTS.normal(size=(200, 30)),
    "almost one direction": 2 * RNG_MOMENTS.normal(size=30) + 0.05 * RNG_MOMENTS.normal(size=(200, 30)),
    "norms of all sizes": (3 + RNG_MOMENTS.normal(size=(200, 30))) * np.exp(RNG_MOMENTS.normal(size=(200, 1))),
    "one massive row": np.concatenate([np.full((1, 30), 3000.0), RNG_MOMENTS.normal(size=(199, 30))]),
    "rays": np.exp(RNG_MOMENTS.normal(size=(200, 1))) * (1 + 1e-3 * RNG_MOMENTS.normal(size=(200, 30))),
    "with copies": np.repeat(RNG_MOMENTS.normal(size=(100, 30)), 2, axis=0),
    "with a row of zeros": np.concatenate([np.zeros((1, 30)), 5 + RNG_MOMENTS.normal(size=(199, 30))]),
}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", KNOWN)
def test_sums_of_a_search_give_what_own_products_give(name, precision):
    cloud = KNOWN[name].astype(np.float32)
    exact = mean_cosine(cloud.astype(np.float64))
    (seen,) = cloud_cosines([cloud], found=cloud_neighbors([cloud], k=5, precision=precision, moments=True))
    assert (seen.n_points, seen.n_zero) == (exact.n_points, exact.n_zero)
    assert_allclose(
        [seen.mean, seen.std, seen.off_mean, seen.off_std],
        [exact.mean, exact.std, exact.off_mean, exact.off_std],
        rtol=3e-6,
        atol=4e-9,  # a mean near 0: 6000 coordinates are rounded by up to 2^-24 of themselves
    )


def test_sums_of_other_clouds_are_refused():
    clouds = RNG_MOMENTS.normal(size=(3, 20, 4))
    with pytest.raises(ParameterError, match="2 clouds were searched, but 3 were given"):
        cloud_cosines(clouds, found=cloud_neighbors(clouds[:2], k=3, moments=True))
