"""The participation ratio of many clouds against that of one."""

import numpy as np
import pytest
import torch

from theodolite.core.errors import ParameterError
from theodolite.dimension import cloud_participation_ratio, participation_ratio
from theodolite.neighborhoods import cloud_neighbors


@pytest.mark.parametrize("shape", [(300, 40), (40, 300), (64, 64)])
@pytest.mark.parametrize("offset", [0.0, 2000.0])
def test_many_clouds_read_what_each_reads_alone(shape, offset):
    generator = np.random.Generator(np.random.PCG64(2))
    clouds = generator.normal(size=(3, *shape)) * np.geomspace(1, 0.05, shape[1])
    wide = cloud_participation_ratio(clouds + offset)
    assert wide == pytest.approx([participation_ratio(cloud).value for cloud in clouds], rel=1e-8)
    single = (clouds + offset).astype(np.float32)
    expected = [participation_ratio(cloud).value for cloud in single]
    assert cloud_participation_ratio(torch.from_numpy(single)) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_no_scale_is_too_small_or_too_large(scale):
    cloud = np.random.Generator(np.random.PCG64(3)).normal(size=(50, 8)).astype(np.float32)
    expected = participation_ratio(cloud).value
    assert cloud_participation_ratio([cloud * np.float32(scale)])[0] == pytest.approx(expected, rel=1e-5)


def test_clouds_without_variance_or_with_nan_have_no_ratio():
    cloud = np.ones((5, 3))
    broken = np.eye(3)
    broken[0, 0] = np.nan
    assert np.isnan(cloud_participation_ratio([cloud, broken])).all()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["plain", "a far row", "in two halves", "copies"])
def test_sums_of_a_search_give_what_own_products_give(kind, precision):
    generator = np.random.Generator(np.random.PCG64(4))
    cloud = generator.normal(size=(300, 50)) * np.geomspace(1, 0.05, 50)
    if kind == "a far row":
        cloud[0] *= 3000
    elif kind == "in two halves":  # the median lies far from the mean
        cloud[:140] += 1.0
    elif kind == "copies":
        cloud[10] = cloud[20]
    cloud = cloud.astype(np.float32)
    found = cloud_neighbors([cloud], k=5, precision=precision, moments=True)
    assert np.isnan(found.moments.energies[0]) == (kind == "copies")
    exact = cloud_participation_ratio([cloud.astype(np.float64)])
    assert cloud_participation_ratio([cloud], found=found) == pytest.approx(exact, rel=2e-6)
    without = cloud_neighbors([cloud], k=5)
    assert without.moments is None
    assert cloud_participation_ratio([cloud], found=without) == pytest.approx(exact, rel=2e-6)


def test_sums_of_other_clouds_are_refused():
    clouds = np.random.Generator(np.random.PCG64(5)).normal(size=(3, 20, 4))
    with pytest.raises(ParameterError, match="2 clouds were searched, but 3 were given"):
        cloud_participation_ratio(clouds, found=cloud_neighbors(clouds[:2], k=3, moments=True))
