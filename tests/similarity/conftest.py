"""Clouds that the tests of this room share."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def layers():
    """Four clouds of the same 120 tokens that drift apart: float32, with a common offset and a rogue column."""
    rng = np.random.default_rng(11)
    state = rng.normal(size=(120, 40))
    clouds = []
    for _ in range(4):
        state = state + 0.6 * rng.normal(size=state.shape)
        rogue = np.zeros(40)
        rogue[3] = 30.0
        clouds.append((state + 1.5 + rogue).astype(np.float32))
    return np.stack(clouds)
