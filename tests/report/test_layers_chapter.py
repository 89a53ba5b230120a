"""The chapter of a layer study: figures that say their numbers, and the prompt view."""

import html
import json
import re

import numpy as np
import polars as pl
import pytest

from theodolite import report
from theodolite.report.chapters import chapter_of
from theodolite.report.chapters.layers.check_figures import density_data
from theodolite.report.chapters.layers.dimension_figures import scales_data
from theodolite.report.chapters.layers.lens_figures import entropy_data, lag_data
from theodolite.report.chapters.layers.pair_figures import angles_data, pairs_data
from theodolite.report.chapters.layers.prompts_view import prompt_sections
from theodolite.report.chapters.layers.rows import control_label
from theodolite.report.chapters.layers.tables import tables
from theodolite.report.drawings import drawings
from theodolite.report.page_figures import page_figures
from theodolite.report.provenance import banners
from theodolite.studies.layers import findings as layer_findings
from theodolite.studies.layers import summary as layer_summary

CHAPTER = chapter_of("layers")


@pytest.fixture(scope="module")
def frame(layers_frame):
    return layers_frame


@pytest.fixture(scope="module")
def drawn(frame):
    return drawings(frame, CHAPTER.families)


def live_data(svg):
    return json.loads(html.unescape(re.search(r"""data-live=(["'])(.*?)\1""", svg)[2]))


def test_every_family_is_drawn_and_the_public_functions_draw_the_same(frame, drawn):
    assert [one.family.name for one in drawn] == [
        family.name for family in CHAPTER.families if family.draw(frame) is not None
    ]
    assert len(drawn) == len(CHAPTER.families) - 1  # one estimator, so none beside others
    for one in drawn:
        assert one.caption == one.family.caption(frame)
        assert one.data.equals(one.family.data(frame))
        assert set(one.figures) == {"wide", "narrow"}


def test_curves_of_lens_and_density_are_what_was_planted(frame):
    entropy = entropy_data(frame).filter(pl.col("layer") == 2)
    assert entropy["value"].to_list() == pytest.approx([5.0 - 0.6 + 1.25] * 2)
    density = density_data(frame).filter(pl.col("layer") == 3)
    assert dict(density.select("tokens", "value").unique().rows()) == pytest.approx(
        {"all tokens": 42.5, "first of each token type": 22.5}
    )
    assert set(density["limit"]) == {63}
    lags = lag_data(frame)
    assert lags.group_by("lag").agg(pl.col("layer").n_unique()).sort("lag").rows() == [(0, 6), (1, 6)]
    assert lags["value"].min() > 0.5  # dimension and entropy both rise with the prompt


def test_each_estimator_has_a_panel_of_its_correlations_where_several_were_asked_for(frame, drawn):
    panels = {one.family.name: [axes.get_title(loc="left") for axes in one.figures["wide"].axes] for one in drawn}
    assert panels["correlation_over_layers"] == ["pocket-64", "pocket-128"], "one estimator: its scales in one panel"
    twonn = frame.filter((pl.col("measure") == "dimension") & (pl.col("scale") == 4)).with_columns(
        method=pl.lit("twonn"), n1=pl.lit(1), scale=pl.lit(2), value=1 / pl.col("value")
    )
    both = pl.concat([frame, twonn.cast(dict(frame.schema))])
    for name, entries in (("correlation_over_layers", 2), ("lens_correlation_over_layers", 4)):
        family = next(one for one in CHAPTER.families if one.name == name)
        figure = family.draw(both)
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert {"GRIDE (2 and 4)", "TwoNN (1 and 2)"} <= set(titles)
        assert len(figure.legends[0].get_texts()) == entries, "models, and lags of each"
        data = family.data(both)
        assert set(data["estimator"]) == set(titles)
        own = data.filter(pl.col("estimator") == "TwoNN (1 and 2)").sort("name", "layer")
        same = data.filter(pl.col("estimator") == "GRIDE (2 and 4)").sort("name", "layer")
        assert own["value"].to_numpy() == pytest.approx(-same["value"].to_numpy())  # of 1 / dimension


