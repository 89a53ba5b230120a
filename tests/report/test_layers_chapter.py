"""The chapter of a layer study: figures that say their numbers, and the prompt view."""

import html
import json
import re

import polars as pl
import pytest

from theodolite import report
from theodolite.report.chapters import chapter_of
from theodolite.report.chapters.layers.dimension_figures import scales_data
from theodolite.report.chapters.layers.prompts_view import prompt_sections
from theodolite.report.drawings import drawings
from theodolite.report.page_figures import page_figures
from theodolite.studies import layer_findings, layer_summary

CHAPTER = chapter_of("layers")


@pytest.fixture(scope="module")
def frame(layers_frame):
    return layers_frame


@pytest.fixture(scope="module")
def drawn(frame):
    return drawings(frame, CHAPTER.families)


def live_data(svg):
    return json.loads(html.unescape(re.search(r'data-live="([^"]*)"', svg)[1]))


def test_every_family_is_drawn_and_the_public_functions_draw_the_same(frame, drawn):
    assert [one.family.name for one in drawn] == [
        family.name for family in CHAPTER.families if family.draw(frame) is not None
    ]
    assert len(drawn) >= 7
    for one in drawn:
        assert one.caption == one.family.caption(frame)
        assert one.data.equals(one.family.data(frame))
        assert set(one.figures) == {"wide", "narrow"}


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
