"""The README keeps its word: its Python runs as printed, its pictures and links exist, its commands are real."""

import re
from pathlib import Path

import pytest

from theodolite.cli.main import app

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.exists(), reason="needs a checkout")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_python_blocks_run_in_order_and_print_what_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("python"):
        exec(compile(block, str(README), "exec"), names)
    (shown,) = blocks("text")
    assert capsys.readouterr().out == shown
    assert (tmp_path / "runs" / "mine" / "table.parquet").exists()


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text(encoding="utf-8"))
    assert len(targets) >= 5
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_command_shown_is_a_command():
    shown = set(re.findall(r"^\$ theodolite (\w+)", "\n".join(blocks("console")), re.MULTILINE))
    assert {"survey", "dimension", "inspect", "report"} <= shown
    assert shown <= {name for command in app for name in [command]}