def test_intervals_of_few_prompts_are_said_to_be_no_bootstrap(frame):
    family = next(one for one in CHAPTER.families if one.name == "correlation_over_layers")
    assert "fewer than 8 prompts are not resampled" in family.caption(frame)
    more = pl.concat([frame, frame.with_columns(pl.col("prompt_row") + 10)])
    assert "bootstrap over prompts" in family.caption(more)


def test_any_two_layers_are_cells_that_say_their_overlap(frame, drawn):
    (pairs,) = [one for one in drawn if one.family.name == "overlap_between_layers"]
    far = pairs.data.filter((pl.col("layer") == 1) & (pl.col("layer_to") == 5))
    assert far["value"].to_list() == pytest.approx([0.8**4] * 2)
    axes = pairs.figures["wide"].axes[0]
    assert {text.get_text() for text in axes.texts} >= {"1", "0.41", "0.70"}
    (mesh,) = axes.collections
    cells = np.asarray(mesh.get_array()).reshape(7, 7)
    assert cells[1, 5] == cells[5, 1] == pytest.approx(0.8**4)
    assert np.isnan(cells[0, 6])
    nearest = frame.filter((pl.col("measure") != "overlap") | (pl.col("layer_to") == pl.col("layer") + 1))
    assert pairs_data(nearest).is_empty(), "consecutive layers are curves"


def test_angles_are_counted_at_the_depth_of_the_papers_histogram(frame, drawn):
    data = angles_data(frame)
    assert data["layer"].unique().to_list() == [2]  # 10/32 of 6
    assert data.group_by("name", "condition").agg(pl.col("value").sum())["value"].to_list() == pytest.approx([1] * 4)
    assert data["mean"].unique().to_list() == pytest.approx([58.2 + 2.5])
    assert (data["left"].min(), data["right"].max()) == pytest.approx((58.2, 63.2))
    assert set(data["condition"]) == {"as written", "all tokens permuted"}
    assert data["name"].unique(maintain_order=True).to_list() == ["pocket-64", "pocket-128"], "as the study lists them"
    for _, bins in data.group_by("name", "condition"):
        assert bins["left"].to_list()[1:] == bins["right"].to_list()[:-1], "an outline goes from bin to bin"
    blocks = angles_data(frame.filter(pl.col("control") != "full_shuffle"))
    assert set(blocks["condition"]) == {"as written", "blocks permuted, S = 2"}
    assert angles_data(frame.filter(pl.col("prompt_row") < 5)).is_empty()


def test_lengths_of_very_different_size_are_drawn_on_a_logarithmic_axis(drawn):
    scales = {one.family.name: one.figures["wide"].axes[0].get_yscale() for one in drawn}
    assert scales["norm_over_layers"] == "log"
    assert scales["participation_ratio_over_layers"] == "linear"


def test_a_report_correlates_once(frame, monkeypatch):
    models = []

    def counted(rows, real=layer_summary._of_model):
        models.append(rows["model"][0])
        return real(rows)

    monkeypatch.setattr(layer_summary, "_LAST", {})
    monkeypatch.setattr(layer_summary, "_of_model", counted)
    layer_summary.summarize(frame)
    layer_findings.find(frame)
    drawings(frame, CHAPTER.families, layouts=["narrow"])
    assert len(models) == 2, "once for each model"
    layer_findings.find(frame.filter(pl.col("prompt_row") < 5))
    assert len(models) == 4, "other prompts are other numbers"


def test_tables_say_what_the_summary_holds(frame):
    sections = {section.id: section for section in tables(layer_summary.summarize(frame))}
    assert list(sections) == ["correlations", "logit-box", "severity"]
    box = sections["logit-box"].data
    assert box["largest logits"].to_list()[:3] == ["1", "32", "D, the logit dimension"]
    assert box["of the probability"].to_list()[:3] == pytest.approx([0.2, 0.6, 0.4])
    assert float(box["length of the box (nats)"][2]) == pytest.approx(1.5)
    severity = sections["severity"].data
    assert severity["prompts"].to_list()[:3] == ["as written", "blocks permuted, S = 2", "all tokens permuted"]
    assert [float(value) for value in severity["BLEU"][1:3]] == pytest.approx([0.825, 0.125])
    correlated = sections["correlations"].data
    assert set(correlated["with"]) == {"loss", "entropy"}
    assert correlated["layers"].to_list() == [6] * correlated.height
    assert tables(layer_summary.summarize(frame.filter(pl.col("measure") == "overlap"))) == []


