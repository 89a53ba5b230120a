"""Clouds and graphs that the tests of this room share."""

from collections.abc import Callable

import numpy as np
import pytest

from theodolite.neighborhoods.graph import NeighborGraph

BuildGraph = Callable[..., NeighborGraph]


@pytest.fixture(scope="session")
def brute() -> BuildGraph:
    """Return a search that is independent of the one under test elsewhere: float64, dense, periodic if asked."""

    def build(points: np.ndarray, k: int, *, period: float | None = None) -> NeighborGraph:
        points = np.asarray(points, dtype=np.float64)
        n_points = len(points)
        squared = np.zeros((n_points, n_points))
        for column in points.T:
            gaps = column[:, None] - column[None, :]
            if period is not None:
                gaps -= period * np.round(gaps / period)
            squared += gaps * gaps
        np.fill_diagonal(squared, np.inf)
        indices = np.argpartition(squared, k - 1, axis=1)[:, :k]
        distances = np.take_along_axis(squared, indices, axis=1)
        order = np.lexsort((indices, distances), axis=1)
        return graph_of(
            np.sqrt(np.take_along_axis(distances, order, axis=1)),
            np.take_along_axis(indices, order, axis=1),
            n_dims=points.shape[1],
        )

    return build


@pytest.fixture(scope="session")
def model_graph() -> BuildGraph:
    """Return a builder of graphs with given distances and neighbors drawn at random (independent points)."""

    def build(distances: np.ndarray, *, seed: int = 0, n_dims: int = 10) -> NeighborGraph:
        n_points, k = distances.shape
        indices = (np.arange(n_points)[:, None] + np.arange(1, k + 1) * 7 + seed) % n_points
        return graph_of(distances, indices, n_dims=n_dims)

    return build


def graph_of(distances: np.ndarray, indices: np.ndarray, *, n_dims: int) -> NeighborGraph:
    return NeighborGraph(
        indices=indices.astype(np.int64),
        distances=distances.astype(np.float64),
        rows=np.arange(len(distances)),
        n_given=len(distances),
        n_nonfinite=0,
        n_duplicates=0,
        n_zero=0,
        n_dims=n_dims,
        metric="euclidean",
        exact=True,
        n_redone=0,
        path="test",
    )
