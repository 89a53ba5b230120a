"""What a GPU would do, run on a CPU; and the same on a GPU where there is one."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from theodolite.neighborhoods import cloud_neighbors, neighbors
from theodolite.similarity import (
    cka,
    cloud_angles,
    cloud_cosines,
    coherence,
    information_imbalance,
    lle_weights,
    norms,
    rsa,
    rsa_bootstrap,
    rsa_permutations,
    rsa_spearman,
)


def measures(clouds, graphs):
    """Return every measure that looks at coordinates."""
    first, second = clouds[0], clouds[1][:, :30]
    return [
        *cloud_cosines(clouds),
        *cloud_angles(graphs, clouds),
        norms(first),
        rsa(first, second, center=True),
        rsa_spearman(first, second),
        cka(first, second),
        information_imbalance(first, second, k=2),
        information_imbalance(first, second, metric="euclidean"),
        lle_weights(first, graphs.graph(0)),
        coherence(graphs.graph(0), ["a"] * len(first), points=first),
        rsa_bootstrap(first, second, n_repeats=2),
        rsa_permutations(first, second, n_repeats=2),
    ]


def close(one, other, rtol):
    if hasattr(one, "__dataclass_fields__"):
        return all(close(getattr(one, field.name), getattr(other, field.name), rtol) for field in fields(one))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key], rtol) for key in one)
    if isinstance(one, (float, np.ndarray)):
        return np.allclose(one, other, rtol=rtol, atol=1e-9, equal_nan=True)
    return one == other


def test_the_torch_path_gives_the_numbers_of_the_numpy_path(layers, monkeypatch):
    clouds = torch.from_numpy(layers)
    graphs = cloud_neighbors(clouds, k=6)
    expected = measures(clouds, graphs)
    for module in ("cosines", "angles", "unit_rows"):
        monkeypatch.setattr(f"theodolite.similarity.{module}.on_cpu", lambda _: False)
    for found, wanted in zip(measures(clouds, graphs), expected, strict=True):
        assert close(found, wanted, 2e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_numbers_of_a_cpu(layers):
    clouds = torch.from_numpy(layers)
    graphs = cloud_neighbors(clouds, k=6)
    for found, wanted in zip(measures(clouds.cuda(), graphs), measures(clouds, graphs), strict=True):
        assert close(found, wanted, 2e-6)


def test_half_precision_is_read_as_float32(layers):
    half = torch.from_numpy(layers[0]).to(torch.bfloat16)
    wide = half.to(torch.float32)
    assert cloud_cosines([half]) == cloud_cosines([wide])
    assert rsa(half, wide).value == pytest.approx(1.0)
    graph = neighbors(half, k=4)
    assert np.array_equal(lle_weights(half, graph).weights, lle_weights(wide, graph).weights)
