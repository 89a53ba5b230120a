"""The bound itself: it must hold for every pair, and fail if one of its parts is left out."""

import numpy as np
import pytest
import torch

from theodolite.neighborhoods.certificate import difference_error
from theodolite.neighborhoods.prepare import prepare
from theodolite.neighborhoods.rounding import Judge, rounded_to

RNG = np.random.default_rng(0)
TABLES = {
    "gaussian": RNG.normal(size=(300, 64)),
    "lengths over six decades": RNG.normal(size=(300, 64)) * 10.0 ** RNG.uniform(-6, 0, (300, 1)),
    "near-duplicates": np.repeat(RNG.normal(size=(60, 16)), 5, axis=0) + 1e-7 * RNG.normal(size=(300, 16)),
    "one coordinate": RNG.normal(size=(300, 1)),
    "offset": (2000 + RNG.normal(size=(300, 64))).astype(np.float32),
}


@pytest.mark.parametrize("dtype", [torch.int8, torch.float32, torch.float64])
@pytest.mark.parametrize("name", TABLES)
def test_no_computed_score_exceeds_the_limit_of_its_distance(name, dtype):
    """For every pair: score(x, y) <= limit(x, |x - y|), with the scores as the product computes them."""
    points = TABLES[name]
    prepared = prepare(points, metric="euclidean", nonfinite="error", duplicates="keep")
    rounded = rounded_to(prepared, dtype)
    low = rounded.rows
    products = (low.double() @ low.double().T).to(torch.int32) if dtype == torch.int8 else low @ low.T
    scores = (rounded.half_squares[None, :] - products).double().numpy()
    values = points.astype(np.float64)
    widen = 2.0**-prepared.exponent * (1 + 4 * difference_error(values.shape[1]))
    judge = Judge.of(rounded)
    tightest = np.inf
    for other in range(0, 300, 3):
        radius = np.linalg.norm(values - values[other], axis=1) * widen
        room = judge.limit(np.arange(300), radius) - scores[:, other]
        room[other] = np.inf
        assert room.min() >= 0
        tightest = min(tightest, float(room.min()))
    assert np.isfinite(tightest)


def test_rounding_errors_are_measured_not_guessed():
    points = TABLES["gaussian"]
    prepared = prepare(points, metric="euclidean", nonfinite="error", duplicates="keep")
    seen = prepared.seen(slice(0, 300)).numpy()
    for dtype in (torch.int8, torch.float32):
        rounded = rounded_to(prepared, dtype)
        step = np.sqrt(rounded.unit)
        error = np.linalg.norm(seen - rounded.rows[:, :64].double().numpy() * step, axis=1)
        assert (rounded.errors >= error).all()
        assert (rounded.errors <= error * 1.001 + 1e-15).all()
