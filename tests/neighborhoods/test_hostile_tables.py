"""Tables and settings made to break a search: huge rows beside small ones, many columns, other threads' settings."""

import numpy as np
import torch
from numpy.testing import assert_array_equal

from theodolite.neighborhoods import neighbors
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
