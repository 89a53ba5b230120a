"""Every refusal says what was given, what is needed and what to do."""

import numpy as np
import pytest

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import gride, mle, null_points, twonn
from theodolite.dimension.dadapy import gride_as_dadapy
from theodolite.neighborhoods import neighbors


@pytest.fixture(scope="module")
def graph():
    return neighbors(np.random.default_rng(0).normal(size=(100, 4)), k=8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda g: mle(g, k=20),
            r"mle compares 20 neighbors, but the graph holds 8.*Pass k=20 \(or more\) to neighbors\(\)",
        ),
        (lambda g: mle(g, k=1), "mle needs k of at least 2, but k=1"),
        (lambda g: mle(g, k=2, unbiased=True), "at least 3 with unbiased=True, but k=2"),
        (lambda g: mle(g, k=4, aggregation="geometric"), "not 'geometric'"),
        (lambda g: mle(g, k=4, errors="jackknife"), "not 'jackknife'"),
        (lambda g: twonn(g, method="mle"), '"fit" or "ml", not \'mle\''),
        (lambda g: twonn(g, convention="N"), "'i/N' or '\\(i-1\\)/N' for method=\"fit\", not 'N'"),
        (lambda g: twonn(g, method="ml", convention="i/N"), "for method=\"ml\", not 'i/N'"),
        (lambda g: twonn(g, discard=1.0), "discard is a share of the ratios in \\[0, 1\\), not 1.0"),
        (lambda g: twonn(g, discard=0.0), "infinity.*pass|infinity. Pass convention"),
        (lambda g: twonn(g, errors="none"), "not 'none'"),
        (lambda g: gride(g, largest=16), "gride compares 16 neighbors, but the graph holds 8"),
        (lambda g: gride(g, largest=1), "largest=1. Pass k=2 or more"),
        (lambda g: gride(g, convention="skdim"), '"exact" or "dadapy", not \'skdim\''),
        (lambda g: gride(g, convention="dadapy", errors="neighbors"), "not what DADApy computes"),
        (lambda g: gride(g, errors="none"), "not 'none'"),
        (lambda _: null_points(np.eye(3), "uniform", seed=0), "not 'uniform'"),
    ],
)
def test_parameters(graph, call, message):
    with pytest.raises(ParameterError, match=message):
        call(graph)


def test_too_much_discarded(graph):
    with pytest.raises(PointsError, match=r"1 of 100 remain after discarding 0\.985"):
        twonn(graph, discard=0.985)


def test_too_little_discarded(graph):
    with pytest.raises(PointsError, match="discards nothing of 100 ratios"):
        twonn(graph, discard=1e-20)


def test_lower_ratios_tied(model_graph):
    graph = model_graph(np.c_[np.ones(50), np.r_[np.ones(45), np.full(5, 2.0)]])
    with pytest.raises(PointsError, match="45 smallest of 50 ratios are all 1"):
        twonn(graph)


def test_dadapy_cut_that_leaves_nothing():
    with pytest.raises(PointsError, match="cut leaves no ratio"):
        gride_as_dadapy(np.ones(5), np.ones(5), 1, 2)
