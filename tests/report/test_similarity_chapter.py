"""Figures, headline and lists of a similarity study, drawn from planted numbers."""

import json

import numpy as np
import polars as pl
import pytest

from theodolite import report
from theodolite.report.chapters import chapter_of
from theodolite.report.chapters.similarity.curves import coherence_data, layer_data
from theodolite.report.chapters.similarity.local_figures import dimension_data, weights_data
from theodolite.report.chapters.similarity.matrices import matrix_data
from theodolite.runs.rows import frame_from_rows
from theodolite.studies.similarity import findings as similarity_findings
from theodolite.studies.similarity import summary as similarity_summary
from theodolite.studies.similarity.columns import COLUMNS

HOSTILE = "<script>alert(1)</script>"
MODELS = ("bundled:one", "bundled:two", f"/tmp/{HOSTILE}/three$x$")
CHAPTER = chapter_of("similarity")
FAMILIES = {family.name: family for family in CHAPTER.families}


def planted_frame(*, nulls=True, states=True):
    generator = np.random.default_rng(0)
    rows = []

    def add(**columns):
        rows.append({**dict.fromkeys(COLUMNS), "condition": "measured", "n_used": 2000, **columns})

    for which in ("input", "output"):
        for model in MODELS:
            side = {"model_a": model, "which": which, "tied_a": model == MODELS[1], "extrinsic_a": 64}
            for bin_ in range(10):
                for method in ("variant_share", "mean_cosine"):
                    columns = {"x": 30.0 + bin_, "value": 0.5 - 0.03 * bin_, "stderr": 0.01, "scale": 100}
                    add(**side, measure="coherence_curve", method=method, **columns)
            spearman = {"measure": "coherence_spearman", "value": -0.5, "stderr": 0.01, "null": 0.0, "scale": 100}
            for method in ("variant_share", "mean_cosine"):
                add(**side, method=f"{method} against pca", null_stderr=0.01, **spearman)
            for method, dimension in (("lowest", 12.0), ("highest", 60.0)):
                near = json.dumps([" dog", HOSTILE])
                add(**side, measure="listed", method=method, scale=100, value=dimension, token=" cat", neighbors=near)
        for i, first in enumerate(MODELS):
            for second in MODELS[i + 1 :]:
                tied = {"tied_a": first == MODELS[1], "tied_b": second == MODELS[1]}
                pair = {"model_a": first, "model_b": second, "which": which, **tied}
                level = 0.9 if which == "output" else 0.3
                error = {"stderr": 0.004, "null": 0.0, "null_stderr": 0.001}
                for method in ("raw", "centered"):
                    add(**pair, measure="rsa", method=method, value=level, **error)
                add(**pair, measure="mutual_knn", value=0.4, scale=10, **error)
                add(**pair, measure="lle", value=0.35, scale=10, **error)
                add(**pair, measure="lle_neighbors", value=0.25, stderr=0.003, scale=10)
                for name in ("pearson", "spearman"):
                    add(**pair, measure=f"dimension_{name}", method="pca", scale=100, value=0.8, **error)
                for token in range(40):
                    x = float(generator.integers(20, 40))
                    add(**pair, measure="token_dimension", method="pca", scale=100, x=x, value=x + 5, token=f"t{token}")
                for condition in ("measured", "permuted", "gaussian") if nulls else ("measured",):
                    for left in np.linspace(-1, 0.95, 40):
                        columns = {"x": float(left), "value": 50.0, "scale": 10}
                        add(**pair, measure="lle_histogram", **{**columns, "condition": condition})
    for layer in range(5) if states else ():
        pair = {"model_a": MODELS[0], "model_b": MODELS[1], "which": "states"}
        place = {"layer_a": layer, "layer_b": layer, "depth": layer / 4}
        error = {"stderr": 0.005, "null": 0.0, "null_stderr": 0.002}
        for measure, method in (("rsa", "raw"), ("rsa", "centered"), ("cka", "debiased"), ("mutual_knn", None)):
            add(**pair, **place, measure=measure, method=method, value=0.6 + 0.05 * layer, **error)
    return frame_from_rows(rows, COLUMNS)


@pytest.fixture(scope="module")
def frame():
    return planted_frame()


