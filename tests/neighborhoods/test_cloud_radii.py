"""Radii at some ranks beside a few neighbors: those of the full table, as far as is promised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import cloud_gride, gride
from theodolite.neighborhoods import cloud_neighbors, cloud_products, neighbors
from theodolite.neighborhoods.cloud_keys import grid_for

RNG = np.random.default_rng(7)


def states(n_points=200, n_dims=40):
    return RNG.normal(size=(n_points, n_dims)).astype(np.float32)


def agree(found, cloud, graph):
    """Check lists and radii of one cloud against a graph that reaches as far."""
    n_points, bound = graph.n_points, found.distance_error[cloud]
    assert bound <= (1e-10 if found.path.startswith("float64") else 2e-4)
    nearest = np.sort(graph.indices[:, : found.k], axis=1)
    assert_array_equal(np.sort(found.indices[cloud, :n_points], axis=1), nearest)
    assert_allclose(found.distances[cloud, :n_points], graph.distances[:, : found.k], rtol=bound)
    columns = [rank - 1 for rank in found.ranks]
    assert_allclose(found.radii[cloud, :n_points], graph.distances[:, columns], rtol=bound)


def test_known_answers():
    line = np.array([[0.0], [1.0], [3.0], [7.0], [15.0]])
    found = cloud_neighbors([line], k=1, ranks=[2, 4])
    assert (found.k, found.ranks, found.reach) == (1, (2, 4), 4)
    assert_array_equal(found.indices[0], [[1], [0], [1], [2], [3]])
    assert_array_equal(found.radii[0], [[3, 15], [2, 14], [3, 12], [6, 8], [12, 15]])
    assert_array_equal(found.distances_to(1), found.distances[:, :, 0])
    assert_array_equal(found.distances_to(4), found.radii[:, :, 1])
    assert found.distances_to(2).dtype == np.float64
    none = cloud_neighbors([line], k=1)
    assert (none.ranks, none.radii.shape, none.reach) == ((), (1, 5, 0), 1)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(("k", "ranks"), [(1, (2,)), (31, (32, 64, 128)), (31, (199,)), (190, (191, 192, 199))])
def test_equal_to_the_full_table(k, ranks, metric, precision):
    cloud = states() + np.float32(5)
    found = cloud_neighbors([cloud], k=k, ranks=ranks, metric=metric, precision=precision)
    agree(found, 0, neighbors(cloud, k=ranks[-1], metric=metric))
    assert (found.distance_error[0] > 1e-6) == (precision == "float32")  # proven as it was found, not searched again


HARD = {
    "exact duplicates": np.repeat(RNG.normal(size=(30, 20)), 4, axis=0),
    "near-duplicates, few of each": np.repeat(RNG.normal(size=(30, 20)), 4, axis=0) + 1e-9 * RNG.normal(size=(120, 20)),
    "near-duplicates beyond k": np.repeat(RNG.normal(size=(3, 20)), 40, axis=0) + 1e-5 * RNG.normal(size=(120, 20)),
    "as near as float64 resolves": np.repeat(RNG.normal(size=(3, 20)), 40, axis=0) + 1e-8 * RNG.normal(size=(120, 20)),
    "one crowd of near-duplicates": np.concatenate([RNG.normal(size=(100, 20)), 1 + 1e-6 * RNG.normal(size=(20, 20))]),
    "grid with ties": np.pad(np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3), [(0, 0), (0, 17)]),
    "one massive row": np.concatenate([3000 + RNG.normal(size=(1, 20)), RNG.normal(size=(119, 20))]),
    "longer and longer rows": RNG.normal(size=(120, 20)) * np.geomspace(1, 1e4, 120)[:, None],
    "scale 1e-30": 1e-30 * RNG.normal(size=(120, 20)),
    "range of float64": np.ldexp(RNG.normal(size=(120, 20)), 700),
}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", HARD)
def test_hard_clouds(name, precision):
    points = HARD[name] if name == "range of float64" else HARD[name].astype(np.float32)
    found = cloud_neighbors([points], k=5, ranks=[6, 12, 40], duplicates="keep", precision=precision)
    agree(found, 0, neighbors(points, k=40, duplicates="keep"))
    if name == "as near as float64 resolves":
        assert found.n_redone[0] > 0


def test_duplicates_are_collapsed_and_ragged_clouds_padded():
    first, second = states(70), states(90)
    second[80:] = second[:10]
    found = cloud_neighbors([first, second], k=3, ranks=[4, 60])
    assert found.lengths.tolist() == [70, 80]
    assert found.n_duplicates.tolist() == [0, 10]
    assert np.isnan(found.radii[0, 70:]).all()
    assert np.isnan(found.distances_to(60)[0, 70:]).all()
    for number, cloud in enumerate((first, second)):
        agree(found, number, neighbors(cloud, k=60))


def test_a_cloud_beyond_the_range_of_float32_widens_what_was_found_before_it(monkeypatch):
    """Memory that was never written to may hold anything, such as NaN that signal when they are converted."""
    signaling = np.array([0x7FA00000], dtype=np.uint32).view(np.float32)

    def empty(shape, dtype=float, **_):
        return np.broadcast_to(signaling, shape).copy() if dtype == np.float32 else np.ones(shape, dtype=dtype)

    monkeypatch.setattr("theodolite.neighborhoods.clouds.np.empty", empty)
    usual, huge = states(60, 20), HARD["range of float64"]
    found = cloud_neighbors([usual, huge, usual], k=5, ranks=[6, 12, 40])
    monkeypatch.undo()
    assert found.distances.dtype == found.radii.dtype == np.float64
    for number, cloud in enumerate((usual, huge, usual)):
        agree(found, number, neighbors(cloud, k=40))


@pytest.mark.parametrize("n_points", [2, 3, 17, 255, 257, 300, 513, 1100, 2100])
def test_numbers_of_points_around_the_strips(n_points):
    points = states(n_points, 20)
    k, last = min(20, n_points - 1), min(70, n_points - 1)
    found = cloud_neighbors([points], k=k, ranks=[last] if last > k else [])
    agree(found, 0, neighbors(points, k=last))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_dims=st.integers(1, 90),
    k=st.integers(1, 8),
    spread=st.sampled_from([0.0, 1e-7, 1e-4, 1e-2, 1.0]),
    ranks=st.lists(st.integers(9, 29), unique=True, max_size=4).map(sorted),
)
def test_equal_to_one_search_for_each_cloud(seed, n_dims, k, spread, ranks):
    rng = np.random.default_rng(seed)
    clouds = [
        (rng.normal(size=(4, n_dims))[rng.integers(0, 4, size)] + spread * rng.normal(size=(size, n_dims))).astype(
            np.float32
        )
        for size in rng.integers(30, 90, 2)
    ]
    clouds[1] += np.float32(rng.choice([0, 100]))
    found = cloud_neighbors(clouds, k=k, ranks=ranks, duplicates="keep")
    for number, cloud in enumerate(clouds):
        agree(found, number, neighbors(cloud, k=ranks[-1] if ranks else k, duplicates="keep"))


def test_points_that_reach_beyond_the_grid_are_ranked_anew(monkeypatch):
    """The grid is laid by the last rows; the first ones are thirty times as far apart."""
    cloud = states(600, 20)
    cloud[:15] *= 30
    again = []
    rank_some = cloud_products._rank_some
    monkeypatch.setattr(cloud_products, "_rank_some", lambda *a: (again.extend(a[2].tolist()), rank_some(*a)))
    agree(cloud_neighbors([cloud], k=10, ranks=[64]), 0, neighbors(cloud, k=64))
    assert set(again) >= set(range(15))


def test_a_grid_makes_room_for_rows_that_are_longer_than_those_it_was_laid_by():
    reaches, norms2 = np.array([1.0, 2.0]), np.array([1.0, 1.5])
    near, far = (grid_for(reaches, norms2, np.repeat(squares, 500)) for squares in ([1.0, 1.5], [1.0, 6.0]))
    assert near.top / near.scale > 1.2 * 2.0
    assert far.top / far.scale > 4 * 2.0


@pytest.mark.parametrize("convention", ["exact", "dadapy"])
def test_gride_reads_its_scales_from_the_radii(convention):
    clouds = [states(200), states(150)]
    found = cloud_neighbors(clouds, k=11, ranks=[16, 32, 64, 100], precision="float64")
    whole = cloud_neighbors(clouds, k=64, precision="float64")
    read, full = (cloud_gride(one, convention=convention, errors="fisher") for one in (found, whole))
    assert read.n2.tolist() == [2, 4, 8, 16, 32, 64]
    for name in ("value", "stderr", "radius", "n_used"):
        assert_allclose(getattr(read, name), getattr(full, name), rtol=1e-9)
    alone = gride(neighbors(clouds[1], k=64), convention=convention, errors="fisher")
    assert_allclose(read.value[1], [one.value for one in alone], rtol=1e-9)
    assert cloud_gride(found, largest=8, errors="neighbors").n2.tolist() == [2, 4, 8]


def test_refusals():
    clouds = [states(50), states(40)]
    for ranks in ([5], [4], [9, 7], [8, 8]):
        with pytest.raises(ParameterError, match=r"ranks must be ascending and beyond k=5, but \["):
            cloud_neighbors(clouds, k=5, ranks=ranks)
    with pytest.raises(PointsError, match="Cloud 1: Rank 45 needs at least 46 points but only 40 of 40 rows remain"):
        cloud_neighbors(clouds, k=5, ranks=[45])
    found = cloud_neighbors(clouds, k=5, ranks=[8, 32])
    with pytest.raises(ParameterError, match=r"neighbor 6 was asked for, .* the 5 nearest, and to neighbors 8, 32"):
        found.distances_to(6)
    with pytest.raises(ParameterError, match="neighbor 0 was asked for"):
        found.distances_to(0)
    assert cloud_gride(found, errors="fisher").n2.tolist() == [2, 4, 8]
    with pytest.raises(
        ParameterError,
        match=r"gride compares 32 neighbors, but the clouds hold 5 for each point and the distances to 8",
    ):
        cloud_gride(found, largest=32, errors="fisher")
    with pytest.raises(ParameterError, match="looks at the lists of 8 neighbors, but the clouds hold 5"):
        cloud_gride(found)
