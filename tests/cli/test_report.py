"""`theodolite report`: one run again, several in one report, figures for a paper."""

import pytest

from theodolite import studies
from theodolite.report import figure_files, page
from theodolite.report.drawings import drawings

DRAWN = {"dimension_over_scale", "norm_histogram"}


@pytest.fixture
def runs(table_file, monkeypatch):
    def some(frame, families, **settings):
        return drawings(frame, [one for one in families if one.name in DRAWN], **settings)

    for module in (page, figure_files):
        monkeypatch.setattr(module, "drawings", some)
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


def test_a_finished_run_that_is_run_again_is_drawn_only_where_something_changed(theodolite, table_file, monkeypatch):
    write, drawn = page.write, []

    def counted(run, **options):
        drawn.append(run.path)
        return write(run, **options)

    def draws(*arguments):
        drawn.clear()
        done = theodolite(*arguments)
        assert done.code == 0, done.err
        return len(drawn), done

    monkeypatch.setattr(page, "write", counted)
    command = ("dimension", table_file, "--k", "8", "--mle-k", "5", "--nulls", "gaussian", "--out", "run", "--json")
    (once, first), (again, second) = draws(*command), draws(*command)
    assert (once, again) == (1, 0)
    assert first.json == second.json
    folder = table_file.parent / "run"
    report, figure = folder / "report.html", next((folder / "figures").glob("*.svg"))

    def write_over():
        report.write_text("of before")

    for disturb in (report.unlink, figure.unlink, write_over, (folder / ".drawn.json").unlink):
        disturb()
        assert draws(*command)[0] == 1, disturb
        assert report.read_text(encoding="utf-8").endswith("</html>")
    assert draws("report", "run")[0] == 1  # whoever asks for it gets it
    assert draws(*command)[0] == 0
    assert draws("report", "run", "--figures", "pdf")[0] == 1
    assert [draws(*command)[0] for _ in range(2)] == [1, 0]
    monkeypatch.setattr("theodolite.report.drawn._package_hash", lambda: "of another theodolite")
    assert [draws(*command)[0] for _ in range(2)] == [1, 0]
