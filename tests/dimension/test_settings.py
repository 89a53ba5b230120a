"""What is no graph, no whole number or out of range is refused in words; numbers of numpy are as good as plain ones."""

import json
import math

import numpy as np
import pytest

import theodolite.dimension as dim
from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import neighbors

POINTS = np.random.default_rng(0).normal(size=(120, 4))
WITH_K = {
    "mle": lambda graph, k: dim.mle(graph, k=k),
    "mom": lambda graph, k: dim.mom(graph, k=k),
    "mada": lambda graph, k: dim.mada(graph, k=k),
    "tle": lambda graph, k: dim.tle(graph, POINTS, k=k),
    "ess": lambda graph, k: dim.ess(graph, POINTS, k=k),
    "local_pca": lambda graph, k: dim.local_pca(graph, POINTS, k=k),
    "local_twonn": lambda graph, k: dim.local_twonn(graph, n_neighbors=k),
    "gride": lambda graph, k: dim.gride(graph, largest=k)[-1],
    "correlation_dimension": lambda graph, k: dim.correlation_dimension(graph, k1=3, k2=k),
}


@pytest.fixture(scope="module")
def graph():
    return neighbors(POINTS, k=60)


@pytest.mark.parametrize("name", [*WITH_K, "twonn", "adaptive", "twonn_linearity"])
def test_points_in_place_of_a_graph(name):
    measure = WITH_K.get(name, lambda graph, _: getattr(dim, name)(graph))
    with pytest.raises(ParameterError, match=rf"{name} reads a neighbor graph, but"):
        measure(POINTS, 8)


def test_the_refusal_of_points_says_what_to_pass():
    with pytest.raises(ParameterError, match=r"given ndarray of shape \(120, 4\). Pass neighbors\(points, k=64\)"):
        dim.twonn(POINTS)
    with pytest.raises(ParameterError, match=r"but was given NoneType\. Pass"):
        dim.mle(None)


@pytest.mark.parametrize("name", WITH_K)
@pytest.mark.parametrize("k", [8.0, True, "8", np.float64(8)])
def test_what_is_no_whole_number(graph, name, k):
    with pytest.raises(ParameterError, match=f"{name} needs a whole number for"):
        WITH_K[name](graph, k)


@pytest.mark.parametrize("name", WITH_K)
def test_numbers_of_numpy_end_as_plain_ones(graph, name):
    plain, of_numpy = WITH_K[name](graph, 8), WITH_K[name](graph, np.int32(8))
    assert json.dumps([dict(plain.params), plain.n1, plain.n2]) == json.dumps(
        [dict(of_numpy.params), of_numpy.n1, of_numpy.n2]
    )
    assert of_numpy.value == plain.value


def test_shares_of_numpy_end_as_plain_ones(graph):
    assert json.dumps(dict(dim.twonn(graph, discard=np.float32(0.25)).params)).count("0.25") == 1


def test_a_seed_of_numpy_is_the_same_seed():
    few = {"n_sizes": 3, "n_subsamples": 1}
    for draw in (
        lambda seed: neighbors(POINTS, k=2, queries=10, seed=seed).queries.tolist(),
        lambda seed: dim.persistence_dimension(POINTS, seed=seed, **few).value,
        lambda seed: dim.twonn_decimation(POINTS, parts=(2,), seed=seed)[0].value,
        lambda seed: dim.calibrate(dim.twonn, n_points=50, n_dims=4, dimensions=[2], seed=seed).readings[0],
        lambda seed: dim.jackknife(dim.participation_ratio, POINTS, n_halves=4, seed=seed).stderr,
    ):
        assert draw(np.int64(3)) == draw(3) != draw(4)
        with pytest.raises(ParameterError, match=r"seed.*3\.5"):
            draw(3.5)


def test_queries_of_numpy():
    assert (
        neighbors(POINTS, k=2, queries=np.int64(10)).queries.tolist()
        == neighbors(POINTS, k=2, queries=10).queries.tolist()
    )
    with pytest.raises(ParameterError, match="number of points or a list of rows, not True"):
        neighbors(POINTS, k=2, queries=True)
    with pytest.raises(ParameterError, match="k must be a whole number, but k=True"):
        neighbors(POINTS, k=True)
    with pytest.raises(ParameterError, match=r"k must be a whole number, but k=2\.0"):
        neighbors(POINTS, k=4).truncate(2.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_numbers_that_mean_nothing(graph, value):
    with pytest.raises(ParameterError, match="must be positive and finite"):
        dim.constant_density_neighbors(graph, value)
    with pytest.raises(ParameterError, match="tolerance is a relative change"):
        dim.recommend_scale(dim.gride(graph), tolerance=value)
    with pytest.raises(ParameterError, match="noise is a share of the standard deviation"):
        dim.calibrate(dim.twonn, n_points=50, n_dims=4, dimensions=[2], noise=value)
    with pytest.raises(ParameterError, match="alpha is a positive power"):
        dim.persistence_dimension(POINTS, alpha=value)


def test_several_scales_where_one_is_needed(graph):
    with pytest.raises(ParameterError, match=r"calibrate needs one estimate, but was given tuple.*gride\(graph\)\[0\]"):
        dim.calibrate(dim.gride, n_points=50, n_dims=4, dimensions=[2], k=4)
    with pytest.raises(ParameterError, match="jackknife needs one estimate, but was given tuple"):
        dim.jackknife(lambda points: dim.gride(neighbors(points, k=4)), POINTS)
    with pytest.raises(ParameterError, match="twonn reads a neighbor graph, but was given Tensor of shape"):
        dim.jackknife(dim.twonn, POINTS)
    with pytest.raises(ParameterError, match="needs a sequence of at least one estimate"):
        dim.recommend_scale(dim.twonn(graph))


def test_a_power_that_numbers_cannot_hold():
    with pytest.raises(PointsError, match=r"alpha=5000.* too small for numbers to hold. Lower alpha"):
        dim.persistence_dimension(POINTS, alpha=5000, n_sizes=3, n_subsamples=1)


@pytest.mark.parametrize("power", [-1030, -700, 700])
def test_units_at_the_ends_of_the_range(graph, power):
    """Squares of these numbers are 0 or infinite."""
    moved = np.ldexp(POINTS, power)
    far = neighbors(moved, k=60)
    few = {"n_sizes": 3, "n_subsamples": 1}
    for measure in (
        lambda graph, points: dim.ess(graph, points, k=20),
        lambda graph, points: dim.local_pca(graph, points, k=20),
        dim.tle,
        lambda graph, points: dim.local_twonn(graph, points, n_neighbors=20),
        lambda _, points: dim.participation_ratio(points),
        lambda _, points: dim.persistence_dimension(points, **few),
        lambda _, points: dim.fisher_separability(points),
    ):
        assert measure(far, moved).value == pytest.approx(measure(graph, POINTS).value, rel=1e-9)


def test_dadapys_floor_is_named_where_it_bites():
    with pytest.raises(PointsError, match=r"takes distances below 2\.2e-16 for that"):
        dim.gride(neighbors(POINTS * 1e-30, k=8), convention="dadapy")
