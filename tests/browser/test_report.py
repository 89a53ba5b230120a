"""Reports in a real browser: quiet, contained, readable on a phone and without a script."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TOO_WIDE = """() => Array.from(document.querySelectorAll("main *, header *"))
  .filter((one) => !one.closest(".scroll, pre, svg") && one.getBoundingClientRect().right > innerWidth + 1
    && getComputedStyle(one).position !== "absolute")
  .map((one) => one.tagName + "." + one.className)"""
SHOWN = """(name) => Array.from(document.querySelectorAll("figure " + name))
  .filter((one) => one.getBoundingClientRect().height > 50).length"""


@pytest.fixture(params=["table", "layers"])
def any_page(request):
    return request.getfixturevalue(f"{request.param}_page")


def test_page_loads_quietly_asks_for_nothing_and_runs_no_string(visit, any_page):
    with visit(any_page) as seen:
        for name in ("details", "button", "select"):
            assert seen.page.locator(name).count() > 0
        seen.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert "pwned" not in seen.page.title()
        assert seen.page.locator("img").count() == 0
        assert seen.page.evaluate("document.querySelectorAll('script:not([type])').length") == 1
    assert seen.complaints == []
    assert seen.requests == [any_page.as_uri()]


def test_complaints_and_requests_are_really_heard(visit, tmp_path):
    page = tmp_path / "noisy.html"
    page.write_text("<!DOCTYPE html><img src='gone.png'><script>console.error('heard'); missing();</script>")
    with visit(page) as seen:
        seen.page.wait_for_load_state()
    assert "heard" in seen.complaints
    assert any("missing is not defined" in one for one in seen.complaints)
    assert any(one.endswith("gone.png") for one in seen.requests)


def test_nothing_else_may_run_or_load(visit, table_page):
    with visit(table_page) as seen:
        seen.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "document.title = 'pwned'";
              document.body.appendChild(script);
              document.body.insertAdjacentHTML("beforeend", "<img src='https://example.invalid/x.png'>");
            }"""
        )
        seen.page.wait_for_function("document.images.length === 1")
        assert seen.page.title() != "pwned"
    assert seen.refused == ["csp https://example.invalid/x.png"]
    assert len([one for one in seen.complaints if "Content Security Policy" in one]) >= 2


@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_its_window(visit, any_page, width):
    with visit(any_page, width=width) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.page.evaluate(TOO_WIDE) == []
        wide, narrow = (seen.page.evaluate(SHOWN, name) for name in (".wide", ".narrow"))
        assert (narrow >= 6, wide) == (True, 0) if width < 720 else (wide >= 6, narrow) == (True, 0)


def test_without_a_script_the_figures_lists_and_tables_are_there(visit, any_page):
    with visit(any_page, script=False) as seen:
        assert seen.page.locator("figure .wide svg.plot >> visible=true").count() >= 6
        assert seen.page.locator(".bar >> visible=true").count() == 0
        assert seen.page.locator(".explorer-live >> visible=true").count() == 0
        assert seen.page.locator("#headline tbody tr").count() >= 2
        folded = seen.page.locator("details.table-section").first
        folded.locator("summary").click()
        assert seen.page.locator("a.download").count() >= 6
    assert seen.complaints == []


@pytest.mark.parametrize("keyboard", [False, True])
def test_tables_sort_by_click_and_by_key(visit, table_page, keyboard):
    with visit(table_page) as seen:
        heading = seen.page.locator("#headline thead th").nth(3)
        cells = (
            "() => Array.from(document.querySelectorAll('#headline tbody tr'), (row) => +row.cells[3].dataset.value)"
        )

        def press():
            heading.locator("button").focus()
            seen.page.keyboard.press("Enter") if keyboard else heading.locator("button").click()

        press()
        rising = seen.page.evaluate(cells)
        assert heading.get_attribute("aria-sort") == "ascending"
        press()
        falling = seen.page.evaluate(cells)
        assert heading.get_attribute("aria-sort") == "descending"
        assert seen.page.locator("#headline [aria-sort]").count() == 1
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert len(set(rising)) > 1


def test_the_keyboard_reaches_the_findings_first(visit, table_page):
    with visit(table_page) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.textContent") == "Skip to the findings"
        seen.page.keyboard.press("Enter")
        assert seen.page.evaluate("location.hash") == "#findings"


def test_print_takes_folded_findings_but_long_lists_only_where_they_are_open(visit, table_page):
    folded = "() => Array.from(document.querySelectorAll('details')).map((one) => one.open)"
    with visit(table_page) as seen:
        before = seen.page.evaluate(folded)
        seen.page.emulate_media(media="print")
        seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert seen.page.locator("details:not([open]):not(.long)").count() == 0
        assert seen.page.locator("details.long:not([open])").count() >= 2
        assert seen.page.locator("details.long[open]").count() >= 1
        assert seen.page.locator(".bar >> visible=true").count() == 0
        assert seen.page.locator("figure .wide >> visible=true").count() >= 6
        seen.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert seen.page.evaluate(folded) == before


def test_a_narrow_sheet_of_paper_is_no_phone(visit, table_page):
    shape = "getComputedStyle(document.querySelector('#headline tbody tr')).display"
    with visit(table_page, width=700) as seen:
        assert seen.page.evaluate(shape) == "grid"
        seen.page.emulate_media(media="print")
        assert seen.page.evaluate(shape) == "table-row"


def test_two_figures_of_two_rows_fit_on_a_printed_page(visit, table_page):
    """A letter between margins of 0.4 inches is 740 by 979 pixels, the lowest page in use."""
    shapes = """() => Array.from(document.querySelectorAll('.figures figure')).map((one) => [
        one.querySelector('.wide svg').viewBox.baseVal.height / one.querySelector('.wide svg').viewBox.baseVal.width,
        one.querySelector('.wide').offsetHeight,
        one.querySelector('figcaption').offsetLeft - one.querySelector('.wide').offsetLeft,
    ])"""
    with visit(table_page, width=740) as seen:
        seen.page.emulate_media(media="print")
        found = seen.page.evaluate(shapes)
    assert len(found) >= 6
    assert all(height < 979 / 2 - 2 * 10 - 10 for shape, height, _ in found if shape < 0.89)
    assert all(left > 450 for *_, left in found), "captions stand beside"
