"""Local estimators and the correlation dimension over many clouds: equal, cloud by cloud, to those for one graph."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import theodolite.dimension as dim
from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import cloud_neighbors

AGGREGATIONS = ("mean", "median", "harmonic")
PAIRS = {
    "mom": (lambda found, _, **more: dim.cloud_mom(found, **more), lambda graph, _, **more: dim.mom(graph, **more)),
    "mada": (lambda found, _, **more: dim.cloud_mada(found, **more), lambda graph, _, **more: dim.mada(graph, **more)),
    "local_twonn": (
        lambda found, _, **more: dim.cloud_local_twonn(found, n_neighbors=20, **more),
        lambda graph, _, **more: dim.local_twonn(graph, n_neighbors=20, **more),
    ),
    "local_twonn inside": (
        lambda found, points, **more: dim.cloud_local_twonn(found, points, n_neighbors=20, discard=0.2, **more),
        lambda graph, points, **more: dim.local_twonn(graph, points, n_neighbors=20, discard=0.2, **more),
    ),
    "local_pca": (
        lambda found, points, **more: dim.cloud_local_pca(found, points, k=20, threshold=0.9, **more),
        lambda graph, points, **more: dim.local_pca(graph, points, k=20, threshold=0.9, **more),
    ),
    "ess": (dim.cloud_ess, dim.ess),
    "tle": (dim.cloud_tle, dim.tle),
}


def awkward():
    """Clouds of several lengths and kinds: smooth, on a grid, with copies, in one dimension, heavy-tailed, no cloud."""
    rng = np.random.default_rng(0)
    copies = rng.normal(size=(70, 5))
    copies[:20] = copies[20:40]
    return [
        rng.normal(size=(90, 5)),
        rng.integers(0, 4, size=(120, 5)).astype(float),
        copies,
        rng.normal(size=(60, 1)) @ rng.normal(size=(1, 5)),
        rng.standard_cauchy(size=(80, 5)),
        np.repeat(rng.normal(size=(3, 5)), 25, axis=0),
    ]


def searched(duplicates):
    """Return clouds and their neighbors; collapsed, the cloud of three points is none."""
    clouds = awkward()[: 6 if duplicates == "keep" else 5]
    return clouds, cloud_neighbors(clouds, k=40, duplicates=duplicates, precision="float64")


SEARCHED = {duplicates: searched(duplicates) for duplicates in ("keep", "collapse")}


def agree(many, cloud, one):
    """Compare one entry, point by point too."""
    entry = many.estimate(cloud)
    assert_allclose([entry.value, entry.radius], [one.value, one.radius], rtol=1e-12)
    assert_allclose(entry.stderr, one.stderr, rtol=1e-10)
    assert (entry.n_used, entry.n_dropped, entry.n1, entry.n2) == (one.n_used, one.n_dropped, one.n1, one.n2)
    assert (entry.method, dict(entry.params), entry.n_dims) == (one.method, dict(one.params), one.n_dims)
    if one.pointwise is None:
        assert entry.pointwise is None
        return
    finite = np.isfinite(one.pointwise)
    assert_array_equal(np.isfinite(entry.pointwise), finite)
    assert_allclose(entry.pointwise[finite], one.pointwise[finite], rtol=1e-12)


@pytest.mark.parametrize("duplicates", ["keep", "collapse"])
@pytest.mark.parametrize("name", PAIRS)
def test_many_clouds_read_what_each_reads_alone(name, duplicates):
    clouds, found = SEARCHED[duplicates]
    assert len(set(found.lengths.tolist())) > 3
    assert (found.n_duplicates.sum() > 0) == (duplicates == "collapse")
    of_many, of_one = PAIRS[name]
    read = 0
    for aggregation in AGGREGATIONS:
        many = of_many(found, clouds, aggregation=aggregation)
        for cloud, points in enumerate(clouds):
            try:
                one = of_one(found.graph(cloud), points, aggregation=aggregation)
            except PointsError:
                entry = many.estimate(cloud)
                assert np.isnan([entry.value, entry.stderr]).all()
                assert (entry.n_used, entry.n_dropped) == (0, found.lengths[cloud])
                continue
            agree(many, cloud, one)
            read += 1
    assert read == 3 * 5  # all but the cloud that is three points


@pytest.mark.parametrize("rule", ["fo", "fan"])
def test_rules_of_principal_components(rule):
    clouds, found = SEARCHED["collapse"]
    many = dim.cloud_local_pca(found, clouds, k=30, rule=rule)
    for cloud, points in enumerate(clouds):
        agree(many, cloud, dim.local_pca(found.graph(cloud), points, k=30, rule=rule))


def test_correlation_dimension():
    rng = np.random.default_rng(1)
    clouds = [rng.random((200, 3)), rng.normal(size=(150, 3)), np.repeat(rng.normal(size=(3, 3)), 50, axis=0)]
    found = cloud_neighbors(clouds, k=140, duplicates="keep")
    many = dim.cloud_correlation_dimension(found, k1=4, k2=9)
    for cloud in range(2):
        agree(many, cloud, dim.correlation_dimension(found.graph(cloud), k1=4, k2=9))
    assert many.pointwise is None
    assert np.isnan(many.value[2, 0])
    short = cloud_neighbors([clouds[0], np.concatenate([clouds[0] / 50, clouds[1]])], k=40)
    with pytest.raises(ParameterError, match=r"^Cloud 1: The graph's 40 neighbors end inside .* Pass k=160"):
        dim.cloud_correlation_dimension(short)


def test_a_cloud_that_fixes_no_dimension_leaves_the_others_alone():
    """A regular simplex has all distances equal."""
    clouds = [np.eye(30), np.random.default_rng(2).normal(size=(60, 30))]
    found = cloud_neighbors(clouds, k=29)
    for many, one in (
        (dim.cloud_mom(found), dim.mom),
        (dim.cloud_mada(found), dim.mada),
        (dim.cloud_local_twonn(found, n_neighbors=8), lambda graph: dim.local_twonn(graph, n_neighbors=8)),
    ):
        with pytest.raises(PointsError, match="0 of 30 do"):
            one(found.graph(0))
        assert np.isnan(many.value[0, 0])
        assert not np.isfinite(many.estimate(0).pointwise).any()
        agree(many, 1, one(found.graph(1)))
    with pytest.raises(PointsError, match="no scale lies between"):
        dim.correlation_dimension(found.graph(0))
    assert np.isnan(dim.cloud_correlation_dimension(found, k1=2, k2=4).value[0, 0])


def test_points_that_are_not_finite_are_refused_and_not_taken_for_a_cloud_without_dimension():
    clouds, found = SEARCHED["collapse"]
    broken = [cloud.copy() for cloud in clouds]
    broken[2][found.rows[2, 5]] = np.nan
    with pytest.raises(PointsError, match="is not finite here"):
        dim.cloud_local_pca(found, broken, k=20)


@pytest.mark.parametrize(
    ("measure", "settings", "message"),
    [
        (dim.cloud_mom, {"k": 1}, "mom needs k of at least 2"),
        (dim.cloud_mom, {"k": 50}, "mom compares 50 neighbors, but the clouds hold 40"),
        (dim.cloud_mom, {"aggregation": "mode"}, "aggregation must be"),
        (dim.cloud_mada, {"k": 2.5}, "mada needs a whole number for k"),
        (dim.cloud_mada, {"k": 50}, "mada compares 50 neighbors, but the clouds hold 40"),
        (dim.cloud_correlation_dimension, {"k1": 5, "k2": 5}, "1 <= k1 < k2 is needed"),
        (dim.cloud_correlation_dimension, {"k2": 41}, "compares 41 neighbors, but the clouds hold 40"),
        (dim.cloud_local_twonn, {}, "local_twonn compares 128 neighbors, but the clouds hold 40"),
        (dim.cloud_local_twonn, {"points": [], "n_neighbors": 9}, "those of 5 clouds, but 0 clouds of points"),
        (dim.cloud_local_pca, {"points": awkward(), "k": 9}, "those of 5 clouds, but 6 clouds of points"),
        (dim.cloud_local_pca, {"points": awkward()[:5], "k": 9, "rule": "all"}, "rule must be"),
        (dim.cloud_local_pca, {"points": awkward()[:5]}, "local_pca compares 100 neighbors, but the clouds hold 40"),
    ],
)
def test_refusals(measure, settings, message):
    with pytest.raises(ParameterError, match=message):
        measure(SEARCHED["collapse"][1], **settings)
