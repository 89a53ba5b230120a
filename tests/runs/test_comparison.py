"""Two runs that agree, and each way in which they may not."""

import json
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.errors import ParameterError, RunError
from theodolite.runs import Column, compare_runs, execute, open_run
from theodolite.runs.columns import is_key_column
from theodolite.runs.reading import table_comparison
from theodolite.runs.reading.table_comparison import compare_tables
from theodolite.studies import STUDIES, resolve

ROWS = [
    {"model": "a", "layer": 0, "measure": "dimension", "value": 10.0, "stderr": 0.5, "n_used": 100},
    {"model": "a", "layer": 1, "measure": "dimension", "value": 20.0, "stderr": 1.0, "n_used": 100},
    {"model": "a", "layer": 1, "measure": "norm", "value": None, "stderr": None, "n_used": 100},
    {"model": "a", "layer": 2, "measure": "norm", "value": math.nan, "stderr": None, "n_used": 100},
    {"model": None, "layer": 2, "measure": "norm", "value": math.inf, "stderr": None, "n_used": 100},
]


def table(rows=ROWS, **changed):
    """Return the rows as a table, with the value of single rows changed: `row_1=30.0`."""
    new = [dict(row) for row in rows]
    for place, value in changed.items():
        new[int(place.removeprefix("row_"))]["value"] = value
    schema = {"model": str, "layer": int, "measure": str, "value": float, "stderr": float, "n_used": int}
    return pl.LazyFrame(new, schema=schema)


def test_equal_tables_agree_missing_and_infinite_values_included():
    found = compare_tables(table(), table())
    assert found.agree
    assert found.keys == ["model", "layer", "measure"]
    assert (found.n_rows, found.only, found.differences) == ((5, 5), (0, 0), [])


def test_a_number_is_held_to_the_tolerance_and_its_distance_is_said_in_three_ways():
    found = compare_tables(table(), table(row_1=21.0))
    (one,) = found.differences
    assert (one.measure, one.column, one.n_compared, one.n_differ) == ("dimension", "value", 2, 1)
    assert (one.max_abs, one.max_rel, one.max_stderrs) == (1.0, pytest.approx(1 / 21), 1.0)
    assert one.worst == {"model": "a", "layer": 1, "a": 20.0, "b": 21.0}
    for tolerance, agree in (({"atol": 1.0}, True), ({"atol": 0.99}, False), ({"rtol": 0.048}, True)):
        assert compare_tables(table(), table(row_1=21.0), **tolerance).agree is agree


@pytest.mark.parametrize(
    ("row", "value"), [(2, 1.0), (3, 1.0), (3, None), (4, 1.0), (4, -math.inf), (0, None), (0, math.nan)]
)
def test_a_missing_or_infinite_value_agrees_with_no_other(row, value):
    found = compare_tables(table(), table(**{f"row_{row}": value}), rtol=1.0, atol=1e300)
    assert not found.agree
    assert [one.n_differ for one in found.differences] == [1]


def test_rows_of_one_table_only_are_counted_and_named():
    found = compare_tables(table(), table(ROWS[1:]))
    assert not found.agree
    assert found.only == (1, 0)
    assert found.examples == ([{"model": "a", "layer": 0, "measure": "dimension"}], [])


def test_rows_in_another_order_agree_and_rows_of_one_name_are_paired_in_their_order():
    assert compare_tables(table(), table(ROWS[::-1])).agree
    twice = [ROWS[0], ROWS[0] | {"value": 11.0}]
    assert compare_tables(table(twice), table(twice)).agree
    swapped = compare_tables(table(twice), table(twice[::-1]))
    assert [(one.n_differ, one.max_abs) for one in swapped.differences] == [(2, 1.0)]
    assert compare_tables(table(twice), table(twice[:1])).only == (1, 0)


def test_columns_that_differ_are_said():
    other = table().with_columns(pl.col("n_used").cast(pl.Float64), extra=pl.lit(1))
    found = compare_tables(table(), other)
    assert found.columns == ["only in the second: extra", "n_used: Int64 -> Float64"]
    assert not found.agree
    assert compare_tables(other, table()).columns[0] == "only in the first: extra"


def test_the_columns_of_the_study_say_what_names_a_row():
    frame = pl.LazyFrame({"x": [0.1, 0.2], "neighbors": ["a", "b"], "value": [1.0, 2.0]})
    other = pl.LazyFrame({"x": [0.1 + 1e-12, 0.25], "neighbors": ["c", "b"], "value": [1.0, 2.0]})
    columns = {
        "x": Column(dtype="float", meaning="bin edge", key=True),
        "neighbors": Column(dtype="str", meaning="nearest", key=False),
        "value": Column(dtype="float", meaning="number"),
    }
    found = compare_tables(frame, other, columns=columns)
    assert found.keys == ["x"]
    assert found.only == (1, 1)
    (one,) = found.differences
    assert (one.column, one.measure, one.n_differ, one.max_abs) == ("neighbors", None, 1, 0.0)
    assert one.worst == {"x": 0.1, "a": "a", "b": "c"}


def test_every_study_names_its_rows_by_what_was_measured():
    for name in STUDIES:
        columns = resolve(name).COLUMNS
        keys = {one for one in columns if is_key_column(one, columns[one])}
        assert "measure" in keys, name
        assert not keys & {"value", "stderr", "n_used", "low", "high", "radius"}, name


