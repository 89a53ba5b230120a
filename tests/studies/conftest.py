"""Tables with a known geometry, saved as files a study can read."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def manifold():
    """3000 unit rows on a curved 6-dimensional manifold in 48 columns."""
    generator = np.random.Generator(np.random.PCG64(7))
    latent = generator.normal(size=(3000, 6))
    curved = np.concatenate([latent, np.sin(latent), np.cos(latent)], axis=1) @ generator.normal(size=(18, 48))
    return (curved / np.linalg.norm(curved, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def table_file(tmp_path, manifold):
    path = tmp_path / "table.npy"
    np.save(path, manifold)
    return path


@pytest.fixture(scope="session")
def isolated_rows():
    """3000 unit rows in 128 columns, each far from the others: the best cosine is below one half."""
    generator = np.random.Generator(np.random.PCG64(8))
    rows = generator.normal(size=(3000, 128))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
