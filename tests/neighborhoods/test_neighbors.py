"""What `neighbors` promises on awkward tables, each against a plain float64 search."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import GeometryWarning, ParameterError, PointsError
from theodolite.core.points import as_points
from theodolite.neighborhoods import NeighborGraph, neighbors, searcher, tiles
from theodolite.neighborhoods.search import METHODS

# Equal sets, equal order and equal bits are asked for wherever both sides sum the same differences: the graph's
# distances are the plain search's distances, not approximations of them. A tolerance appears only where
# the input itself is rounded.


def cloud(seed: int, n_points: int, n_dims: int, n_latent: int = 6) -> np.ndarray:
    """Draw a curved low-dimensional cloud with noise, float32."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n_points, n_latent))
    points = np.sin(latent @ rng.normal(size=(n_latent, n_dims))) + 0.05 * rng.normal(size=(n_points, n_dims))
    return points.astype(np.float32)


def same(graph: NeighborGraph, expected: tuple[np.ndarray, np.ndarray]) -> None:
    """Ask for equal indices and equal bits."""
    assert graph.exact
    assert graph.indices.dtype == np.int64
    assert graph.distances.dtype == np.float64
    assert_array_equal(graph.indices, expected[0])
    assert_array_equal(graph.distances, expected[1])


@pytest.fixture(params=[*METHODS, "tiles"])
def method(request, monkeypatch):
    """Every arithmetic; small tables are searched in float32 by one product, and by the tiles of large ones as well."""
    if request.param != "tiles":
        return request.param
    monkeypatch.setattr(searcher, "_SMALL_TABLE", 0)
    monkeypatch.setattr(searcher, "_FEW_SCORES", 0)
    return "float32"


AWKWARD = {
    "plain": lambda: cloud(0, 400, 48),
    "float64": lambda: np.random.default_rng(1).normal(size=(300, 33)),
    "offset 2000": lambda: cloud(2, 400, 48) + np.float32(2000),
    "offset that leaves float32 eight bits": lambda: cloud(3, 400, 48) + np.float32(2**17),
    "rogue dimension of 3000": lambda: np.concatenate([cloud(4, 400, 48), np.full((400, 1), 3000, np.float32)], axis=1),
    "rogue dimension that varies": lambda: np.concatenate(
        [cloud(4, 400, 48), np.random.default_rng(4).normal(3000, 30, (400, 1)).astype(np.float32)], axis=1
    ),
    "constant coordinates": lambda: np.concatenate([cloud(5, 200, 8), np.full((200, 3), 7, np.float32)], axis=1),
    "scale 1e-6": lambda: cloud(6, 300, 20) * np.float32(1e-6),
    "scale 1e+6": lambda: cloud(6, 300, 20) * np.float32(1e6),
    "scale 1e-30": lambda: cloud(6, 300, 20) * np.float32(1e-30),
    "scale 1e+30": lambda: cloud(6, 300, 20) * np.float32(1e30),
    "subnormal": lambda: cloud(6, 300, 20) * np.float32(1e-42),
    "one coordinate": lambda: np.random.default_rng(7).normal(size=(200, 1)),
    "two points": lambda: np.array([[1.0, 2.0], [3.0, 5.0]]),
    "grid with ties": lambda: np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3),
    "corners of a cube": lambda: ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(np.float32),
    "near-duplicates": lambda: (
        np.repeat(cloud(8, 60, 30), 6, axis=0)
        + np.random.default_rng(8).normal(scale=1e-5, size=(360, 30)).astype(np.float32)
    ),
    "float32 rounding collapses distinct points": lambda: 1 + 1e-11 * np.random.default_rng(9).integers(0, 9, (200, 4)),
    "one point far out": lambda: np.concatenate([cloud(10, 300, 20), np.full((1, 20), 1e12, np.float32)]),
    "hub of short rows": lambda: np.concatenate([cloud(11, 300, 40), 1e-3 * cloud(12, 30, 40)]),
    "low rank": lambda: cloud(13, 300, 3, 2) @ np.random.default_rng(13).normal(size=(3, 64)).astype(np.float32),
    "odd sizes": lambda: cloud(14, 131, 7),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_tables_give_the_plain_answer(name, method, brute_force):
    points = AWKWARD[name]()
    k = min(12, len(points) - 1)
    same(neighbors(points, k=k, duplicates="keep", method=method), brute_force(points, k))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int32])
