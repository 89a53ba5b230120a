"""TwoNN of neighborhoods: the published variant, and errors that know that neighborhoods overlap."""

from dataclasses import replace

import numpy as np
import pytest
import skdim.id

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import ess, local_twonn, twonn
from theodolite.dimension.local_twonn import _two_inside
from theodolite.neighborhoods import neighbors


@pytest.mark.parametrize("n_dims", [3, 30])
@pytest.mark.parametrize("discard", [0.1, 0.4])
def test_inside_is_what_scikit_dimension_fits_to_each_neighborhood(n_dims, discard):
    rng = np.random.default_rng(0)
    cloud = np.tanh(rng.random((150, 3)) @ rng.normal(size=(3, n_dims)))
    graph = neighbors(cloud, k=40)
    theirs = skdim.id.TwoNN(discard_fraction=discard).fit_pw(cloud, precomputed_knn=graph.indices, n_neighbors=40)
    ours = local_twonn(graph, cloud, n_neighbors=40, discard=discard)
    np.testing.assert_allclose(ours.pointwise, theirs.dimension_pw_, rtol=1e-9)
    assert (ours.n_used, ours.n2, ours.params["inside"]) == (150, 40, True)


@pytest.mark.parametrize(("n_neighbors", "held", "long_enough"), [(40, 40, True), (8, 8, False), (8, 30, False)])
def test_lists_of_neighbors_say_what_the_points_say(n_neighbors, held, long_enough):
    """Short lists in many dimensions often end before two that are inside: those neighborhoods come from the points."""
    points = np.random.default_rng(4).normal(size=(200, 20)) ** 3
    points[:3] = points[3:6]
    graph = neighbors(points, k=held, duplicates="keep")
    read = [some for some, *_ in _two_inside(graph, points, n_neighbors)]
    assert isinstance(read[0], slice)
    assert (sum(len(some) for some in read if not isinstance(some, slice)) == 0) == long_enough
    found = local_twonn(graph, points, n_neighbors=n_neighbors)
    measured = local_twonn(replace(graph, exact=False), points, n_neighbors=n_neighbors)
    np.testing.assert_allclose(found.pointwise, measured.pointwise, rtol=1e-9)
    np.testing.assert_allclose([found.value, found.stderr], [measured.value, measured.stderr], rtol=1e-9)


def test_copies_inside_are_left_out():
    points = np.random.default_rng(1).normal(size=(80, 3))
    points[:10] = points[10:20]
    graph = neighbors(points, k=30, duplicates="keep")
    estimate = local_twonn(graph, points, n_neighbors=30)
    assert np.isfinite(estimate.pointwise).all()
    assert 1.5 < estimate.value < 4.5
    copies = np.repeat(points[20:23], 8, axis=0)
    with pytest.raises(PointsError, match="0 of 24 do"):
        local_twonn(neighbors(copies, k=5, duplicates="keep"), copies, n_neighbors=5)
    with pytest.raises(ParameterError, match="n_neighbors of at least 3, but n_neighbors=2"):
        local_twonn(graph, points, n_neighbors=2)
    with pytest.raises(ParameterError, match="discard is a share"):
        local_twonn(graph, points, n_neighbors=30, discard=1.0)


@pytest.mark.parametrize("aggregation", ["mean", "harmonic", "median"])
def test_error_is_about_that_of_one_reading_of_the_cloud(aggregation):
    points = np.random.default_rng(2).normal(size=(400, 5))
    graph = neighbors(points, k=128)
    whole = twonn(graph, method="ml").stderr
    assert local_twonn(graph, aggregation=aggregation).stderr == pytest.approx(whole, rel=0.3)


def test_reported_errors_are_of_the_size_of_the_spread(brute):
    rng = np.random.default_rng(3)
    measures = {
        "pooled": lambda graph, _: local_twonn(graph, n_neighbors=30),
        "pooled median": lambda graph, _: local_twonn(graph, n_neighbors=30, aggregation="median"),
        "inside": lambda graph, points: local_twonn(graph, points, n_neighbors=30),
        "ess": lambda graph, points: ess(graph, points, k=30),
        "ess harmonic": lambda graph, points: ess(graph, points, k=10, aggregation="harmonic"),
        "ess b": lambda graph, points: ess(graph, points, k=20, version="b"),
    }
    draws = [rng.normal(size=(200, 6)) for _ in range(50)]
    graphs = [brute(points, 30) for points in draws]
    for name, measure in measures.items():
        runs = [measure(graph, points) for graph, points in zip(graphs, draws, strict=True)]
        spread = np.std([one.value for one in runs], ddof=1)  # itself known to 10 %
        assert 0.7 < np.mean([one.stderr for one in runs]) / spread < 1.6, name
