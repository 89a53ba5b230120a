"""Values of scikit-dimension 0.5.0, obtained in the same run from the same points.

Closed forms agree to 1e-9 relative (its distances come from scikit-learn, in float64); roots to 1e-6.
"""

import numpy as np
import pytest
import skdim.id

from theodolite.dimension import gride, mle, twonn
from theodolite.neighborhoods import neighbors

CLOUDS = {
    "gaussian": np.random.default_rng(0).normal(size=(400, 6)),
    "cube": np.random.default_rng(1).random(size=(300, 3)),
    "curved": np.c_[np.sin(np.arange(300) / 20), np.random.default_rng(2).random(size=(300, 2)) ** 2],
}


@pytest.fixture(params=CLOUDS, scope="module")
def cloud(request):
    return CLOUDS[request.param]


@pytest.mark.parametrize(("k", "unbiased"), [(2, False), (5, False), (20, False), (5, True), (20, True)])
@pytest.mark.parametrize("aggregation", ["harmonic", "mean", "median"])
def test_mle(cloud, k, aggregation, unbiased):
    """Not unbiased with k=2: there k - 2 = 0, which theodolite refuses and scikit-dimension reads as 0."""
    theirs = skdim.id.MLE(unbiased=unbiased).fit(
        cloud, n_neighbors=k, comb="mle" if aggregation == "harmonic" else aggregation
    )
    ours = mle(neighbors(cloud, k=k), k=k, aggregation=aggregation, unbiased=unbiased)
    np.testing.assert_allclose(ours.value, theirs.dimension_, rtol=1e-9)
    np.testing.assert_allclose(ours.pointwise, theirs.dimension_pw_, rtol=1e-7)


@pytest.mark.parametrize("discard", [0.05, 0.1, 0.3])
@pytest.mark.parametrize(("method", "name"), [("fit", "linear"), ("ml", "mle")])
def test_twonn(cloud, discard, method, name):
    theirs = skdim.id.TwoNN(discard_fraction=discard, method=name).fit(cloud).dimension_
    ours = twonn(neighbors(cloud, k=2), discard=discard, method=method)
    np.testing.assert_allclose(ours.value, theirs, rtol=1e-9)


def test_gride(cloud):
    """scikit-dimension cuts ratios above q50 + 20 (q95 - q50); none is above it in these clouds."""
    theirs = skdim.id.GRIDE(multiscale=True, range_max=64).fit(cloud)
    graph = neighbors(cloud, k=64)
    ours = gride(graph, errors="fisher")
    np.testing.assert_allclose([one.value for one in ours], theirs.dimension_scales_, rtol=1e-9)
    np.testing.assert_allclose([one.stderr for one in ours], theirs.error_scales_, rtol=1e-9)
    np.testing.assert_allclose([one.radius for one in ours], theirs.radius_scales_, rtol=1e-9)
    dadapy = gride(graph, convention="dadapy")
    np.testing.assert_allclose([one.value for one in dadapy], theirs.dimension_scales_, rtol=1e-6)
