"""Results at a prompt and in a notebook: short, complete, and safe to show."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from theodolite.core.display import Displayed, equal_by_entries


@dataclass(frozen=True, slots=True, repr=False)
class Reading(Displayed):
    value: float
    stderr: float | None
    points: object = None
    secret: str = field(default="inside", repr=False)


def test_arrays_show_type_and_shape():
    assert repr(Reading(1.5, None, np.zeros((5, 2)))) == "Reading(value=1.5, stderr=None, points=<float64 (5, 2)>)"
    assert "<bfloat16 (3,)>" in repr(Reading(1.5, None, torch.zeros(3, dtype=torch.bfloat16)))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (tuple(range(5000)), "<5,000 entries: 0 ... 4999>"),
        ({str(n): np.zeros(3) for n in range(9)}, "'5': <float64 (3,)>, ...}"),
        ("x" * 500, "x..."),
        (np.float64(2.0), "np.float64(2.0)"),
    ],
)
def test_long_fields_are_cut(value, shown):
    assert shown in repr(Reading(1.0, None, value))
    assert len(repr(Reading(1.0, None, value))) < 300


def test_a_notebook_sees_the_value_with_its_error_first():
    shown = Reading(17.1234, 0.2871, np.zeros(4))._repr_html_()
    assert shown.index("17.1 ± 0.3") < shown.index("float64 (4,)")
    assert "stderr" not in shown
    assert "inside" not in shown


def test_text_from_outside_stays_text():
    shown = Reading(1.0, None, "<script>alert(1)</script>\u202e")._repr_html_()
    assert "<script>" not in shown
    assert "\u202e" not in shown


def test_results_are_equal_entry_by_entry():
    """A dataclass compares tuples of fields, and asks an array of several entries whether it is true."""
    one = _equal_to(np.array([1.0, np.nan]))
    assert one == _equal_to(np.array([1.0, np.nan]))
    for other in (np.array([1.0, 2.0]), np.array([1.0, np.nan, 0.0]), np.array([1, 2]), None, torch.zeros(2)):
        assert one != _equal_to(other)
    assert _equal_to(torch.ones(2)) == _equal_to(torch.ones(2))
    assert one != "a word"


def _equal_to(entries):
    return Compared(value=float("nan"), entries=entries, params={"k": 2, "edges": np.arange(3)}, parts=(np.ones(2), 1))


@equal_by_entries
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Compared(Displayed):
    value: float
    entries: object
    params: dict
    parts: tuple
