"""Figures and headline of a training study, drawn from the frame alone."""

import numpy as np
import polars as pl
import pytest

from theodolite import report
from theodolite.report.chapters import chapter_of
from theodolite.report.chapters.training.companions import companions_data
from theodolite.report.figure_files import figure_bytes
from theodolite.studies.training import study as training

CHAPTER = chapter_of("training")
FAMILIES = {family.name: family for family in CHAPTER.families}


@pytest.fixture(scope="module")
def trained(synthetic):
    """Return the rows of two models along training, with a loss for one of them."""
    frames = [
        synthetic.make_frame({name: width}, checkpoints_of=name, hub=())
        for name, width in (("bundled:pocket-64", 64), ("./$x^2$ <b>名\u202e", 128))
    ]
    frame = pl.concat(frames).filter(pl.col("step").is_not_null())
    steps = list(synthetic.STEPS)
    losses = pl.DataFrame(
        {"model": "bundled:pocket-64", "step": steps, "value": [4 + 4 / (1 + step / 50) for step in steps]}
    ).with_columns(
        pl.lit("loss").alias("measure"), pl.lit("validation").alias("method"), pl.lit("measured").alias("condition")
    )
    return pl.concat([frame, losses], how="diagonal_relaxed")


def headline_of(frame):
    return CHAPTER.headline(training.summarize(frame), training.find(frame))


@pytest.mark.parametrize("layout", ["wide", "narrow"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_figure_is_drawn_and_hostile_names_stay_text(trained, name, layout):
    figure = FAMILIES[name].draw(trained, layout=layout)
    svg = figure_bytes(figure, text_as="none").decode()
    assert "<b>" not in svg
    assert "\u202e" not in svg
    assert "$x^2$" in svg, "no formula is set"
    text = FAMILIES[name].title(trained) + FAMILIES[name].caption(trained)
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize("name", FAMILIES)
def test_where_there_is_no_curve_there_is_no_figure(trained, name):
    for empty in (pl.DataFrame(), trained.clear(), trained.filter(pl.col("step") == 0)):
        assert FAMILIES[name].draw(empty) is None


def test_companions_show_what_was_measured_beside_the_dimension(trained):
    data = companions_data(trained)
    assert set(data["quantity"]) == {"participation_ratio", "loss"}
    figure = FAMILIES["companions_over_training"].draw(trained.filter(pl.col("model") == "bundled:pocket-64"))
    assert [axes.get_title("left") for axes in figure.axes] == [
        "participation ratio",
        "validation loss (nats per token)",
    ]
    (line,) = figure.axes[1].lines
    losses = trained.filter(pl.col("measure") == "loss").sort("step")
    np.testing.assert_array_equal(np.asarray(line.get_ydata(), float), losses["value"])


def test_every_estimator_is_a_curve_of_its_own(trained):
    figure = FAMILIES["estimators_over_training"].draw(trained.filter(pl.col("model") == "bundled:pocket-64"))
    assert len(figure.axes) == 2
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert names == {"TwoNN", "MLE (k = 5)", "MLE (k = 20)", "MLE (k = 50)", "GRIDE (n2 = 64)"}
    assert len(figure.axes[0].lines) == len(names)


def test_the_headline_says_where_the_fall_is(trained):
    table = headline_of(trained)
    assert {row.reference for row in table.rows} == {"bundled:pocket-64", "./$x^2$ <b>名\u202e"}
    first = table.rows[0]
    fall = next(
        row
        for row in training.summarize(trained)
        if row["measure"] == "drop" and row["method"] == "twonn" and row["which"] == first.which
    )
    assert first.cells["half"].value == fall["params"]["half_by"]
    assert first.cells["plateau"].value == fall["params"]["plateau"]
    assert first.cells["loss"].text.startswith("8")
    assert table.rows[-1].cells["loss"].value is None
    said = " ".join(CHAPTER.opening(table))
    assert said.startswith("The dimension of all 4 tables falls along training: TwoNN reads ")
    assert "at the first checkpoint and" in said
    assert "Half of the fall is done by step " in said


def test_the_opening_names_one_table_and_counts_those_that_do_not_fall(trained):
    one = trained.filter((pl.col("model") == "bundled:pocket-64") & (pl.col("which").fill_null("input") == "input"))
    assert CHAPTER.opening(headline_of(one))[0].startswith("The dimension of pocket-64 input falls along training:")
    is_output = (pl.col("which") == "output") & (pl.col("condition") == "measured")
    flat = trained.with_columns(pl.when(is_output).then(30.0).otherwise("value").alias("value"))
    table = headline_of(flat)
    assert [row.notes for row in table.rows].count(("no significant fall",)) == 2
    assert CHAPTER.opening(table)[0].startswith("The dimension of 2 of 4 tables falls")
    nothing = headline_of(flat.filter(pl.col("which") == "output"))
    assert CHAPTER.opening(nothing) == ["No table's dimension falls along training."]
    assert CHAPTER.opening(headline_of(trained.clear())) == []


def test_the_page_is_whole(trained, synthetic, tmp_path):
    run = synthetic.make_run(tmp_path / "run", trained, study="training")
    summary, findings = training.summarize(trained), training.find(trained)
    page = report.write(run, summary=summary, findings=findings, figures=False).read_text(encoding="utf-8")
    assert "The fall of the dimension" in page
    assert 'id="readings"' in page
    assert "<b>名" not in page
