"""The report in a real browser: quiet console, nothing executed, readable on a phone."""

import json
import re

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WRAPPER = """<!DOCTYPE html><title>waiting</title><body style="margin:0">
<iframe id="page" src="{source}" width="{width}" height="800" style="border:0"></iframe><pre id="answer"></pre>
<script>
document.getElementById("page").onload = function () {{
  var inside = this.contentDocument, answer = {{}};
  answer.title = inside.title;
  answer.scrollWidth = inside.documentElement.scrollWidth;
  answer.clientWidth = inside.documentElement.clientWidth;
  answer.tooWide = Array.prototype.filter.call(inside.querySelectorAll("main *, header *"), function (one) {{
    return !one.closest(".scroll, pre, svg") && one.getBoundingClientRect().right > answer.clientWidth + 1;
  }}).map(function (one) {{ return one.tagName + "." + one.className; }});
  answer.wideFigures = shown(".wide"); answer.narrowFigures = shown(".narrow");
  function shown(name) {{
    return Array.prototype.filter.call(inside.querySelectorAll("figure " + name), function (one) {{
      return one.getBoundingClientRect().height > 50;
    }}).length;
  }}
  var button = inside.querySelectorAll("#headline thead th button")[3];
  function column() {{
    return Array.prototype.map.call(inside.querySelectorAll("#headline tbody tr"), function (row) {{
      return parseFloat(row.cells[3].getAttribute("data-value"));
    }});
  }}
  button.click(); answer.rising = column(); answer.sort = button.parentNode.getAttribute("aria-sort");
  button.click(); answer.falling = column();
  answer.focusable = button.tabIndex === 0;
  document.getElementById("answer").textContent = JSON.stringify(answer);
}};
</script>"""


def complaints(log):
    """Return what the page itself logged; the browser's own trouble with the machine is not its fault."""
    return [line for line in log.splitlines() if "CONSOLE" in line]


def ask(browse, page_path, width):
    wrapper = page_path.with_name(f"wrapper{width}.html")
    wrapper.write_text(WRAPPER.format(source=page_path.name, width=width))
    dom, log = browse(wrapper, "--dump-dom", "--window-size=1400,1000", "--virtual-time-budget=5000")
    found = re.search(r'<pre id="answer">(.*?)</pre>', dom, re.DOTALL)
    assert found
    assert found[1], log[-2000:]
    answer = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert complaints(log) == []
    return answer


def test_page_loads_quietly_and_hostile_tokens_do_nothing(browse, page_path):
    dom, log = browse(page_path, "--dump-dom", "--virtual-time-budget=3000")
    assert complaints(log) == []
    assert re.search(r"<title>(.*?)</title>", dom)[1] == "Dimension of pocket-128 and pocket-256 · theodolite"
    assert "&lt;script&gt;document.title='pwned'&lt;/script&gt;" in dom
    assert dom.count("<script") == 1
    assert "<button" in dom


def test_the_console_is_really_heard(browse, tmp_path):
    page = tmp_path / "noisy.html"
    page.write_text("<!DOCTYPE html><script>console.error('heard')</script>")
    _, log = browse(page, "--dump-dom")
    assert len(complaints(log)) == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_its_window_and_tables_sort(browse, page_path, width):
    answer = ask(browse, page_path, width)
    assert "pwned" not in answer["title"]
    assert answer["clientWidth"] == width
    assert answer["scrollWidth"] <= width
    assert answer["tooWide"] == []
    figures = answer["narrowFigures" if width < 720 else "wideFigures"]
    assert figures >= 6
    assert answer["wideFigures" if width < 720 else "narrowFigures"] == 0
    assert answer["rising"] == sorted(answer["rising"])
    assert answer["falling"] == sorted(answer["falling"], reverse=True)
    assert answer["sort"] == "ascending"
    assert answer["focusable"]


def test_page_can_be_pictured_in_the_dark(browse, page_path, tmp_path):
    picture = tmp_path / "dark.png"
    browse(page_path, f"--screenshot={picture}", "--window-size=1280,900", "--blink-settings=preferredColorScheme=0")
    assert picture.stat().st_size > 20_000
