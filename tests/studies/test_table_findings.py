"""Verdicts on frames whose truth is written down."""

import polars as pl

from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.dimension.findings import find


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
    assert "to 18.3 ± 0.6 from step 16 on. Half of the fall is done by step 8" in found.evidence


def test_a_late_drop_and_a_small_drop_are_not_supported_and_a_noisy_one_is_undecided():
    assert verdicts(find(curve([60, 60, 60, 60, 60, 60, 60, 17])), "early-drop") == ["not supported"]
    assert verdicts(find(curve([60, 50, 45, 40, 40, 40, 40, 40])), "early-drop") == ["not supported"]
    assert verdicts(find(curve([60, 50, 30, 25, 20, 18, 18, 17], stderr=20.0)), "early-drop") == ["undecided"]


def test_two_checkpoints_are_no_series():
    assert find(curve([60, 17], steps=(0, 64))) == []


def test_a_series_that_begins_after_training_began_is_undecided():
    assert verdicts(find(curve([40, 38, 30, 25, 20, 18, 18, 17])), "early-drop") == ["undecided"]


WIDTHS = (64, 128, 256, 512)
NULLS = [38.0, 60.0, 87.0, 121.0]


def sizes(values, nulls=NULLS, *, stderr=0.3):
    place = [{"model": f"m{width}", "which": "input", "extrinsic": width, "stderr": stderr} for width in WIDTHS]
    measured = [{**one, "value": value} for one, value in zip(place, values, strict=False)]
    random = [{**one, "value": value, "condition": "gaussian"} for one, value in zip(place, nulls, strict=True)]
    return frame(*measured, *random)


def test_growth_is_growth_beyond_that_of_random_tables():
    found = find(sizes([15.0, 18.2, 21.0, 24.1]))
    assert verdicts(found, "dimension-grows") == ["supported"]
    assert verdicts(found, "redundancy-grows") == ["supported"]
    grows, redundancy = (one for one in found if one.id.endswith("-grows"))
    assert "64 columns: 15.0 ± 0.3, 0.395 ± 0.008 of its null, redundancy 76.6" in grows.evidence
    slope = "3.01 ± 0.13 for each doubling of the columns (95 % interval of a straight line 2.43 to 3.59, 4 models; "
    assert slope + "by their order alone p = 0.083" in grows.evidence
    assert "Share of the null. Trend: −0.064 ± 0.008 for each doubling" in redundancy.evidence


def test_redundancy_that_grows_only_as_that_of_random_tables_is_undecided():
    found = find(sizes([0.4 * null for null in NULLS]))
    assert verdicts(found, "redundancy-grows") == ["undecided"]


def test_noise_shows_no_growth_of_its_own():
    found = find(sizes(NULLS))
    assert verdicts(found, "dimension-grows") == ["undecided"]
    assert verdicts(found, "redundancy-grows") == ["undecided"]


def test_growth_whose_slope_may_be_zero_is_undecided_and_a_fall_is_not_supported():
    assert verdicts(find(sizes([15.0, 15.2, 15.4, 15.5])), "dimension-grows") == ["undecided"]
    three = find(sizes([15.0, 17.0, 21.0]))  # each surely above the one before, but three points know no slope
    assert verdicts(three, "dimension-grows") == ["undecided"]
    interval = "(95 % interval of a straight line −4.3 to 10.3, 3 models; by their order alone p = 0.33"
    assert [one.evidence for one in three if interval in one.evidence]
    assert verdicts(find(sizes([15.0, 18.2, 24.1, 21.0])), "dimension-grows") == ["not supported"]
    assert verdicts(find(sizes([24.1, 21.0, 18.2, 15.0])), "dimension-grows") == ["not supported"]


def test_growth_that_may_be_that_of_the_estimator_is_undecided():
    found = find(sizes([0.5 * null for null in NULLS]))
    assert verdicts(found, "dimension-grows") == ["undecided"]


def test_two_seeds_that_disagree_leave_it_undecided():
    agreeing = sizes([15.0, 18.2, 21.0, 24.1])
    second = agreeing.filter((pl.col("extrinsic") == 512) & (pl.col("condition") == "measured"))
    other = second.with_columns(pl.lit("another seed").alias("model"), pl.lit(13.5).alias("value"))
    disagreeing = pl.concat([agreeing, other])
    assert verdicts(find(agreeing), "dimension-grows") == ["supported"]
    assert verdicts(find(disagreeing), "dimension-grows") == ["undecided"]


def test_quarters_that_fall_or_rise_within_their_errors_are_undecided():
    def quarters(*values):
        random = {"model": "m", "which": "input", "condition": "random_part", "value": 15.0, "stderr": 0.3}
        band = {**random, "condition": "frequency_band", "stderr": 0.6}
        bands = [{**band, "x": float(place), "value": value} for place, value in enumerate(values, start=1)]
        return pl.concat([table(16.0), frame(random, *bands)])

    assert verdicts(find(quarters(19.0, 15.0, 13.5, 11.5)), "frequent-tokens-lower") == ["supported"]
    assert verdicts(find(quarters(17.7, 19.5, 17.9, 13.8)), "frequent-tokens-lower") == ["undecided"]
    assert verdicts(find(quarters(15.0, 14.8, 14.5, 14.4)), "frequent-tokens-lower") == ["undecided"]
    assert verdicts(find(quarters(15.0, 21.0, 17.0, 12.0)), "frequent-tokens-lower") == ["not supported"]


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
    assert found.evidence.startswith(
        "Do not trust the headline. TwoNN reads 27.0 ± 0.3; 17.0 ± 0.3 without the 30 shortest rows; 17.0 ± 0.3 on rows"
    )
    assert "The shortest 1.0\u00a0% of rows take 2.0\u00a0% of all neighbor places" in found.evidence
    assert "30.0\u00a0% of tokens have no neighbor with cosine 0.5 or more" in found.evidence


