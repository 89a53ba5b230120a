"""What the page's script adds: values under the pointer, series to hide, layers to choose, tokens to find."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

NUMBER = r"−?[\d.,]+"


def middle_of(seen, figure, *, panel=0, series=0, point=0):
    """Return where a point of a figure is on the screen, and its numbers."""
    return seen.page.evaluate(
        """([figure, panel, series, point]) => {
          const svg = document.querySelector("#" + figure + " .wide svg");
          svg.scrollIntoView({ block: "center" });
          const shown = JSON.parse(svg.dataset.live).panels[panel];
          const found = shown.series[series].points[point];
          const at = new DOMPoint(found[0], found[1]).matrixTransform(svg.getScreenCTM());
          return { x: at.x, y: at.y, numbers: [found[2], found[3]], title: shown.title };
        }""",
        [figure, panel, series, point],
    )


def test_the_value_under_the_pointer_is_said(visit, layers_page):
    with visit(layers_page) as seen:
        at = middle_of(seen, "dimension_over_layers", panel=1, series=2, point=3)
        seen.page.mouse.move(at["x"], at["y"])
        said = seen.page.locator(".tip").inner_text().splitlines()
        seen.page.mouse.move(2, 2)
        assert seen.page.locator(".tip").is_hidden()
    assert said[0] == f"{at['title']} · neighbors 4 and 8"
    assert said[1] == f"layer: {at['numbers'][0]}"
    assert float(said[2].rpartition(": ")[2]) == pytest.approx(at["numbers"][1], rel=1e-3)


def test_arrow_keys_read_the_points(visit, layers_page):
    with visit(layers_page) as seen:
        frame = seen.page.locator("#dimension_over_layers .wide")
        frame.focus()
        said = seen.page.locator("#dimension_over_layers [aria-live]")
        seen.page.keyboard.press("ArrowRight")
        first = said.inner_text()
        seen.page.keyboard.press("ArrowRight")
        second = said.inner_text()
        seen.page.keyboard.press("Escape")
        assert seen.page.locator(".tip").is_hidden()
    assert re.match(rf"pocket-(64|128) · neighbors 1 and 2, layer: 1, dimension \(GRIDE\): {NUMBER}$", first)
    assert ", layer: 2, " in second


def test_a_series_is_hidden_and_shown_again(visit, layers_page):
    with visit(layers_page) as seen:
        figure = seen.page.locator("#dimension_over_layers")
        button = figure.get_by_role("button", name="neighbors 2 and 4")
        assert button.get_attribute("aria-pressed") == "true"
        hidden = figure.locator(".wide svg .off")
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        assert hidden.count() >= 2
        at = middle_of(seen, "dimension_over_layers", panel=0, series=1, point=2)
        seen.page.mouse.move(at["x"], at["y"])
        tip = seen.page.locator(".tip")
        assert tip.is_hidden() or "neighbors 2 and 4" not in tip.inner_text()
        button.click()
        assert hidden.count() == 0


def test_a_model_is_hidden_in_every_figure(visit, layers_page):
    with visit(layers_page) as seen:
        seen.page.locator(".model-bar").get_by_role("button", name="pocket-64").click()
        off = seen.page.evaluate(
            "Array.from(document.querySelectorAll('figure')).filter((one) => one.querySelector('.wide .off')).length"
        )
        assert off == seen.page.locator("figure:not(#overlap_between_layers)").count()  # a panel for each model


def test_the_slider_reads_every_figure_at_one_layer(visit, layers_page):
    with visit(layers_page) as seen:
        slider = seen.page.get_by_label("Layer", exact=True)
        slider.focus()
        for _ in range(4):
            seen.page.keyboard.press("ArrowRight")
        layer = int(seen.page.locator(".layer-bar output").inner_text())
        words = seen.page.locator("#dimension_over_layers .wide .at-layer").inner_text()
        data = json.loads(seen.page.locator("#dimension_over_layers .wide svg").get_attribute("data-live"))
        lines = seen.page.locator("#dimension_over_layers .wide .layer-line[visibility=visible]").count()
        assert slider.get_attribute("aria-valuetext") == f"layer {layer}"
        for _ in range(4):
            seen.page.keyboard.press("ArrowLeft")
        assert seen.page.locator("#dimension_over_layers .wide .at-layer").inner_text() == ""
    assert layer == 3
    assert lines == 2
    for panel in data["panels"]:
        assert panel["title"] in words
        for one in panel["series"]:
            (value,) = (point[3] for point in one["points"] if point[2] == layer)
            assert f"{one['name']} {value:.4g}".rstrip("0") in words


def test_figures_are_enlarged_and_shown_whole_again(visit, layers_page):
    with visit(layers_page) as seen:
        svg = seen.page.locator("#dimension_over_layers .wide svg")
        whole = svg.get_attribute("viewBox")
        tools = seen.page.locator("#dimension_over_layers .wide .tools")
        tools.get_by_role("button", name="Enlarge").click()
        seen.page.locator("#dimension_over_layers .wide").focus()
        seen.page.keyboard.press("+")
        width = float(svg.get_attribute("viewBox").split()[2])
        assert width == pytest.approx(float(whole.split()[2]) * 0.36)
        seen.page.keyboard.press("0")
        assert svg.get_attribute("viewBox") == whole


def test_prompts_are_found_by_their_words_and_their_model(visit, layers_page):
    with visit(layers_page) as seen:
        section = seen.page.locator("section.prompts")
        shown = section.locator("details.prompt >> visible=true")
        assert shown.count() == 12
        section.get_by_label("Search").fill("prompt-3")
        assert shown.count() == 2
        section.get_by_label("Model").select_option("pocket-64")
        assert shown.count() == 1
        assert section.locator("[role=status]").inner_text() == "1 of 12 prompts"
        section.get_by_label("Search").fill("")
        section.get_by_role("button", name="Open all").click()
        assert section.locator("details.prompt[open] >> visible=true").count() == 6
        token = shown.first.locator(".surprise").nth(24)
        token.hover()
        assert seen.page.locator(".tip").inner_text() == token.get_attribute("data-nats")
        assert seen.page.title().startswith("Layers of")
    assert seen.complaints == []


def test_a_token_is_found_and_its_neighbors_lead_on(visit, table_page):
    with visit(table_page) as seen:
        section = seen.page.locator("section.explorer")
        section.get_by_label("Search").fill(" dog")
        results = section.locator(".results button")
        assert results.count() == 1
        results.first.click()
        heading = section.locator(".token-view h3")
        assert heading.inner_text() == "␣dog in pocket-128 input"
        assert heading.evaluate("(one) => document.activeElement === one")
        facts = section.locator(".token-view dl").inner_text()
        assert "91 times, the third quarter" in facts
        assert re.search(r"local dimension\s+18\.0 \(20 nearest\)", facts)
        neighbors = section.locator(".token-view table").first.locator("tbody tr")
        assert neighbors.count() == 6
        assert neighbors.first.locator("td").all_inner_texts() == ["0.900", "0.200"]
        assert neighbors.last.inner_text().split() == ["<b>outside</b>", "0.100", "2.00"]
        assert neighbors.last.locator("button").count() == 0
        name = neighbors.nth(2).locator("th").inner_text()
        neighbors.nth(2).locator("button").press("Enter")
        assert heading.inner_text() == f"{name} in pocket-128 input"
    assert seen.complaints == []


def test_hostile_tokens_can_be_searched_and_looked_at_and_do_nothing(visit, table_page):
    with visit(table_page) as seen:
        section = seen.page.locator("section.explorer")
        section.get_by_label("Search").fill("<script>")
        assert section.locator(".results button").count() == 2
        for place in range(2):
            section.locator(".results button").nth(place).click()
            assert "<script>document" in section.locator(".token-view h3").inner_text()
        section.get_by_label("Search").fill("onerror")
        section.locator(".results button").first.click()
        assert "pwned" not in seen.page.title()
        assert seen.page.locator("img").count() == 0
        shown = seen.page.evaluate("document.body.innerText")
        assert not set(shown) & set("\u202e\u202c\x00\x1b\x07\u200b\u2060\ufeff")
    assert seen.complaints == []
    assert len(seen.requests) == 1


def test_tokens_are_listed_by_number_and_by_what_is_wrong(visit, table_page):
    with visit(table_page) as seen:
        section = seen.page.locator("section.explorer")
        order = section.get_by_label("List")
        order.select_option("highest local dimension")
        numbers = [float(one) for one in section.locator(".results .number").all_inner_texts()]
        assert numbers == sorted(numbers, reverse=True)
        assert len(numbers) == 20
        order.select_option("suspicious: shorter than half the median")
        assert section.locator(".results button").count() == 3
        section.locator("select.table").select_option("pocket-256 output")
        assert section.locator(".token-view h3").inner_text().endswith("in pocket-256 output")


def test_the_map_shows_every_token_and_answers_the_pointer(visit, table_page):
    with visit(table_page) as seen:
        plane = seen.page.locator(".token-plane")
        plane.scroll_into_view_if_needed()
        circles = plane.locator("circle[class^=step]")
        assert circles.count() == 20
        assert {circles.nth(place).get_attribute("class") for place in range(20)} == {f"step-{n}" for n in range(5)}
        circles.nth(7).click(force=True)
        name = seen.page.locator(".tip").inner_text().splitlines()[0]
        assert seen.page.locator(".token-view h3").inner_text() == f"{name} in pocket-128 input"
        assert plane.locator(".ring.own").count() == 1
        assert plane.locator(".tie").count() == 5


def test_tokens_of_a_table_are_saved(visit, table_page):
    with visit(table_page) as seen:
        with seen.page.expect_download() as found:
            seen.page.get_by_role("button", name="Save this table").click()
        text = Path(found.value.path()).read_text(encoding="utf-8")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 20
    assert [line["token"] for line in lines if line["id"] == "13"] == ["␣dog"]
    assert float(lines[3]["local_dimension"]) == pytest.approx(8.0, abs=0.01)