def test_every_dtype_is_measured_as_stored(dtype, brute_force):
    points = (10 * torch.from_numpy(cloud(0, 150, 16))).to(dtype)
    stored = points.to(torch.float64).numpy()
    same(neighbors(points, k=8, duplicates="keep"), brute_force(stored, 8))


def test_strided_and_read_only_tables(tmp_path, brute_force):
    points = cloud(1, 200, 24)
    expected = brute_force(points, 9)
    np.save(tmp_path / "points.npy", points)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    same(neighbors(mapped, k=9), expected)
    same(neighbors(np.repeat(points, 2, axis=1)[:, ::2], k=9), expected)
    same(neighbors(torch.from_numpy(points.T.copy()).T, k=9), expected)
    same(neighbors(torch.from_numpy(points).requires_grad_(), k=9), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_input_is_left_alone(dtype, metric):
    points = cloud(2, 100, 10).astype(dtype)
    before = points.copy()
    neighbors(points, k=5, metric=metric)
    assert_array_equal(points, before)


def test_all_others_can_be_asked_for(method, brute_force):
    points = cloud(3, 90, 5)
    same(neighbors(points, k=89, method=method), brute_force(points, 89))


def test_small_memory_gives_the_same_graph(method, brute_force):
    points = cloud(4, 700, 12)
    same(neighbors(points, k=10, method=method, max_memory=1 << 14), brute_force(points, 10))


def test_more_points_than_one_block(method, brute_force):
    points = cloud(5, 2503, 24)
    same(neighbors(points, k=20, method=method), brute_force(points, 20))


def test_some_queries_against_all_points(method, brute_force):
    points = cloud(5, 800, 12)[np.r_[0:800, 0:4]]
    everyone = neighbors(points, k=6)
    rows = np.array([700, 3, 41])
    graph = neighbors(points, k=6, queries=rows, method=method)
    assert graph.queries.tolist() == [700, 3, 41]
    assert (graph.n_points, graph.n_duplicates) == (800, 4)
    assert_array_equal(graph.indices, everyone.indices[rows])
    assert_array_equal(graph.distances, everyone.distances[rows])

    drawn = neighbors(points, k=6, queries=50, seed=1, method=method)
    assert len(np.unique(drawn.queries)) == 50
    assert_array_equal(drawn.distances, everyone.distances[drawn.queries])
    assert_array_equal(drawn.queries, neighbors(points, k=6, queries=50, seed=1).queries)
    assert (drawn.queries != neighbors(points, k=6, queries=50, seed=2).queries).any()
    assert drawn.truncate(2).queries is drawn.queries


def test_queries_that_are_no_points_are_refused():
    points = cloud(5, 20, 3)[np.r_[0:20, 0:1]]
    with pytest.raises(
        ParameterError, match=r"Row 20 cannot be a query: it is not in the table or was dropped.* 1 of 2"
    ):
        neighbors(points, k=2, queries=np.array([20, 3]))
    with pytest.raises(ParameterError, match="Queries can number from 1 to the 20 points, not 21"):
        neighbors(points, k=2, queries=21)
    with pytest.raises(ParameterError, match="A row is named twice"):
        neighbors(points, k=2, queries=np.array([3, 3]))
    with pytest.raises(ParameterError, match=r"a list of rows, not an array of float64 and shape \(2,\)"):
        neighbors(points, k=2, queries=np.array([0.0, 1.0]))


@pytest.mark.parametrize("method", ["float32", "int8"])
@pytest.mark.parametrize("threads", [1, 2])
def test_many_small_panels(method, threads, monkeypatch, brute_force):
    """The same with panels so small that pools are tightened often and overflow."""
    monkeypatch.setattr(tiles, "PANEL", 40)
    monkeypatch.setattr(tiles, "WIDTH", 64)
    monkeypatch.setattr(tiles, "SEED", 48)
    monkeypatch.setattr(searcher, "_SMALL_TABLE", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for name in ("plain", "grid with ties", "near-duplicates", "hub of short rows"):
            points = AWKWARD[name]()
            same(neighbors(points, k=12, method=method), brute_force(points, 12))
        clustered = np.concatenate([cloud(17, 500, 6) * np.float32(1e-3), cloud(18, 700, 6)])
        same(neighbors(clustered, k=30, method=method), brute_force(clustered, 30))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("n_points", "k"), [(1300, 700), (600, 590), (700, 699)])
def test_more_neighbors_than_the_sample_holds(method, n_points, k, brute_force):
    points = cloud(20, n_points, 10)
    same(neighbors(points, k=k, method=method), brute_force(points, k))


def test_a_wrong_int8_product_is_noticed(monkeypatch, brute_force):
    monkeypatch.setattr(torch, "_int_mm", lambda *_, out: out.zero_())
    points = cloud(19, 150, 20)
    same(neighbors(points, k=5, method="int8"), brute_force(points, 5))


def test_float32_gram_fails_under_an_offset_and_we_do_not():
    """The planted offset of 2000: what float32 |x|^2 + |y|^2 - 2xy makes of it, and what we do."""
    points = cloud(6, 600, 384) + np.float32(2000)
    graph = neighbors(points, k=10)
    apart = points[graph.indices].astype(np.float64) - points[:, None].astype(np.float64)
    truth = np.sqrt((apart**2).sum(axis=-1))
    # float64 sums of 384 squares differ by at most 384 * 2**-53 = 4e-14 between orders of summation
    assert_allclose(graph.distances, truth, rtol=1e-9)

    squares = (points * points).sum(axis=1)
    gram = squares[:, None] + squares[None, :] - 2 * points @ points.T
    np.fill_diagonal(gram, np.inf)
    first = np.sqrt(np.maximum(gram.min(axis=1), 0).astype(np.float64))
    assert np.abs(first / truth[:, 0] - 1).max() > 0.1
    torch_first = torch.cdist(
        torch.from_numpy(points), torch.from_numpy(points), compute_mode="use_mm_for_euclid_dist"
    ).fill_diagonal_(torch.inf)
    assert np.abs(torch_first.amin(dim=1).numpy() / truth[:, 0] - 1).max() > 0.1


def test_distances_inside_the_rounding_noise_are_not_guessed(method, brute_force):
    """The certificate must fail where low precision cannot tell: a shell of points at distances that differ by 1e-12.

    Every point of the shell is a neighbor candidate of the center, their float32 scores are noise, and only the
    redone search can name the right ten. A certificate that is not rigorous would accept the noise.
    """
    rng = np.random.default_rng(7)
    direction = rng.normal(size=(2000, 32))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    shell = direction * (1 + 1e-12 * rng.permutation(2000)[:, None])
    points = np.concatenate([np.zeros((1, 32)), shell])
    graph = neighbors(points, k=10, method=method)
    same(graph, brute_force(points, 10))
    if method != "float64":
        assert graph.n_redone > 0


def test_pairs_below_float32_are_told_apart(method, brute_force):
    rng = np.random.default_rng(8)
    points = np.repeat(rng.normal(size=(40, 16)), 40, axis=0)
    points += 1e-10 * rng.normal(size=points.shape)
    same(neighbors(points, k=10, method=method), brute_force(points, 10))


def test_exact_duplicates_collapse_or_come_out_at_zero():
    points = cloud(9, 80, 6)
    doubled = np.concatenate([points, points[:20]])
    graph = neighbors(doubled, k=5)
    assert (graph.n_duplicates, graph.n_points, graph.n_given) == (20, 80, 100)
    assert_array_equal(graph.distances, neighbors(points, k=5).distances)
    kept = neighbors(doubled, k=5, duplicates="keep")
    assert kept.n_duplicates == 0
    assert_array_equal(kept.distances[:20, 0], np.zeros(20))
    assert_array_equal(kept.indices[:20, 0], np.arange(80, 100))
    assert_array_equal(kept.indices[80:, 0], np.arange(20))


def test_many_equal_rows_never_name_themselves():
    points = np.concatenate([np.ones((11, 3)), np.zeros((4, 3))])
    graph = neighbors(points, k=10, duplicates="keep")
    assert not (graph.indices == np.arange(15)[:, None]).any()
    assert_array_equal(graph.distances[:11], np.zeros((11, 10)))
    assert graph.indices[3].tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]


