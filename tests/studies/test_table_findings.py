"""Verdicts on frames whose truth is written down."""

import polars as pl

from theodolite.studies.table_columns import COLUMNS
from theodolite.studies.table_findings import find


def frame(*rows):
    schema = {name: getattr(pl, column.polars_name) for name, column in COLUMNS.items()}
    blank = dict.fromkeys(COLUMNS)
    common = {"measure": "dimension", "method": "twonn", "condition": "measured", "revision": "main", "extrinsic": 128}
    common["n_used"] = 4000
    return pl.DataFrame([{**blank, **common, **row} for row in rows], schema=schema)


def verdicts(found, name):
    return [one.verdict for one in found if one.id == name]


def curve(values, *, steps=(0, 1, 2, 4, 8, 16, 32, 64), stderr=1.0):
    rows = [
        {"model": "m", "which": "input", "revision": f"step{step}", "step": step, "value": value, "stderr": stderr}
        for step, value in zip(steps, values, strict=True)
    ]
    null = {"model": "m", "which": "input", "condition": "gaussian", "revision": "step0", "step": 0}
    return frame(*rows, {**null, "value": 60.0, "stderr": 1.0})


def test_an_early_drop_is_supported_with_its_steps():
    (found,) = find(curve([60, 60, 55, 40, 25, 20, 18, 17]))
    assert (found.id, found.verdict, found.subject) == ("early-drop", "supported", "m input")
    assert "from 60.0 ± 1.0 at step 0 (a Gaussian table of the same size reads 60.0 ± 1.0)" in found.evidence
    assert "to 17.0 ± 1.0 at step 64; half of the fall is done by step 8" in found.evidence


def test_a_late_drop_a_small_drop_and_a_noisy_drop_are_not_supported():
    assert verdicts(find(curve([60, 60, 60, 60, 60, 60, 60, 17])), "early-drop") == ["not supported"]
    assert verdicts(find(curve([60, 50, 45, 40, 40, 40, 40, 40])), "early-drop") == ["not supported"]
    assert verdicts(find(curve([60, 50, 30, 25, 20, 18, 18, 17], stderr=20.0)), "early-drop") == ["not supported"]


def test_two_checkpoints_are_no_series():
    assert find(curve([60, 17], steps=(0, 64))) == []


def sizes(values, *, stderr=0.3):
    return frame(
        *(
            {"model": f"m{width}", "which": "input", "extrinsic": width, "value": value, "stderr": stderr}
            for width, value in zip((64, 128, 256), values, strict=True)
        )
    )


def test_growth_of_dimension_and_redundancy_is_told_apart():
    found = find(sizes([15.0, 17.0, 21.0]))
    assert verdicts(found, "dimension-grows") == ["supported"]
    assert verdicts(found, "redundancy-grows") == ["supported"]
    assert "15.0 at 64, 17.0 at 128, 21.0 at 256 columns" in found[0].evidence
    found = find(sizes([15.0, 40.0, 100.0]))
    assert verdicts(found, "dimension-grows") == ["supported"]
    assert verdicts(found, "redundancy-grows") == ["not supported"]


def test_growth_within_the_errors_is_not_supported():
    assert verdicts(find(sizes([15.0, 15.2, 15.4])), "dimension-grows") == ["not supported"]


def table(measured, *, null=60.0, unit_norm=17.0, sweep=()):
    place = {"model": "m", "which": "input"}
    rows = [
        {**place, "value": measured, "stderr": 0.3},
        {**place, "value": null, "stderr": 1.0, "condition": "gaussian"},
        {**place, "value": unit_norm, "stderr": 0.3, "condition": "unit_norm"},
        {**place, "measure": "hubness", "method": "short_share", "value": 0.02, "x": 0.01},
        {**place, "measure": "low_cosine_share", "method": None, "value": 0.3, "condition": "unit_norm"},
    ]
    trimmed = {**place, "condition": "without_shortest", "stderr": 0.3}
    return frame(*rows, *({**trimmed, "x": float(removed), "value": value} for removed, value in sweep))


def test_a_hub_is_named_with_the_fewest_rows_that_heal():
    (found,) = [one for one in find(table(27.0, sweep=[(10, 26.5), (30, 17.0), (100, 16.0)])) if "hub" in one.id]
    assert found.verdict == "supported"
    assert found.evidence.startswith("Do not trust the headline: without its 30 shortest rows it is 17.0 ± 0.3.")
    assert "the shortest 1.0% of rows take 2.0% of all neighbor places" in found.evidence
    assert "30.0% of tokens have no neighbor with cosine 0.5 or more" in found.evidence


def test_a_hub_in_a_checkpoint_that_was_measured_in_full_is_named_with_its_revision():
    rows = table(27.0, sweep=[(30, 17.0)]).with_columns(pl.lit("checkpoint-5").alias("revision"))
    found = [one for one in find(rows) if "hub" in one.id]
    assert [(one.verdict, one.subject) for one in found] == [("supported", "m@checkpoint-5 input")]


def test_unrelated_arrays_are_no_family():
    assert find(sizes([15.0, 17.0, 21.0]).with_columns(pl.lit("array").alias("which"))) == []


def test_a_twentieth_of_the_rows_is_few_and_more_is_not():
    """Removing many rows changes any table: only up to 200 of these 4000 count as a few."""
    found = [one for one in find(table(27.0, unit_norm=25.0, sweep=[(200, 26.0), (201, 15.0)])) if "hub" in one.id]
    assert found[0].verdict == "not supported"
    assert found[0].evidence.startswith("Without the 200 shortest rows it is 26.0 ± 0.3.")
    assert verdicts(find(table(27.0, sweep=[(200, 15.0)])), "hub-of-short-rows") == ["supported"]


def test_lengths_that_matter_without_a_hub_are_undecided_and_neither_is_not_supported():
    assert verdicts(find(table(27.0, sweep=[(10, 26.5), (100, 26.0)])), "hub-of-short-rows") == ["undecided"]
    assert verdicts(find(table(17.5, sweep=[(10, 17.4), (100, 17.0)])), "hub-of-short-rows") == ["not supported"]


def test_a_table_is_low_dimensional_only_far_below_its_null():
    assert verdicts(find(table(17.0)), "low-dimension") == ["supported"]
    assert verdicts(find(table(45.0)), "low-dimension") == ["not supported"]


def test_an_empty_frame_has_no_findings():
    assert find(frame()) == []
