"""How far a run is, while it runs and after, whatever the clock does."""

import os
import random
import subprocess
import sys
import time

import pytest

from theodolite.core.errors import RunError
from theodolite.runs import Run, Unit, execute, status
from theodolite.runs.folder import working
from theodolite.runs.folder.lock import locked
from theodolite.runs.folder.working import host_mark, marked, running_units
from theodolite.runs.reading.pace import recent_rate

UNIT = Unit(study="toy", version=1, params={}, label="unit 0")


def never(key):
    raise AssertionError(f"{key} was opened")


def times(*pauses, start=1000.0):
    found, now = {}, start
    for number, pause in enumerate((0.0, *pauses)):
        now += pause
        found[f"{number:020}"] = now
    return found


def test_the_rate_is_that_of_the_last_hundred_units():
    slow_then_fast = times(*[100.0] * 50, *[0.5] * 100)
    assert recent_rate(slow_then_fast, never) == pytest.approx(2.0)


def test_a_pause_between_sessions_counts_no_more_than_the_unit_after_it():
    assert recent_rate(times(*[1.0] * 20, 50_000.0, *[1.0] * 20), lambda _: 1.0) == pytest.approx(1.0, rel=0.01)


def test_a_unit_that_really_took_long_counts_in_full():
    assert recent_rate(times(*[1.0] * 9, 91.0), lambda _: 90.9) == pytest.approx(0.1)


@pytest.mark.parametrize("jump", [-1e7, -3600.0, 3600.0, 1e7])
def test_a_clock_that_jumps_leaves_the_rate_alone(jump):
    clock, found = 0.0, {}
    for number in range(60):
        clock += 2.0 + (jump if number == 30 else 0.0)
        found[str(number)] = 1e8 + clock
    assert recent_rate(found, lambda _: 2.0) == pytest.approx(0.5, rel=0.05)


def test_times_in_any_order_give_a_rate_that_is_a_number():
    draw = random.Random(0)
    for _ in range(200):
        found = {str(number): draw.uniform(-2e9, 4e9) for number in range(draw.randrange(12))}
        rate = recent_rate(found, lambda _: draw.choice([None, 0.0, 1.0]))
        assert rate is None or rate > 0


def test_without_two_units_at_two_moments_there_is_one_units_time_or_nothing():
    assert recent_rate({}, never) is None
    assert recent_rate({"a": 1.0, "b": 1.0}, never) is None
    assert recent_rate({"a": 1.0}, lambda _: 4.0) == 0.25
    assert recent_rate({"a": 1.0}, lambda _: None) is None


@pytest.fixture
def half_done(toy, tmp_path):
    """A run of which half is missing, as a kill leaves it."""
    run = execute(toy, toy.Config(n_units=8), out=tmp_path / "run")
    manifest = run.manifest
    manifest["status"], manifest["table"] = "running", None
    run.store.write_manifest(manifest)
    now = time.time()
    for number, unit in enumerate(toy.plan(toy.Config(n_units=8))):
        path = run.store.unit_path(unit.key)
        os.utime(path, (now, now - 100 + 10 * number))
        if number >= 4:
            path.unlink()
    return run


def test_status_opens_no_unit(half_done, monkeypatch):
    monkeypatch.setattr("theodolite.runs.reading.state.read_unit_record", never)
    monkeypatch.setattr("theodolite.runs.folder.unit_file.read_sealed", never)
    with locked(half_done.path):
        before = time.time()
        told = status(half_done)
        after = time.time()
    assert (told.status, told.planned, told.done, told.remaining) == ("running", 8, 4, 4)
    assert told.rate == pytest.approx(0.1)
    assert told.seconds_left == pytest.approx(40.0)
    assert before + 39.9 < told.estimated_end < after + 40.1


def test_status_of_a_run_that_stands_still_promises_no_end(half_done):
    told = status(half_done)
    assert (told.status, told.running, told.seconds_left, told.estimated_end) == ("interrupted", (), None, None)


def test_files_from_the_future_do_no_harm(half_done):
    for path in half_done.store.units_path.glob("*.parquet"):
        moved = path.stat().st_mtime + 1e8
        os.utime(path, (moved, moved))
    with locked(half_done.path):
        told = status(half_done)
    assert told.rate == pytest.approx(0.1)
    assert told.seconds_left == pytest.approx(40.0)


def test_a_damaged_unit_is_no_reason_to_say_nothing(half_done):
    paths = sorted(half_done.store.units_path.glob("*.parquet"), key=lambda path: path.stat().st_mtime)
    paths[-1].write_bytes(b"damaged")
    os.utime(paths[-1], (2e9, 2e9))
    with locked(half_done.path):
        assert status(half_done).rate > 0


def test_a_unit_that_is_being_done_is_said_and_gone_afterwards(toy, tmp_path, monkeypatch):
    seen = []
    run_unit = toy.run
    store = []

    def watched(unit):
        seen.append(status(store[0]))
        return run_unit(unit)

    monkeypatch.setattr(toy, "run", watched)
    store.append(Run(tmp_path))
    run = execute(toy, toy.Config(n_units=3), out=tmp_path)
    assert [[one.label for one in told.running] for told in seen] == [["unit 0"], ["unit 1"], ["unit 2"]]
    assert [told.remaining for told in seen] == [3, 2, 1]
    assert {one.pid for told in seen for one in told.running} == {os.getpid()}
    assert not list(run.store.units_path.glob(".*"))


STAYS = """
import sys
from pathlib import Path
from theodolite.runs import Unit
from theodolite.runs.folder.working import marked

with marked(Path(sys.argv[1]), Unit(study="toy", version=1, params={}, label="unit 0")):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_the_mark_of_a_process_that_was_killed_is_not_believed(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", STAYS, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline() == b"ready\n"
        assert [one.pid for one in running_units(tmp_path)] == [process.pid]
        process.kill()
    assert list(tmp_path.glob(".working-*"))
    assert running_units(tmp_path) == []


def test_the_mark_of_another_machine_is_believed_and_that_of_a_strangers_process(tmp_path, monkeypatch):
    (tmp_path / ".working-0badcafe-1.part").write_text('{"key": "%s", "label": "far"}' % ("0" * 20))
    assert [(one.label, one.host) for one in running_units(tmp_path)] == [("far", "0badcafe")]
    (tmp_path / ".working-0badcafe-1.part").rename(tmp_path / f".working-{host_mark()}-1.part")

    def refuse(pid, signal):
        raise PermissionError("not yours")

    monkeypatch.setattr(working.os, "kill", refuse)
    assert [one.pid for one in running_units(tmp_path)] == [1]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": "../../etc", "label": "x"}', '{"label": "x"}'])
def test_a_mark_that_is_none_is_passed_over(tmp_path, content):
    (tmp_path / f".working-{host_mark()}-{os.getpid()}.part").write_text(content)
    (tmp_path / ".working-elsewhere-nopid.part").write_text('{"key": "%s", "label": "x"}' % ("0" * 20))
    assert running_units(tmp_path) == []


def test_a_clock_set_back_makes_no_negative_time(tmp_path):
    with marked(tmp_path, UNIT):
        (path,) = tmp_path.glob(".working-*")
        os.utime(path, (4e9, 4e9))
        assert running_units(tmp_path)[0].seconds == 0.0


def test_where_a_mark_cannot_be_written_work_goes_on(tmp_path):
    with marked(tmp_path / "nowhere", UNIT):
        pass
    with pytest.raises(RunError, match="passed on"), marked(tmp_path, UNIT):
        raise RunError("passed on")
    assert not list(tmp_path.iterdir())
