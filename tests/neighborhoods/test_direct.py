"""One product with rows as they are: the bound holds for every pair, and everyone up to the cut is offered."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from theodolite.neighborhoods import direct as module
from theodolite.neighborhoods import neighbors
from theodolite.neighborhoods.certificate import difference_error
from theodolite.neighborhoods.direct import Direct

RNG = np.random.default_rng(0)
TABLES = {
    "gaussian": RNG.normal(size=(300, 64)),
    "float32": RNG.normal(size=(300, 64)).astype(np.float32),
    "lengths over six decades": RNG.normal(size=(300, 64)) * 10.0 ** RNG.uniform(-6, 0, (300, 1)),
    "near-duplicates": np.repeat(RNG.normal(size=(60, 16)), 5, axis=0) + 1e-7 * RNG.normal(size=(300, 16)),
    "one coordinate": RNG.normal(size=(300, 1)),
    "offset": (2000 + RNG.normal(size=(300, 64))).astype(np.float32),
    "offset of float64": 1e9 + RNG.normal(size=(300, 8)),
}


def all_scores(table: np.ndarray) -> tuple[Direct, np.ndarray]:
    direct = Direct(torch.from_numpy(table), 9, max_memory=1 << 24)
    scores = np.empty((len(table), direct.group * direct.n_groups), dtype=np.float32)
    rows, _ = direct.kept
    assert direct._multiply(rows, scores, again=True)
    return direct, scores[:, : len(table)]


@pytest.mark.parametrize("name", TABLES)
def test_no_computed_score_exceeds_the_limit_of_its_distance(name):
    """For every pair: score(x, y) <= limit(x, |x - y|), with the scores as the product computes them."""
    table = TABLES[name]
    direct, scores = all_scores(table)
    values = table.astype(np.float64)
    widen = 1 + 4 * difference_error(values.shape[1])
    norms = torch.linalg.vector_norm(direct.kept[0], dim=1, dtype=torch.float64).numpy()
    for other in range(0, 300, 3):
        radius = np.sqrt(((values - values[other]) ** 2).sum(axis=1)) * widen
        assert (direct._limit(norms, radius) >= scores[:, other]).all()


def test_the_limit_is_not_idle():
    """Scores of rows moved apart by a thousandth exceed the limit of the distance before."""
    table = TABLES["gaussian"]
    direct, scores = all_scores(table * 1.001)
    norms = torch.linalg.vector_norm(direct.kept[0], dim=1, dtype=torch.float64).numpy()
    radius = np.sqrt(((table - table[0]) ** 2).sum(axis=1))
    assert (direct._limit(norms, radius)[1:] < scores[1:, 0]).all()


@pytest.mark.parametrize(("n_points", "n_wanted"), [(300, 9), (299, 4), (50, 49), (1700, 20), (9, 3)])
@pytest.mark.parametrize("max_memory", [1, 1 << 16, 1 << 24])
def test_everyone_up_to_the_cut_is_offered(n_points, n_wanted, max_memory):
    table = np.random.default_rng(n_points).normal(size=(n_points, 5)).astype(np.float32)
    direct, scores = all_scores(table)
    np.fill_diagonal(scores, np.inf)
    direct = Direct(torch.from_numpy(table), n_wanted, max_memory=max_memory)
    seen = 0
    for offered, _ in direct.candidates(np.arange(n_points)):
        for row, point in enumerate(offered.points):
            held = np.isfinite(offered.scores[row])
            assert held.sum() >= n_wanted
            # blocks of another height may round a sum otherwise
            slack = 1e-5 * np.abs(offered.cut[row])
            must = np.flatnonzero(scores[point] < offered.cut[row] - slack)
            assert np.isin(must, offered.others[row][held]).all()
            assert point not in offered.others[row][held]
            np.testing.assert_allclose(
                offered.scores[row][held], scores[point][offered.others[row][held]], rtol=1e-4, atol=1e-5
            )
        seen += len(offered.points)
    assert seen == n_points


def test_more_ties_than_candidates_are_not_believed():
    table = np.concatenate([np.zeros((1, 4)), np.kron(np.eye(4), np.ones((100, 1))) + 0.0]).astype(np.float32)
    direct = Direct(torch.from_numpy(table), 5, max_memory=1 << 24)
    offered, _ = next(direct.candidates(np.array([0])))
    assert offered.cut[0] == -np.inf
    assert np.isfinite(offered.scores[0]).sum() == 2 * 5 + 64


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_out_of_the_range_of_float32_nobody_is_offered_anything(scale):
    table = torch.from_numpy(TABLES["gaussian"] * scale)
    assert list(Direct(table, 5, max_memory=1 << 24).candidates(np.arange(300))) == []


def test_chunks_of_the_table_make_no_difference(monkeypatch, brute_force):
    monkeypatch.setattr(module, "_NUMBERS_PER_CHUNK", 1)
    monkeypatch.setattr(module, "_SCORES_PER_BLOCK", 1)
    points = np.random.default_rng(3).normal(size=(900, 6)).astype(np.float32)
    graph = neighbors(points, k=7)
    indices, distances = brute_force(points, 7)
    assert_array_equal(graph.indices, indices)
    assert_array_equal(graph.distances, distances)
    assert (graph.path, graph.n_redone) == ("float32/cpu", 0)


def test_tables_that_float32_cannot_tell_apart_are_given_to_the_other_kernels(brute_force):
    points = np.random.default_rng(4).normal(size=(200, 3))
    points[100:] = 1e-9 * points[100:] + 5
    graph = neighbors(points, k=5)
    assert_array_equal(graph.indices, brute_force(points, 5)[0])
    assert graph.n_redone >= 100
