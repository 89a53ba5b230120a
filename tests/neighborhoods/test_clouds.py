"""Many small clouds in one call: equal, cloud by cloud, to the search of one table."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import cloud_neighbors, cloud_products, neighbors
from theodolite.neighborhoods.cloud_memory import Buffers
from theodolite.neighborhoods.cloud_products import Answer, rank
from theodolite.neighborhoods.cloud_rows import center_rows, find_center
from theodolite.neighborhoods.refine import distances_between, distances_of_pairs

RNG = np.random.default_rng(0)


def states(n_clouds=5, n_points=120, n_dims=40, offset=0.0):
    """Draw clouds around a common mean, float32."""
    return (offset + RNG.normal(size=(n_clouds, n_points, n_dims))).astype(np.float32)


def agree(found, cloud, graph):
    """Check one cloud against the graph that `neighbors` makes of it, as far as the docstring promises."""
    indices, distances = found.indices[cloud, : graph.n_points], found.distances[cloud, : graph.n_points]
    bound = found.distance_error[cloud]
    assert_array_equal(np.sort(indices, axis=1), np.sort(graph.indices, axis=1))
    assert (np.diff(distances, axis=1) >= 0).all()
    if found.path.startswith("float64"):
        assert bound <= 1e-10
        assert_array_equal(indices, graph.indices)
    else:
        assert bound <= 2e-4
        true = np.zeros((graph.n_points, graph.n_points))
        np.put_along_axis(true, graph.indices, graph.distances, axis=1)
        stated = np.take_along_axis(true, indices, axis=1)  # true distances in the order found
        assert (np.diff(stated, axis=1) >= -2.0 * bound * stated[:, 1:]).all()
        assert_allclose(distances, stated, rtol=bound)
    assert_allclose(distances, graph.distances, rtol=bound)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0.0, 2000.0])
@pytest.mark.parametrize("k", [1, 30, 119])
def test_equal_to_one_search_for_each_cloud(metric, offset, k, precision):
    clouds = states(offset=offset)
    found = cloud_neighbors(torch.from_numpy(clouds), k=k, metric=metric, precision=precision)
    assert found.indices.shape == found.distances.shape == (5, 120, k)
    for number, cloud in enumerate(clouds):
        agree(found, number, neighbors(cloud, k=k, metric=metric))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    "kind", ["bfloat16", "float64", "not contiguous", "rogue dimension", "one massive row", "wide"]
)
def test_kinds_of_states(kind, precision):
    cloud = states(1, 150, 64, offset=1.0)[0]
    if kind == "bfloat16":
        cloud = torch.from_numpy(cloud).to(torch.bfloat16)
    elif kind == "float64":
        cloud = cloud.astype(np.float64) + 1e-12
    elif kind == "not contiguous":
        cloud = torch.from_numpy(np.ascontiguousarray(cloud.T)).T
    elif kind == "rogue dimension":
        cloud[:, 7] = 3000 + 30 * RNG.normal(size=150)
    elif kind == "one massive row":
        cloud[0] *= 3000
    else:
        cloud = states(1, 150, 700)[0]  # several chunks of columns, the last one narrower
    agree(cloud_neighbors([cloud], k=40, precision=precision), 0, neighbors(cloud, k=40))


HARD = {
    "grid with ties": np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3),
    "near-duplicates": np.repeat(RNG.normal(size=(30, 16)), 4, axis=0) + 1e-9 * RNG.normal(size=(120, 16)),
    "exact duplicates": np.repeat(RNG.normal(size=(30, 16)), 4, axis=0),
    "one point far out": np.concatenate([RNG.normal(size=(99, 8)), np.full((1, 8), 1e9)]),
    "scale 1e-30": (1e-30 * RNG.normal(size=(100, 8))).astype(np.float32),
    "scale 1e30": (1e30 * RNG.normal(size=(100, 8))).astype(np.float32),
    "range of float64": np.ldexp(RNG.normal(size=(100, 8)), 700),
}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", HARD)
def test_hard_clouds(name, precision):
    points = HARD[name]
    found = cloud_neighbors([points], k=20, duplicates="keep", precision=precision)
    graph = neighbors(points, k=20, duplicates="keep")
    agree(found, 0, graph)
    if "ties" in name or "duplicates" in name:
        assert found.n_redone[0] > 0
    if "exact" in name:
        assert (found.distances[0, :, :3] == 0).all()
    if "ties" in name:
        assert_array_equal(found.indices[0], graph.indices)


def test_what_a_glance_cannot_see():
    """Equal rows that differ in the sign of a zero, rows of zeros, and a value that is not finite far down."""
    points = states(1, 60, 8)[0]
    points[10:12] = points[20]
    points[10, 3], points[11, 3], points[20, 3] = 0.0, -0.0, 0.0
    points[30] = -0.0
    found = cloud_neighbors([points], k=5)
    alone = neighbors(points, k=5)
    assert (found.n_duplicates[0], found.n_zero[0]) == (alone.n_duplicates, alone.n_zero) == (2, 1)
    agree(found, 0, alone)
    signed = points[[11, 20, *range(12, 20), 30]]
    assert cloud_neighbors([signed], k=2).n_duplicates.tolist() == [1]
    assert cloud_neighbors([signed], k=2).n_zero.tolist() == [1]
    points[55, 7] = np.inf
    with pytest.raises(PointsError, match=r"Cloud 0: 1 of 60 rows hold NaN or infinite values \(row 55\)"):
        cloud_neighbors([points], k=5)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("where", ["cpu", "device"])
def test_squares_keep_their_bound(where, precision, monkeypatch):
    """The bound holds for every pair, and is not so loose that it would say nothing."""
    if where == "device":
        monkeypatch.setattr(cloud_products, "_rank_on_cpu", on_device)
    points = torch.from_numpy(states(1, 100, 300, offset=50.0)[0])
    ranked = ranks(points, 99, precision, 3)
    exact = np.square(neighbors(points, k=99).distances) / 64.0
    indices, squares = ranked.candidates(np.arange(100))
    centered_norms = ranked.norms[:, None] + ranked.norms[indices]
    true = np.square((points.numpy().astype(float)[:, None] - points.numpy().astype(float)[indices]) / 8).sum(-1)
    error = np.abs(squares - true)
    assert (error <= ranked.unit * centered_norms**2 + ranked.tiny).all()
    assert ranked.unit < (1e-4 if precision == "float32" else 1e-12)
    assert_allclose(np.sort(true, axis=1), exact, rtol=1e-12)
    others = np.array([[other for other in range(100) if other != point] for point in range(100)])
    assert_array_equal(np.sort(indices, axis=1), others)


def ranks(points, n_kept, precision, exponent=0):
    """Rank all pairs, three of them as spares."""
    buffers = Buffers()
    answer = Answer.empty(len(points), n_kept - 3, dtype=precision)
    return rank(buffers, center_rows(buffers, points, find_center(points), precision, exponent), answer, 3)


def on_device(task, memory, ranked, *_):
    """Rank as on a device."""
    cloud_products._rank_on_device(task, ranked)
    return 0.0


def test_a_routine_that_adds_term_by_term_is_bounded_by_all_columns(monkeypatch):
    points = torch.from_numpy(states(1, 50, 600)[0])
    tight = ranks(points, 10, "float32")
    monkeypatch.setattr(cloud_products, "adds_at_the_end", lambda _: False)
    assert ranks(points, 10, "float32").unit > 1.8 * tight.unit


def test_points_that_do_not_fit_the_grid_of_the_others_are_ranked_by_wide_keys():
    """A few rows far out, and rows near to each other there, between points of like distance."""
    cloud = states(1, 300, 20)[0]
    cloud[7] *= 50
    cloud[100:103] = 300 * cloud[100] * (1 + np.array([[0], [1e-3], [2e-3]], dtype=np.float32))
    agree(cloud_neighbors([cloud], k=60), 0, neighbors(cloud, k=60))
    ranked = ranks(torch.from_numpy(cloud), 68, "float32")
    true = np.square(neighbors(cloud, k=68).distances)
    within = ranked.unit * (2 * ranked.norms + np.sqrt(true[:, -1])) ** 2 + ranked.tiny
    assert (np.abs(ranked.candidates(np.arange(300))[1] - true) <= within[:, None]).all()


@pytest.mark.parametrize("n_points", [2, 3, 64, 65, 255, 257, 300, 513, 2100])
def test_numbers_of_points_around_the_blocks(n_points):
    points = states(1, n_points, 12)[0]
    k = min(40, n_points - 1)
    agree(cloud_neighbors([points], k=k), 0, neighbors(points, k=k))


def test_pairs_are_measured_as_candidates_are():
    for dtype in (torch.float32, torch.float64):
        values = torch.from_numpy(states(1, 80, 77)[0]).to(dtype)
        points, others = RNG.integers(0, 80, (2, 500))
        singly = np.array([distances_between(values, points[i : i + 1], others[i : i + 1, None]) for i in range(500)])
        assert_array_equal(distances_of_pairs(values, points, others), singly.ravel())


def test_ragged_clouds_are_padded():
    first, second = states(1, 50)[0], states(1, 80)[0]
    second[60:] = second[:20]
    second[0] = 0
    found = cloud_neighbors([first, torch.from_numpy(second)], k=7)
    assert found.lengths.tolist() == [50, 61]
    assert found.n_given.tolist() == [50, 80]
    assert found.n_duplicates.tolist() == [0, 19]
    assert found.n_zero.tolist() == [0, 1]
    assert (found.indices[0, 50:] == -1).all()
    assert np.isnan(found.distances[0, 50:]).all()
    assert (found.rows[0, 50:] == -1).all()
    graph = found.graph(1)
    alone = neighbors(second, k=7)
    assert (graph.k, graph.n_points, graph.n_duplicates, graph.exact) == (7, 61, 19, True)
    assert_array_equal(np.sort(graph.indices, axis=1), np.sort(alone.indices, axis=1))
    assert_array_equal(graph.rows, alone.rows)
    assert graph.path == found.path == "float32 products/cpu"
    assert graph.distance_error == found.distance_error[1] > 0
    assert found.k == 7


def test_refusals_name_the_cloud():
    clouds = list(states(3, 20, 4))
    with pytest.raises(PointsError, match=r"Cloud 0: k=64 needs at least 65 points but only 20 of 20 rows remain"):
        cloud_neighbors(clouds, k=64)
    clouds[2][3, 1] = np.nan
    with pytest.raises(PointsError, match=r"Cloud 2: 1 of 20 rows hold NaN or infinite values \(row 3\)"):
        cloud_neighbors(clouds, k=4)
    with pytest.raises(PointsError, match="There is no cloud"):
        cloud_neighbors([], k=4)
    for flat in (clouds[0], clouds[0][0]):
        with pytest.raises(PointsError, match=r"Cloud 0: Points must be a table of shape"):
            cloud_neighbors(flat, k=4)
    with pytest.raises(ParameterError, match=r"equal numbers of columns, but they have \[3, 4\]"):
        cloud_neighbors([clouds[0], clouds[1][:, :3]], k=4)
    with pytest.raises(ParameterError, match="k must be at least 1, but k=0"):
        cloud_neighbors(clouds, k=0)
    for odd in (True, 4.0):
        with pytest.raises(ParameterError, match=f"k must be a whole number, but k={odd}"):
            cloud_neighbors(clouds, k=odd)
    with pytest.raises(ParameterError, match=r"precision must be .float32. or .float64., not 'bfloat16'"):
        cloud_neighbors(clouds, k=4, precision="bfloat16")
