import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.errors import ParameterError, RunError
from theodolite.runs import Unit, execute, open_run, status
from theodolite.runs.folder.lock import is_locked, locked, shards_at_work
from theodolite.runs.folder.store import Store
from theodolite.runs.shards.shard import Shard


def units_of(groups):
    return [Unit(study="toy", version=1, params={"number": number}, group=group) for number, group in enumerate(groups)]


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60), st.integers(1, 12))
def test_shares_are_disjoint_complete_even_and_load_few_groups(groups, count):
    units = units_of(groups)
    shares = [Shard(number=number, count=count).share(units) for number in range(1, count + 1)]
    assert Counter(unit.key for share in shares for unit in share) == Counter(unit.key for unit in units)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    loads = sum(len({unit.group for unit in share}) for share in shares)
    assert loads <= len(set(groups)) + count - 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0"])
def test_shards_are_counted_from_one(text):
    with pytest.raises(ParameterError, match=rf"There is no shard {text}: shards are counted from 1.*--array=1-4"):
        Shard.parse(text)


@pytest.mark.parametrize("text", ["", "2", "2/", "a/b", "-1/4", "1/4/2", "1.5/4"])
def test_a_shard_is_a_number_of_a_count(text):
    with pytest.raises(ParameterError, match=r"is no share of the work. Give its number and how many there are"):
        Shard.parse(text)


def test_variables_of_slurm_that_are_not_set_are_named():
    with pytest.raises(ParameterError, match="Both are empty outside a Slurm array"):
        Shard.parse("/")


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (3, 1, 4, 2)])
def test_shards_in_any_order_give_the_table_of_one_process(toy, tmp_path, log, order):
    whole = execute(toy, toy.Config(n_units=10), out=tmp_path / "whole")
    log.write_text("")
    for number in order[:-1]:
        run = execute(toy, toy.Config(n_units=10), out=tmp_path / "parts", shard=f"{number}/4")
        assert (run.status, run.manifest["table"]) == ("interrupted", None)
    run = execute(toy, toy.Config(n_units=10), out=tmp_path / "parts", shard=f"{order[-1]}/4")
    assert run.status == "success"
    assert run.store.table_path.read_bytes() == whole.store.table_path.read_bytes()
    assert sorted(log.read_text().split(), key=int) == [str(number) for number in range(10)]
    sessions = run.manifest["sessions"]
    assert {one["shard"] for one in sessions} == {f"{number}/4" for number in order}
    assert [one["status"] for one in sessions] == ["success"] * 4
    assert sum(one["done"] for one in sessions) == 10
    (last,) = [one for one in sessions if one["shard"] == f"{order[-1]}/4"]
    assert run.manifest["units"] == {"planned": 10, "kept": 10 - last["done"], "done": last["done"], "failed": 0}


def test_more_shards_than_units(toy, tmp_path):
    for number in range(1, 6):
        run = execute(toy, toy.Config(n_units=3), out=tmp_path, shard=Shard(number=number, count=5))
    assert run.status == "success"
    assert run.table()["number"].unique().to_list() == [0, 1, 2]


def test_a_shard_that_is_called_again_within_a_second_keeps_what_is_done(toy, tmp_path, log, monkeypatch):
    monkeypatch.setattr("theodolite.runs.driver.now", lambda: "2026-11-21T12:00:00Z")
    for _ in range(2):
        execute(toy, toy.Config(n_units=9), out=tmp_path / "run", shard="1/3")
    assert log.read_text().split() == ["0", "3", "6"]
    run = open_run(tmp_path / "run")
    sessions = run.manifest["sessions"]
    assert [(one["shard"], one["done"], one["kept"]) for one in sessions] == [("1/3", 3, 0), ("1/3", 0, 3)]
    assert len({one["id"] for one in sessions}) == 2


def test_a_call_without_a_shard_does_the_rest_and_takes_over(toy, tmp_path):
    execute(toy, toy.Config(n_units=9, failing=(1,)), out=tmp_path, shard="2/3")
    assert [one.label for one in open_run(tmp_path).failures()] == ["unit 1"]
    assert (tmp_path / "shards/2-of-3.failures.jsonl").exists()
    run = execute(toy, toy.Config(n_units=9, failing=(1,)), out=tmp_path)
    assert run.status == "partial"
    assert [(one.label, one.attempts) for one in run.failures()] == [("unit 1", 2)]
    assert [one["shard"] for one in run.manifest["sessions"]] == ["2/3", None]
    assert not (tmp_path / "shards").exists()
    assert not list(tmp_path.glob(".shard-*"))


