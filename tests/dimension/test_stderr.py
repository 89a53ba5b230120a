"""Reported standard errors equal the spread over repeated samples, on points that do share neighbors.

The spread of R repeats is itself known to 1/sqrt(2R): 7 % for 100 repeats. The bands allow for that and for the
20 % within which the estimate is claimed to hold.
"""

import numpy as np
import pytest

from theodolite.dimension import gride, likelihood, mle, mom, participation_ratio, spread, twonn
from theodolite.neighborhoods import neighbors

CLOUDS = {
    "periodic 2": (lambda rng: rng.random((400, 2)), 1.0),
    "cube 5": (lambda rng: rng.random((400, 5)), None),
    "gaussian 10": (lambda rng: rng.normal(size=(400, 10)), None),
    "mixture": (lambda rng: rng.normal(size=(400, 4)) * rng.choice([0.2, 1.0], size=(400, 1)), None),
}


def _measure(graph):
    return {
        "mle 2": mle(graph, k=2),
        "mle 5": mle(graph, k=5),
        "mle 16": mle(graph, k=16),
        "mle 16 median": mle(graph, k=16, aggregation="median"),
        "mle 16 mean": mle(graph, k=16, aggregation="mean"),
        "mom 16": mom(graph, k=16),
        "twonn": twonn(graph),
        "twonn ml": twonn(graph, method="ml"),
        **{f"gride {one.n2}": one for one in gride(graph, largest=16)},
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOUDS)
def test_reported_error_is_the_observed_spread(name, brute):
    draw, period = CLOUDS[name]
    rng = np.random.default_rng(3)
    runs = [_measure(brute(draw(rng), 16, period=period)) for _ in range(120)]
    ratios = {}
    for key in runs[0]:
        values = np.array([run[key].value for run in runs])
        ratios[key] = np.mean([run[key].stderr for run in runs]) / values.std(ddof=1)
    assert all(0.7 < ratio < 1.35 for ratio in ratios.values()), ratios
    assert np.mean(list(ratios.values())) == pytest.approx(1.0, abs=0.15)


@pytest.mark.slow
def test_fisher_information_alone_is_too_small_where_points_share_neighbors(brute):
    rng = np.random.default_rng(4)
    runs = [brute(rng.random((400, 2)), 10, period=1.0) for _ in range(120)]
    estimates = [mle(graph, k=10, errors="fisher") for graph in runs]
    spread = np.std([one.value for one in estimates], ddof=1)
    assert np.mean([one.stderr for one in estimates]) / spread < 0.9


@pytest.mark.parametrize("n_dims", [5, 100, 400])
def test_participation_ratio_error_is_the_spread(n_dims):
    rng = np.random.default_rng(5)
    scales = np.geomspace(1.0, 0.05, n_dims)
    estimates = [participation_ratio(rng.normal(size=(200, n_dims)) * scales) for _ in range(150)]
    spread = np.std([one.value for one in estimates], ddof=1)
    assert np.mean([one.stderr for one in estimates]) == pytest.approx(spread, rel=0.2)


def test_long_graphs_are_read_in_parts_to_the_same_bits(monkeypatch):
    rng = np.random.default_rng(5)
    points = rng.normal(size=(300, 4))
    points[40:44] = points[40]  # at distance 0 of one another
    graph = neighbors(points, k=16, duplicates="keep")
    whole = _measure(graph)
    monkeypatch.setattr(spread, "_PAIRS_AT_ONCE", 100)
    monkeypatch.setattr(likelihood, "_RATIOS_AT_ONCE", 100)
    for name, one in _measure(graph).items():
        assert (one.value, one.stderr) == (whole[name].value, whole[name].stderr), name
        assert one.pointwise is None or np.array_equal(one.pointwise, whole[name].pointwise, equal_nan=True)