def test_the_headline_names_what_it_read_where_that_is_not_the_usual(frame):
    def read(rows):
        return CHAPTER.headline(layer_summary.summarize(rows), [])

    usual, scales = read(frame).columns, sorted(frame.filter(pl.col("measure") == "dimension")["scale"].unique())
    assert usual["peak"] == "highest"
    assert usual["overlap"] == f"overlap (k = {min(10, frame.filter(pl.col('measure') == 'overlap')['scale'].max())})"
    other = frame.filter((pl.col("measure") != "dimension") | (pl.col("scale") == scales[-1]))
    assert read(other).columns["peak"] == f"highest, GRIDE to {scales[-1]}"
    renamed = pl.when(pl.col("measure") == "dimension").then(pl.lit("ess")).otherwise(pl.col("method"))
    ess = read(other.with_columns(method=renamed))
    assert ess.columns["peak"] == f"highest, ESS to {scales[-1]}"
    assert len(ess.rows) == len(read(frame).rows), "no estimator but GRIDE had a table"


def test_dimensions_that_are_no_numbers_leave_the_headline_empty(frame):
    value = pl.when(pl.col("measure") == "dimension").then(float("nan")).otherwise(pl.col("value"))
    table = CHAPTER.headline(layer_summary.summarize(frame.with_columns(value=value)), [])
    assert (table.rows, CHAPTER.opening(table)) == ((), [])


def test_a_limit_of_prompts_is_no_limit_of_rows():
    assert banners({"study": "layers", "config": {"limit": 10}}, "success") == []
    assert "limit of 10 rows" in banners({"study": "dimension", "config": {"limit": 10}}, "success")[0]


def test_levels_that_differ_little_are_two_conditions():
    assert control_label("word_replacement", 0.125) == "12.5 % of words replaced"
    assert control_label("word_replacement", 0.004) != control_label("word_replacement", 0.001)


def test_models_of_different_numbers_of_prompts_say_both(frame):
    first = frame["model"][0]
    fewer = frame.filter((pl.col("model") != first) | (pl.col("prompt_row") < 4))
    (said, *_) = CHAPTER.opening(CHAPTER.headline(layer_summary.summarize(fewer), []))
    assert said.startswith("The token clouds of 4 to 6 prompts in 2 models")


def test_what_is_below_zero_has_a_true_minus_sign(frame):
    turned = frame.with_columns(value=pl.col("value") * pl.when(pl.col("measure") == "loss").then(-1).otherwise(1))
    summary, findings = layer_summary.summarize(turned), layer_findings.find(turned)
    cells = [cell.text for row in CHAPTER.headline(summary, findings).rows for cell in row.cells.values()]
    cells += [cell.text for one in tables(summary) for line in one.content["lines"] for cell in line]
    said = [*cells, *(finding.evidence for finding in findings)]
    assert any("\N{MINUS SIGN}" in text for text in cells)
    assert [text for text in said if re.search(r"(?<![\w-])-\d", text)] == []


def test_prompts_without_a_dimension_are_shown_with_the_others(frame):
    first, other = frame["model"].unique(maintain_order=True).to_list()
    without = frame.filter((pl.col("model") == first) | (pl.col("measure") != "dimension"))
    (prompts, _) = prompt_sections(without)
    assert prompts.data["model"].unique(maintain_order=True).to_list() == [
        one.rpartition(":")[2] for one in (first, other)
    ]
    assert (prompts.data["highest dimension"] == "–").sum() == 6
    nothing = frame.filter(~pl.col("measure").is_in(["dimension", "logit_dimension"]))
    assert prompt_sections(nothing)[0].data["highest dimension"].unique().to_list() == ["–"]
    assert layer_findings.find(nothing)


