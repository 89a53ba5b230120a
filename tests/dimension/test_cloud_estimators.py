"""Estimators over many clouds: equal, cloud by cloud, to the functions for one graph."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import (
    cloud_ess,
    cloud_gride,
    cloud_mle,
    cloud_tle,
    cloud_twonn,
    ess,
    gride,
    mle,
    tle,
    twonn,
)
from theodolite.neighborhoods import cloud_neighbors

RNG = np.random.default_rng(0)


def ragged():
    """Clouds of several lengths and kinds: smooth, on a grid (ties), with copies kept, in one dimension."""
    copies = RNG.normal(size=(70, 5))
    copies[:20] = copies[20:40]
    return [
        RNG.normal(size=(90, 5)),
        RNG.integers(0, 4, size=(120, 5)).astype(float),
        copies,
        RNG.normal(size=(60, 1)) @ RNG.normal(size=(1, 5)),
        RNG.standard_cauchy(size=(80, 5)),
    ]


@pytest.fixture(scope="module")
def found():
    return cloud_neighbors(ragged(), k=40, duplicates="keep", precision="float64")


def agree(many, singles, *, rtol=1e-12):
    """Compare entry by entry; where the function for one graph refuses, the entry is NaN."""
    for cloud, single in enumerate(singles):
        for scale, one in enumerate(single):
            entry = many.estimate(cloud, scale)
            if one is None:
                assert np.isnan(entry.value)
                assert np.isnan(entry.stderr)
                continue
            assert_allclose([entry.value, entry.radius], [one.value, one.radius], rtol=rtol)
            assert_allclose(entry.stderr, one.stderr, rtol=1e-10)
            assert (entry.n_used, entry.n_dropped, entry.n1, entry.n2) == (one.n_used, one.n_dropped, one.n1, one.n2)
            assert (entry.method, dict(entry.params), entry.n_dims) == (one.method, dict(one.params), one.n_dims)
            assert (entry.pointwise is None) == (one.pointwise is None)
            if one.pointwise is not None:
                assert_allclose(entry.pointwise, one.pointwise, rtol=rtol)


def attempt(measure, graph, **settings):
    try:
        return measure(graph, **settings)
    except PointsError:
        return None


@pytest.mark.parametrize(
    "settings", [{}, {"errors": "fisher"}, {"convention": "dadapy"}, {"largest": 8}, {"largest": 33}]
)
def test_gride(found, settings):
    many = cloud_gride(found, **settings)
    singles = [gride(found.graph(cloud), **settings) for cloud in range(5)]
    assert many.n2.tolist() == [one.n2 for one in singles[0]]
    agree(many, singles, rtol=3e-9 if settings.get("convention") else 1e-12)


@pytest.mark.parametrize("errors", ["neighbors", "fisher"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"discard": 0.3}, {"convention": "(i-1)/N", "discard": 0}, {"method": "ml"}, {"method": "ml", "discard": 0.1}],
)
def test_twonn(found, settings, errors):
    settings = {**settings, "errors": errors}
    many = cloud_twonn(found, **settings)
    agree(many, [(attempt(twonn, found.graph(cloud), **settings),) for cloud in range(5)])


@pytest.mark.parametrize("errors", ["neighbors", "fisher"])
@pytest.mark.parametrize("aggregation", ["harmonic", "mean", "median"])
@pytest.mark.parametrize("k", [2, 3, 20])
def test_mle(found, k, aggregation, errors):
    settings = {"k": k, "aggregation": aggregation, "errors": errors}
    many = cloud_mle(found, **settings)
    agree(many, [(attempt(mle, found.graph(cloud), **settings),) for cloud in range(5)])


def test_unbiased_mle(found):
    agree(cloud_mle(found, unbiased=True), [(mle(found.graph(cloud), unbiased=True),) for cloud in range(5)])


def test_a_cloud_that_fixes_no_dimension_is_nan_and_leaves_the_others_alone():
    """A regular simplex has all distances equal; the cloud beside it reads what it reads alone."""
    clouds = [np.eye(30), RNG.normal(size=(50, 30))]
    found = cloud_neighbors(clouds, k=8)
    for many, single in (
        (cloud_gride(found), lambda graph: gride(graph)[0]),
        (cloud_twonn(found), twonn),
        (cloud_twonn(found, method="ml"), lambda graph: twonn(graph, method="ml")),
        (cloud_mle(found, k=8), lambda graph: mle(graph, k=8)),
    ):
        with pytest.raises(PointsError):
            single(found.graph(0))
        assert np.isnan(many.value[0]).all()
        assert_allclose(many.value[1, 0], single(found.graph(1)).value, rtol=1e-12)


def test_twonn_without_a_discarded_share_of_few_points():
    """With a discard below 1/9 of 9 ratios the last ordinate is infinite: NaN here, a refusal alone."""
    found = cloud_neighbors([RNG.normal(size=(9, 3)), RNG.normal(size=(40, 3))], k=2)
    many = cloud_twonn(found, discard=0.05)
    assert many.value.shape == (2, 1)
    agree(many, [(attempt(twonn, found.graph(cloud), discard=0.05),) for cloud in range(2)])


def test_ess_and_tle():
    clouds = [cloud.astype(np.float32) for cloud in ragged()]
    found = cloud_neighbors(clouds, k=20)
    agree(cloud_ess(found, clouds), [(ess(found.graph(i), cloud),) for i, cloud in enumerate(clouds)])
    agree(cloud_tle(found, clouds), [(tle(found.graph(i), cloud),) for i, cloud in enumerate(clouds)])
    with pytest.raises(ParameterError, match="those of 5 clouds, but 2 clouds of points"):
        cloud_ess(found, clouds[:2])


def test_refusals(found):
    with pytest.raises(ParameterError, match="gride compares 64 neighbors, but the clouds hold 40"):
        cloud_gride(found, largest=64)
    with pytest.raises(ParameterError, match="mle compares 50 neighbors, but the clouds hold 40"):
        cloud_mle(found, k=50)
    with pytest.raises(ParameterError, match="gride compares neighbors 1 and 2 at least"):
        cloud_gride(found, largest=1)
    with pytest.raises(ParameterError, match='convention must be "exact" or "dadapy"'):
        cloud_gride(found, convention="denti")
    with pytest.raises(ParameterError, match='errors must be "neighbors" or "fisher"'):
        cloud_twonn(found, errors="bootstrap")


def test_arrays(found):
    many = cloud_gride(found)
    assert many.n_clouds == 5
    assert many.value.shape == many.stderr.shape == many.radius.shape == many.n_used.shape == (5, 5)
    assert_array_equal(many.n_used + many.n_dropped, np.repeat(found.lengths[:, None], 5, axis=1))
