"""`theodolite report`: one run again, several in one report, figures for a paper."""

import pytest

from theodolite import studies
from theodolite.report import page
from theodolite.report.drawings import drawings

DRAWN = {"dimension_over_scale", "norm_histogram"}


@pytest.fixture
def runs(table_file, monkeypatch):
    monkeypatch.setattr(
        page, "drawings", lambda frame, families: drawings(frame, [one for one in families if one.name in DRAWN])
    )
    for name, k in (("a", 8), ("b", 12)):
        studies.run("dimension", references=[str(table_file)], k=k, nulls=["gaussian"], out=table_file.parent / name)
    return table_file.parent


def test_several_runs_make_one_report(theodolite, runs):
    done = theodolite("report", "a", "b", "--out", "both", "--figures", "svg", "--json")
    assert done.code == 0, done.err
    assert (done.json["report"], done.json["runs"]) == ("both/report.html", ["a", "b"])
    assert 'id="comparison"' in (runs / "both" / "report.html").read_text(encoding="utf-8")
    assert list((runs / "both" / "figures").glob("*.svg"))
    alone = theodolite("report", "a", "b")
    assert alone.code == 2
    assert "needs a folder of its own. Name it with --out" in alone.err
    one = theodolite("report", "a", "--out", "c")
    assert one.code == 2
    assert "1 run cannot be compared" in one.err


def test_figures_for_a_paper_go_to_a_folder_of_their_own(theodolite, runs):
    done = theodolite("report", "a", "--figures", "pdf", "--style", "one-column")
    assert done.code == 0, done.err
    assert "Figures: a/figures/one-column" in done.out
    assert {path.suffix for path in (runs / "a" / "figures" / "one-column").iterdir()} == {".pdf", ".csv"}
    assert theodolite("report", "a", "--style", "poster").code == 2


def test_a_run_is_needed(theodolite):
    assert theodolite("report").code == 2
