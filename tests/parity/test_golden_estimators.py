"""Values that DADApy and scikit-dimension assert in their own tests, on their own arrays."""

import json

import numpy as np
import pytest

from theodolite.dimension import cloud_gride, gride, mle, twonn
from theodolite.neighborhoods import cloud_neighbors, neighbors


@pytest.fixture(scope="module")
def dadapy(shared_data):
    folder = shared_data / "reference" / "dadapy"
    points = np.load(folder / "2gaussians_in_2d.npy")
    return neighbors(points, k=64), json.loads((folder / "asserted.json").read_text())["2gaussians_in_2d.npy"]


@pytest.fixture(scope="module")
def skdim(shared_data):
    folder = shared_data / "reference" / "scikit-dimension"
    points = np.load(folder / "hyperball_n30_d5_in_10.npy")
    return points, json.loads((folder / "asserted.json").read_text())


def test_dadapy_twonn(dadapy):
    graph, asserted = dadapy
    estimate = twonn(graph)
    assert estimate.value == pytest.approx(asserted["2nn"]["value"], abs=asserted["2nn"]["abs_tol"])
    assert estimate.value == pytest.approx(asserted["2nn_scaling"]["ids"][0], abs=1e-4)


def test_dadapy_gride(dadapy):
    graph, asserted = dadapy
    scales = gride(graph, convention="dadapy")
    asserted = asserted["gride_scaling"]
    np.testing.assert_allclose([one.value for one in scales], asserted["ids"], atol=1e-4)
    np.testing.assert_allclose([one.stderr for one in scales], asserted["errors"], atol=1e-4)
    np.testing.assert_allclose([one.radius for one in scales], asserted["radii"], atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_dadapy_gride_over_clouds(shared_data, dadapy, precision):
    graph, asserted = dadapy
    points = np.load(shared_data / "reference" / "dadapy" / "2gaussians_in_2d.npy")
    found = cloud_gride(cloud_neighbors([points, points[:80]], k=64, precision=precision), convention="dadapy")
    np.testing.assert_allclose(found.value[0], asserted["gride_scaling"]["ids"], atol=1e-4)
    np.testing.assert_allclose(found.stderr[0], asserted["gride_scaling"]["errors"], atol=1e-4)
    alone = gride(graph, convention="dadapy")
    np.testing.assert_allclose(found.value[0], [one.value for one in alone], rtol=1e-6)


def test_skdim_mle(skdim):
    points, asserted = skdim
    graph = neighbors(points, k=20)
    asserted = asserted["mle"]
    assert mle(graph).value == pytest.approx(asserted["default_k20"], rel=1e-9)
    assert mle(graph, k=5).value == pytest.approx(asserted["k5"], rel=1e-9)
    assert mle(graph, unbiased=True).value == pytest.approx(asserted["unbiased"], rel=1e-9)
    assert mle(graph, aggregation="mean").value == pytest.approx(asserted["comb_mean"], rel=1e-9)


def test_skdim_twonn_in_both_conventions(skdim):
    points, asserted = skdim
    graph = neighbors(points, k=2)
    asserted = asserted["twonn"]
    for discard in (0.1, 0.05):
        ours = twonn(graph, discard=discard).value
        assert ours == pytest.approx(asserted[f"code_discard_{discard}"], abs=6e-6)
        ours = twonn(graph, discard=discard, convention="(i-1)/N").value
        assert ours == pytest.approx(asserted[f"asserted_discard_{discard}"], abs=6e-6)
