"""Numbers as people read them: no more digits than the error allows."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.number_format import (
    ABSENT,
    format_bytes,
    format_count,
    format_decimals,
    format_duration,
    format_moment,
    format_percent,
    format_range,
    format_value,
)


@pytest.mark.parametrize(
    ("value", "stderr", "expected"),
    [
        (17.1234, 0.2871, "17.1 ± 0.3"),
        (17.1234, 0.1871, "17.12 ± 0.19"),
        (17.1234, 0.0096, "17.123 ± 0.010"),
        (59.7, 1.04, "59.7 ± 1.0"),
        (1341.7, 118.0, "1,340 ± 120"),
        (0.0, 0.25, "0.0 ± 0.2"),
        (-3.14159, 0.5, "−3.1 ± 0.5"),
        (12.0, 0.0, "12.0 ± 0"),
        (12.345, None, "12.3"),
        (12.345, math.nan, "12.3"),
        (0.4567, None, "0.457"),
        (50304.0, None, "50,304"),
        (-0.0, None, "0"),
        (1.234e-5, None, "1.23 × 10⁻⁵"),
        (math.inf, None, "∞"),
        (-math.inf, 1.0, "−∞"),
        (math.nan, 0.3, ABSENT),
        (None, 0.3, ABSENT),
    ],
)
def test_value_carries_the_digits_its_error_supports(value, stderr, expected):
    assert format_value(value, stderr) == expected


@given(st.floats(0.001, 1e6), st.floats(1e-4, 1e5))
def test_rounding_moves_a_value_by_less_than_its_error(value, stderr):
    shown, error = format_value(value, stderr).replace(",", "").split(" ± ")
    assert abs(float(shown) - value) <= 0.51 * stderr
    assert float(error) == pytest.approx(stderr, rel=0.34)


@given(st.floats(allow_nan=True, allow_infinity=True), st.none() | st.floats(allow_nan=True, allow_infinity=True))
def test_every_pair_of_floats_can_be_written(value, stderr):
    assert format_value(value, stderr)
    assert format_percent(value, stderr)


def test_percentages_counts_and_ranges():
    assert format_percent(0.8662, 0.0022) == "86.6 ± 0.2\u00a0%"
    assert format_percent(0.8662) == "86.6\u00a0%"
    assert format_percent(math.nan) == ABSENT
    assert format_count(50304) == "50,304"
    assert format_count(None) == ABSENT
    assert format_range(12.41, 25.13) == "12.4 to 25.1"
    assert format_range(3833, 3833, whole=True) == "3,833"


def test_times_and_sizes():
    assert format_duration(4.21) == "4.2\u00a0s"
    assert format_duration(200.4) == "3\u00a0min 20\u00a0s"
    assert format_duration(7500) == "2\u00a0h 5\u00a0min"
    assert format_duration(None) == ABSENT
    assert format_bytes(999) == "999\u00a0bytes"
    assert format_bytes(4_200_000) == "4.2\u00a0MB"
    assert format_bytes(3 * 10**15) == "3000.0\u00a0TB"
    assert format_bytes(None) == ABSENT
    assert format_moment("2026-11-21T00:43:20Z") == "21 November 2026, 00:43 UTC"
    assert format_moment("yesterday") == "yesterday"
    assert format_moment(None) == ""


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "expected"),
    [
        (-0.263, 2, False, "−0.26"),
        (-0.004, 2, False, "0.00"),
        (0.98, 2, False, "0.98"),
        (2.04, 1, True, "+2.0"),
        (-2.04, 1, True, "−2.0"),
        (0.0, 1, True, "0.0"),
    ],
)
def test_numbers_of_so_many_decimals_have_a_true_minus_and_no_negative_zero(value, decimals, signed, expected):
    assert format_decimals(value, decimals, signed=signed) == expected
