import json
import pickle
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.errors import ParameterError
from theodolite.core.hashing import hash_json
from theodolite.runs import Column, Unit, UnitResult, data_dictionary
from theodolite.runs.columns import columns_hash
from theodolite.runs.unit import is_key

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PARAMS = st.dictionaries(
    TEXT,
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.lists(TEXT),
)


def unit(**changes):
    return Unit(**({"study": "toy", "version": 1, "params": {"k": 20}} | changes))


@given(PARAMS)
def test_the_key_is_a_pure_function_of_study_version_and_params(params):
    first = unit(params=params)
    again = unit(params=dict(reversed(params.items())), group="g", label="l")
    assert is_key(first.key)
    assert first == again
    assert hash(first) == hash(again)
    assert first != unit(params={**params, "one more": 1})


@pytest.mark.parametrize("change", [{"study": "other"}, {"version": 2}, {"params": {"k": 21}}])
def test_the_key_changes_with_what_decides_the_rows(change):
    assert unit(**change).key != unit().key


@pytest.mark.parametrize("change", [{"group": "model"}, {"label": "for humans"}])
def test_the_key_keeps_with_what_does_not(change):
    assert unit(**change).key == unit().key


def test_params_are_what_json_makes_of_them_and_cannot_change_under_the_key():
    given_params = {"which": ("input", "output"), "nested": {"k": [1]}}
    made = unit(params=given_params)
    assert made.params == {"which": ["input", "output"], "nested": {"k": [1]}}
    given_params["nested"]["k"].append(2)
    assert made.params["nested"]["k"] == [1]
    assert unit(params=json.loads(json.dumps(made.params))).key == made.key


@given(PARAMS)
def test_the_key_is_the_hash_that_earlier_runs_were_stored_under(params):
    whole = {"params": params, "study": "tø y", "version": 3}
    assert unit(study="tø y", version=3, params=params).key == hash_json(whole)[:20]


def test_params_are_made_anew_whenever_they_are_asked_for():
    made = unit()
    made.params["k"] = 1
    assert made.params == {"k": 20}


def test_a_unit_takes_little_memory():
    """A driver holds all of a plan: 100,000 units should not be what fills its memory."""

    def plan(count):
        shared = {"reference": "hub:some/model", "settings": {"scales": [2, 4, 8], "positions": ["all"], "limit": None}}
        return [unit(params={**shared, "row": row}, group="model", label=f"prompts {row}") for row in range(count)]

    plan(10)
    tracemalloc.start()
    try:
        held = plan(1000)
        assert tracemalloc.get_traced_memory()[0] < 600 * len(held)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes", {1, 2}, "\udc80"])
def test_params_that_are_no_json_are_refused(value):
    with pytest.raises(ParameterError, match="params of a unit of study 'toy' cannot be written as JSON"):
        unit(params={"value": value})


def test_a_unit_travels_to_other_processes():
    copy = pickle.loads(pickle.dumps(unit(label="x")))
    assert (copy, copy.key, copy.label) == (unit(), unit().key, "x")


def test_a_unit_is_named_by_its_label_or_its_key():
    assert unit(label="x").name == "x"
    assert unit().name == unit().key


@pytest.mark.parametrize("text", ["", "abc", "../../../../etc/passwd", "0123456789ABCDEF0123", "0123456789abcdef01234"])
def test_only_keys_are_keys(text):
    assert not is_key(text)


def test_a_result_needs_rows_only():
    result = UnitResult(rows=[])
    assert (result.inputs, result.warnings) == ((), ())


def test_a_column_has_a_known_type():
    with pytest.raises(ParameterError, match=r"cannot have dtype 'text'\. Use one of str, int, float, bool"):
        Column(dtype="text", meaning="")


def test_the_hash_of_columns_sees_names_order_and_types():
    a, b = Column(dtype="int", meaning="a"), Column(dtype="float", meaning="b")
    assert columns_hash({"a": a, "b": b}) != columns_hash({"b": b, "a": a})
    assert columns_hash({"a": a}) != columns_hash({"a": b})
    assert columns_hash({"a": a}) == columns_hash({"a": Column(dtype="Int64", meaning="other words", unit="m")})


def test_the_data_dictionary_lists_every_column(toy):
    dictionary = data_dictionary(toy.COLUMNS)
    assert [one["name"] for one in dictionary] == list(toy.COLUMNS)
    assert all(set(one) == {"name", "dtype", "unit", "range", "meaning"} for one in dictionary)
