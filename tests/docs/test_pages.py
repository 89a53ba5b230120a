"""The docs keep their word: code runs and prints what is shown, commands are commands, links and quoted lines exist."""

import re
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from theodolite.core.errors import TheodoliteError
from theodolite.report import page as report_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
SLOW = {"getting-started", "pitfalls", "rank", "tour"}
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="needs a checkout")


def pages():
    return [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in SLOW else []) for page in PAGES]


@pytest.fixture(scope="module")
def doc_blocks(tool):
    return tool("doc_blocks")


@pytest.fixture
def drawn_once(monkeypatch):
    """Draw the figures of the same rows once: that a second report draws the same is tested with the report."""
    drawn, shown = {}, {}

    def drawings(frame, families, *, draw=report_page.drawings):
        key = (frame.write_ipc(None).getvalue(), *(family.name for family in families))
        if key not in drawn:
            drawn[key] = draw(frame, families)
        return drawn[key]

    def page_figures(drawings, *, show=report_page.page_figures, **options):
        key = (id(drawings), *options.items())
        if key not in shown:
            shown[key] = show(drawings, **options)
        return shown[key]

    monkeypatch.setattr(report_page, "drawings", drawings)
    monkeypatch.setattr(report_page, "page_figures", page_figures)


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("drawn_once")
@pytest.mark.parametrize("page", pages())
def test_code_runs_and_prints_what_is_shown(page, doc_blocks, tmp_path, monkeypatch):
    """`python tools/doc_blocks.py PAGE` writes what is printed now into the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for printed in doc_blocks.run_page(page):
        assert doc_blocks.trimmed(printed.block.text) == doc_blocks.trimmed(printed.text), printed.block.where


def test_a_page_with_wrong_output_is_noticed_and_refreshed(doc_blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(6 * 7)\n```\n\n```text\n41\n```\n", encoding="utf-8")
    assert [one.agrees for one in doc_blocks.run_page(page)] == [False]
    assert doc_blocks.refresh(page) == 1
    assert "\n42\n" in page.read_text(encoding="utf-8")
    assert [one.agrees for one in doc_blocks.run_page(page)] == [True]


def test_files_of_a_page_are_imported_and_their_tests_called(doc_blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text('```python title="test_never_true.py"\ndef test_it():\n    assert not 1\n```\n', encoding="utf-8")
    with pytest.raises(AssertionError):
        list(doc_blocks.run_page(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_shown_is_one(page, doc_blocks):
    for block in doc_blocks.blocks(page):
        if block.language != "console":
            continue
        for command in doc_blocks.commands(block):
            if command.startswith("theodolite "):
                doc_blocks.parse(command)
            else:
                assert command.split()[0] in ("make", "pip"), f"{block.where}: {command}"


@pytest.mark.parametrize(
    "command", ["theodolite sruvey", "theodolite survey --otu x", "theodolite rank m --ranks four", "theodolite probe"]
)
def test_commands_that_are_none_are_noticed(doc_blocks, command):
    if command == "theodolite probe":
        doc_blocks.parse(command)  # a group alone prints its help
        return
    with pytest.raises((CycloptsError, TheodoliteError)):
        doc_blocks.parse(command)


def test_commands_have_a_prompt_and_fences_a_language(doc_blocks):
    for page in PAGES:
        for block in doc_blocks.blocks(page):
            assert block.language or page.name in ("architecture.md", "references.md"), block.where
            if block.language == "console":
                assert block.text.startswith("$ "), block.where


def test_links_lead_somewhere(tool):
    made = {f"docs/{path}" for path, _ in tool("site_reference").pages()}
    for page in PAGES:
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            known = path.exists() or path.relative_to(ROOT).as_posix() in made
            assert known, f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables_from_other_files_are_as_they_stand_there(page, doc_blocks):
    """`python tools/doc_blocks.py PAGE` takes them over again."""
    assert page.read_text(encoding="utf-8") == doc_blocks.quote_tables(page)


def test_a_quoted_table_that_is_gone_is_noticed(doc_blocks, tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "results.md").write_text("## Time\n\n| a |\n|---|\n| 2 |\n", encoding="utf-8")
    page.write_text("<!-- from results.md: Time -->\n| a |\n|---|\n| 1 |\n", encoding="utf-8")
    assert doc_blocks.quote_tables(page).endswith("| a |\n|---|\n| 2 |\n")
    page.write_text("<!-- from results.md: Memory -->\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no table below the heading 'Memory'"):
        doc_blocks.quote_tables(page)


def test_every_result_of_a_benchmark_is_listed():
    listed = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    results = [file.name for file in (ROOT / "benchmarks" / "results").glob("*.md")]
    assert [name for name in results if f"benchmarks/results/{name}" not in listed] == []


def test_every_test_that_the_parity_page_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (DOCS / "parity.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    for path, name in named:
        assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_every_page_of_a_table_row_is_whole():
    """A table whose rows have another number of cells than its heading is shown wrong."""
    for page in PAGES:
        cells = 0
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
            here = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line))) if line.startswith("|") else 0
            assert not cells or not here or here == cells, f"{page.name}:{number} has {here - 1} cells, not {cells - 1}"
            cells = here
