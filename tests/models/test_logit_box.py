"""The logit box against closed forms and plain numpy."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import softmax

from theodolite.core.errors import ParameterError, PointsError
from theodolite.models import box_entropy, logit_box


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_equal_to_plain_numpy(dtype):
    logits = (3 * torch.randn(40, 9000, generator=torch.Generator().manual_seed(0))).to(dtype)
    box = logit_box(logits, k_values=[128, 1, 7])
    assert box.k_values.tolist() == [1, 7, 128]
    p = -np.sort(-softmax(logits.double().numpy(), axis=1), axis=1)
    z = -np.sort(-logits.double().numpy(), axis=1)
    parts = -p * np.log(p)
    close = 1e-12 if dtype == torch.float64 else 2e-6  # 9,000 terms summed in float32
    for column, k in enumerate(box.k_values):
        assert_allclose(box.mass[:, column], p[:, :k].sum(axis=1), rtol=close)
        assert_allclose(box.entropy_share[:, column], parts[:, :k].sum(axis=1) / parts.sum(axis=1), rtol=10 * close)
        assert_allclose(box.length[:, column], z[:, 0] - z[:, k - 1], atol=1e-12)
    assert_allclose(box.entropy, parts.sum(axis=1), rtol=close)


def test_whole_vocabulary_and_flat_predictions():
    flat = logit_box(torch.zeros(2, 10, dtype=torch.float64), k_values=range(1, 11))
    assert_allclose(flat.mass, np.arange(1, 11) / 10 * np.ones((2, 1)), rtol=1e-12)
    assert_allclose(flat.entropy_share, flat.mass, rtol=1e-12)
    assert_allclose(flat.entropy, np.log(10), rtol=1e-12)
    assert (flat.length == 0).all()


def test_a_box_of_two_sides_is_known_in_closed_form():
    """The difference of two uniform numbers has a triangular density, and the entropy depends on it alone."""
    length = 4.0

    def integrand(difference):
        q = 1 / (1 + np.exp(-difference))
        return -(q * np.log(q) + (1 - q) * np.log(1 - q)) * (length - abs(difference)) / length**2

    exact = quad(integrand, -length, length)[0]
    mean, stderr = box_entropy(2, length)
    assert abs(mean - exact) < 4 * stderr
    assert 0 < stderr < 0.002
    assert box_entropy(2, length) == (mean, stderr)
    assert box_entropy(5, 0.0) == (np.log(5), 0.0)
    assert box_entropy(3, 1e-4)[0] == pytest.approx(np.log(3), abs=1e-8)


def test_refusals():
    logits = torch.zeros(3, 10)
    for k_values in ([0], [11], []):
        with pytest.raises(ParameterError, match="k must lie in 1 to 10"):
            logit_box(logits, k_values=k_values)
    with pytest.raises(PointsError, match="row for each token"):
        logit_box(logits[0], k_values=[1])
    logits[1, 1] = torch.nan
    with pytest.raises(PointsError, match="NaN or infinity"):
        logit_box(logits, k_values=[1])
    for n_dims, length, n_samples in ((0, 1.0, 10), (2, -1.0, 10), (2, np.inf, 10), (2, 1.0, 1)):
        with pytest.raises(ParameterError, match="A box needs n_dims"):
            box_entropy(n_dims, length, n_samples=n_samples)
