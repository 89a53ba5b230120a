"""Many small clouds in one call: equal, cloud by cloud, to the search of one table."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import cloud_neighbors, neighbors

RNG = np.random.default_rng(0)


def states(n_clouds=5, n_points=120, n_dims=40, offset=0.0):
    """Draw clouds around a common mean, float32."""
    return (offset + RNG.normal(size=(n_clouds, n_points, n_dims))).astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0.0, 2000.0])
@pytest.mark.parametrize("k", [1, 30, 119])
def test_equal_to_one_search_for_each_cloud(metric, offset, k):
    clouds = states(offset=offset)
    found = cloud_neighbors(torch.from_numpy(clouds), k=k, metric=metric)
    assert found.indices.shape == found.distances.shape == (5, 120, k)
    for number, cloud in enumerate(clouds):
        graph = neighbors(cloud, k=k, metric=metric)
        assert_array_equal(found.indices[number], graph.indices)
        # what the docstring promises; float64 products of centered points do far better
        assert_allclose(found.distances[number], graph.distances, rtol=1e-10)


HARD = {
    "grid with ties": np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3),
    "near-duplicates": np.repeat(RNG.normal(size=(30, 16)), 4, axis=0) + 1e-9 * RNG.normal(size=(120, 16)),
    "exact duplicates": np.repeat(RNG.normal(size=(30, 16)), 4, axis=0),
    "one point far out": np.concatenate([RNG.normal(size=(99, 8)), np.full((1, 8), 1e9)]),
    "scale 1e-30": (1e-30 * RNG.normal(size=(100, 8))).astype(np.float32),
    "range of float64": np.ldexp(RNG.normal(size=(100, 8)), 700),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_clouds(name):
    points = HARD[name]
    found = cloud_neighbors([points], k=20, duplicates="keep")
    graph = neighbors(points, k=20, duplicates="keep")
    assert_array_equal(found.indices[0], graph.indices)
    assert_allclose(found.distances[0], graph.distances, rtol=1e-10)
    if "ties" in name or "duplicates" in name:
        assert found.n_redone[0] > 0
        assert_array_equal(found.distances[0], graph.distances)


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
    assert_array_equal(graph.indices, alone.indices)
    assert_array_equal(graph.rows, alone.rows)
    assert graph.path == "float64 gram/cpu"
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
    with pytest.raises(ParameterError, match=r"equal numbers of columns, but they have \[3, 4\]"):
        cloud_neighbors([clouds[0], clouds[1][:, :3]], k=4)
    with pytest.raises(ParameterError, match="k must be at least 1, but k=0"):
        cloud_neighbors(clouds, k=0)