def test_rows_say_where_points_came_from():
    points = cloud(10, 50, 4)
    points[7] = np.nan
    points[20] = points[3]
    with pytest.warns(GeometryWarning, match=r"1 of 50 rows hold NaN or infinite values \(row 7\)"):
        graph = neighbors(points, k=3, nonfinite="drop")
    assert (graph.n_nonfinite, graph.n_duplicates, graph.n_points) == (1, 1, 48)
    assert_array_equal(graph.rows, np.setdiff1d(np.arange(50), [7, 20]))
    apart = points[graph.rows[graph.indices]].astype(np.float64) - points[graph.rows][:, None].astype(np.float64)
    assert_allclose(graph.distances, np.sqrt((apart**2).sum(axis=-1)), rtol=1e-14)


def test_cosine_orders_by_angle(method, brute_force):
    points = cloud(11, 300, 16) * np.random.default_rng(11).uniform(0.1, 50, size=(300, 1)).astype(np.float32)
    graph = neighbors(points, k=7, metric="cosine", method=method)
    unit = points.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    indices, distances = brute_force(unit, 7)
    assert_array_equal(graph.indices, indices)
    # unit rows are rounded to float64: each coordinate by about 2**-53 of itself, the chord by a few 1e-16
    assert_allclose(graph.distances, distances, rtol=1e-13)
    similarity = unit @ unit.T
    assert_allclose(graph.cosines, np.take_along_axis(similarity, graph.indices, axis=1), atol=1e-14)
    with pytest.raises(ParameterError, match='metric="cosine", but this one is euclidean'):
        _ = neighbors(points, k=1).cosines


