"""The command that times a large table on a card: it runs where there is none, small, and says so where it cannot."""

import importlib.util
from pathlib import Path

import pytest
import torch


@pytest.fixture
def benchmark():
    place = Path(__file__).parents[2] / "benchmarks" / "card.py"
    spec = importlib.util.spec_from_file_location("card_benchmark", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_runs_on_a_processor(benchmark, tmp_path, capsys):
    small = ["--device", "cpu", "--points", "600", "--dims", "24", "--k", "9", "--rounds", "1"]
    benchmark.main([*small, "--out", str(tmp_path / "card.md")])
    text = (tmp_path / "card.md").read_text()
    assert "600 x 24 bfloat16, k = 9" in text
    assert "of 16 rows searched plainly in float64, 0 wrong" in text
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith(("| float", "| bfloat"))] == [
        "| float32",
        "| bfloat16",
    ]
    assert text in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_it_says_so(benchmark):
    with pytest.raises(SystemExit, match=r"no CUDA device here\. Pass --device cpu"):
        benchmark.main([])
