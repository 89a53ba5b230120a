"""Points that make other packages return nonsense: here a right answer or a refusal that says what to do.

The rows are those of the table of gotchas that the project keeps of its peers: duplicates, triples, zero rows, NaN,
as many points as neighbors, tiny scale, large offset, rogue column, bfloat16.
"""

import warnings

import numpy as np
import pytest
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import fisher_separability, gride, mle, null_points, participation_ratio, twonn
from theodolite.neighborhoods import neighbors

N_POINTS, N_COLUMNS, TRUTH = 1200, 24, 5


def clean(seed=0):
    """Return a curved 5-dimensional cloud in 24 columns."""
    rng = np.random.default_rng(seed)
    latent = rng.random((N_POINTS, TRUTH))
    return np.tanh(latent @ rng.normal(size=(TRUTH, N_COLUMNS)))


def readings(graph):
    return {
        "mle": mle(graph, k=20).value,
        "mle 2": mle(graph, k=2).value,
        "median": mle(graph, k=20, aggregation="median").value,
        "twonn": twonn(graph).value,
        "twonn ml": twonn(graph, method="ml").value,
        **{f"gride {one.n2}": one.value for one in gride(graph, largest=16)},
    }


@pytest.fixture(scope="module")
def plain():
    values = readings(neighbors(clean(), k=20))
    assert all(4.0 < value < 6.0 for value in values.values())
    return values


def assert_close(found, plain, within):
    for name, value in found.items():
        assert value == pytest.approx(plain[name], rel=within), name


@pytest.mark.parametrize("copies", [1, 2])
def test_duplicates_are_collapsed(plain, copies):
    points = np.concatenate([clean(), *[clean()[:60]] * copies])
    graph = neighbors(points, k=20)
    assert graph.n_duplicates == 60 * copies
    assert_close(readings(graph), plain, 1e-12)


@pytest.mark.parametrize("copies", [1, 2])
def test_duplicates_that_are_kept_are_left_out_of_ratios_and_counted(plain, copies):
    graph = neighbors(np.concatenate([clean(), *[clean()[:60]] * copies]), k=20, duplicates="keep")
    doubled = 60 * (copies + 1)
    for estimate in (twonn(graph), twonn(graph, method="ml"), mle(graph, k=2), gride(graph)[0]):
        assert estimate.n_dropped >= doubled
        assert estimate.n_used + estimate.n_dropped == len(graph.rows)
    estimate = mle(graph, k=20)
    assert estimate.n_dropped == 0  # the zero distance is left out, the other neighbors speak
    assert np.isfinite(estimate.pointwise).all()
    assert estimate.value == pytest.approx(plain["mle"], rel=0.05)
    assert twonn(graph).value == pytest.approx(plain["twonn"], rel=0.15)  # others have pairs of equal distances


def test_zero_rows_are_points(plain):
    points = np.concatenate([clean(), np.zeros((30, N_COLUMNS))])
    assert_close(readings(neighbors(points, k=20)), plain, 0.02)  # thirty copies of one new point
    kept = neighbors(points, k=20, duplicates="keep")
    assert twonn(kept).n_dropped == 30
    assert_close(readings(kept), plain, 0.03)


def test_points_with_only_copies_for_neighbors_are_left_out():
    points = np.concatenate([clean()[:100], np.zeros((30, N_COLUMNS))])
    estimate = mle(neighbors(points, k=20, duplicates="keep"), k=20)
    assert estimate.n_dropped == 30
    assert np.isnan(estimate.pointwise[100:]).all()
    assert np.isfinite(estimate.stderr)


def test_nan_is_refused_by_row():
    points = clean()
    points[17, 3] = np.nan
    with pytest.raises(PointsError, match="row 17"):
        neighbors(points, k=2)
    with pytest.raises(PointsError, match="row 17"):
        participation_ratio(points)
    with pytest.raises(PointsError, match="row 17"):
        null_points(points, "gaussian", seed=0)


def test_as_many_points_as_neighbors():
    points = clean()[:64]
    with pytest.raises(PointsError, match="k=64 needs at least 65 points"):
        neighbors(points, k=64)
    scales = gride(neighbors(points, k=63))
    assert [one.n2 for one in scales] == [2, 4, 8, 16, 32]
    with pytest.raises(ParameterError, match="64 points have 63 neighbors at most"):
        gride(neighbors(points, k=63), largest=64)


def test_two_and_three_points():
    with pytest.raises(ParameterError, match="2 points have 1 neighbors at most"):
        twonn(neighbors(np.array([[0.0], [1.0]]), k=1))
    graph = neighbors(np.array([[0.0], [1.0], [3.0]]), k=2)
    assert mle(graph, k=2).value == pytest.approx(3 / np.log(3.0 * 2.0 * 1.5))
    assert twonn(graph, method="ml").value == pytest.approx(2 / np.log(3.0 * 2.0 * 1.5))


@pytest.mark.parametrize("change", [lambda x: x * 1e-6, lambda x: x + 1000.0, lambda x: x * 1e-160])
def test_scale_and_offset(plain, change):
    assert_close(readings(neighbors(change(clean()), k=20)), plain, 1e-6)


