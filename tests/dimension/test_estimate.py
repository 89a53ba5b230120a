"""The result type: a value that travels as it is."""

import math
import pickle

import pytest

from theodolite.dimension import DimensionEstimate


def estimate(**changes):
    values = {
        "value": 17.123,
        "stderr": 0.31,
        "method": "twonn",
        "params": {"discard": 0.1},
        "n1": 1,
        "n2": 2,
        "radius": 0.5,
        "n_used": 2000,
        "n_dropped": 3,
        "n_dims": 300,
    }
    return DimensionEstimate(**{**values, **changes})


def test_redundancy_is_the_share_of_columns_beyond_the_dimension():
    assert estimate(value=30.0, n_dims=300).redundancy == pytest.approx(0.9)
    assert estimate(value=3.3, n_dims=3).redundancy < 0


def test_it_is_frozen_and_survives_a_pickle():
    one = estimate()
    with pytest.raises(AttributeError):
        one.value = 3.0
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize(
    ("value", "stderr", "start"),
    [
        (17.123, 0.31, "17.1 ± 0.3 ("),
        (17.123, 0.13, "17.12 ± 0.13 ("),
        (17.123, 0.098, "17.1 ± 0.10 (".replace("17.1 ", "17.12 ")),
        (1234.5, 36.0, "1,230 ± 40 ("),
        (9.96, math.nan, "9.96 ("),
        (2.0, 0.0, "2.00 ± 0 ("),
    ],
)
def test_it_prints_as_many_digits_as_the_error_allows(value, stderr, start):
    assert str(estimate(value=value, stderr=stderr)).startswith(start)


def test_it_prints_the_scale_the_settings_and_the_counts():
    text = str(estimate(n1=1, n2=20, params={"k": 20, "aggregation": "harmonic"}, method="mle"))
    assert text == "17.1 ± 0.3 (mle, to neighbor 20, aggregation=harmonic, 2000 points, 3 dropped, 300 columns)"
