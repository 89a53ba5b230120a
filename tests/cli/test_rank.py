"""`theodolite rank`: both curves, knees and verdicts in one object, and files that can be loaded."""

import json

import pytest

QUICK = ("--text", "examples", "--windows", "8", "--context", "32", "--batch", "4", "--steps", "4", "--seeds", "1")


@pytest.mark.slow
@pytest.mark.usefixtures("every_figure")
def test_rank_prints_curves_knees_dimension_and_verdicts_and_exports(theodolite, tmp_path):
    command = ("rank", "bundled:pocket-64", *QUICK, "--ranks", "1,4,8,16,32", "--out", "run")
    done = theodolite(*command, "--json", "--export", "out", "--tolerance", "2")
    assert done.code == 0, done.err
    content = done.json
    assert (content["command"], content["status"]) == ("rank", "success")
    rows = content["rows"]
    curves = {(row["condition"], row["method"]) for row in rows if row["measure"] == "perplexity"}
    assert {("truncated", "svd"), ("truncated", "pca"), ("update", "svd"), ("adapter", "lora")} <= curves
    assert all(row["low"] < row["value"] < row["high"] for row in rows if row["measure"] == "perplexity")
    assert any(row["measure"] == "dimension" and row["low"] > 0 for row in rows)
    assert all(row["low"] <= row["high"] for row in rows if row["measure"] == "knee")
    assert {one["id"] for one in content["findings"]} == {"knee-at-dimension", "dimension-suffices", "recommended-rank"}
    assert "Export: out (table of rank" in done.err
    facts = json.loads((tmp_path / "out" / "rank.json").read_text(encoding="utf-8"))
    assert facts["tolerance"] == 2
    for name in ("table.safetensors", "README.md", "adapter/adapter_config.json", "adapter/adapter_model.safetensors"):
        assert (tmp_path / "out" / name).is_file()
    for name in ("perplexity_against_rank", "loss_increase_against_rank"):
        assert (tmp_path / "run" / "figures" / f"{name}.svg").is_file()
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "The rank that the input embedding needs" in page

    again = theodolite(*command)
    assert again.code == 0
    assert "rank 1/9" not in again.err  # nothing is measured twice
    assert "A table cut to a rank" in again.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ranks", "65"), "ranks holds 65, but the table has 64 columns"),
        (("--context", "999"), "context=999 is more than the 256 tokens"),
        (("--windows", "100000"), "tokens, but 100000 held-out windows"),
    ],
)
def test_bad_input_is_one_paragraph(theodolite, arguments, message):
    done = theodolite("rank", "bundled:pocket-64", "--text", "examples", *arguments)
    assert done.code in (1, 2)
    assert message in done.err
    assert "Traceback" not in done.err
