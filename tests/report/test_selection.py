"""Which rows are shown, in which order and under which name."""

import polars as pl
import pytest

from theodolite.report import selection


def test_missing_columns_are_added_and_unreadable_numbers_left_out():
    frame = pl.DataFrame({"model": ["a", "a", "a"], "value": [1.0, float("nan"), None], "measure": ["dimension"] * 3})
    rows = selection.prepared(frame)
    assert rows["value"].to_list() == [1.0]
    assert set(selection.COLUMNS) < set(rows.columns)
    assert rows["label"].to_list() == ["a"]


def test_an_empty_frame_without_columns_is_no_error():
    rows = selection.prepared(pl.DataFrame())
    assert rows.is_empty()
    assert selection.last_revisions(rows).is_empty()
    assert selection.headline(rows).is_empty()
    assert selection.labels_in(rows) == []


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["bundled:pocket-64"], ["pocket-64"]),
        (["hub:a/gpt2", "hub:b/gpt2"], ["hub:a/gpt2", "hub:b/gpt2"]),
        (["/tmp/models/x/", "w.safetensors"], ["x", "w.safetensors"]),
        (["\u202eabc"], ["\\u202eabc"]),
        (["m" * 80], ["m" * 17 + "…" + "m" * 17]),
    ],
)
def test_names_are_as_short_as_keeps_them_apart(models, names):
    assert list(selection.short_names(models).values()) == names


def test_main_stands_for_a_model_and_else_the_last_step(synthetic):
    frame = synthetic.make_frame({"bundled:pocket-128": 128})
    assert selection.last_revisions(selection.prepared(frame))["revision"].unique().to_list() == ["main"]
    steps_only = frame.filter(pl.col("revision") != "main")
    assert selection.last_revisions(selection.prepared(steps_only))["revision"].unique().to_list() == ["step1892"]


def test_tables_come_by_width_and_then_by_number(synthetic):
    frame = synthetic.make_frame({"m-10": 64, "m-9": 64, "m-1": 256}, checkpoints_of=None)
    assert selection.labels_in(selection.prepared(frame)) == ["m-9", "m-10", "m-1"]


def test_kept_rows_become_part_of_the_name_where_they_differ(synthetic):
    frame = synthetic.make_frame({"m": 64}, checkpoints_of=None)
    both = pl.concat([frame, frame.with_columns(pl.lit("trimmed").alias("rows"))])
    labels = selection.labels_in(selection.prepared(both))
    assert labels == ["m, tokenizer rows", "m, trimmed rows"]


def test_the_headline_is_the_plain_twonn(frame):
    rows = selection.prepared(frame)
    assert selection.headline_method(rows) == "twonn"
    assert selection.headline_method(rows.filter(pl.col("method") != "twonn")) == "twonn_ml"
    assert selection.headline_method(rows.filter(pl.col("method") == "mle")) == "mle"


def test_parameters_of_any_text():
    assert selection.parameters('{"width": 0.5}') == {"width": 0.5}
    assert selection.parameters(None) == {}
    assert selection.parameters("no json") == {}
    assert selection.parameters("[1]") == {}
