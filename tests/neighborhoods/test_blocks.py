"""Blocks of one table, searched one by one, make exactly the graph of the single search."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from theodolite.core.errors import GeometryWarning, ParameterError, PointsError
from theodolite.neighborhoods import block_bounds, block_search, merge_graphs, neighbors

ACCOUNT = ("n_given", "n_nonfinite", "n_duplicates", "n_zero", "n_dims", "metric", "exact", "distance_error")


def same(merged, single):
    assert_array_equal(merged.indices, single.indices)
    assert_array_equal(merged.distances, single.distances)
    assert_array_equal(merged.rows, single.rows)
    assert merged.queries is None
    for name in ACCOUNT:
        assert getattr(merged, name) == getattr(single, name), name


def in_blocks(points, n_blocks, *, order=None, **choices):
    search = block_search(points, **choices)
    return merge_graphs(search.search(block, n_blocks) for block in (order or range(n_blocks)))


def table(seed=0, n_points=700, n_dims=24):
    """Return rows of uneven length on a few dimensions, with copies, zeros and a common offset."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n_points, 5)) @ rng.normal(size=(5, n_dims)) * rng.lognormal(size=(n_points, 1))
    points = points.astype(np.float32) + np.float32(16.0)
    points[50:70] = points[400:420]
    points[[3, 90]] = 0.0
    points[91] = 2.0 * points[92]
    return points


@pytest.mark.parametrize("n_blocks", [1, 2, 8, 97])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("duplicates", ["collapse", "keep"])
def test_the_merged_graph_is_the_single_one(n_blocks, metric, duplicates):
    choices = {"k": 20, "metric": metric, "duplicates": duplicates}
    same(in_blocks(table(), n_blocks, **choices), neighbors(table(), **choices))


@pytest.mark.parametrize("method", ["int8", "float32", "float64"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_kernel_and_dtype(method, dtype):
    points = torch.from_numpy(table(1)).to(dtype)
    same(in_blocks(points, 5, k=12, method=method), neighbors(points, k=12))


def test_rows_that_are_not_finite_are_left_out_of_every_block():
    points = table(2)
    points[[0, 10, 699], 3] = [np.nan, np.inf, -np.inf]
    with pytest.warns(GeometryWarning, match="3 of 700 rows"):
        single, merged = neighbors(points, k=9, nonfinite="drop"), in_blocks(points, 6, k=9, nonfinite="drop")
    same(merged, single)
    assert merged.n_nonfinite == 3


@pytest.mark.parametrize("n_blocks", [3, 60])
def test_all_others_and_ties(n_blocks):
    points = np.random.default_rng(3).integers(0, 3, (60, 3)).astype(np.float64)
    same(in_blocks(points, n_blocks, k=59, duplicates="keep"), neighbors(points, k=59, duplicates="keep"))


def test_the_order_of_the_blocks_does_not_matter():
    same(in_blocks(table(), 4, order=[2, 0, 3, 1], k=5), neighbors(table(), k=5))


def test_points_large_enough_for_a_sample_and_for_panels():
    points = np.random.default_rng(4).normal(size=(5000, 6)).astype(np.float32)
    same(in_blocks(points, 3, k=16), neighbors(points, k=16))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_points=st.integers(3, 60),
    metric=st.sampled_from(["euclidean", "cosine"]),
    data=st.data(),
)
def test_any_table_any_blocks(seed, n_points, metric, data):
    rng = np.random.default_rng(seed)
    points = rng.integers(-2, 3, (n_points, 3)) + data.draw(st.sampled_from([0.0, 1024.0]))
    try:
        single = neighbors(points, k=1, metric=metric)
    except PointsError:  # all alike, or all of one direction
        return
    k = data.draw(st.integers(1, single.n_points - 1))
    n_blocks = data.draw(st.integers(1, single.n_points))
    same(in_blocks(points, n_blocks, k=k, metric=metric), neighbors(points, k=k, metric=metric))


def test_what_was_redone_is_added_up_and_each_kernel_named():
    points = np.random.default_rng(5).normal(size=(300, 4)).astype(np.float32) * 1e-4 + np.float32(1.0)
    search = block_search(points, k=8, method="int8")
    parts = [search.search(block, 3) for block in range(3)]
    merged = merge_graphs(parts)
    assert merged.n_redone == sum(part.n_redone for part in parts)
    assert merged.path == "int8/cpu"
    other = block_search(points, k=8, method="float32").search(1, 3)
    assert merge_graphs([parts[0], other, parts[2]]).path == "int8/cpu float32/cpu"


def test_some_blocks_make_a_graph_of_their_points():
    search = block_search(table(), k=5)
    merged, single = merge_graphs([search.search(3, 4), search.search(1, 4)]), neighbors(table(), k=5)
    bounds = block_bounds(single.n_points, 4)
    assert_array_equal(merged.queries, np.r_[bounds[1] : bounds[2], bounds[3] : bounds[4]])
    assert_array_equal(merged.indices, single.indices[merged.queries])


def test_every_field_of_a_graph_is_merged_or_compared():
    arrays = {"indices", "distances", "rows", "queries"}
    assert {one.name for one in fields(neighbors(table(), k=1))} == {*ACCOUNT, *arrays, "n_redone", "path"}


def test_bounds_are_even():
    for n_points, n_blocks in ((10, 3), (7, 7), (1000, 64), (3, 1)):
        sizes = np.diff(block_bounds(n_points, n_blocks))
        assert sizes.sum() == n_points
        assert sizes.max() - sizes.min() <= 1


def test_refusals():
    points = table()
    search = block_search(points, k=5)
    n_points = search.clean.n_points
    with pytest.raises(ParameterError, match=f"{n_points} points can be cut into 1 to {n_points} blocks, not into 0"):
        search.search(0, 0)
    with pytest.raises(ParameterError, match="blocks, not into 5000"):
        search.search(0, 5000)
    with pytest.raises(ParameterError, match="There is no block 4 of 4: they are numbered from 0 to 3"):
        search.search(4, 4)
    with pytest.raises(PointsError, match="k=700 needs at least 701 points"):
        block_search(points, k=700)
    with pytest.raises(ParameterError, match="k must be at least 1"):
        block_search(points, k=0)
    with pytest.raises(ParameterError, match="There is no graph to merge"):
        merge_graphs([])
    part = search.search(0, 2)
    with pytest.raises(ParameterError, match=r"Point 0 \(row 0\) is in two parts"):
        merge_graphs([part, part])
    with pytest.raises(ParameterError, match="different searches: k is 5 in one and 6 in another"):
        merge_graphs([part, block_search(points, k=6).search(1, 2)])
    with pytest.raises(ParameterError, match="different searches: n_duplicates is 21 in one and 0 in another"):
        merge_graphs([part, block_search(points, k=5, duplicates="keep").search(1, 2)])
    distinct = points[:40]
    with pytest.raises(ParameterError, match="different searches: metric is euclidean in one and cosine in another"):
        merge_graphs(
            [block_search(distinct[4:], k=5, metric=metric).search(0, 2) for metric in ("euclidean", "cosine")]
        )
    moved = np.roll(points, 1, axis=0)
    with pytest.raises(ParameterError, match="different tables: their points come from different rows"):
        merge_graphs([part, block_search(moved, k=5).search(1, 2)])