def test_cosine_finds_duplicates_of_direction_and_drops_zero_rows():
    whole = np.random.default_rng(12).integers(-50, 50, size=(60, 8)).astype(np.float32)
    points = np.concatenate([whole, 3 * whole[:10], whole[:5] / 2, np.zeros((2, 8), np.float32), -whole[:5]])
    graph = neighbors(points, k=4, metric="cosine")
    assert (graph.n_given, graph.n_duplicates, graph.n_zero, graph.n_points) == (82, 15, 2, 65)
    assert_array_equal(graph.rows, np.r_[0:60, 77:82])
    kept = neighbors(points, k=4, metric="cosine", duplicates="keep")
    assert kept.n_points == 80
    assert_array_equal(kept.distances[:5, :2], np.zeros((5, 2)))
    assert_array_equal(kept.indices[:5, 0], np.arange(60, 65))
    assert kept.cosines.max() == 1.0


def test_far_ranges_of_float64(brute_force):
    points = np.random.default_rng(13).normal(size=(100, 9))
    expected = brute_force(points, 6)
    for exponent in (700, -700):
        graph = neighbors(np.ldexp(points, exponent), k=6)
        assert_array_equal(graph.indices, expected[0])
        assert_array_equal(graph.distances, np.ldexp(expected[1], exponent))
    with pytest.raises(PointsError, match="exceed the range of float64"):
        neighbors(np.array([[-1.7e308, 1.7e308], [1.7e308, -1.7e308], [0.0, 1.0]]), k=1)


def test_cut_to_fewer():
    graph = neighbors(cloud(14, 60, 4), k=9)
    short = graph.truncate(4)
    assert short.k == 4
    assert_array_equal(short.indices, graph.indices[:, :4])
    assert_array_equal(short.distances, graph.distances[:, :4])
    assert short.path == graph.path
    for k in (0, 10):
        with pytest.raises(ParameterError, match=f"graph of 9 neighbors can be cut to k from 1 to 9, not to {k}"):
            graph.truncate(k)


def test_refusals():
    points = cloud(15, 40, 4)
    with pytest.raises(PointsError, match=r"k=64 needs at least 65 points but only 40 were given\. Lower k\."):
        neighbors(points)
    with pytest.raises(
        PointsError, match=r"k=64 needs at least 65 points but only 40 remain after dropping 12 duplicates\. Lower k\."
    ):
        neighbors(np.concatenate([points, points[:12]]))
    with pytest.raises(PointsError, match=r"dropping 1 duplicates and 2 zero rows\. Lower k\."):
        neighbors(np.concatenate([points, 2 * points[:1], np.zeros((2, 4))]), metric="cosine", duplicates="collapse")
    with pytest.raises(PointsError, match=r"k=1 needs at least 2 points but only 1 were given\. Give more points\."):
        neighbors(np.ones((1, 3)), k=1)
    with pytest.raises(PointsError, match=r"1 of 2 rows hold NaN or infinite values \(row 1\)"):
        neighbors(np.array([[1.0], [np.inf]]), k=1)
    with pytest.raises(PointsError, match="All 5 rows are equal"):
        neighbors(np.ones((5, 3)), k=1)
    with pytest.raises(PointsError, match="All 3 rows have the same direction"):
        neighbors(np.array([[1.0, 2.0], [3.0, 6.0], [0.5, 1.0]]), k=1, metric="cosine")
    with pytest.raises(PointsError, match="All rows are zero"):
        neighbors(np.zeros((1, 3)), k=1, metric="cosine")
    with pytest.raises(ParameterError, match="k must be at least 1, but k=0"):
        neighbors(points, k=0)
    with pytest.raises(ParameterError, match='"euclidean" or "cosine", not \'manhattan\''):
        neighbors(points, k=1, metric="manhattan")
    with pytest.raises(ParameterError, match=r"method must be one of auto, int8, float32.*not 'magic'"):
        neighbors(points, k=1, method="magic")
    with pytest.raises(ParameterError, match="max_memory is a number of bytes of at least 1, but 0"):
        neighbors(points, k=1, max_memory=0)


