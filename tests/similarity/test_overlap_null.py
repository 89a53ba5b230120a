"""The exact nulls of overlap and kernel alignment equal what all permutations, or many, give."""

from itertools import permutations

import numpy as np
import pytest

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import neighbors
from theodolite.similarity import cka, neighborhood_overlap, overlap_null


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 3)), rng.normal(size=(6, 2)) ** 3


@pytest.mark.parametrize("debiased", [False, True])
def test_the_null_of_kernel_alignment_is_that_of_all_permutations(small, debiased):
    first, second = small
    values = [cka(first, second[list(order)], debiased=debiased).value for order in permutations(range(6))]
    found = cka(first, second, debiased=debiased)
    assert found.null_mean == pytest.approx(np.mean(values), abs=1e-12)
    assert found.null_std == pytest.approx(np.std(values), rel=1e-10)


def test_the_null_of_debiased_alignment_depends_on_the_number_of_rows_alone():
    rng = np.random.default_rng(1)
    long = rng.normal(size=(50, 4)) * np.r_[30.0, np.ones(49)][:, None]
    assert cka(long, rng.normal(size=(50, 9))).null_std == pytest.approx((2 / (50 * 47)) ** 0.5)


def test_the_null_of_overlap_is_that_of_all_permutations(small):
    first, second = small
    graph = neighbors(first, k=4)
    others = [neighbors(second[list(order)], k=4) for order in permutations(range(6))]
    values = np.array([neighborhood_overlap(graph, other).values for other in others])
    found = overlap_null(graph, others[0])
    assert found.k_values.tolist() == [1, 2, 3, 4]
    assert found.mean == pytest.approx(values.mean(axis=0), rel=1e-12)
    assert found.mean == pytest.approx(found.k_values / 5)
    assert found.std == pytest.approx(values.std(axis=0), rel=1e-10)


def test_points_that_only_one_graph_kept_are_left_out_with_their_edges():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    first[6] = first[0]  # no point of the first graph
    graph, other = neighbors(first, k=3), neighbors(second, k=3)
    kept = {tuple(edge) for edge in _edges(graph) if 6 not in edge}
    others = [edge for edge in _edges(other) if 6 not in edge]
    common = [sum((order[i], order[j]) in kept for i, j in others) for order in permutations(range(6))]
    found = overlap_null(graph, other, k_values=[3])
    assert found.n_points == 6
    assert found.mean[0] == pytest.approx(np.mean(common) / 18, rel=1e-12)
    assert found.std[0] == pytest.approx(np.std(common) / 18, rel=1e-10)


def _edges(graph):
    return [(int(i), int(graph.rows[j])) for i, near in zip(graph.rows, graph.indices, strict=True) for j in near]


def test_hubs_widen_the_null_of_overlap():
    rng = np.random.default_rng(3)
    round_, hubs = rng.normal(size=(200, 3)), rng.normal(size=(200, 3)) * np.r_[np.full(5, 0.01), np.ones(195)][:, None]
    plain, spread = (
        overlap_null(neighbors(one, k=5), neighbors(one[::-1].copy(), k=5), k_values=[5])
        for one in (round_, np.c_[hubs, rng.normal(size=(200, 40)) * np.r_[np.full(5, 0.01), np.ones(195)][:, None]])
    )
    assert spread.mean[0] == plain.mean[0]
    assert spread.std[0] > 3 * plain.std[0]


@pytest.mark.filterwarnings("ignore:.*they are left out")
def test_graphs_that_cannot_be_permuted_are_refused():
    rng = np.random.default_rng(4)
    points = rng.normal(size=(9, 2))
    graph = neighbors(points, k=3)
    with pytest.raises(ParameterError, match="holds those of some"):
        overlap_null(graph, neighbors(points, k=3, queries=np.array([0, 1])))
    with pytest.raises(ParameterError, match="come from 9 and 8 rows"):
        overlap_null(graph, neighbors(points[:8], k=3))
    with pytest.raises(ParameterError, match="k must lie in 1 to 3"):
        overlap_null(graph, graph, k_values=[4])
    apart = np.full((9, 2), np.nan), np.full((9, 2), np.nan)
    apart[0][:5], apart[1][4:] = points[:5], points[4:]
    with pytest.raises(PointsError, match="have 1 rows in common, but a null needs 2"):
        overlap_null(*(neighbors(one, k=3, nonfinite="drop") for one in apart))
