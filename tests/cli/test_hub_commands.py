"""Models on the Hub from the command line: inspected, measured, and the commit in what remains."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from theodolite import bundled
from theodolite.cli.output import Output
from theodolite.core.progress import Silent
from theodolite.models import load_tokenizer
from theodolite.tables import load_table, reporting_to

NAME = "pocket/64"
SMALL = ("--k", "8", "--nulls", "gaussian", "--mle-k", "5", "--limit", "300")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Return a Hub with one model and a training checkpoint, which this process takes for the real one."""
    name = "theodolite_hub_server"
    if name not in sys.modules:
        place = Path(__file__).parent.parent / "tables" / "hub_server.py"
        spec = importlib.util.spec_from_file_location(name, place)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    with sys.modules[name].serving(tmp_path / "hub", monkeypatch) as running:
        running.add(NAME, bundled.path("pocket-64"))
        running.add(NAME, bundled.path("pocket-64"), revision="step100")
        yield running


def test_inspect_says_what_would_be_fetched(theodolite, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    done = theodolite("inspect", f"hub:{NAME}", "--json")
    assert done.code == 0
    assert done.json["place"] == f"hub:{NAME}@{hub.repositories[NAME].commits['main'][:12]}"
    assert done.json["n_bytes_read"] == 4096 * 64 * 2
    assert "model.safetensors" in {one["file"] for one in done.json["tensors"]}
    assert hub.sent < 400_000, "the header and the tokenizer, no weights"
    said = theodolite("inspect", NAME)
    assert "would read: 524.3 kB of" in said.out
    assert hub.token not in done.out + done.err + said.out + said.err


@pytest.mark.slow
def test_checkpoints_of_a_model_on_the_hub_are_measured(theodolite, hub, tmp_path):
    done = theodolite("dimension", f"hub:{NAME}@step*#output", *SMALL, "--json", "--out", "run")
    assert done.code == 0, done.err
    [row] = [row for row in done.json["rows"] if row["method"] == "twonn"]
    assert (row["model"], row["revision"], row["step"], row["which"]) == (f"hub:{NAME}", "step100", 100, "output")
    [said] = json.loads((tmp_path / "run" / "manifest.json").read_text())["inputs"]
    assert said["commit"] == hub.repositories[NAME].commits["step100"]
    assert said["repository"] == NAME
    assert said["sha256"] == load_table(bundled.path("pocket-64"), which="output").provenance["sha256"]


def test_a_model_that_is_not_there_is_one_paragraph(theodolite, hub):
    done = theodolite("inspect", "hub:pocket/65")
    assert done.code == 1
    assert "There is no model pocket/65 on the Hub at 127.0.0.1" in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_bytes_are_shown_on_a_terminal_and_nowhere_else(hub, monkeypatch, capsys):
    with reporting_to(Output().downloads()):
        load_table(f"hub:{NAME}#output")
    assert capsys.readouterr().err == ""
    hub.add("large/model", bundled.path("pocket-256"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with reporting_to(Output().downloads()):
        load_table("hub:large/model#output")
    shown = capsys.readouterr().err
    assert "tensor embed_out.weight of large/model" in shown
    assert "2.1/2.1 MB" in shown
    bar = Output().progress()
    bar.start(2, "units")
    with reporting_to(Output().downloads()):
        load_table("hub:large/model#input")
    bar.stop()
    assert isinstance(Output(quiet=True).downloads(), Silent)


def test_a_tokenizer_comes_without_its_model(hub):
    assert len(load_tokenizer(f"hub:{NAME}")) == 4096
    assert "model.safetensors" not in " ".join(seen.path for seen in hub.requests)


def test_layers_take_prompts_of_a_data_set_and_say_which_commit(theodolite, hub, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    texts = [f"Line {row} of a text that goes on for a while, as texts do. " * 8 for row in range(5)]
    (folder / "test.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in [*texts, "short"]))
    commit = hub.add("datasets/owner/texts", folder)
    small = ("--k", "8", "--mle-k", "5", "--overlap-k", "4", "--minimum", "32", "--n-tokens", "48", "--no-logits")
    options = ("--prompts", "hub:owner/texts#test", "--field", "prompt", "--first-rows", "3", "--no-strip", *small)
    done = theodolite("layers", "bundled:pocket-64", *options, "--out", "run", "--json")
    assert done.code == 0, done.err
    assert {row["prompts"] for row in done.json["rows"]} == {"owner/texts#test"}
    assert {row["n_prompts"] for row in done.json["rows"] if row["measure"] == "loss"} == {3}
    (given,) = json.loads((tmp_path / "run" / "manifest.json").read_text())["inputs"]
    prompts = given["prompts"]
    assert (prompts["path"], prompts["commit"], prompts["strip"]) == ("hub:owner/texts#test", commit, False)
