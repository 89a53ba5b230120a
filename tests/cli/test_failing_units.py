"""Units that always fail: isolated and listed, exit code 3, or the end of the run where that is asked for."""

import json

import numpy as np
import pytest
import torch

from theodolite.models import load_model
from theodolite.runs import Unit
from theodolite.studies import STUDIES, resolve

ONE, TWO = {"references": ["one"]}, {"references": ["one", "two"]}
GIVEN = dict.fromkeys(STUDIES, ONE) | {
    "probe": {"references": ["one"], "prompts": ["labeled.jsonl"]},
    "neighbors": {"reference": "one"},
    "similarity": TWO,
    "transfer": {"sources": ["one"], "targets": ["two"]},
}
SETTINGS = ("--k", "6", "--mle-k", "5", "--nulls", "gaussian", "--out", "run")


@pytest.fixture
def tables(tmp_path):
    """Two tables, the first of which cannot be measured: all its rows are equal."""
    np.save(tmp_path / "bad.npy", np.ones((50, 3), dtype=np.float32))
    np.save(tmp_path / "good.npy", np.random.Generator(np.random.PCG64(0)).normal(size=(50, 3)).astype(np.float32))


def failures(tmp_path):
    return [json.loads(line) for line in (tmp_path / "run" / "failures.jsonl").read_text().splitlines()]


def test_units_that_fail_are_isolated_and_the_exit_code_is_3(theodolite, tables, tmp_path):
    done = theodolite("dimension", "bad.npy", "good.npy", *SETTINGS, "--json")
    assert (done.code, done.json["status"]) == (3, "partial")
    assert {row["model"] for row in done.json["rows"]} == {"good.npy"}
    listed = failures(tmp_path)
    assert len(listed) == 2
    assert {one["attempts"] for one in listed} == {1}
    assert all("All 50 rows are equal" in one["message"] and "Traceback" in one["traceback"] for one in listed)


def test_a_run_stops_at_the_first_failure_where_that_is_asked_for(theodolite, tables, tmp_path):
    done = theodolite("dimension", "bad.npy", "good.npy", *SETTINGS, "--on-error", "stop")
    assert done.code == 3
    assert "Stopped at the first failure: 0 units done now, 0 before, 1 failed." in done.out
    assert len(failures(tmp_path)) == 1
    assert not (tmp_path / "run" / "table.parquet").exists()
    assert theodolite("status", "run", "--json").json["remaining"] == 4


def test_a_run_in_which_every_prompt_is_left_out_ends_with_the_reason(theodolite, tmp_path):
    model = load_model("bundled:pocket-64", device="cpu")
    with torch.no_grad():
        model.module.get_input_embeddings().weight.fill_(torch.inf)
    model.module.save_pretrained(tmp_path / "broken")
    model.tokenizer.save_pretrained(tmp_path / "broken")
    for _ in range(2):  # the second time nothing is done again
        done = theodolite(
            "layers", "broken", "--n-tokens", "128", "--limit", "2", "--full-shuffles", "0", "--out", "run"
        )
        assert done.code == 1
        said = " ".join(done.err.split())
        assert "Nothing could be measured: ./broken" in said
        assert "Layer 0 holds values that are not finite (torch.float32). " in said
        assert "(1 further warning above.) What was left out is in run." in said
    assert "left out" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STUDIES)
def test_a_run_of_which_nothing_succeeds_names_the_first_failure_and_can_be_shown(
    theodolite, monkeypatch, tmp_path, name
):
    study = resolve(name)
    unit = Unit(study=study.NAME, version=study.VERSION, params={}, label="the only unit")

    def fail(unit):
        raise ValueError("its numbers are broken")

    monkeypatch.setattr(study, "plan", lambda _: [unit])
    monkeypatch.setattr(study, "run", fail)
    (tmp_path / "study.yaml").write_text(
        f"study: {name}\nversion: {study.VERSION}\nconfig: {json.dumps(GIVEN[name])}\n"
    )
    done = theodolite("run", "study.yaml", "--out", "run")
    assert done.code == 1
    said = "its numbers are broken (No unit of run could be done: 1 failed, listed in its failures.jsonl.)"
    assert f"error: ValueError: {said}" in done.err
    assert len(failures(tmp_path)) == 1
    shown = theodolite("report", "run")
    assert (shown.code, shown.err) == (0, "")
    assert "its numbers are broken" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
