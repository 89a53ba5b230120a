"""`theodolite plan`: what a study will take, before it starts."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from theodolite import bundled
from theodolite.cli.amounts import size


@pytest.fixture
def study(tmp_path):
    np.save(tmp_path / "t.npy", np.random.Generator(np.random.PCG64(0)).normal(size=(50, 4)).astype(np.float32))
    path = tmp_path / "study.yaml"
    path.write_text("study: dimension\nconfig:\n  references: [t.npy]\n  k: 6\n  mle_k: [5]\n")
    return path


@pytest.fixture
def hub(tmp_path, monkeypatch):
    name = "theodolite_hub_server"
    if name not in sys.modules:
        place = Path(__file__).parent.parent / "tables" / "hub_server.py"
        spec = importlib.util.spec_from_file_location(name, place)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    with sys.modules[name].serving(tmp_path / "hub", monkeypatch) as server:
        server.add("pocket/64", bundled.path("pocket-64"))
        yield server


def test_a_plan_says_what_a_study_will_take_and_does_nothing(theodolite, study):
    done = theodolite("plan", study)
    assert done.code == 0
    assert re.search(r"dimension in runs/dimension-\w{8}\nunits: 5\n", done.out)
    assert "downloads: none, everything is on this machine" in done.out
    assert "disk of the run: known after a pilot (free: " in done.out
    assert "memory of each worker: 800 B for the largest table or model" in done.out
    assert "time: known after a pilot (--pilot 8, or --pilot 60s)" in done.out
    assert not (study.parent / "runs").exists()


def test_a_pilot_gives_time_and_disk_and_the_folder_says_what_is_left(theodolite, study):
    done = theodolite("plan", study, "--pilot", "2", "--out", "run")
    assert "units: 5, 2 done, 3 left" in done.out
    assert re.search(r"time: .* \(95 %: .* to .*\) with 1 worker, from 2 timed units", done.out)
    assert re.search(r"disk of the run: about [\d.]+ kB", done.out)
    assert "the pilot's process held" in done.out
    again = theodolite("plan", "run", "--json", "--workers", "3").json
    assert (again["command"], again["status"], again["run"], again["workers"]) == ("plan", "success", "run", 3)
    assert (again["forecast"]["done"], again["forecast"]["remaining"]) == (2, 3)
    assert "theodolite run" in theodolite("status", "run").out
    done = theodolite("plan", "run", "--pilot", "10m", "--quiet")
    assert (done.code, done.out) == (0, "")
    assert "time: nothing is left to do" in theodolite("plan", "run").out


def test_downloads_are_known_before_they_are_made(theodolite, study, hub):
    study.write_text("study: dimension\nconfig:\n  references: ['hub:pocket/64']\n")
    done = theodolite("plan", study)
    assert "units: 9, counted from headers" in done.out
    assert re.search(r"downloads: [\d.]+ MB \(free where they are kept: ", done.out)
    assert sum(seen.sent for seen in hub.requests) < theodolite("plan", study, "--json").json["n_missing"]
    refused = theodolite("plan", study, "--pilot", "2")
    assert refused.code == 2
    assert "A pilot needs the weights, of which" in refused.err
    fetched = theodolite("plan", study, "--fetch")
    assert "downloads: none" in fetched.out
    assert "units: 9\n" in fetched.out


def test_downloads_that_do_not_fit_are_said(theodolite, study, hub, monkeypatch):
    study.write_text("study: layers\nconfig:\n  references: ['hub:pocket/64']\n")
    monkeypatch.setattr("theodolite.studies.planning._free", lambda _: 1000)
    done = theodolite("plan", study)
    assert "units: known once the weights are here (--fetch)" in done.out
    assert "warning: the downloads do not fit on the disk." in done.err


def test_many_groups_are_cut_short(theodolite, study, monkeypatch):
    monkeypatch.setattr("theodolite.cli.plan._GROUPS_SHOWN", 0)
    assert "and 2 more groups of dimension; --json lists all" in theodolite("plan", study).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pilot", "soon"), "--pilot takes a number of units, or a span of time. 'soon' is no span of time."),
        (("--pilot", "0"), "A pilot needs at least one unit"),
        (("--workers", "0"), "--workers must be 1 or more, not 0."),
    ],
)
def test_mistakes(theodolite, study, arguments, said):
    done = theodolite("plan", study, *arguments)
    assert done.code == 2
    assert said in done.err


def test_sizes():
    assert [size(number) for number in (0, 1e3, 1e12, 5e15)] == ["0 B", "1.0 kB", "1.0 TB", "5000.0 TB"]
