"""The same study file through every runner, and in shards, gives the same table."""

import hashlib
import json
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/layers.yaml"


def table_hash(folder):
    return hashlib.sha256((folder / "table.parquet").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_layers_of_an_example_are_the_same_whoever_runs_them(theodolite, tmp_path):
    pytest.importorskip("ray")
    for runner in ("serial", "processes", "ray"):
        workers = () if runner == "serial" else ("--workers", "2")
        done = theodolite("run", EXAMPLE, "--out", tmp_path / runner, "--runner", runner, *workers, "--quiet")
        assert done.code == 0, done.err
    for number in (2, 4, 1, 3):
        done = theodolite("run", EXAMPLE, "--out", tmp_path / "shards", "--shard", f"{number}/4")
        assert done.code == 0, done.err
    hashes = {name: table_hash(tmp_path / name) for name in ("serial", "processes", "ray", "shards")}
    assert len(set(hashes.values())) == 1, hashes
    assert (tmp_path / "shards/report.html").exists()


def test_a_shard_says_how_far_the_run_is(theodolite, table_file, tmp_path, validate):
    command = ("dimension", table_file, "--nulls", "gaussian", "--out", tmp_path / "run")
    first = theodolite(*command, "--shard", "1/2", "--json")
    assert first.code == 0
    validate("output", first.json)
    assert (first.json["status"], first.json["rows"]) == ("interrupted", [])
    assert first.json["done"] + first.json["remaining"] == first.json["planned"]
    again = theodolite(*command, "--shard", "1/2")
    assert "Shard 1/2: 0 units done now" in again.out
    assert "The shard that finds all of them done writes the table and the report." in again.out
    assert not (tmp_path / "run/table.parquet").exists()
    second = theodolite(*command, "--shard", "2/2", "--json")
    assert second.json["status"] == "success"
    assert second.json["rows"]
    validate("manifest", json.loads((tmp_path / "run/manifest.json").read_text()))


def test_a_run_that_stops_at_a_failure_says_so_and_exits_with_3(theodolite, table_file, tmp_path, monkeypatch):
    def fail(unit):
        raise MemoryError("no memory for this unit")

    monkeypatch.setattr("theodolite.studies.dimension.study.run", fail)
    done = theodolite("dimension", table_file, "--out", tmp_path / "run", "--on-error", "stop")
    assert done.code == 3
    assert "no memory for this unit" in done.err
    assert "Stopped at the first failure: 0 units done now, 0 before, 1 failed." in done.out
    whole = theodolite("dimension", table_file, "--out", tmp_path / "run")
    assert whole.code == 1
    assert "No unit of" in whole.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--shard", "0/4"), "shards are counted from 1"),
        (("--shard", "/"), "Both are empty outside a Slurm array"),
        (("--workers", "2"), "The serial runner does one unit at a time"),
        (("--address", "auto"), "is that of a Ray cluster"),
    ],
)
def test_options_that_cannot_be_followed_are_usage_errors(theodolite, table_file, options, reason):
    done = theodolite("dimension", table_file, *options)
    assert done.code == 2
    assert reason in done.err
    assert not Path("runs").exists()