class Counter:
    """A progress that adds up."""

    def __init__(self):
        self.total, self.done, self.stopped, self.label = 0, 0, False, ""

    def start(self, total, label):
        self.total, self.label = total, label

    def advance(self, steps, note=""):
        assert isinstance(note, str)
        self.done += steps

    def stop(self):
        self.stopped = True


@pytest.mark.parametrize("name", ["plain", "grid with ties"])
def test_progress_counts_every_point_once(name, method):
    counter = Counter()
    points = AWKWARD[name]()
    neighbors(points, k=5, method=method, progress=counter)
    assert (counter.total, counter.done, counter.stopped) == (len(points), len(points), True)
    assert counter.label == f"5 nearest of {len(points)} points"


def test_path_names_the_kernel(method):
    graph = neighbors(cloud(16, 100, 8), k=3, method=method)
    assert graph.path.endswith("/cpu")
    if method != "auto":
        assert graph.path.startswith(method)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", AWKWARD)
def test_gpu_gives_the_same_graph(name):
    points = as_points(AWKWARD[name]())
    k = min(12, len(points) - 1)
    here, there = (neighbors(p, k=k, duplicates="keep") for p in (points, points.cuda()))
    assert there.path.endswith("/cuda")
    # the GPU sums squares in another order: distances may differ in the last bits
    assert_allclose(there.distances, here.distances, rtol=1e-13)


@pytest.mark.parametrize(("n_points", "k"), [(513, 512), (600, 599), (600, 300), (1025, 1024)])
def test_more_neighbors_than_the_first_sample_holds(n_points, k, method):
    """The cut is first guessed from 512 points: where more are wanted, there is none to guess."""
    points = np.random.default_rng(n_points).normal(size=(n_points, 8))
    graph = neighbors(points, k=k, method=method)
    differences = points[:, None] - points
    truth = np.sqrt((differences**2).sum(axis=2))
    np.fill_diagonal(truth, np.inf)
    np.testing.assert_allclose(graph.distances, np.sort(truth, axis=1)[:, :k], rtol=1e-12)


def test_rows_of_very_uneven_length_at_small_k():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(2500, 16)) * np.exp(4 * generator.normal(size=(2500, 1)))
    graph = neighbors(points, k=20)
    some = np.arange(0, 2500, 50)
    truth = np.linalg.norm(points[some, None] - points, axis=2)
    truth[np.arange(len(some)), some] = np.inf
    np.testing.assert_allclose(graph.distances[some], np.sort(truth, axis=1)[:, :20], rtol=1e-9)


@pytest.mark.parametrize("far", [1e150, 1e165, 1e200, 1e300])
def test_points_whose_squares_vanish_beside_a_far_one_are_refused(far):
    """One far point sets the scale; the squares of the other distances then underflow: no answer, not a wrong one."""
    points = np.random.default_rng(0).normal(size=(200, 5))
    points[7] *= far
    with pytest.raises(PointsError, match="so near to each other, beside the largest coordinate"):
        neighbors(points, k=3)


@pytest.mark.parametrize("duplicates", ["collapse", "keep"])
def test_points_of_any_one_scale_are_measured(duplicates):
    points = np.random.default_rng(0).normal(size=(200, 5))
    points[3] = points[4]
    reference = neighbors(points, k=3, duplicates=duplicates).distances
    for exponent in (-1000, -600, 600, 1000):
        scaled = neighbors(np.ldexp(points, exponent), k=3, duplicates=duplicates).distances
        assert_array_equal(scaled, np.ldexp(reference, exponent))
