"""Sizes, removal by estimator and frequency as figures, and doubtful numbers in the headline."""

import numpy as np
import polars as pl
import pytest

from theodolite.report import figures
from theodolite.report.chapters.tables.headline import MARK, headline_table
from theodolite.report.chapters.tables.opening import opening_sentences
from theodolite.report.chapters.tables.row_sections import describe_tables
from theodolite.studies.dimension import findings as table_findings
from theodolite.studies.dimension.size_trends import size_trends
from theodolite.studies.finding import Finding


def hub_finding(suffix, subject="bundled:pocket-64 input", verdict="supported"):
    name = f"hub-of-short-rows{suffix}"
    return Finding(id=name, claim="c", source="s", verdict=verdict, evidence="e", subject=subject)


def row_of(table, name, which):
    return next(row for row in table.rows if (row.name, row.which) == (name, which))


def test_each_doubtful_number_is_marked_and_no_other(synthetic, frame):
    summary = synthetic.summary_of(frame)
    findings = [hub_finding("-gride"), hub_finding("-mle", verdict="not supported")]
    row = row_of(headline_table(summary, findings), "pocket-64", "input")
    assert row.cells["gride"].doubtful
    assert row.cells["gride"].text.endswith(MARK)
    assert [key for key, cell in row.cells.items() if cell.doubtful] == ["gride"]
    assert not row.doubtful
    whole = row_of(headline_table(summary, [hub_finding("")]), "pocket-64", "input")
    assert {key for key, cell in whole.cells.items() if cell.doubtful} == {"twonn", "redundancy"}
    assert whole.doubtful
    plain = headline_table(summary)
    assert not any(cell.doubtful for row in plain.rows for cell in row.cells.values())
    assert row.cells["gride"].value == row_of(plain, "pocket-64", "input").cells["gride"].value


@pytest.mark.parametrize(
    ("revisions", "kept"),
    [
        (["main", "checkpoint-500"], ""),
        (["checkpoint-90", "checkpoint-500"], "checkpoint-500"),
        (["step64", "step8"], "step64"),
    ],
)
def test_the_headline_shows_main_or_the_last_checkpoint(revisions, kept):
    summary = [
        {"model": "m", "revision": one, "which": "input", "measure": "dimension", "method": "twonn_fit", "value": 9.0}
        for one in revisions
    ]
    assert [row.revision for row in headline_table(summary).rows] == [kept]


def test_the_opening_counts_the_marks(synthetic, frame):
    summary = synthetic.summary_of(frame)
    marked = [hub_finding("-gride"), hub_finding("-mle"), hub_finding("-gride", "bundled:pocket-128 input")]
    said = opening_sentences(headline_table(summary, marked))
    assert "At wider scales, 3 of the MLE and GRIDE readings are made by the shortest rows (marked !)." in said
    (one,) = opening_sentences(headline_table(summary, marked[:1]))[2:]
    assert one.startswith("At wider scales, 1 of the MLE and GRIDE readings is made by")
    named = opening_sentences(headline_table(summary, [hub_finding("")]))[-1]
    assert named.startswith("Do not trust the headline number of pocket-64 input")
    assert MARK not in named


def test_the_planted_hub_is_found_in_the_wide_readings(frame):
    found = {(one.id, one.subject): one.verdict for one in table_findings.find(frame)}
    assert found["hub-of-short-rows-mle", "bundled:pocket-256 input"] == "supported"
    assert found["hub-of-short-rows-gride", "bundled:pocket-64 input"] == "supported"
    assert found["hub-of-short-rows-mle", "bundled:pocket-64 input"] == "not supported"


def test_sizes_are_drawn_with_the_lines_of_their_trends(frame):
    figure = figures.dimension_over_size(frame)
    trend = next(one for one in size_trends(frame) if (one.which, one.quantity) == ("input", "unit_norm"))
    assert trend.size == "parameters"
    slopes = []
    for line in figure.axes[0].lines:
        x, y = (np.asarray(values, float) for values in line.get_data())
        if len(x) == 2:
            slopes.append((y[1] - y[0]) / np.log2(x[1] / x[0]))
    assert any(slope == pytest.approx(trend.found.slope) for slope in slopes)
    without = figures.dimension_over_size(frame.filter(pl.col("measure") != "parameters"))
    assert without.axes[0].get_xlabel() == "columns of the table"
    assert figure.axes[0].get_xlabel() == "parameters of the model"
    ticks = [figure.axes[0].xaxis.get_major_formatter()(size) for size in (724_352, 6.8e6, 1.2e10, 64.0)]
    assert ticks == ["0.72\u00a0M", "6.8\u00a0M", "12\u00a0B", "64"]
    assert figures.dimension_over_size(frame.filter(pl.col("extrinsic") < 200)) is None


def test_removal_by_estimator_starts_at_one_and_falls_as_the_readings_do(frame):
    one = frame.filter((pl.col("model") == "bundled:pocket-64") & (pl.col("which") == "input"))
    (axes,) = figures.removal_by_estimator(one).axes
    swept = one.filter((pl.col("condition") == "without_shortest") & (pl.col("method") == "gride")).sort("x")
    whole = one.filter(
        (pl.col("condition") == "measured") & (pl.col("method") == "gride") & (pl.col("scale") == 64)
    ).filter(pl.col("measure") == "dimension")["value"][0]
    curves = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    assert all(curve[0] == 1 for curve in curves)
    assert any(np.allclose(curve[1:], swept["value"] / whole) for curve in curves if len(curve) == 6)


def test_frequency_shows_quarters_and_the_random_rows(frame):
    one = frame.filter(pl.col("model") == "bundled:pocket-64")
    axes = figures.dimension_by_frequency(one).axes[0]
    bands = one.filter((pl.col("condition") == "frequency_band") & (pl.col("measure") == "dimension"))
    expected = bands.filter(pl.col("which") == "input").sort("x")["value"].to_list()
    assert any(list(line.get_ydata()) == expected for line in axes.lines)
    family = next(one for one in figures.FAMILIES if one.name == "dimension_by_frequency")
    assert "10 to 100; 100 to 1,000" in family.caption(one)
    assert "TwoNN of quarters of the tokens of pocket-64" in family.caption(one)


def test_rows_that_repeat_and_undertrained_rows_are_listed(frame):
    section = describe_tables(frame)[0]
    assert len(section.undertrained) == len(section.duplicates) == 20
    assert section.duplicates[0].number == "40 rows"
