"""FisherS and the persistent-homology dimension against scikit-dimension 0.5.0."""

import numpy as np
import pytest
import skdim.id
from scipy.spatial.distance import pdist, squareform
from skdim.id._PH import _total_persistence

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension import fisher_separability, persistence, persistence_dimension
from theodolite.dimension.persistence import tree_length

CLOUDS = [
    np.random.default_rng(0).normal(size=(300, 6)) * np.linspace(1, 2, 6),
    np.tanh(np.random.default_rng(1).normal(size=(250, 3)) @ np.random.default_rng(2).normal(size=(3, 20))),
]


@pytest.mark.parametrize("cloud", CLOUDS, ids=["gaussian", "curved"])
def test_fisher_separability(cloud):
    theirs = skdim.id.FisherS().fit(cloud)
    assert fisher_separability(cloud).value == pytest.approx(float(np.ravel(theirs.dimension_)[0]), rel=1e-9)
    assert fisher_separability(cloud * 2.0**-30).value == pytest.approx(fisher_separability(cloud).value, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_tree_length(alpha):
    distances = squareform(pdist(CLOUDS[0]))
    subset = np.arange(0, 300, 3)
    theirs = float(_total_persistence(distances[np.ix_(subset, subset)], np.asarray(alpha)))
    assert tree_length(distances / distances.max(), subset, alpha) * distances.max() ** alpha == pytest.approx(theirs)


def test_persistence_dimension_follows_the_same_protocol():
    """Other subsamples are drawn, so two runs agree as two of its own runs do: within a few of its standard errors."""
    plane = np.random.default_rng(3).random((400, 2))
    ours = [persistence_dimension(plane, seed=seed, n_subsamples=8) for seed in range(3)]
    theirs = [
        skdim.id.PH(
            alpha=1.0,
            n_range_min=0.25,
            n_range_max=1.0,
            range_type="fraction",
            nsteps=10,
            subsamples=8,
            random_state=seed,
        )
        .fit(plane)
        .dimension_
        for seed in range(3)
    ]
    assert np.mean([one.value for one in ours]) == pytest.approx(np.mean(theirs), abs=0.1)
    assert ours[0] == persistence_dimension(plane, seed=0, n_subsamples=8)
    assert ours[0].n_used == 400


def test_persistence_dimension_of_the_same_subsamples(monkeypatch):
    """Drawn by its generator, subsamples of the same sizes give its number."""
    cloud = np.random.default_rng(4).random((151, 3))
    monkeypatch.setattr(persistence, "generator_from", lambda *_: np.random.RandomState(5))
    settings = {"n_range_min": 0.3, "n_range_max": 0.9, "nsteps": 5, "subsamples": 2, "random_state": 5}
    theirs = skdim.id.PH(alpha=0.8, range_type="fraction", **settings).fit(cloud).dimension_
    ours = persistence_dimension(cloud, alpha=0.8, smallest=0.3, largest=0.9, n_sizes=5, n_subsamples=2)
    assert ours.value == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: persistence_dimension(CLOUDS[0], alpha=0.0), ParameterError, "positive power, not 0.0"),
        (lambda: persistence_dimension(CLOUDS[0], smallest=0.5, largest=0.4), ParameterError, "smallest < largest"),
        (lambda: persistence_dimension(CLOUDS[0], n_sizes=1), ParameterError, "n_sizes=1 must be at least 2"),
        (lambda: persistence_dimension(CLOUDS[0][:20]), PointsError, "would hold 5 of 20 points"),
        (lambda: fisher_separability(CLOUDS[0], condition=1.0), ParameterError, "above 1, not 1.0"),
        (lambda: fisher_separability(np.eye(12)), PointsError, "separable at every margin"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
