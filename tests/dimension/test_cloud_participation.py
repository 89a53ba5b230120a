"""The participation ratio of many clouds against that of one."""

import numpy as np
import pytest
import torch

from theodolite.dimension import cloud_participation_ratio, participation_ratio


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
