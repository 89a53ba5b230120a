"""Local estimators against scikit-dimension 0.5.0 on the same points: closed forms to 1e-7, counts exactly."""

import json

import numpy as np
import pytest
import skdim.id

from theodolite.dimension import correlation_dimension, ess, local_pca, mada, mom, tle
from theodolite.neighborhoods import neighbors

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:skdim")  # its own 0/0 on diagonals and last ratios

CLOUDS = {
    "gaussian": np.random.default_rng(0).normal(size=(120, 6)),
    "wide": np.random.default_rng(1).normal(size=(90, 3)) @ np.random.default_rng(2).normal(size=(3, 40))
    + 0.05 * np.random.default_rng(3).normal(size=(90, 40)),
}


@pytest.fixture(params=CLOUDS, scope="module")
def cloud(request):
    return CLOUDS[request.param]


@pytest.mark.parametrize("k", [5, 40])
@pytest.mark.parametrize("version", ["a", "b"])
def test_ess(cloud, k, version):
    theirs = skdim.id.ESS(ver=version).fit(cloud, n_neighbors=k)
    ours = ess(neighbors(cloud, k=k), cloud, k=k, version=version)
    np.testing.assert_allclose(ours.pointwise, theirs.dimension_pw_, rtol=1e-7)
    assert ours.value == pytest.approx(theirs.dimension_, rel=1e-9)


@pytest.mark.parametrize("k", [5, 20])
@pytest.mark.parametrize("comb", ["mean", "median"])
def test_mom_and_tle(cloud, k, comb):
    graph = neighbors(cloud, k=k)
    theirs = skdim.id.MOM().fit(cloud, n_neighbors=k, comb=comb)
    np.testing.assert_allclose(mom(graph, k=k).pointwise, theirs.dimension_pw_, rtol=1e-9)
    assert mom(graph, k=k, aggregation=comb).value == pytest.approx(theirs.dimension_, rel=1e-9)
    theirs = skdim.id.TLE().fit(cloud, n_neighbors=k, comb=comb)
    ours = tle(graph, cloud, k=k, aggregation=comb)
    np.testing.assert_allclose(ours.pointwise, theirs.dimension_pw_, rtol=1e-7)
    assert ours.value == pytest.approx(theirs.dimension_, rel=1e-9)


@pytest.mark.parametrize("k", [5, 20])
def test_mada(cloud, k):
    theirs = skdim.id.MADA().fit(cloud.copy(), n_neighbors=k)
    np.testing.assert_allclose(mada(neighbors(cloud, k=k), k=k).pointwise, theirs.dimension_pw_, rtol=1e-9)


def test_correlation_dimension(cloud):
    theirs = skdim.id.CorrInt(k1=10, k2=20).fit(cloud).dimension_
    estimate = correlation_dimension(neighbors(cloud, k=len(cloud) - 1))
    # its chunked distances are rounded apart from its neighbor distances, so a pair at the median may fall either side
    assert estimate.value == pytest.approx(theirs, rel=0.01)


@pytest.mark.parametrize("k", [12, 50])
@pytest.mark.parametrize(("rule", "version"), [("fo", "FO"), ("fan", "Fan"), ("threshold", "ratio")])
def test_local_pca(cloud, k, rule, version):
    theirs = skdim.id.lPCA(ver=version, alphaRatio=0.95).fit_transform_pw(cloud, n_neighbors=k)
    ours = local_pca(neighbors(cloud, k=k), cloud, k=k, rule=rule)
    np.testing.assert_array_equal(ours.pointwise, theirs)


@pytest.fixture(scope="module")
def asserted(shared_data):
    folder = shared_data / "reference" / "scikit-dimension"
    return np.load(folder / "hyperball_n30_d5_in_10.npy"), json.loads((folder / "asserted.json").read_text())


def test_values_that_skdim_asserts(asserted):
    points, values = asserted
    graph = neighbors(points, k=29)
    np.testing.assert_allclose(mada(graph).pointwise, values["mada_pointwise"], rtol=1e-7)
    np.testing.assert_allclose(tle(graph, points).pointwise, values["tle_pointwise_4_decimals"], atol=6e-5)
    assert correlation_dimension(graph).value == pytest.approx(values["corrint"], rel=1e-9)