def test_the_last_shard_writes_a_table_without_the_units_that_failed(toy, tmp_path, monkeypatch):
    config = toy.Config(n_units=9, failing=(1,))
    for number in (1, 2, 3):
        run = execute(toy, config, out=tmp_path, shard=f"{number}/3")
    assert run.status == "partial"
    assert [one["status"] for one in run.manifest["sessions"]] == ["success", "partial", "success"]
    assert sorted(run.table()["number"].unique()) == [0, 2, 3, 4, 5, 6, 7, 8]
    assert "1 of 9 units failed" in run.warnings[0]
    monkeypatch.setenv("TOY_CURED", "1")
    run = execute(toy, config, out=tmp_path, shard="2/3")
    assert (run.status, run.failures(), run.warnings) == ("success", [], [])
    assert sorted(run.table()["number"].unique()) == list(range(9))


def test_shards_of_which_nothing_succeeds_have_failed(toy, tmp_path):
    for number in (1, 2):
        run = execute(toy, toy.Config(n_units=2, failing=(0, 1)), out=tmp_path, shard=f"{number}/2")
    assert (run.status, len(run.failures())) == ("failed", 2)


def test_a_shard_stops_at_its_first_failure(toy, tmp_path):
    run = execute(toy, toy.Config(n_units=6, failing=(0,)), out=tmp_path, shard="1/2", on_error="stop")
    assert run.manifest["sessions"][0]["status"] == "failed"
    assert (status(run).done, status(run).failed) == (0, 1)


def refused(folder, reason, shard=None):
    with pytest.raises(RunError, match=reason), locked(folder, shard=shard):
        pass


def test_a_folder_is_held_by_a_driver_or_by_shards(tmp_path):
    first, second = Shard(number=1, count=2), Shard(number=2, count=2)
    with locked(tmp_path, shard=first), locked(tmp_path, shard=second):
        assert is_locked(tmp_path)
        assert shards_at_work(tmp_path) == [first, second]
        refused(tmp_path, r"Shards are writing .* \(1/2, 2/2\)\. Wait for them")
        refused(tmp_path, r"Another process \(pid .* is doing shard 1/2 of", first)
        refused(
            tmp_path,
            r"Shard 1/2 is at work in .*, but shard 1/3 divides the units differently",
            Shard(number=1, count=3),
        )
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        refused(tmp_path, r"Another process \(pid .* is writing", first)


def test_a_shard_with_another_plan_is_refused_while_others_work(toy, tmp_path):
    config = toy.Config(n_units=4)
    execute(toy, config, out=tmp_path, shard="1/2")
    path = tmp_path / "shards/1-of-2.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"plan_sha256": "0" * 64}))
    other_plan = pytest.raises(RunError, match=r"Shard 1/2 is at work in .* with another plan")
    with locked(tmp_path, shard=Shard(number=1, count=2)), other_plan:
        execute(toy, config, out=tmp_path, shard="2/2")
    assert execute(toy, config, out=tmp_path, shard="2/2").status == "success"


def test_a_folder_that_another_shard_begins_just_now_holds_no_strangers(toy, tmp_path, monkeypatch):
    execute(toy, toy.Config(n_units=4), out=tmp_path, shard="1/2")
    looks, exists = iter([False]), Store.exists
    monkeypatch.setattr(Store, "exists", lambda self: next(looks, True) and exists(self))
    assert execute(toy, toy.Config(n_units=4), out=tmp_path, shard="2/2").status == "success"


@pytest.mark.parametrize("content", ["", "[]", '{"sessions": 3}', '{"plan_sha256": "0", "sessions": [1, {}]}'])
def test_what_a_damaged_file_of_a_shard_says_is_passed_over(toy, tmp_path, content):
    execute(toy, toy.Config(n_units=4), out=tmp_path, shard="1/2")
    (tmp_path / "shards/1-of-2.json").write_text(content)
    assert execute(toy, toy.Config(n_units=4), out=tmp_path, shard="2/2").status == "success"


PROGRAM = """
import sys
from theodolite.runs import execute
from theodolite.runs.study import load_study
toy = load_study(sys.argv[1])
execute(toy, toy.Config(n_units=40), out=sys.argv[2], shard=sys.argv[3])
"""


def test_shards_that_run_at_the_same_time_end_as_one_run(toy, tmp_path, log):
    environment = os.environ | {"TOY_PAUSE": "0.01"}
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, toy.__file__, str(tmp_path / "run"), f"{number}/4"], env=environment
        )
        for number in (1, 2, 3, 4)
    ]
    assert [job.wait() for job in jobs] == [0, 0, 0, 0]
    run = open_run(tmp_path / "run")
    assert run.status == "success"
    assert sorted(map(int, log.read_text().split())) == list(range(40))
    assert sorted((one["shard"], one["status"], one["done"]) for one in run.manifest["sessions"]) == [
        (f"{number}/4", "success", 10) for number in (1, 2, 3, 4)
    ]
    whole = execute(toy, toy.Config(n_units=40), out=tmp_path / "whole")
    assert run.store.table_path.read_bytes() == whole.store.table_path.read_bytes()
