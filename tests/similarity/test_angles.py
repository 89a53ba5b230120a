"""Angles between neighbor directions: known figures, needle-thin triangles, dropped points."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import cloud_neighbors, neighbors
from theodolite.similarity import cloud_angles, neighbor_angles


def plain(graph, points):
    values = np.asarray(points, dtype=np.float64)
    own = values[graph.rows]
    first, second = (values[graph.rows[graph.indices[:, rank]]] - own for rank in (0, 1))
    cosines = np.vecdot(first, second) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    return np.degrees(np.arccos(cosines))


def test_equal_to_a_plain_reference(layers):
    found = cloud_neighbors(layers, k=2)
    for number, angles in enumerate(cloud_angles(found, torch.from_numpy(layers))):
        expected = plain(found.graph(number), layers[number])
        assert_allclose(angles.pointwise, expected, rtol=1e-11)
        assert angles.mean == pytest.approx(expected.mean(), rel=1e-12)
        assert angles.stderr == pytest.approx(expected.std(ddof=1) / np.sqrt(120), rel=1e-10)
        assert (angles.n_used, angles.n_dropped) == (120, 0)


@pytest.mark.parametrize("angle", [1e-12, 1e-9, 1e-5, 0.3, np.pi / 2, 3.1, np.pi - 1e-6])
@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e150])
def test_thin_triangles_keep_their_digits(angle, scale):
    tip = np.array([[0.0, 0.0], [1.0, 0.0], [2.0 * np.cos(angle), 2.0 * np.sin(angle)]])
    angles = neighbor_angles(neighbors(tip * scale, k=2), tip * scale)
    assert angles.pointwise[0] == pytest.approx(np.degrees(angle), rel=1e-9)


def test_random_directions_in_high_dimension_are_square_and_equal_distances_make_sixty():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 4000))
    assert neighbor_angles(neighbors(points, k=2), points).mean == pytest.approx(60.0, abs=1.0)


def test_points_with_a_copy_have_no_angle(layers):
    points = layers[0].copy()
    points[5] = points[17]
    angles = neighbor_angles(neighbors(points, k=2, duplicates="keep"), points)
    assert np.flatnonzero(np.isnan(angles.pointwise)).tolist() == [5, 17]
    assert (angles.n_used, angles.n_dropped) == (118, 2)
    collapsed = neighbor_angles(neighbors(points, k=2), points)
    assert (collapsed.n_used, collapsed.n_dropped) == (119, 0)


def test_rotation_and_scale_move_no_angle_and_queries_pick_theirs(layers):
    points = layers[1].astype(np.float64)
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(40, 40)))
    whole = neighbor_angles(neighbors(points, k=2), points).pointwise
    turned = 3.0 * points @ rotation
    assert_allclose(neighbor_angles(neighbors(turned, k=2), turned).pointwise, whole, rtol=1e-9)
    some = neighbor_angles(neighbors(points, k=2, queries=np.array([9, 4])), points).pointwise
    assert_array_equal(some, whole[[9, 4]])


def test_refusals(layers):
    graph = neighbors(layers[0], k=3)
    with pytest.raises(ParameterError, match="Angles need two neighbors, but the graph holds 1"):
        neighbor_angles(graph.truncate(1), layers[0])
    with pytest.raises(ParameterError, match=r"120 rows of 40 columns, but these points have shape \(120, 39\)"):
        neighbor_angles(graph, layers[0][:, 1:])
    found = cloud_neighbors(layers, k=2)
    with pytest.raises(ParameterError, match="4 clouds were searched, but 3 were given"):
        cloud_angles(found, layers[:3])
    with pytest.raises(ParameterError, match="Cloud 0: The graph was made from"):
        cloud_angles(found, layers[:, :, :20])
    triples = np.repeat(np.eye(4), 3, axis=0)
    with pytest.raises(PointsError, match="no angle"):
        neighbor_angles(neighbors(triples, k=2, duplicates="keep"), triples)
