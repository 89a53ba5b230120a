"""The kernel for every device, run on a CPU: what a GPU would do, tested where there is none."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.neighborhoods import cloud_neighbors, neighbors, refine
from theodolite.neighborhoods.cloud_products import adds_at_the_end
from theodolite.neighborhoods.prepare import prepare
from theodolite.neighborhoods.products import full_precision, product_candidates
from theodolite.neighborhoods.resolve import Resolver
from theodolite.neighborhoods.rounding import rounded_to

POINTS = np.random.default_rng(0).normal(size=(700, 24)).astype(np.float32)
POINTS[100:120] = POINTS[100] + 1e-6 * np.arange(20)[:, None].astype(np.float32)


@pytest.fixture
def prepared():
    return prepare(POINTS, metric="euclidean", nonfinite="error", duplicates="keep")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("max_memory", [1 << 10, 1 << 26])
def test_products_find_and_prove(prepared, dtype, max_memory, brute_force):
    indices, distances = brute_force(POINTS, 9)
    n_certified = 0
    for found in Resolver(prepared, 9).by_product(rounded_to(prepared, dtype), np.arange(0, 700, 7), max_memory):
        good = found.certified
        n_certified += good.sum()
        assert_array_equal(found.indices[good], indices[found.points[good]])
        assert_array_equal(found.distances[good], distances[found.points[good]])
    assert n_certified >= 95


def test_candidates_over_several_widths(prepared, monkeypatch):
    """The best of each width are merged: what is left out has a score of at least the cut."""
    monkeypatch.setattr("theodolite.neighborhoods.products._WIDTH", 64)
    rounded = rounded_to(prepared, torch.float64)
    rows, half = rounded.rows.numpy(), rounded.half_squares.numpy()
    for found in product_candidates(rounded, np.arange(700), 20, max_memory=1 << 20):
        scores = half[None, :] - rows[found.points] @ rows.T
        scores[np.arange(len(found.points)), found.points] = np.inf
        assert_allclose(found.cut, np.sort(scores, axis=1)[:, 19], rtol=1e-12, atol=1e-14)
        assert_array_equal(np.sort(np.argsort(scores, axis=1)[:, :20], axis=1), found.others)


def test_distances_of_the_device_kernel(prepared):
    points = np.array([3, 100, 650])
    others = np.array([[1, 2, 3], [101, 119, 5], [0, 1, 2]])
    values = prepared.clean.values
    # float64 sums of 24 squares in another order
    assert_allclose(
        refine._distances_on_device(values, values, points, others),
        refine.distances_between(values, points, others),
        rtol=1e-14,
    )


@pytest.fixture
def precision_restored():
    yield
    torch.backends.cuda.matmul.fp32_precision = "none"
    torch.backends.mkldnn.matmul.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("precision_restored")
@pytest.mark.parametrize("before", ["highest", "high", "medium"])
def test_precision_of_products_is_restored(before):
    torch.set_float32_matmul_precision(before)
    with full_precision():
        assert torch.get_float32_matmul_precision() == "highest"
        assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.usefixtures("precision_restored")
@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="this torch has no such settings")
def test_precision_set_for_one_library_is_restored():
    """Where these are used, the older setting cannot even be asked for."""
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    with full_precision():
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"


@pytest.mark.usefixtures("precision_restored")
@pytest.mark.parametrize("size", [700, 5000])
def test_no_setting_of_the_caller_reaches_a_product(size, monkeypatch):
    """Every product of a search, on whatever path, is made in full precision."""
    seen = []

    def noting(product):
        def call(*args, **kwargs):
            seen.append((torch.is_autocast_enabled("cpu"), torch.get_float32_matmul_precision()))
            return product(*args, **kwargs)

        return call

    for name in ("mm", "addmm"):
        monkeypatch.setattr(torch, name, noting(getattr(torch, name)))
    torch.set_float32_matmul_precision("medium")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        neighbors(np.random.default_rng(0).normal(size=(size, 8)).astype(np.float32), k=5, method="float32")
        assert torch.is_autocast_enabled("cpu")
    assert set(seen) == {(False, "highest")}


def test_a_default_device_of_the_caller_is_not_ours(brute_force):
    torch.set_default_device("meta")
    try:
        graphs = [neighbors(POINTS, k=5, duplicates="keep", method=m) for m in ("auto", "int8", "float64")]
        for precision in ("float32", "float64"):
            adds_at_the_end.cache_clear()
            graphs.append(cloud_neighbors([POINTS], k=5, duplicates="keep", precision=precision).graph(0))
    finally:
        torch.set_default_device(None)
    for graph in graphs:
        assert_array_equal(graph.indices, brute_force(POINTS, 5)[0])
