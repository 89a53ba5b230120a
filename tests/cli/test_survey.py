"""The survey on a terminal: three parts, each briefly, and one JSON object of the one shape."""

import re

import pytest

from theodolite.report import page
from theodolite.report.drawings import drawings

SMALL = ("--k", "8", "--nulls", "gaussian", "--limit", "300", "--most-prompts", "2")
MODELS = ("bundled:pocket-64", "bundled:pocket-128")
DRAWN = {"dimension_over_scale", "dimension_over_layers", "similarity_matrices"}


@pytest.fixture(autouse=True)
def few_figures(monkeypatch):
    """Draw one figure of each part: what the others look like is tested elsewhere."""
    monkeypatch.setattr(
        page, "drawings", lambda frame, families: drawings(frame, [one for one in families if one.name in DRAWN])
    )


def test_a_survey_says_its_parts_on_a_terminal_and_in_a_report(theodolite, tmp_path):
    done = theodolite("survey", *MODELS, *SMALL, "--out", "run")
    assert done.code == 0, done.err
    titles = [line for line in done.out.splitlines() if line.isupper()]
    assert titles == ["TABLES", "LAYERS", "SHARED GEOMETRY"]
    assert "4 tables of 2 models read a dimension of" in done.out
    assert "The token clouds of 2 prompts in 2 models reach a mean dimension of" in done.out
    assert "The cosines of all pairs of tokens correlate by" in done.out
    assert re.search(r"^ pocket-64, pocket-128 last layer", done.out, re.MULTILINE)
    assert re.search(r"^  Shuffling a prompt's tokens raises the dimension of its cloud\.  \w+", done.out, re.MULTILINE)
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    anchors = re.findall(r' id="([^"]+)"', text)
    assert len(anchors) == len(set(anchors))
    for part in ("dimension", "layers", "similarity"):
        assert {f"{part}-part", f"{part}-headline", f"{part}-figures"} <= set(anchors)
        assert f'href="#{part}-part"' in text
    assert {"4 tables", "4 profiles", "3 pairs"} <= set(re.findall(r"\d tables|\d profiles|\d pairs", text))
    assert {path.stem for path in (tmp_path / "run" / "figures").glob("*.svg")} == DRAWN


def test_one_part_alone_is_shown_as_one_report(theodolite, tmp_path):
    done = theodolite("survey", MODELS[0], *SMALL, "--parts", "tables", "--out", "run", "--json")
    assert done.code == 0, done.err
    assert {row["study"] for row in done.json["rows"]} == {"dimension"}
    assert {one["study"] for one in done.json["findings"]} == {"dimension"}
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert '<h2 class="part"' not in text
    assert 'id="dimension-headline"' in text


def test_what_is_left_out_is_a_warning_and_no_failure(theodolite, table_file):
    done = theodolite("survey", table_file, *SMALL, "--out", "run", "--json")
    assert done.code == 0, done.err
    assert done.json["status"] == "success"
    assert f"Layers are not measured of {table_file}: a file of numbers is no model to run." in done.json["warnings"]
