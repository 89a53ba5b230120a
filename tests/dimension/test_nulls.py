"""Draws of nulls: several from one preparation, and Gaussian ones from a shape alone."""

import numpy as np
import pytest
import torch

from theodolite.core.errors import ParameterError
from theodolite.dimension import null_draws, null_points
from theodolite.dimension.nulls import deviation_of, gaussian_points


@pytest.mark.parametrize("kind", ["gaussian", "permuted", "covariance"])
@pytest.mark.parametrize("shape", [(40, 7), (6, 9)])
def test_draws_are_those_that_each_seed_gives_alone(kind, shape):
    points = np.random.default_rng(0).normal(size=shape)
    for seed, drawn in zip((3, 8), null_draws(points, kind, seeds=[3, 8]), strict=True):
        assert torch.equal(drawn, null_points(points, kind, seed=seed))


def test_a_gaussian_null_is_its_shape_times_the_deviation_of_the_table():
    points = 1 + 3 * np.random.default_rng(1).normal(size=(500, 5)) * [1, 2, 3, 4, 5]
    noise = gaussian_points(500, 5, seed=9, dtype=torch.float64)
    deviation = deviation_of(torch.from_numpy(points))
    assert deviation == pytest.approx(np.sqrt(points.var(axis=0).mean()), rel=1e-12)
    assert torch.allclose(deviation * noise, null_points(points, "gaussian", seed=9), rtol=1e-12)
    assert torch.equal(noise.float(), gaussian_points(500, 5, seed=9))


def test_clouds_that_cannot_be_drawn_are_refused():
    with pytest.raises(ParameterError, match="A cloud of 0 points in 3 columns is empty"):
        gaussian_points(0, 3, seed=0)
    with pytest.raises(ParameterError, match=r"dtype must be torch.float32 or torch.float64, not torch.float16"):
        gaussian_points(2, 3, seed=0, dtype=torch.float16)
    with pytest.raises(ParameterError, match='kind must be "gaussian", "permuted" or "covariance"'):
        next(null_draws(np.eye(3), "uniform", seeds=[0]))