numbers = st.one_of(st.none(), st.floats(width=32), st.sampled_from([0.0, 1.0, 1.0000001]))
rows = st.lists(
    st.fixed_dictionaries(
        {"layer": st.sampled_from([0, 1, None]), "measure": st.sampled_from(["a", "b"]), "value": numbers}
    ),
    max_size=12,
)


def same(a, b, atol):
    if a is None or b is None:
        return a is b
    return a == b or (math.isnan(a) and math.isnan(b)) or (math.isfinite(a) and math.isfinite(b) and abs(a - b) <= atol)


@given(rows, rows, st.sampled_from([0.0, 0.5]), st.integers(1, 3))
def test_comparison_in_parts_is_what_pairing_by_hand_gives(left, right, atol, part_rows):
    def named(table):
        found = {}
        for row in table:
            name = (row["layer"], row["measure"])
            found[(*name, sum(known[:2] == name for known in found))] = row["value"]
        return found

    a, b = named(left), named(right)
    schema = {"layer": pl.Int64, "measure": pl.String, "value": pl.Float64}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_comparison, "_PART_ROWS", part_rows)
        found = compare_tables(pl.LazyFrame(left, schema=schema), pl.LazyFrame(right, schema=schema), atol=atol)
    assert found.only == (len(a.keys() - b.keys()), len(b.keys() - a.keys()))
    for measure in ("a", "b"):
        pairs = [(a[name], b[name]) for name in a.keys() & b.keys() if name[1] == measure]
        differing = sum(not same(*pair, atol) for pair in pairs)
        said = [one for one in found.differences if one.measure == measure]
        assert sum(one.n_differ for one in said) == differing
        finite = [abs(x - y) for x, y in pairs if None not in (x, y) and math.isfinite(x) and math.isfinite(y)]
        assert max([one.max_abs for one in said], default=0.0) == max(finite, default=0.0)
        if said:
            assert said[0].n_compared == len(pairs)


@pytest.fixture
def pair(toy, tmp_path):
    return [execute(toy, toy.Config(), out=tmp_path / name) for name in ("a", "b")]


def test_two_runs_of_one_config_have_the_same_table(pair, toy):
    found = compare_runs(*pair, columns=toy.COLUMNS)
    assert found.agree
    assert found.identical
    assert found.table is None
    assert found.settings == found.inputs == found.versions == []
    json.dumps(found.as_dict())


def test_runs_of_other_settings_say_which_and_where(pair, toy, tmp_path):
    other = execute(toy, toy.Config(n_units=5, seed=1), out=tmp_path / "c")
    found = compare_runs(pair[0], other, columns=toy.COLUMNS)
    assert not found.agree
    assert found.settings == ["config.n_units: 4 -> 5", "config.seed: 0 -> 1"]
    assert found.table.only == (0, 4)
    (one,) = found.table.differences
    assert (one.column, one.n_compared, one.n_differ) == ("value", 16, 12)


def test_an_unfinished_run_is_compared_by_what_is_there(pair, toy, tmp_path):
    partial = execute(toy, toy.Config(failing=(1,)), out=tmp_path / "c")
    found = compare_runs(pair[0], partial)
    assert (found.agree, found.status, found.table.only) == (False, ("success", "partial"), (4, 0))
    manifest = partial.manifest
    manifest["table"] = None
    partial.store.write_manifest(manifest)
    assert compare_runs(pair[0], partial).table.only == (4, 0)


def test_versions_and_inputs_that_differ_are_named(pair):
    manifest = pair[1].manifest
    manifest["environment"]["versions"]["torch"] = "0.1"
    manifest["inputs"][0] = {**manifest["inputs"][0], "sha256": "1" * 64}
    manifest["inputs"].append({"reference": "file 9"})
    del manifest["inputs"][1]
    pair[1].store.write_manifest(manifest)
    found = compare_runs(*pair)
    assert found.agree
    assert [line.split(":")[0] for line in found.versions] == ["torch"]
    assert found.inputs == [
        "only in the first: file 1",
        "only in the second: file 9",
        f'file 0: sha256: "{"0" * 64}" -> "{"1" * 64}"',
    ]


def test_inputs_of_one_name_are_told_apart_by_their_order(pair):
    manifest = pair[1].manifest
    manifest["inputs"].append(manifest["inputs"][0] | {"sha256": "2"})
    pair[1].store.write_manifest(manifest)
    assert compare_runs(*pair).inputs == ["only in the second: file 0 (2)"]


def test_a_damaged_or_missing_table_is_no_difference_but_an_error(pair):
    path = pair[1].store.table_path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError, match=r"table\.parquet is damaged: its checksum is not the one in the manifest"):
        compare_runs(*pair)
    path.unlink()
    with pytest.raises(RunError, match=r"Cannot read .*table\.parquet: No such file"):
        compare_runs(*pair)
    assert open_run(pair[1].path).manifest["table"] is not None


@pytest.mark.parametrize("tolerance", [{"rtol": -1.0}, {"atol": math.nan}])
def test_a_tolerance_must_be_a_number_from_0(pair, tolerance):
    with pytest.raises(ParameterError, match="must be 0 or more, not"):
        compare_runs(*pair, **tolerance)