def test_rogue_column_and_bfloat16(plain):
    rogue = np.c_[clean(), np.full(N_POINTS, 3000.0)]
    assert_close(readings(neighbors(rogue, k=20)), plain, 1e-9)
    rounded = torch.from_numpy(clean()).to(torch.bfloat16)
    assert_close(readings(neighbors(rounded, k=20)), plain, 0.03)


def test_near_duplicates_show_at_the_first_scale_only(plain):
    rng = np.random.default_rng(1)
    points = clean()
    points[:30] = points[30:60] + 1e-6 * rng.normal(size=(30, N_COLUMNS))
    graph = neighbors(points, k=20)
    assert gride(graph)[0].value < 0.8 * plain["gride 2"]
    assert twonn(graph).value == pytest.approx(plain["twonn"], rel=0.15)  # the discarded tenth holds them
    assert gride(graph)[3].value == pytest.approx(plain["gride 16"], rel=0.05)


def test_a_grid_has_no_dimension_at_its_ties():
    grid = np.stack(np.meshgrid(*[np.arange(8.0)] * 3), axis=-1).reshape(-1, 3)
    graph = neighbors(grid, k=20)
    with pytest.raises(PointsError, match="equally far, as on a grid"):
        twonn(graph, method="ml")
    with pytest.raises(PointsError, match="equally far"):
        mle(graph, k=2)
    assert 2 < mle(graph, k=20).value < 8  # the corners' ties count as they are, nothing is infinite
    assert mle(graph, k=20).n_dropped == 0


def test_a_median_of_mostly_ties(model_graph):
    graph = model_graph(np.c_[np.ones((100, 2)), np.r_[np.ones(60), np.full(40, 2.0)]])
    with pytest.raises(PointsError, match="more than half of the points have all neighbors equally far"):
        mle(graph, k=3, aggregation="median")


def test_a_simplex_has_no_dimension():
    graph = neighbors(np.eye(6), k=5)
    for measure in (twonn, mle, gride):
        with pytest.raises(PointsError, match="equally far"):
            measure(graph) if measure is not mle else measure(graph, k=5)


def test_some_ties_are_data(model_graph):
    distances = np.c_[np.ones(100), np.exp(np.r_[np.zeros(20), np.full(80, 0.5)])]
    graph = model_graph(distances)
    assert mle(graph, k=2).value == pytest.approx(100 / 40)
    lids = mle(graph, k=2).pointwise
    assert np.isinf(lids[:20]).all()
    assert np.allclose(lids[20:], 2.0)
    mean = mle(graph, k=2, aggregation="mean")
    assert (mean.value, mean.n_used, mean.n_dropped) == (pytest.approx(2.0), 80, 20)
    four = model_graph(np.c_[distances, np.exp(np.r_[np.zeros(20), np.full(80, 0.7)]), np.full(100, np.exp(0.8))])
    scale = gride(four)[1]  # ratios r_4/r_2: 20 of exp(0.8), 80 of exp(0.3)
    assert scale.n_dropped == 0
    tied = gride(model_graph(np.c_[distances[:, :1], distances[:, 1:], distances[:, 1:], distances[:, 1:] ** 2]))[1]
    assert np.isfinite(tied.value)
    assert np.isfinite(tied.stderr)


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_a_tie_is_the_limit_of_a_near_tie(model_graph, share):
    rng = np.random.default_rng(2)
    far = np.exp(rng.exponential(0.1, size=(300, 4)).cumsum(axis=1))
    far[: int(share * 300), 3] = far[: int(share * 300), 1]
    exact = gride(model_graph(far))[1].value
    far[: int(share * 300), 3] *= 1 + 1e-13
    assert gride(model_graph(far))[1].value == pytest.approx(exact, rel=1e-10)


def test_only_copies():
    graph = neighbors(np.repeat(clean()[:4], 3, axis=0), k=2, duplicates="keep")
    with pytest.raises(PointsError, match=r'0 of 12 have one .*pass duplicates="collapse"'):
        twonn(graph)


def test_no_estimator_warns():
    graph = neighbors(np.concatenate([clean(), clean()[:50]]), k=20, duplicates="keep")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for aggregation in ("harmonic", "mean", "median"):
            mle(graph, k=20, aggregation=aggregation)
        twonn(graph)
        gride(graph)
        gride(graph, convention="dadapy")


def test_queries_of_a_larger_cloud(plain):
    points = clean()
    graph = neighbors(points, k=20, queries=np.arange(0, N_POINTS, 3))
    full = neighbors(points, k=20)
    estimate = mle(graph, k=20)
    np.testing.assert_allclose(estimate.pointwise, mle(full, k=20).pointwise[::3], rtol=1e-12)
    assert estimate.n_used == 400
    assert estimate.stderr > mle(full, k=20).stderr
    assert gride(graph)[0].n_used == twonn(graph).n_used == 400


def test_a_point_in_the_very_middle_has_no_direction():
    """Of a grid of odd length: 0 / 0 where it is put on the sphere."""
    grid = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)
    found = fisher_separability(grid)
    assert (found.n_used, found.n_dropped) == (124, 1)
    assert 2.5 < found.value < 3.5
