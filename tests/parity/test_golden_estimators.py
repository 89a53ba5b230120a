"""Values that DADApy and scikit-dimension assert in their own tests, on their own arrays."""

import json

import numpy as np
import pytest

from theodolite.dimension import cloud_gride, constant_density_neighbors, gride, mle, twonn
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


def test_dadapy_gride_on_a_grid():
    """Ties; values and errors of DADApy 0.3.4 from the same points. Its errors hold two digits of each tie."""
    grid = np.unique(np.random.default_rng(0).integers(0, 4, size=(120, 5)), axis=0).astype(float)
    assert len(grid) == 113
    scales = gride(neighbors(grid, k=32), convention="dadapy")
    ids = [5.881653245319001, 3.974870144072135, 3.8228716415972155, 3.851901635709888, 3.6718951482106057]
    errors = [0.5532993948467694, 0.2683013772798415, 0.1830664760476829, 0.13086971315271645, 0.08822801795282117]
    np.testing.assert_allclose([one.value for one in scales], ids, rtol=1e-7)
    np.testing.assert_allclose([one.stderr for one in scales], errors, rtol=5e-3)


def test_dadapy_kstar():
    """DADApy 0.3.4 returns the k that failed, one beyond ours; 3 and the end of the graph are the same."""
    uneven = np.random.default_rng(0).normal(size=(60, 2)) ** 3
    theirs = [29, 29, 29, 6, 8, 29, 4, 6, 29, 7, 9, 29, 4, 8, 29, 5, 29, 29, 29, 10, 7, 5, 29, 8, 7, 8, 29, 5, 29, 6]
    theirs += [8, 7, 29, 9, 3, 29, 3, 7, 9, 8, 29, 9, 5, 8, 9, 9, 29, 8, 29, 12, 9, 8, 9, 29, 4, 29, 29, 10, 7, 8]
    ours = constant_density_neighbors(neighbors(uneven, k=30), 2.0)
    inside = np.array(theirs) < 29  # it compares one k less before the end
    np.testing.assert_array_equal(ours[inside], np.maximum(np.array(theirs)[inside] - 1, 3))
    assert (ours[~inside] >= 28).all()


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