def test_prompts_left_out_are_listed_with_the_reason(frame):
    blank = frame.head(2).with_columns(
        pl.lit(None).cast(frame[name].dtype).alias(name) for name in ("control", "level")
    )
    out = blank.with_columns(
        measure=pl.lit("left_out"),
        method=pl.Series(["short", "not finite"]),
        prompt=pl.Series(["tiny", "<b>"]),
        value=pl.Series([7.0, 256.0]),
        control=pl.Series([None, "full_shuffle"]),
    )
    both = pl.concat([frame, out.select(frame.columns)], how="vertical_relaxed")
    (section,) = [one for one in prompt_sections(both) if one.id == "left-out"]
    assert section.data.select("prompt", "condition", "tokens", "why").rows() == [
        ("tiny", "", 7.0, "too short"),
        ("<b>", "all tokens permuted", 256.0, "the model's states are not finite"),
    ]
    summary = layer_summary.summarize(both)
    assert not [row for row in summary if row["measure"] == "left_out"]
    assert len(layer_findings.find(both)) == len(layer_findings.find(frame))


def test_points_of_a_figure_are_the_data(frame, drawn):
    (figure,) = page_figures([one for one in drawn if one.family.name == "dimension_over_layers"])
    content = live_data(figure.wide)
    data = scales_data(frame)
    assert [panel["title"] for panel in content["panels"]] == data["name"].unique(maintain_order=True).to_list()
    for panel in content["panels"]:
        assert panel["x"] == "layer"
        assert {one["name"] for one in panel["series"]} == set(data["neighbors"])
        for one in panel["series"]:
            own = data.filter((pl.col("name") == panel["title"]) & (pl.col("neighbors") == one["name"]))
            assert [point[2] for point in one["points"]] == own["layer"].to_list()
            assert [point[3] for point in one["points"]] == pytest.approx(own["value"].to_list(), rel=5e-4)
            assert one["color"].startswith("var(--series-")
            left, top, right, bottom = panel["box"]
            assert all(left - 1 <= x <= right + 1 and top - 1 <= y <= bottom + 1 for x, y, _, _ in one["points"])


def test_places_of_points_are_where_they_are_drawn(drawn):
    (figure,) = page_figures([one for one in drawn if one.family.name == "dimension_over_layers"])
    drawn_at = [(float(x), float(y)) for x, y in re.findall(r'<use[^>]* x="([0-9.]+)" y="([0-9.]+)"', figure.wide)]
    for panel in live_data(figure.wide)["panels"]:
        for one in panel["series"]:
            assert all(any(abs(x - a) < 0.1 and abs(y - b) < 0.1 for a, b in drawn_at) for x, y, _, _ in one["points"])


def test_prompts_are_shown_with_words_for_their_line(frame):
    sections = {section.id: section for section in prompt_sections(frame)}
    prompts = sections["tokens"].content["prompts"]
    assert len(prompts) == 12
    one = prompts[0]
    assert re.match(r"Dimension of this prompt's cloud: [\d.]+ in layer 1, highest [\d.]+ in layer [345], ", one.said)
    assert one.tokens[0].surprisal == "first token"
    assert {token.level for token in one.tokens} == set(range(6))


def test_the_page_is_whole_and_hostile_prompts_are_text(layers_page):
    page = layers_page.read_text(encoding="utf-8")
    assert "<img" not in page
    assert "&lt;/summary&gt;&lt;img src=x onerror=" in page
    assert len(page.encode()) < 10_000_000
    for words in ("prompt-text", "data-nats", "Dimension of this prompt", "data-models="):
        assert words in page


def test_same_frame_gives_the_same_page(synthetic, frame, layers_page):
    run = synthetic.make_run(layers_page.parent, frame, study="layers")
    summary, findings = layer_summary.summarize(frame), layer_findings.find(frame)
    again = report.render(run, frame=frame, summary=summary, findings=findings)
    assert again == layers_page.read_text(encoding="utf-8")
