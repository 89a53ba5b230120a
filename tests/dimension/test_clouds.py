"""The participation ratio and the null clouds."""

import numpy as np
import pytest
import torch

from theodolite.core.errors import PointsError
from theodolite.dimension import mle, null_points, participation_ratio
from theodolite.neighborhoods import neighbors


@pytest.mark.parametrize("shape", [(300, 12), (12, 300), (40, 40)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_participation_ratio_is_that_of_the_spectrum(shape, dtype):
    points = (np.random.default_rng(0).normal(size=shape) * np.linspace(0.1, 2, shape[1]) + 100).astype(dtype)
    spectrum = np.linalg.svd(points.astype(np.float64) - points.mean(axis=0, dtype=np.float64), compute_uv=False) ** 2
    expected = spectrum.sum() ** 2 / (spectrum**2).sum()
    estimate = participation_ratio(points)
    assert estimate.value == pytest.approx(expected, rel=1e-9)
    assert participation_ratio(torch.from_numpy(points)).value == estimate.value
    assert estimate.n1 is None
    assert estimate.n_dims == shape[1]
    assert "participation_ratio" in str(estimate)


@pytest.mark.parametrize("factor", [2.0**-400, 2.0**300])
def test_participation_ratio_of_any_scale(factor):
    points = np.random.default_rng(1).normal(size=(50, 6))
    assert participation_ratio(points * factor).value == participation_ratio(points).value
    assert participation_ratio(points * factor).stderr == participation_ratio(points).stderr


def test_participation_ratio_bounds():
    line = np.outer(np.arange(20.0), [1.0, 2.0, 3.0])
    assert participation_ratio(line).value == pytest.approx(1.0, rel=1e-12)
    assert participation_ratio(np.eye(7)).value == pytest.approx(6.0, rel=1e-12)
    with pytest.raises(PointsError, match="rows are equal"):
        participation_ratio(np.ones((5, 3)))
    with pytest.raises(PointsError, match="at least 2 points"):
        participation_ratio(np.ones((1, 3)))


def test_participation_ratio_counts_dropped_rows():
    points = np.random.default_rng(2).normal(size=(50, 6))
    points[3, 3] = np.inf
    with pytest.warns(UserWarning, match="row 3"):
        estimate = participation_ratio(points, nonfinite="drop")
    assert (estimate.n_used, estimate.n_dropped) == (49, 1)


@pytest.fixture(scope="module")
def correlated():
    rng = np.random.default_rng(3)
    return (rng.normal(size=(4000, 5)) @ rng.normal(size=(5, 5)) + rng.normal(size=5) * 3).astype(np.float32)


@pytest.mark.parametrize("kind", ["gaussian", "permuted", "covariance"])
def test_nulls_keep_shape_dtype_and_seed(correlated, kind):
    null = null_points(correlated, kind, seed=4)
    assert null.shape == correlated.shape
    assert null.dtype == torch.float32
    assert torch.equal(null, null_points(torch.from_numpy(correlated), kind, seed=4))
    assert not torch.equal(null, null_points(correlated, kind, seed=5))
    assert float(null.var(dim=0).sum()) == pytest.approx(float(correlated.var(axis=0).sum()), rel=0.1)


def test_what_each_null_keeps(correlated):
    permuted = null_points(correlated, "permuted", seed=0).numpy()
    np.testing.assert_array_equal(np.sort(permuted, axis=0), np.sort(correlated, axis=0))
    assert np.abs(np.corrcoef(permuted.T) - np.eye(5)).max() < 0.08
    gaussian = null_points(correlated, "gaussian", seed=0).numpy()
    np.testing.assert_allclose(np.cov(gaussian.T), np.eye(5) * correlated.var(axis=0).mean(), atol=1.0)
    covariance = null_points(correlated, "covariance", seed=0).numpy()
    np.testing.assert_allclose(covariance.mean(axis=0), correlated.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(np.cov(covariance.T), np.cov(correlated.T), atol=0.12 * np.cov(correlated.T).max())


def test_covariance_null_of_fewer_rows_than_columns():
    wide = np.random.default_rng(6).normal(size=(30, 200)) * np.linspace(0, 3, 200)
    drawn = np.concatenate([null_points(wide, "covariance", seed=seed).numpy() for seed in range(40)])
    np.testing.assert_allclose(drawn.var(axis=0), wide.var(axis=0), rtol=0.35, atol=1e-12)


@pytest.mark.slow
def test_isotropic_noise_reads_as_published_simulations_say():
    """20,000 Gaussian rows of 50 columns: 35.5 ± 0.3 at k=2, 35.0 ± 0.1 at k=3, 32.0 at k=20 (own simulation)."""
    points = np.random.default_rng(7).normal(size=(20_000, 50)).astype(np.float32)
    graph = neighbors(points, k=20)
    assert mle(graph, k=2).value == pytest.approx(35.5, abs=0.9)
    assert mle(graph, k=3).value == pytest.approx(35.0, abs=0.5)
    assert mle(graph, k=20).value == pytest.approx(32.0, abs=0.4)
    assert mle(graph, k=2, errors="fisher").stderr == pytest.approx(35.5 / np.sqrt(20_000), rel=0.03)


def test_isotropic_noise_reads_low_and_lower_at_larger_k():
    points = null_points(np.random.default_rng(8).normal(size=(2000, 50)), "gaussian", seed=0)
    graph = neighbors(points, k=50)
    values = [mle(graph, k=k).value for k in (2, 5, 20, 50)]
    assert values == sorted(values, reverse=True)
    assert 28 < values[0] < 36  # below the 35.6 of ten times as many points
    assert values[3] < 28
