"""The token explorer: what of a run it holds, and what it shows without a script."""

import base64

import numpy as np
import polars as pl
import pytest

from theodolite.report.chapters.tables import explorer
from theodolite.report.chapters.tables.explorer import explored, explorer_sections
from theodolite.report.chapters.tables.token_map import FAMILY, map_data


@pytest.fixture(scope="module")
def content(frame):
    (section,) = explorer_sections(frame)
    return section.content


def numbers(packed):
    return np.frombuffer(base64.b64decode(packed["data"]), dtype=f"<u{packed['width']}").tolist()


def test_every_table_and_every_token_is_there_once(frame, content):
    data = content["data"]
    assert len(data["tables"]) == 8
    assert len(data["ids"]) == len(data["names"]) == len(set(data["ids"]))
    tokens = frame.filter((pl.col("measure") == "token") & (pl.col("revision") == "main"))
    for table in data["tables"]:
        rows = numbers(table["rows"])
        assert [data["ids"][row] for row in rows] == list(range(20))
    assert tokens.height == 8 * 20


def test_neighbors_are_numbers_of_names_also_where_they_have_no_row(content):
    data, table = content["data"], content["data"]["tables"][0]
    near = np.array(numbers(table["near"])).reshape(-1, table["k"])
    names = {data["ids"][row]: data["names"][row] for row in near.ravel()}
    assert names[9999] == "<b>outside</b>"
    assert [data["ids"][row] for row in near[3]] == [4, 5, 6, 7, 8, 9999]


def test_hidden_characters_are_stretches_of_their_own(content):
    names = dict(zip(content["data"]["ids"], content["data"]["names"], strict=True))
    assert names[13] == ["", "␣", "dog"]
    assert names[0].startswith("<script>") if isinstance(names[0], str) else names[0][0].startswith("<script>")
    assert names[5][1] == "\\u202e"


def test_lists_without_a_script_are_the_extremes_and_the_suspicious(content):
    table = content["tables"][0]
    assert [heading for heading, _, _ in table.lists] == [
        "Lowest local dimension",
        "Highest local dimension",
        "Suspicious: shorter than half the median",
    ]
    assert [line.number for line in table.lists[0][2]][:3] == ["5.0", "6.0", "7.0"]
    assert [line.number for line in table.lists[1][2]][:2] == ["24.0", "23.0"]
    assert dict(table.facts)["variance of the directions that the map holds"] == "14.0\u00a0%"


def test_a_page_holds_no_more_tokens_than_it_may_and_says_so(frame, monkeypatch):
    monkeypatch.setattr(explorer, "MOST_TOKENS", 8 * 6)
    (section,) = explorer_sections(frame)
    assert [len(numbers(table["rows"])) for table in section.content["data"]["tables"]] == [6] * 8
    assert dict(section.content["tables"][0].facts)["tokens here"].startswith("6")


def test_runs_without_tokens_have_no_explorer_and_no_map(frame):
    without = frame.filter(~pl.col("measure").is_in(["token", "token_map"]))
    for one in (without, without.drop("view"), pl.DataFrame()):
        assert explorer_sections(one) == []
        assert FAMILY.draw(one) is None
    assert explored(without.drop("view")).is_empty()


def test_the_map_is_drawn_from_fifths_of_equal_size(frame):
    data = map_data(frame)
    sizes = data.group_by("label", "which", "fifth").len()["len"].to_list()
    assert sizes == [4] * (8 * 5)
    ordered = data.filter((pl.col("label") == "pocket-64") & (pl.col("which") == "input")).sort("dimension")
    assert ordered["fifth"].to_list() == sorted(ordered["fifth"].to_list())
    assert set(data["explained"]) == {0.14}