def test_a_hub_in_a_checkpoint_that_was_measured_in_full_is_named_with_its_revision():
    rows = table(27.0, sweep=[(30, 17.0)]).with_columns(pl.lit("checkpoint-5").alias("revision"))
    found = [one for one in find(rows) if "hub" in one.id]
    assert [(one.verdict, one.subject) for one in found] == [("supported", "m@checkpoint-5 input")]


def test_unrelated_arrays_are_no_family():
    assert find(sizes([15.0, 17.0, 21.0], NULLS).with_columns(pl.lit("array").alias("which"))) == []


def test_a_twentieth_of_the_rows_is_few_and_more_is_not():
    """Removing many rows changes any table: only up to 200 of these 4000 count as a few."""
    found = [one for one in find(table(27.0, unit_norm=25.0, sweep=[(200, 26.0), (201, 15.0)])) if "hub" in one.id]
    assert found[0].verdict == "not supported"
    assert "26.0 ± 0.3 without the 200 shortest rows" in found[0].evidence
    assert verdicts(find(table(27.0, sweep=[(200, 15.0)])), "hub-of-short-rows") == ["supported"]


def test_lengths_that_matter_without_a_hub_are_undecided_and_neither_is_not_supported():
    assert verdicts(find(table(27.0, sweep=[(10, 26.5), (100, 26.0)])), "hub-of-short-rows") == ["undecided"]
    assert verdicts(find(table(17.5, sweep=[(10, 17.4), (100, 17.0)])), "hub-of-short-rows") == ["not supported"]


def test_errors_too_large_to_see_a_hub_leave_it_undecided():
    rows = table(27.0, unit_norm=26.0, sweep=[(10, 26.5)]).with_columns(pl.lit(2.0).alias("stderr"))
    assert verdicts(find(rows), "hub-of-short-rows") == ["undecided"]


def test_a_table_is_low_dimensional_only_far_below_its_null():
    assert verdicts(find(table(17.0)), "low-dimension") == ["supported"]
    assert verdicts(find(table(45.0)), "low-dimension") == ["not supported"]
    assert verdicts(find(table(29.5)), "low-dimension") == ["undecided"]
    assert verdicts(find(table(30.5)), "low-dimension") == ["undecided"]


def scales(values, nulls=(60.0, 55.0, 50.0)):
    place = {"model": "m", "which": "input", "method": "gride", "stderr": 0.3}
    curves = {"measured": values, "gaussian": nulls, "unit_norm": (17.0, 18.0, 19.0)}
    return frame(
        *(
            {**place, "condition": condition, "scale": scale, "value": value}
            for condition, curve in curves.items()
            for scale, value in zip((2, 4, 8), curve, strict=True)
        )
    )


def test_a_curve_that_rises_over_the_scales_is_not_one_number():
    assert verdicts(find(scales((17.0, 18.0, 20.0))), "one-number") == ["supported"]
    assert verdicts(find(scales((17.0, 18.0, 25.0))), "one-number") == ["undecided"]
    assert verdicts(find(scales((17.0, 18.0, 26.0))), "one-number") == ["undecided"]
    (found,) = find(scales((13.0, 40.0, 151.0)))
    assert found.verdict == "not supported"
    assert found.evidence == (
        "GRIDE reads 13.0 ± 0.3 between neighbors 1 and 2, and 151.0 ± 0.3 between 4 and 8 "
        "(a Gaussian table: 60.0 ± 0.3, 50.0 ± 0.3; rows of unit length: 17.0 ± 0.3, 19.0 ± 0.3). "
        "The largest reading is 11.6 ± 0.3 times the smallest (limit 1.5)."
    )


def test_a_table_that_reaches_its_null_at_some_scale_is_not_simply_low_dimensional():
    low = pl.concat([table(13.0), scales((13.0, 40.0, 151.0))])
    (found,) = [one for one in find(low) if one.id == "low-dimension"]
    assert found.verdict == "undecided"
    assert "GRIDE is not surely below its own null at neighbor 8" in found.evidence


def test_a_stretched_gaussian_is_explained_by_its_covariance():
    same = {"model": "m", "which": "input", "condition": "covariance", "stderr": 0.3}
    explained = pl.concat([table(17.0), frame({**same, "value": 17.2})])
    assert verdicts(find(explained), "beyond-covariance") == ["not supported"]
    somewhat = pl.concat([table(17.0), frame({**same, "value": 18.5})])
    assert verdicts(find(somewhat), "beyond-covariance") == ["undecided"]
    beyond = pl.concat([table(17.0), frame({**same, "value": 33.0})])
    assert verdicts(find(beyond), "beyond-covariance") == ["supported"]


def test_an_empty_frame_has_no_findings():
    assert find(frame()) == []
