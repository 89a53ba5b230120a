"""What a page's script reads of a figure, and numbers and drawings in few bytes."""

import base64
import html
import json
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theodolite.report.figure_files import figure_bytes
from theodolite.report.inline_svg import inline_svg
from theodolite.report.live import live
from theodolite.report.packed import packed_numbers
from theodolite.report.svg_weight import lightened, styles_apart


def unpacked(packed):
    codes = np.frombuffer(base64.b64decode(packed["data"]), dtype=f"<u{packed['width']}")
    missing = np.iinfo(codes.dtype).max
    return [None if code == missing else packed["low"] + packed["step"] * int(code) for code in codes]


@given(st.lists(st.none() | st.integers(0, 2**31), max_size=30))
def test_whole_numbers_come_back_as_they_are(values):
    assert unpacked(packed_numbers(values, whole=True)) == values


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=30))
def test_other_numbers_come_back_to_a_part_of_their_range(values):
    found = unpacked(packed_numbers(values))
    known = [value for value in values if value is not None]
    room = (max(known) - min(known)) / 60_000 + 2e-5 * max(map(abs, known)) if known else 0.0
    assert len(found) == len(values)
    for one, value in zip(found, values, strict=True):
        assert (one is None) == (value is None)
        assert value is None or one == pytest.approx(value, abs=room + 1e-300)


def test_what_is_not_finite_is_missing():
    assert unpacked(packed_numbers([float("nan"), 1.0, float("inf")])) == [None, 1.0, None]


def drawn():
    figure = Figure(figsize=(4, 3), layout="constrained")
    lines, bars = figure.subplots(1, 2)
    lines.plot([1, 2, 3], [10.0, 20.0, 15.0], color="#0072b2", marker="o", linestyle="-")
    lines.plot([1, 2, 3], [12.0, 22.0, 17.0], color="#0072b2", linestyle="--")
    lines.fill_between([1, 2, 3], [9, 19, 14], [11, 21, 16], color="#0072b2", alpha=0.2)
    lines.axhline(15.0, color="#0072b2")
    lines.scatter([1.5, 2.5], [11.0, 21.0], color="#d55e00")
    lines.plot([1, 9], [30.0, 40.0], color="#009e73")
    lines.set(xlim=(0, 4), ylim=(0, 35), xlabel="layer", ylabel="dimension", title="one")
    bars.bar(["first", "second"], [3.0, 4.0], color="#e69f00")
    handles = [
        Line2D([], [], color="#0072b2", linestyle="-", label="solid"),
        Line2D([], [], color="#0072b2", linestyle="--", label="dashed"),
        Line2D([], [], color="#d55e00", linestyle="", marker="o", label="marks"),
    ]
    figure.legend(handles=handles)
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine(None)
    return figure


def test_series_stand_in_the_order_of_the_legend():
    figure = Figure()
    axes = figure.subplots()
    ways = {name: axes.plot([0, 1], [0, 1], color=color)[0] for name, color in (("b", "#0072b2"), ("a", "#d55e00"))}
    axes.plot([0, 1], [1, 0], color="#009e73")
    figure.legend(handles=[ways["a"], ways["b"]], labels=["a", "b"])
    figure.draw_without_rendering()
    assert [one["name"] for one in live(figure).content["panels"][0]["series"]] == ["a", "b", ""]


def test_series_are_those_of_the_legend_and_points_those_that_are_seen():
    panels = live(drawn()).content["panels"]
    assert [(panel["title"], panel["x"], panel["y"]) for panel in panels] == [
        ("one", "layer", "dimension"),
        ("", "", ""),
    ]
    series = {one["name"]: one for one in panels[0]["series"]}
    assert [point[2:] for point in series["solid"]["points"]] == [[1, 10], [2, 20], [3, 15]]
    assert [point[2:] for point in series["dashed"]["points"]] == [[1, 12], [2, 22], [3, 17]]
    assert [point[2:] for point in series["marks"]["points"]] == [[1.5, 11], [2.5, 21]]
    assert len(series["solid"]["ids"]) == 2
    assert [point[2:] for point in series[""]["points"]] == [[1, 30]]
    assert panels[1]["names_x"] == {"0": "first", "1": "second"}
    assert [point[2:] for point in panels[1]["series"][0]["points"]] == [[0, 3], [1, 4]]


def test_figures_are_left_as_they_were():
    figure = drawn()
    before = figure_bytes(figure, "svg")
    inline_svg(figure, prefix="p-", label="x")
    assert figure_bytes(figure, "svg") == before


def test_a_lighter_svg_refers_to_what_it_holds_and_shows_as_much():
    figure = drawn()
    text = str(inline_svg(figure, prefix="p-", label="x"))
    root = ET.fromstring(text)
    ids = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
    referred = set(re.findall(r"#(p-[\w-]+)", re.sub(r"data-live='[^']*'", "", text)))
    named = set(re.findall(r'"(live\d+-\d+|panel\d+)"', html.unescape(root.attrib["data-live"])))
    assert len(ids) == len(set(ids))
    assert set(ids) == referred | {f"p-{name}" for name in named}
    heavy = ET.fromstring(figure_bytes(figure, "svg", text_as="none"))
    for tag in ("use", "text"):
        n_heavy = sum(one.tag.endswith(tag) for one in heavy.iter())
        assert sum(one.tag == tag for one in root.iter()) == n_heavy > 0
    assert all(one["color"].startswith("var(--") for one in json.loads(root.attrib["data-live"])["panels"][0]["series"])


def test_a_style_is_shared_only_where_every_mark_has_it():
    same, other = "fill: red", "fill: blue"
    for styles, shared in (((same, same), True), ((same, other), False)):
        marks = "".join(f'<use href="#m" style="{style}"/>' for style in styles)
        root = ET.fromstring(f'<svg><g id="k"><defs><path id="m" d="M 0 0 L 1 2.5 z "/></defs>{marks}</g></svg>')
        lightened(root, prefix="q", kept={"k"})
        group = root[0]
        assert group.attrib.get("style") == (same if shared else None)
        assert [mark.attrib.get("style") for mark in group.iter("use")] == ([None, None] if shared else list(styles))
        assert group.find("defs/path").attrib == {"id": "q0", "d": "M0 0L1 2.5z"}


def test_groups_of_nothing_and_turns_by_nothing_are_left_out():
    root = ET.fromstring(
        '<svg><g><g/><g><text transform="rotate(-0 1 2)">a</text></g><defs/></g><g id="k"><g/></g>'
        '<text transform="rotate(-90 1 2)">b</text></svg>'
    )
    lightened(root, prefix="q", kept={"k"})
    assert [one.tag for one in root] == ["text", "g", "text"]
    assert root[0].attrib == {}
    assert (root[1].attrib, list(root[1])) == ({"id": "qk"}, [])
    assert root[2].attrib == {"transform": "rotate(-90 1 2)"}


def test_styles_are_said_once_and_only_those_of_marks():
    first = (
        '<svg class="plot" style="max-width:9px"><path style="fill: none; stroke: red"/><use style="fill: blue"/></svg>'
    )
    second = '<svg class="plot"><text style="fill: none; stroke: red">style="fill: blue"</text></svg>'
    lighter, rules = styles_apart([first, second])
    assert lighter == [
        '<svg class="plot" style="max-width:9px"><path class="m0"/><use class="m1"/></svg>',
        '<svg class="plot"><text class="m0">style="fill: blue"</text></svg>',
    ]
    assert rules == ".plot .m0{fill:none;stroke:red}\n.plot .m1{fill:blue}\n"