@pytest.mark.parametrize("layout", ["wide", "narrow"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_figure_is_drawn_from_the_frame_alone(frame, name, layout):
    figure = FAMILIES[name].draw(frame, layout=layout)
    figure.draw_without_rendering()
    assert all(axes.get_title(loc="left") or axes.get_xlabel() for axes in figure.axes)
    assert FAMILIES[name].title(frame)
    assert FAMILIES[name].caption(frame).endswith(".")
    assert not FAMILIES[name].data(frame).is_empty()


@pytest.mark.parametrize("name", FAMILIES)
def test_where_there_is_nothing_there_is_no_figure(frame, name):
    assert FAMILIES[name].draw(frame.filter(pl.col("measure") == "count")) is None


def test_untied_models_carry_an_asterisk(frame):
    data = matrix_data(frame)
    assert set(data["first"]) | set(data["second"]) == {"one*", "two", "three$x$*"}
    assert data.filter(pl.col("which") == "output")["value"].unique().to_list() == [0.9]
    drawn = FAMILIES["similarity_matrices"].draw(frame)
    assert len(drawn.axes) == 4
    assert sorted({text.get_text() for text in drawn.axes[0].texts}) == ["0.90", "1"]


def test_the_data_behind_the_figures_are_shares_and_places(frame):
    weights = weights_data(frame)
    sums = weights.group_by("pair", "which", "condition").agg(pl.col("share").sum())["share"]
    assert sums.to_list() == pytest.approx([1.0] * 18)
    assert set(dimension_data(frame)["pair"]) == {"one, two", "one, three$x$", "two, three$x$"}
    assert set(coherence_data(frame)["name"]) == {"one", "two", "three$x$"}
    assert FAMILIES["similarity_over_layers"].caption(frame).endswith("with a standard deviation of at most 0.002.")
    assert layer_data(frame)["depth"].unique().sort().to_list() == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_figures_without_nulls_say_nothing_of_them():
    bare = planted_frame(nulls=False)
    assert "permuted" in FAMILIES["neighbor_weights"].caption(planted_frame())
    assert "permuted" not in FAMILIES["neighbor_weights"].caption(bare)


def test_the_headline_has_a_line_for_each_pair_and_kind(frame):
    summary, findings = similarity_summary.summarize(frame), similarity_findings.find(frame)
    table = CHAPTER.headline(summary, findings)
    assert len(table.rows) == 3 * 2 + 1
    first = table.rows[0]
    assert (first.name, first.which) == ("one, two", "input")
    assert first.cells["raw"].text == "0.300 ± 0.004"
    assert first.cells["dimension"].value == 0.8
    assert table.rows[-1].which == "last layer"
    assert table.rows[-1].cells["raw"].value == pytest.approx(0.8)
    assert CHAPTER.opening(table) == [
        "The cosines of all pairs of tokens correlate by 0.900 between output embeddings (tokens permuted: 0.0000 ± "
        "0.0010), 0.300 between input embeddings (tokens permuted: 0.0000 ± 0.0010), 0.800 between hidden states of "
        "the last layer (tokens permuted: 0.000 ± 0.002)."
    ]
    assert CHAPTER.opening(CHAPTER.headline([], [])) == []
    bare = [{**row, "null": None} for row in summary]
    assert "permuted" not in CHAPTER.opening(CHAPTER.headline(bare, []))[0]


def test_verdicts_on_planted_numbers(frame):
    found = {(one.id, one.subject): one.verdict for one in similarity_findings.find(frame)}
    assert {verdict for (name, _), verdict in found.items()} == {"supported"}
    assert ("untied-input", "bundled:one and bundled:two") in found
    near = frame.with_columns(pl.when(pl.col("measure") == "rsa").then(0.001).otherwise(pl.col("value")).alias("value"))
    changed = {one.id: one.verdict for one in similarity_findings.find(near)}
    assert changed["shared-global"] == changed["untied-input"] == changed["persists"] == "not supported"
    between = frame.with_columns(
        pl.when(pl.col("measure") == "rsa").then(0.02).otherwise(pl.col("value")).alias("value")
    )
    assert {one.id: one.verdict for one in similarity_findings.find(between)}["shared-global"] == "undecided"


def test_the_page_is_whole(frame, synthetic, tmp_path):
    run = synthetic.make_run(tmp_path / "pairs", frame, study="similarity")
    summary, findings = similarity_summary.summarize(frame), similarity_findings.find(frame)
    page = report.write(run, summary=summary, findings=findings, figures=False).read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "Tokens of lowest and highest dimension" in page
    assert "\u2423dog" in page
    assert "Global similarity of every two models" in page
