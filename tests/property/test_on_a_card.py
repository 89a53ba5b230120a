"""What runs where the points are, run on a device that is not there: no card is needed to see what would fail on one.

The pretended card refuses what CUDA refuses; the answers are those for the same points in memory, but for the rounding
of sums in another order.
"""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import theodolite.dimension as dim
import theodolite.similarity as sim
from theodolite.neighborhoods import (
    block_search,
    cloud_neighbors,
    cross_neighbors,
    cross_search,
    merge_graphs,
    neighbors,
)

RNG = np.random.default_rng(0)
POINTS = (RNG.normal(size=(300, 5)) @ RNG.normal(size=(5, 12)) + 0.1 * RNG.normal(size=(300, 12))).astype(np.float32)
POINTS[100:120] = POINTS[100] + 1e-6 * RNG.normal(size=(20, 12)).astype(np.float32)
POINTS[200] = POINTS[20]
OTHERS = (POINTS[:, :8] + 0.3 * RNG.normal(size=(300, 8))).astype(np.float32)
WIDE = np.arange(60) % 12  # wide enough for one product to be cheaper than one for each neighborhood
WIDE_GRAPH = neighbors(POINTS[:, WIDE], k=10)
GRAPH, OTHER_GRAPH = (neighbors(points, k=100, duplicates="keep") for points in (POINTS, OTHERS))


@pytest.fixture
def card():
    place = Path(__file__).with_name("pretended_card.py")
    spec = importlib.util.spec_from_file_location("pretended_card", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.pretended_card() as device:
        yield device


def test_the_card_refuses_what_cuda_refuses(card):
    there = torch.ones(3, 3).to(card)
    with pytest.raises(TypeError, match="numpy"):
        there.numpy()
    with pytest.raises(RuntimeError, match="same device"):
        there + torch.ones(3, 3)
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(3, 3)[there[0].to(torch.int64)]
    with pytest.raises(RuntimeError, match="whole numbers"):
        there.to(torch.int32) @ there.to(torch.int32)
    assert (there[torch.arange(2)] * 2).cpu().numpy().sum() == 12


SEARCHES = {
    "auto": lambda x: neighbors(x, k=5),
    "int8": lambda x: neighbors(x, k=5, method="int8"),
    "float64": lambda x: neighbors(x, k=5, method="float64"),
    "cosine": lambda x: neighbors(x, k=5, metric="cosine"),
    "duplicates kept": lambda x: neighbors(x, k=5, duplicates="keep"),
    "ties": lambda x: neighbors(x.round(), k=5),
    "bfloat16": lambda x: neighbors(x.to(torch.bfloat16), k=5),
    "beyond float32": lambda x: neighbors(x.to(torch.float64) * 2.0**700, k=5),
    "little memory": lambda x: neighbors(x, k=5, max_memory=1000),
    "some queries": lambda x: neighbors(x, k=5, queries=np.arange(0, 190, 7)),
    "blocks": lambda x: merge_graphs(s.search(block, 3) for s in [block_search(x, k=5)] for block in range(3)),
    "queries in memory": lambda x: cross_neighbors(OTHERS[:40, [0] * 12], x, k=5),
    "queries of another type": lambda x: cross_neighbors(x[:40].to(torch.float64) + 0.1, x, k=5),
    "queries by angle": lambda x: cross_neighbors(x[:40], x, k=5, metric="cosine"),
    "queries again": lambda x: [s.search(x[some]) for s in [cross_search(x, k=5)] for some in (slice(3), slice(9, 50))][
        1
    ],
}


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_on_a_card(name, card):
    here, there = SEARCHES[name](torch.from_numpy(POINTS)), SEARCHES[name](torch.from_numpy(POINTS).to(card))
    assert here.path.endswith("/cpu")
    assert there.path.endswith("/meta")
    assert_array_equal(there.indices, here.indices)
    assert_allclose(there.distances, here.distances, rtol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_clouds_on_a_card(card, dtype, precision):
    clouds = torch.stack([torch.from_numpy(POINTS[:90]), torch.from_numpy(POINTS[121:211])]).to(dtype)
    there = clouds.to(card)
    found, expected = (cloud_neighbors(x, k=20, precision=precision) for x in (there, clouds))
    assert_allclose(found.distances, expected.distances, rtol=4e-4 if precision == "float32" else 1e-10)
    assert (there.cpu() == clouds).all()  # nothing was done in place


MEASURES = {
    "ess": lambda x, _: dim.ess(GRAPH, x, k=20),
    "ess, one product of all points": lambda x, _: dim.ess(WIDE_GRAPH, x[:, WIDE], k=10, version="b"),
    "local_pca": lambda x, _: dim.local_pca(GRAPH, x),
    "tle": lambda x, _: dim.tle(GRAPH, x),
    "fisher_separability": lambda x, _: dim.fisher_separability(x),
    "participation_ratio": lambda x, _: dim.participation_ratio(x),
    "persistence_dimension": lambda x, _: dim.persistence_dimension(x),
    "twonn_decimation": lambda x, _: dim.twonn_decimation(x),
    "cloud_twonn_decimation": lambda x, _: dim.cloud_twonn_decimation([x, x[:90]], parts=(2,)),
    "null_points": lambda x, _: [dim.null_points(x, kind, seed=0) for kind in ("gaussian", "permuted", "covariance")],
    "neighbor_angles": lambda x, _: sim.neighbor_angles(GRAPH, x),
    "mean_cosine": lambda x, _: sim.mean_cosine(x),
    "information_imbalance": sim.information_imbalance,
    "cka": sim.cka,
    "lle_weights": lambda x, _: sim.lle_weights(x, GRAPH.truncate(10)),
    "lle_similarity": lambda x, y: sim.lle_similarity(
        x, y, first_graph=GRAPH.truncate(10), second_graph=OTHER_GRAPH.truncate(10)
    ),
    "norms": lambda x, _: sim.norms(x),
    "rsa": sim.rsa,
    "rsa_bootstrap": sim.rsa_bootstrap,
    "rsa_spearman": sim.rsa_spearman,
    "rsa_matrix": lambda x, y: sim.rsa_matrix([x, y, x]),
    "cloud_cosines": lambda x, _: sim.cloud_cosines(torch.stack([x, x])),
    "cloud_participation_ratio": lambda x, _: dim.cloud_participation_ratio(torch.stack([x, x])),
}


def numbers(result):
    """All numbers of a result, one array for each of its parts."""
    if dataclasses.is_dataclass(result):
        return [part for field in dataclasses.fields(result) for part in numbers(getattr(result, field.name))]
    if isinstance(result, list | tuple):
        return [part for one in result for part in numbers(one)]
    if isinstance(result, torch.Tensor):
        return [result.cpu().to(torch.float64).numpy()]
    if isinstance(result, np.ndarray):
        return [result.astype(np.float64)] if result.dtype.kind in "fiub" else []
    return [np.array(float(result))] if isinstance(result, int | float) else []


@pytest.mark.parametrize("name", MEASURES)
def test_measures_on_a_card(name, card):
    first, second = torch.from_numpy(POINTS), torch.from_numpy(OTHERS)
    expected = numbers(MEASURES[name](first, second))
    found = numbers(MEASURES[name](first.to(card), second.to(card)))
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        # sums of a few thousand float32 values, in another order or in float64
        assert_allclose(one, other, rtol=1e-6, atol=1e-9)
