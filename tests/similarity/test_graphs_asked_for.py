"""Points in place of their graph are refused in words wherever a graph is read."""

import numpy as np
import pytest

from theodolite.core.errors import ParameterError
from theodolite.neighborhoods import hubness
from theodolite.similarity import (
    coherence,
    graph_statistics,
    lle_similarity,
    lle_weights,
    neighbor_angles,
    neighborhood_overlap,
)

POINTS = np.random.default_rng(0).normal(size=(30, 4))
READERS = {
    "hubness": hubness,
    "graph_statistics": graph_statistics,
    "neighbor_angles": lambda points: neighbor_angles(points, points),
    "neighborhood_overlap": lambda points: neighborhood_overlap(points, points),
    "lle_weights": lambda points: lle_weights(points, points),
    "lle_similarity": lambda points: lle_similarity(points, points, first_graph=points, second_graph=points),
    "coherence": lambda points: coherence(points, ["token"] * 30),
}


@pytest.mark.parametrize("name", READERS)
def test_points_in_place_of_a_graph(name):
    said = rf"{name} reads a neighbor graph, but was given ndarray of shape \(30, 4\)"
    with pytest.raises(ParameterError, match=said):
        READERS[name](POINTS)
