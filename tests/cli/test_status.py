"""`theodolite status`: lines for people, one object for programs, tracebacks on request, and watching."""

import importlib.util
import os
import re
import sys
import time
from pathlib import Path

import pytest

from theodolite.cli.amounts import duration, parse_duration
from theodolite.core.errors import ParameterError
from theodolite.runs import execute
from theodolite.runs.folder import working
from theodolite.runs.folder.lock import locked


@pytest.fixture(scope="module")
def toy():
    path = Path(__file__).parents[1] / "runs" / "toy.py"
    spec = importlib.util.spec_from_file_location("toy_of_status", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_of_status"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(toy, tmp_path):
    return execute(toy, toy.Config(n_units=6, failing=(1,)), out=tmp_path / "run", command="theodolite run toy.yaml")


@pytest.fixture
def unfinished(run):
    manifest = run.manifest
    manifest["status"], manifest["table"] = "running", None
    run.store.write_manifest(manifest)
    run.store.unit_path(run.store.read_plan()[5].key).unlink()
    for number, path in enumerate(sorted(run.store.units_path.glob("*.parquet"))):
        os.utime(path, (1e9, 1e9 + 4 * number))
    return run


def test_a_finished_run_in_two_lines(theodolite, run):
    done = theodolite("status", "run")
    assert done.code == 0
    assert done.out.splitlines() == [
        "run: partial, 5 of 6 units done, 1 failed",
        "failed: unit 1: unit 1 always fails",
    ]


def test_failed_units_show_their_tracebacks(theodolite, run):
    done = theodolite("status", "run", "--failed")
    assert re.search(r"attempt 1, \d{4}-", done.out)
    assert "Traceback (most recent call last)" in done.out
    (one,) = theodolite("status", "run", "--failed", "--json").json["failures"]
    assert {"unit", "error", "message", "key", "attempts", "time", "traceback"} == set(one)
    assert "traceback" not in theodolite("status", "run", "--json").json["failures"][0]


def test_an_interrupted_run_says_how_to_go_on(theodolite, unfinished):
    done = theodolite("status", "run")
    assert "run: interrupted, 4 of 6 units done, 1 failed" in done.out
    assert "1 to do; the same command that began the run goes on with it:\n  theodolite run toy.yaml" in done.out


def test_a_running_run_says_what_it_is_at_how_fast_and_until_when(theodolite, unfinished, toy):
    unit, began = toy.plan(toy.Config(n_units=6))[5], time.time()
    with locked(unfinished.path), working.marked(unfinished.store.units_path, unit):
        done = theodolite("status", "run")
        content = theodolite("status", "run", "--json", "--units").json
    assert re.match(r"run: running, 4 of 6 units done, 1 failed, 4 s per unit, 4 s left, until about 2", done.out)
    assert re.search(r"running: unit 5, since [\d.]+ \w+", done.out)
    assert content["status"] == "running"
    assert [one["label"] for one in content["running"]] == ["unit 5"]
    assert [one["status"] for one in content["units"]] == ["done", "failed", "done", "done", "done", "running"]
    assert content["rate"] == 0.25
    assert content["estimated_end"] > began


def test_the_log_of_units(theodolite, run):
    done = theodolite("status", "run", "--units")
    assert re.search(r"unit 0 +toy +done +4 +\S+ +1", done.out)
    assert re.search(r"unit 1 +toy +failed +1", done.out)


def test_watching_ends_with_the_run(theodolite, unfinished, monkeypatch):
    looks = []

    guard = locked(unfinished.path)
    guard.__enter__()

    def pause(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            guard.__exit__(None, None, None)

    monkeypatch.setattr("theodolite.cli.status.time.sleep", pause)
    done = theodolite("status", "run", "--watch", "--every", "2")
    assert looks == [2.0, 2.0, 2.0]
    assert len(re.findall("^run: running", done.out, re.MULTILINE)) == 3
    assert "run: interrupted" in done.out


def test_looks_need_time_between_them(theodolite, run):
    done = theodolite("status", "run", "--watch", "--every", "0")
    assert done.code == 2
    assert "--every must be a number of seconds above 0, not 0." in done.err


def test_many_units_are_cut_short_on_a_screen_and_whole_in_json(theodolite, run, monkeypatch):
    monkeypatch.setattr("theodolite.cli.status._UNITS_SHOWN", 2)
    assert "4 more; --json lists all." in theodolite("status", "run", "--units").out
    assert len(theodolite("status", "run", "--units", "--json").json["units"]) == 6


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.001, "0.001 s"), (9.94, "9.9 s"), (59.4, "59 s"), (60, "1 min"), (3599.9, "1 h"), (86400, "1 d")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize("text", ["5", "5 m", "m", "-5s", "1e3s", "5x", ""])
def test_what_is_no_duration(text):
    with pytest.raises(ParameterError, match=r"is no span of time\. Write a number and s, m, h or d"):
        parse_duration(text)
