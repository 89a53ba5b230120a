"""The notebooks of the papers: made from their sources, executed without an error, small; their code still runs."""

import ast
import re
from pathlib import Path

import pytest

import theodolite

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
LARGEST = 1_000_000
LESS = {
    "dimension": {"limit": 500},
    "training": {"limit": 500, "points": 4},
    "rank": {"windows": 6},
    "similarity": {"tokens": 500},
    "layers": {"limit": 5, "n_tokens": 128, "shuffles": [0, 2]},
}
_COMMAND = re.compile(r"^%.*\n", re.MULTILINE)
_MODELS = re.compile(r"^MODELS = .*$", re.MULTILINE)

pytestmark = pytest.mark.skipif(not SOURCES, reason="needs a checkout")


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request):
    return request.param


def test_the_notebook_is_that_of_its_source(source, tool):
    """`python tools/notebooks.py NAME` makes it again."""
    notebook = tool("site_notebooks").read(source.with_suffix(".ipynb").read_bytes())
    stored = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    assert stored == tool("notebooks").cells(source.read_text(encoding="utf-8"))


def test_it_was_executed_without_an_error_and_shows_figures(source, tool):
    content = source.with_suffix(".ipynb").read_bytes()
    notebook = tool("site_notebooks").read(content)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    assert len(content) < LARGEST
    text, pictures = tool("site_notebooks").page(notebook, source.stem)
    assert len(pictures) >= 5
    assert all(name in text for name in pictures)
    assert not re.search(rb"/(?:home|root|tmp|work|Users)/", content)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_its_code_runs(source, tool, tmp_path, monkeypatch):
    """On the smaller models and on less of them, to save time; each figure that ends a cell is drawn."""
    run = theodolite.run
    monkeypatch.setattr(theodolite, "run", lambda study, **settings: run(study, **settings | LESS[study]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {}
    for kind, cell in tool("notebooks").cells(source.read_text(encoding="utf-8")):
        if kind == "markdown":
            continue
        text = _MODELS.sub('MODELS = ["bundled:pocket-64", "bundled:pocket-128"]', _COMMAND.sub("", cell))
        last = ast.parse(text).body[-1]
        exec(compile(text, str(source), "exec"), names)
        if isinstance(last, ast.Expr) and not ast.unparse(last).startswith(("print", "verdicts", "pyplot")):
            shown = eval(compile(ast.Expression(last.value), str(source), "eval"), names)
            assert type(shown).__name__ == "Figure", ast.unparse(last)
