"""Rows of the table of gotchas, for every estimator: what other packages make nonsense of is read as the clean cloud.

Offsets, rogue dimension, near-duplicates (distances in float32 through squares), exact duplicates, zero rows, offset,
tiny scale, bfloat16; NaN, and as many points as neighbors, are refused. `test_awkward_points` looks at TwoNN, MLE and
GRIDE in more detail, `test_neighbors` at the graph.
"""

import numpy as np
import pytest
import torch

import theodolite.dimension as dim
from theodolite.core.errors import GeometryWarning, PointsError
from theodolite.neighborhoods import graph_from_distances, neighbors

N_POINTS, N_COLUMNS, TRUTH, K = 400, 24, 5, 30
CLOUD = np.tanh(
    np.random.default_rng(0).random((N_POINTS, TRUTH)) @ np.random.default_rng(1).normal(size=(TRUTH, N_COLUMNS))
)

ESTIMATORS = {
    "twonn": lambda graph, _: dim.twonn(graph),
    "twonn ml": lambda graph, _: dim.twonn(graph, method="ml"),
    "mle": lambda graph, _: dim.mle(graph),
    "mle arithmetic": lambda graph, _: dim.mle(graph, aggregation="mean"),
    "gride at 2": lambda graph, _: dim.gride(graph, largest=2)[0],
    "gride at 16": lambda graph, _: dim.gride(graph, largest=16)[-1],
    "mom": lambda graph, _: dim.mom(graph),
    "mada": lambda graph, _: dim.mada(graph),
    "correlation": lambda graph, _: dim.correlation_dimension(graph),
    "tle": dim.tle,
    "ess": lambda graph, points: dim.ess(graph, points, k=K),
    "local_pca": lambda graph, points: dim.local_pca(graph, points, k=K),
    "local_twonn": lambda graph, _: dim.local_twonn(graph, n_neighbors=K),
    "adaptive": lambda graph, _: dim.adaptive(graph),
    "participation_ratio": lambda _, points: dim.participation_ratio(points),
    "persistence": lambda _, points: dim.persistence_dimension(points),
    "fisher_separability": lambda _, points: dim.fisher_separability(points),
}
CHANGES = {
    "mean of 10 std": lambda x: x + 10 * x.std(),
    "mean of 100 std, float32": lambda x: (x + 100 * x.std()).astype(np.float32),
    "offset 1000": lambda x: x + 1000,
    "rogue dimension of 3000": lambda x: np.c_[x, np.full(len(x), 3000.0)],
    "scale 1e-6": lambda x: x * 1e-6,
    "pairs": lambda x: np.r_[x, x[: len(x) // 20]],
    "triples": lambda x: np.r_[x, x[: len(x) // 20], x[: len(x) // 20]],
    "a row thirty times": lambda x: np.r_[x, np.repeat(x[:1], 30, axis=0)],
    "bfloat16": lambda x: torch.from_numpy(x).to(torch.bfloat16),
}
ROUNDED = {"mean of 100 std, float32": 0.02, "bfloat16": 0.06}
COPIES = ("pairs", "triples", "a row thirty times")
OF_ALL_ROWS = ("participation_ratio", "persistence", "fisher_separability")


def read(points):
    """Read every estimator, or the reason why not."""
    graph = neighbors(points, k=K + 70)
    return {name: estimate(graph, points).value for name, estimate in ESTIMATORS.items()}


@pytest.fixture(scope="module")
def clean():
    return read(CLOUD)


def test_the_clean_cloud_is_read(clean):
    assert all(2 < value < 12 for value in clean.values()), clean


@pytest.mark.parametrize("change", CHANGES)
def test_awkward_rows_are_read_as_the_clean_cloud(change, clean):
    found = read(CHANGES[change](CLOUD))
    within = ROUNDED.get(change, 1e-6)
    for name, value in found.items():
        copied = name == "participation_ratio" and change in COPIES  # a covariance of rows as they are given
        assert value == pytest.approx(clean[name], rel=0.06 if copied else within), name


def test_near_duplicates_under_an_offset_keep_their_distances():
    """Mean of 10 std, 5 % rows near another: through squares in float32 they come out at 0, and MLE with them."""
    rng = np.random.default_rng(2)
    points = (CLOUD + 10 * CLOUD.std()).astype(np.float32)
    points[:20] = points[20:40] + (1e-4 * CLOUD.std() * rng.normal(size=(20, N_COLUMNS))).astype(np.float32)
    graph = neighbors(points, k=20)
    apart = np.linalg.norm(points[:20].astype(np.float64) - points[20:40], axis=1)
    np.testing.assert_allclose(graph.distances[:20, 0], apart, rtol=1e-12)
    squares = (points * points).sum(axis=1)
    gram = squares[:20] + squares[20:40] - 2 * (points[:20] * points[20:40]).sum(axis=1)
    assert np.abs(np.sqrt(np.maximum(gram, 0)) / apart - 1).max() > 0.5  # what peers report
    exact = np.sqrt(((points[:, None].astype(np.float64) - points) ** 2).sum(axis=2))
    plain = graph_from_distances(exact, n_dims=N_COLUMNS, k=20)
    assert dim.mle(graph).value == pytest.approx(dim.mle(plain).value, rel=1e-12)
    assert [one.value for one in dim.gride(graph)] == pytest.approx([one.value for one in dim.gride(plain)], rel=1e-12)


@pytest.mark.parametrize("name", OF_ALL_ROWS)
def test_nan_is_refused_by_row(name):
    broken = CLOUD.copy()
    broken[17, 3] = np.nan
    with pytest.raises(PointsError, match="row 17"):
        ESTIMATORS[name](None, broken)


@pytest.mark.parametrize("name", ["tle", "ess", "local_pca"])
def test_a_row_that_was_finite_for_the_graph_is_refused(name):
    broken = CLOUD.copy()
    broken[17, 3] = np.inf
    with pytest.raises(PointsError, match="row 17 among its points, but that row is not finite here"):
        ESTIMATORS[name](neighbors(CLOUD, k=K), broken)
    with pytest.warns(GeometryWarning, match="row 17"):
        graph = neighbors(broken, k=K, nonfinite="drop")
    assert np.isfinite(ESTIMATORS[name](graph, broken).value)


@pytest.mark.parametrize("n_points", [1, 2, 3, 5])
def test_few_points_are_refused(n_points):
    """PHdim elsewhere reads 1 for any cloud below its smallest sample."""
    points = CLOUD[:n_points]
    with pytest.raises(PointsError, match=f"subsample would hold . of {n_points} points, and 10 are needed"):
        dim.persistence_dimension(points)
    with pytest.raises(PointsError, match=f"All {n_points} points are separable at every margin: there are too few"):
        dim.fisher_separability(points)
    if n_points == 1:
        with pytest.raises(PointsError, match="at least 2 points, but 1 of 1 rows remain"):
            dim.participation_ratio(points)
