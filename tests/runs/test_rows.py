import math
import struct

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from theodolite.core.errors import RunError
from theodolite.runs import Column
from theodolite.runs.folder.unit_file import UnitRecord, read_unit_file, write_unit_file
from theodolite.runs.rows import frame_from_rows, schema_of

COLUMNS = {
    "text": Column(dtype="str", meaning="any text"),
    "whole": Column(dtype="int", meaning="any integer of 64 bits"),
    "real": Column(dtype="float", meaning="any number"),
    "flag": Column(dtype="bool", meaning="either"),
    "small": Column(dtype="UInt8", meaning="a byte"),
    "single": Column(dtype="Float32", meaning="a narrow number"),
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | TEXT,
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "real": st.none() | st.floats(),
        "flag": st.none() | st.booleans(),
        "small": st.none() | st.integers(0, 255),
        "single": st.none() | st.floats(width=32),
    }
)


def one_row(**changes):
    return dict.fromkeys(COLUMNS) | changes


def record(n_rows=0):
    return UnitRecord(
        key="0" * 20, study="toy", version=1, label="", columns="", n_rows=n_rows, seconds=0.0, warnings=["\udc80"]
    )


def same(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("d", left) == struct.pack("d", right) or (math.isnan(left) and math.isnan(right))
    return left == right and type(left) is type(right)


@given(st.lists(ROW, max_size=8))
def test_rows_come_back_from_the_file_as_they_were(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "unit.parquet"
    write_unit_file(path, frame_from_rows(rows, COLUMNS), record(len(rows)))
    frame, note = read_unit_file(path)
    assert frame.schema == pl.Schema(schema_of(COLUMNS))
    assert note == record(len(rows))
    back = frame.to_dicts()
    assert len(back) == len(rows)
    for before, after in zip(rows, back, strict=True):
        assert all(same(before[name], after[name]) for name in COLUMNS), (before, after)


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
@example(text="half \udc80 token \ud83d")
def test_lone_surrogates_are_written_as_a_visible_escape(text):
    stored = frame_from_rows([one_row(text=text)], COLUMNS)["text"][0]
    assert stored == "".join(f"\\u{ord(one):04x}" if "\ud800" <= one <= "\udfff" else one for one in text)


def test_none_and_nan_stay_apart():
    frame = frame_from_rows([one_row(real=None), one_row(real=float("nan"))], COLUMNS)
    assert frame["real"].null_count() == 1
    assert frame["real"].is_nan().sum() == 1


def test_numpy_scalars_are_the_values_they_stand_for():
    row = one_row(
        text=np.str_("a"), whole=np.int32(3), real=np.float32(0.5), flag=np.bool_(True), small=np.uint8(7), single=1
    )
    assert frame_from_rows([row], COLUMNS).to_dicts() == [
        {"text": "a", "whole": 3, "real": 0.5, "flag": True, "small": 7, "single": 1.0}
    ]


def test_no_rows_give_an_empty_frame_with_the_columns():
    frame = frame_from_rows([], COLUMNS)
    assert frame.shape == (0, len(COLUMNS))


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("text", 3, "not a string"),
        ("text", b"a", "not a string"),
        ("whole", 1.0, "not an integer"),
        ("whole", True, "not an integer"),
        ("whole", 2**63, "outside"),
        ("whole", -(2**63) - 1, "outside"),
        ("small", -1, r"outside \[0, 255\]"),
        ("small", 256, r"outside \[0, 255\]"),
        ("real", "1.0", "not a number"),
        ("real", False, "not a number"),
        ("real", 2**53 + 1, "cannot hold this integer exactly"),
        ("real", 10**400, "too large"),
        ("single", 1e300, "outside float32"),
        ("flag", 1, "not a boolean"),
        ("flag", "x" * 200, "not a boolean"),
    ],
)
def test_a_value_of_another_type_is_refused_by_column_and_row(column, value, reason):
    rows = [one_row(), one_row(**{column: value})]
    with pytest.raises(RunError, match=rf"Column '{column}' is {COLUMNS[column].dtype}, but row 1 holds .*{reason}"):
        frame_from_rows(rows, COLUMNS)


def test_an_unknown_column_is_refused_by_name():
    with pytest.raises(RunError, match=r"Row 1 has unknown column 'vlaue'\. Rows must have exactly the columns"):
        frame_from_rows([one_row(), one_row(vlaue=1)], COLUMNS)


def test_a_missing_column_is_refused_by_name():
    row = one_row(stranger=1)
    del row["real"], row["flag"]
    with pytest.raises(RunError, match="Row 0 has unknown column 'stranger' and lacks column 'real', 'flag'"):
        frame_from_rows([row], COLUMNS)


def test_a_row_is_a_dict():
    with pytest.raises(RunError, match="Row 0 is a tuple, but rows must be dicts"):
        frame_from_rows([(1, 2)], COLUMNS)


LISTS = {"row": Column(dtype="Int32", meaning="a row"), "near": Column(dtype="List(Int32)", meaning="rows near it")}


def test_lists_are_held_to_the_type_of_what_they_hold():
    frame = frame_from_rows([{"row": 0, "near": [1, np.int64(2)]}, {"row": 1, "near": None}], LISTS)
    assert frame.schema == pl.Schema({"row": pl.Int32, "near": pl.List(pl.Int32)})
    assert frame["near"].to_list() == [[1, 2], None]
    for near, reason in ((3, "not a list"), ([1.5], "not an integer"), ([2**31], "outside")):
        with pytest.raises(RunError, match=rf"Column 'near' is List\(Int32\), but row 0 holds .*{reason}"):
            frame_from_rows([{"row": 0, "near": near}], LISTS)


def test_a_frame_is_taken_as_it_is():
    frame = frame_from_rows([{"row": 0, "near": [1, 2]}], LISTS)
    assert frame_from_rows(frame.select("near", "row"), LISTS).equals(frame)
    with pytest.raises(RunError, match="must have exactly the columns of COLUMNS: far unknown, near missing"):
        frame_from_rows(frame.rename({"near": "far"}), LISTS)
    with pytest.raises(RunError, match="Column 'row' is Int32, but the frame of the unit holds Int64"):
        frame_from_rows(frame.with_columns(pl.col("row").cast(pl.Int64)), LISTS)
