"""What the tests of this room measure against."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

Search: TypeAlias = Callable[[npt.ArrayLike, int], tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]


def plainest_search(points: npt.ArrayLike, k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Every distance from coordinate differences in float64, sorted by (distance, index), self left out."""
    values = np.asarray(points).astype(np.float64)
    indices = np.empty((len(values), k), dtype=np.int64)
    distances = np.empty((len(values), k))
    for point in range(len(values)):
        apart = values - values[point]
        measured = np.sqrt(np.vecdot(apart, apart))
        measured[point] = np.inf
        indices[point] = np.argsort(measured, kind="stable")[:k]
        distances[point] = measured[indices[point]]
    return indices, distances


@pytest.fixture
def brute_force() -> Search:
    return plainest_search
