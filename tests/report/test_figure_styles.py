"""Figures for a paper: as wide as its columns, legible, with embedded letters, and the same bytes in every process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from matplotlib.text import Text

import theodolite as td
from theodolite.core.errors import NotFoundError, ParameterError
from theodolite.report import figures
from theodolite.report.chapters import CHAPTERS, chapter_of
from theodolite.report.figure_files import figure_bytes, save_figures
from theodolite.report.figures.canvas import STYLES

_DRAW = """
import sys, hashlib
import polars as pl
from theodolite import report
frame = pl.read_parquet(sys.argv[1])
for name in ("dimension_over_scale", "norm_histogram"):
    for kind in ("pdf", "svg", "png"):
        path = report.save_figure(report.figure(name, frame, style="one-column"), f"{sys.argv[2]}/{name}.{kind}")
        print(name, kind, hashlib.sha256(path.read_bytes()).hexdigest())
"""
SMALLEST = 7.0


@pytest.fixture(scope="module")
def small(synthetic):
    return synthetic.make_frame({"bundled:pocket-64": 64, "bundled:pocket-128": 128, "bundled:pocket-256": 256})


def test_another_process_writes_the_same_bytes(small, tmp_path, monkeypatch, capsys):
    small.write_parquet(tmp_path / "frame.parquet")
    done = subprocess.run(
        [sys.executable, "-c", _DRAW, str(tmp_path / "frame.parquet"), str(tmp_path)],
        env={**os.environ, "PYTHONHASHSEED": "1", "TZ": "UTC-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    monkeypatch.setattr(sys, "argv", ["-c", str(tmp_path / "frame.parquet"), str(tmp_path)])
    exec(_DRAW, {})
    assert capsys.readouterr().out == done.stdout
    assert len(done.stdout.splitlines()) == 6


def test_files_name_no_program_no_version_and_no_moment(small):
    figure = td.report.figure("dimension_over_scale", small)
    for kind in ("pdf", "svg", "png"):
        content = figure_bytes(figure, kind)
        for trace in (rb"3\.\d+\.\d+, https", b"CreationDate", b"ModDate", b"Producer", b"Software", b"dc:date"):
            assert not re.search(trace, content), (kind, trace)


def test_letters_of_a_pdf_are_embedded_truetype(small):
    content = figure_bytes(td.report.figure("dimension_over_scale", small), "pdf")
    assert b"/CIDFontType2" in content or b"/TrueType" in content
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


@pytest.mark.parametrize("style", STYLES)
def test_figures_are_as_wide_as_the_style_and_legible(small, style):
    for family in figures.FAMILIES:
        figure = td.report.figure(family.name, small, style=style)
        assert figure.get_figwidth() == STYLES[style][1]
        sizes = [one.get_fontsize() for one in figure.findobj(Text) if one.get_text().strip() and one.get_visible()]
        assert min(sizes) >= SMALLEST, family.name
    box = re.search(rb"/MediaBox \[ ?([\d. ]+)\]", figure_bytes(figure, "pdf"))
    assert float(box[1].split()[2]) == pytest.approx(72 * STYLES[style][1], abs=0.01)


def test_a_paper_has_a_folder_of_its_own_with_the_data(small, tmp_path):
    written = save_figures(tmp_path, small, families=figures.FAMILIES[:2], formats=("pdf",), style="two-column")
    assert {path.parent for path in written} == {tmp_path / "figures" / "two-column"}
    assert sorted(path.suffix for path in written) == [".csv", ".csv", ".pdf", ".pdf"]


def test_every_figure_has_one_name_and_a_public_function():
    names = td.report.figure_names()
    assert len(names) == len(set(names)) >= 30
    for study in CHAPTERS:
        families = chapter_of(study).families
        assert [family.name for family in families] == td.report.figure_names(study)
        assert len({family.name for family in families}) == len(families)
    assert set(td.report.figure_names("survey")) == {
        name for study in ("dimension", "layers", "similarity") for name in td.report.figure_names(study)
    }


def test_the_page_about_figures_lists_them_all():
    page = Path(__file__).parents[2] / "docs" / "figures.md"
    if not page.exists():
        pytest.skip("needs a checkout")
    listed = re.findall(r"^\| `([\w-]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(td.report.figure_names())


def test_a_figure_can_be_changed_before_it_is_saved(small, tmp_path):
    figure = td.report.figure("dimension_over_scale", small)
    plain = figure_bytes(figure)
    figure.axes[0].set_title("mine")
    assert figure_bytes(figure) != plain
    assert td.report.save_figure(figure, tmp_path / "mine.svg").read_bytes() == figure_bytes(figure)
    with pytest.raises(ParameterError, match=r"cannot be written as 'mine.jpg'. End its name with .pdf, .svg or .png"):
        td.report.save_figure(figure, tmp_path / "mine.jpg")


def test_names_that_are_not_known_are_refused_with_the_closest(small):
    with pytest.raises(NotFoundError, match=r"no figure 'dimension_over_scal'. Did you mean 'dimension_over_scale'"):
        td.report.figure("dimension_over_scal", small)
    with pytest.raises(NotFoundError, match="the rows hold no number that 'dimension_over_scale' shows"):
        td.report.figure("dimension_over_scale", pl.DataFrame())
    with pytest.raises(ParameterError, match=r"style='poster' is not known. Choose one of slides, one-column"):
        td.report.figure("dimension_over_scale", small, style="poster")
    with pytest.raises(ParameterError, match="No study is called 'geometry'"):
        td.report.figure_names("geometry")
