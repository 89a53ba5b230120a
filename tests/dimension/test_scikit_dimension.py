"""The adapter hands over what remains after cleaning, and the number back unchanged."""

import sys

import numpy as np
import pytest
import torch

from theodolite.core.errors import ParameterError, PointsError, TheodoliteError
from theodolite.dimension import scikit_dimension

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:skdim")
POINTS = np.random.default_rng(0).normal(size=(80, 4)) @ np.eye(4, 6)


@pytest.mark.parametrize(
    ("estimator", "settings"),
    [pytest.param("DANCo", {"k": 5, "D": 4}, marks=pytest.mark.slow), ("KNN", {"k": 3}), ("MiND_ML", {"k": 8, "D": 6})],
)
def test_the_number_is_theirs(estimator, settings):
    skdim = pytest.importorskip("skdim.id")
    drawn = {"random_state": 3} if estimator != "MiND_ML" else {}
    theirs = getattr(skdim, estimator)(**settings, **drawn).fit(POINTS).dimension_
    ours = scikit_dimension(torch.from_numpy(np.concatenate([POINTS, POINTS[:5]])), estimator, seed=3, **settings)
    assert ours.value == float(theirs)
    assert (ours.n_used, ours.n_dropped, ours.n_dims, ours.n1) == (80, 5, 6, None)
    assert np.isnan(ours.stderr)
    assert ours.method == f"scikit-dimension {estimator}"
    assert str(ours.params["version"]).startswith("0.5")


def test_refusals(monkeypatch):
    with pytest.raises(ParameterError, match=r"no estimator 'Danco'. It has: .*DANCo"):
        scikit_dimension(POINTS, "Danco")
    with pytest.raises(ParameterError, match=r"KNN of scikit-dimension has no setting 'n_neighbors'. It knows: k"):
        scikit_dimension(POINTS, "KNN", n_neighbors=3)
    with pytest.raises(PointsError, match="row 2"):
        scikit_dimension(np.where(np.arange(80)[:, None] == 2, np.nan, POINTS))
    monkeypatch.setitem(sys.modules, "skdim.id", None)
    with pytest.raises(TheodoliteError, match=r"not installed. Install theodolite\[skdim\]"):
        scikit_dimension(POINTS)


def test_a_value_that_is_no_number_is_refused(monkeypatch):
    skdim = pytest.importorskip("skdim.id")

    class Nothing:
        dimension_ = np.nan

        def fit(self, _):
            return self

    monkeypatch.setattr(skdim, "KNN", Nothing)
    with pytest.raises(PointsError, match="KNN of scikit-dimension returned nan for 80 points"):
        scikit_dimension(POINTS, "KNN")

    class Broken(Nothing):
        def fit(self, _):
            raise IndexError("out of bounds")

    monkeypatch.setattr(skdim, "KNN", Broken)
    with pytest.raises(PointsError, match="KNN of scikit-dimension failed on 80 points: out of bounds"):
        scikit_dimension(POINTS, "KNN")
