"""Tables and settings made to break a search: huge rows beside small ones, many columns, other threads' settings."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from theodolite.core.errors import ParameterError
from theodolite.neighborhoods import cloud_neighbors, neighbors
from theodolite.neighborhoods.kernel import plan_search
from theodolite.neighborhoods.prepare import prepare
from theodolite.neighborhoods.products import full_precision

RNG = np.random.default_rng(0)


def planned(points, k, method="auto"):
    """Prepare a table and say how it would be searched."""
    prepared = prepare(points, metric="euclidean", nonfinite="error", duplicates="collapse")
    return prepared, plan_search(prepared, k, method, RNG.permutation(prepared.n_points))


def check(graph, points, k):
    """Compare one row in fifty with every distance from differences in float64."""
    for row in range(0, len(points), 50):
        apart = points - points[row]
        distances = np.sqrt(np.vecdot(apart, apart))
        distances[row] = np.inf
        expected = np.argsort(distances, kind="stable")[:k]
        assert_array_equal(graph.indices[row], expected)
        assert_array_equal(graph.distances[row], distances[expected])


def test_one_row_far_away_moves_no_center():
    """The mean would be 200,000 from all others, where float32 tells nobody from anybody."""
    points = np.concatenate([RNG.normal(size=(4999, 6)), np.full((1, 6), 1e9)])
    prepared, plan = planned(points, 5)
    assert float(prepared.frame.center.abs().max()) < 1
    assert plan.n_wanted < 100
    graph = neighbors(points, k=5)
    assert graph.n_redone < 50
    check(graph, points, 5)


def test_what_float32_cannot_tell_apart_is_searched_in_float64():
    """Two clusters so far apart that all of one look alike from the middle: no pool could hold so many candidates."""
    points = RNG.normal(size=(4400, 3)) + 1e7 * (np.arange(4400)[:, None] % 2)
    assert planned(points, 5)[1].method == "float64"
    assert planned(points, 5, "float32")[1].n_wanted < 4200
    graph = neighbors(points, k=5)
    assert graph.path == "float64/cpu"
    check(graph, points, 5)


def test_rows_too_long_for_whole_numbers_are_multiplied_in_float32():
    """Sums of products of int8 rows would leave int32, and points would find themselves (300,000 columns of 1)."""
    few = RNG.choice(np.array([-1, 1], dtype=np.float32), size=(10, 66_600))
    assert planned(few, 3, "int8")[1].method == "float32"
    assert planned(few[:, :66_500], 3, "int8")[1].method == "int8"


def test_precision_is_restored_by_the_last_search_that_ends():
    """Searches of several threads overlap: none may take the precision back from another."""
    torch.set_float32_matmul_precision("medium")
    try:
        first, second = full_precision(), full_precision()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == "highest"
        second.__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_sums_of_products_that_overflow_are_nan_without_a_warning():
    points = RNG.normal(size=(5, 20))
    points[:, 7] *= 1e11
    found = cloud_neighbors(points[None], k=2, moments=True)
    assert math.isnan(found.moments.energies[0])


@pytest.mark.parametrize("ranks", [8, (8.5,), ("8",), None])
def test_ranks_that_are_no_whole_numbers_are_refused(ranks):
    with pytest.raises(ParameterError, match="ranks are whole numbers, such as"):
        cloud_neighbors(RNG.normal(size=(1, 30, 3)), k=3, ranks=ranks)


def test_a_graph_of_no_cloud_or_of_more_neighbors_is_refused():
    found = cloud_neighbors(RNG.normal(size=(2, 30, 3)), k=3)
    for cloud in (2, -3):
        with pytest.raises(ParameterError, match=f"Clouds are numbered 0 to 1, but cloud {cloud} was asked for"):
            found.graph(cloud)
    for k in (0, -1, 4):
        with pytest.raises(ParameterError, match=f"graph of 3 neighbors can be cut to k from 1 to 3, not to {k}"):
            found.graph(0, k)
    assert_array_equal(found.graph(-1, 2).indices, found.indices[1, :, :2])


@pytest.mark.parametrize("max_memory", ["1GB", math.nan, math.inf, None])
def test_memory_is_a_number_of_bytes(max_memory):
    with pytest.raises(ParameterError, match="max_memory is a number of bytes of at least 1, but"):
        neighbors(RNG.normal(size=(10, 2)), k=1, max_memory=max_memory)
    assert neighbors(RNG.normal(size=(10, 2)), k=1, max_memory=1e9).exact
