"""Faults that really happen to a run: kills, full and vanished disks, two drivers, damaged files, Ctrl-C."""

import errno
import importlib.util
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from theodolite.core.errors import RunError
from theodolite.runs import execute, open_run

TOY = Path(__file__).parents[1] / "runs" / "toy.py"
N_UNITS = 40


@pytest.fixture(scope="module")
def toy():
    spec = importlib.util.spec_from_file_location("toy_of_faults", TOY)
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_of_faults"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory):
    """The bytes of the table that nothing disturbed."""
    run = execute(toy, toy.Config(n_units=N_UNITS), out=tmp_path_factory.mktemp("undisturbed"))
    return run.store.table_path.read_bytes()


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "log.txt"
    path.touch()
    monkeypatch.setenv("TOY_LOG", str(path))
    return path


def unit_files(folder):
    """What tells a rewritten file from one that was left alone."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (folder / "units").glob("*.parquet")}


def wait_until(condition, child):
    """Wait as long as the child lives; it is the limit of the test that ends what takes for ever."""
    while not condition():
        assert child.poll() is None, child.communicate()[1]
        time.sleep(0.002)


def kill_at_random(folder, program, log, undisturbed, *, n_kills, seed):
    """Kill drivers at random moments; each folder that gets finished is checked, and the next one begun.

    A moment is so many units after the beginning and a little later, not so many seconds: on a slow machine all kills
    would come before the first unit, on a fast one after the last.
    """
    draw = random.Random(seed)
    landed = finished = 0
    current = folder / "0"
    while landed < n_kills:
        before = unit_files(current)
        log.write_text("")
        child = program(current, N_UNITS, TOY_LOG=str(log), TOY_PAUSE="0.002")
        n_begun = draw.choice([0, draw.randrange(12), N_UNITS - len(before)])
        while child.poll() is None and len(log.read_text().split()) < n_begun:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        landed += child.returncode == -signal.SIGKILL
        after = unit_files(current)
        assert before.items() <= after.items(), "a finished unit was done again"
        if child.returncode == 0:
            assert (current / "table.parquet").read_bytes() == undisturbed
            finished += 1
            current = folder / str(finished)
    return current, landed


def check_completion(current, log, undisturbed, toy):
    before = unit_files(current)
    if (current / "manifest.json").exists() and not (current / "table.parquet").exists():
        assert open_run(current).status == "interrupted"
    log.write_text("")
    run = execute(toy, toy.Config(n_units=N_UNITS), out=current)
    assert run.status == "success"
    assert run.store.table_path.read_bytes() == undisturbed
    assert before.items() <= unit_files(current).items(), "a finished unit was done again"
    assert len(log.read_text().split()) == N_UNITS - len(before)
    assert not list(current.rglob("*.part"))


def test_a_run_that_is_killed_ten_times_ends_like_an_undisturbed_one(toy, program, tmp_path, log, undisturbed):
    current, landed = kill_at_random(tmp_path / "runs", program, log, undisturbed, n_kills=10, seed=0)
    assert landed == 10
    check_completion(current, log, undisturbed, toy)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_forty_more_kills_are_survived(toy, program, tmp_path, log, undisturbed):
    for seed in range(1, 5):
        current, landed = kill_at_random(tmp_path / str(seed), program, log, undisturbed, n_kills=10, seed=seed)
        assert landed == 10
        check_completion(current, log, undisturbed, toy)


def test_ctrl_c_leaves_a_folder_that_says_interrupted_and_goes_on(toy, program, tmp_path, log, undisturbed):
    folder = tmp_path / "run"
    child = program(folder, N_UNITS, TOY_LOG=str(log), TOY_ENDLESS="5")
    wait_until(lambda: "5" in log.read_text().split(), child)
    child.send_signal(signal.SIGINT)
    _, complaint = child.communicate()
    assert child.returncode == -signal.SIGINT
    assert complaint.rstrip().endswith("KeyboardInterrupt")
    run = open_run(folder)
    assert run.manifest["status"] == "interrupted"
    assert run.manifest["sessions"][-1]["done"] == len(unit_files(folder)) > 0
    check_completion(folder, log, undisturbed, toy)
    assert [one["status"] for one in run.manifest["sessions"]] == ["interrupted", "success"]


def test_a_second_driver_is_refused_while_the_first_lives(toy, program, tmp_path, log):
    folder = tmp_path / "run"
    child = program(folder, N_UNITS, TOY_LOG=str(log), TOY_ENDLESS="5")
    wait_until(log.read_text, child)
    assert open_run(folder).status == "running"
    with pytest.raises(
        RunError, match=rf"Another process \(pid {child.pid}, since .*\) is writing .*run\. Wait for it"
    ):
        execute(toy, toy.Config(n_units=N_UNITS), out=folder)
    child.kill()
    child.communicate()
    assert execute(toy, toy.Config(n_units=N_UNITS), out=folder).status == "success"


class Full:
    """A disk that has no room at the n-th write, or from then on."""

    def __init__(self, at, *, lasting):
        self.at, self.lasting, self.count = at, lasting, 0

    def __call__(self, _):
        self.count += 1
        if self.count == self.at or (self.lasting and self.count > self.at):
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for good"])
def test_a_disk_that_is_full_at_any_write_leaves_a_folder_that_goes_on(toy, tmp_path, log, monkeypatch, lasting):
    config = toy.Config(n_units=3, failing=(1,))
    whole = execute(toy, config, out=tmp_path / "whole").store.table_path.read_bytes()
    for at in range(1, 100):
        folder = tmp_path / f"full at {at}"
        full = Full(at, lasting=lasting)
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            try:
                execute(toy, config, out=folder)
            except RunError as error:
                assert "No space left on device. Free some space" in str(error)  # noqa: PT017
            else:
                assert full.count < at
        assert not list(folder.rglob("*.part"))
        before = unit_files(folder)
        log.write_text("")
        run = execute(toy, config, out=folder)
        assert run.store.table_path.read_bytes() == whole
        assert run.status == "partial"
        assert before.items() <= unit_files(folder).items()
        assert len(log.read_text().split()) == 3 - len(before)
        if full.count < at:  # the run was over before
            break
    assert at > 9


def test_ctrl_c_at_any_write_leaves_a_folder_that_goes_on(toy, tmp_path, log, monkeypatch):
    config = toy.Config(n_units=3, failing=(1,))
    whole = execute(toy, config, out=tmp_path / "whole").store.table_path.read_bytes()
    at, count = 0, 0

    def interrupt(_):
        nonlocal count
        count += 1
        if count == at:
            raise KeyboardInterrupt

    while count >= at:
        at, count = at + 1, 0
        folder = tmp_path / f"interrupted at {at}"
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", interrupt)
            with suppress(KeyboardInterrupt):
                execute(toy, config, out=folder)
                assert count < at, "a Ctrl-C was swallowed"
        if 1 < at <= count:  # the first write is the manifest itself
            assert open_run(folder).manifest["status"] == "interrupted"
        before, writes = unit_files(folder), count
        log.write_text("")
        run = execute(toy, config, out=folder)
        assert run.store.table_path.read_bytes() == whole
        assert before.items() <= unit_files(folder).items()
        assert len(log.read_text().split()) == 3 - len(before)
        count = writes
    assert at > 9


def test_half_a_write_is_never_a_unit(toy, tmp_path, monkeypatch):
    class Half:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            raise OSError(errno.ENOSPC, "No space left on device")

    opened = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(
            Path,
            "open",
            lambda self, mode="r", *rest, **more: (
                Half(opened(self, mode))
                if mode == "xb" and "parquet" in self.name
                else opened(self, mode, *rest, **more)
            ),
        )
        with pytest.raises(RunError, match=r"Cannot write .*\.parquet: No space left on device"):
            execute(toy, toy.Config(), out=tmp_path)
    assert unit_files(tmp_path) == {}
    assert open_run(tmp_path).status == "failed"
    assert "No space left" in open_run(tmp_path).manifest["sessions"][0]["error"]
    assert str(tmp_path) not in (tmp_path / "manifest.json").read_text()
    assert execute(toy, toy.Config(), out=tmp_path).status == "success"


def test_a_disk_that_is_really_full(toy, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount here; the injected errors above stand in for it")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here; the injected errors above stand in for it")
    try:
        with pytest.raises(RunError, match=r"No space left on device\. Free some space \(what is finished is kept\)"):
            execute(toy, toy.Config(n_units=200), out=disk / "run")
        assert not list(disk.rglob("*.part"))
        saved = shutil.copytree(disk / "run", tmp_path / "saved")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    kept = len(unit_files(saved))
    assert kept > 0
    run = execute(toy, toy.Config(n_units=200), out=saved)
    assert run.manifest["units"] == {"planned": 200, "kept": kept, "done": 200 - kept, "failed": 0}


def test_a_file_where_the_folder_should_be(toy, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match=r"file is a file, but a run needs a folder\. Choose another one with --out"):
        execute(toy, toy.Config(), out=tmp_path / "file")
    with pytest.raises(RunError, match=r"Cannot write .*: Not a directory\. Make the folder writable"):
        execute(toy, toy.Config(), out=tmp_path / "file/run")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("refused", ["run", "units"])
def test_a_folder_that_may_not_be_written(toy, tmp_path, monkeypatch, refused):
    made = Path.mkdir

    def refuse(self, *rest, **more):
        if self.name == refused:
            raise PermissionError(errno.EACCES, "Permission denied")
        made(self, *rest, **more)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match=rf"Cannot write .*{refused}: Permission denied\. Make the folder writable"):
        execute(toy, toy.Config(), out=tmp_path / "run")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that refuses even the superuser")
def test_a_file_system_that_refuses_everyone(toy):
    with pytest.raises(RunError, match="Cannot write /proc/theodolite: "):
        execute(toy, toy.Config(), out="/proc/theodolite")


def test_a_folder_that_cannot_be_listed(toy, tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(RunError, match="Permission denied"):
        execute(toy, toy.Config(), out=tmp_path)


def test_failures_that_cannot_be_put_away_are_an_error(toy, tmp_path, monkeypatch):
    execute(toy, toy.Config(), out=tmp_path)

    def refuse(self, missing_ok=False):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(RunError, match=r"Cannot write .*failures\.jsonl: Permission denied"):
        execute(toy, toy.Config(), out=tmp_path)


def test_a_folder_that_vanishes_stops_the_run_with_one_error(toy, tmp_path):
    folder = tmp_path / "run"

    class Vanishing:
        name, workers = "vanishing", 1

        def map(self, work, units):
            yield work(units[0])
            shutil.rmtree(folder)
            yield work(units[1])

    with pytest.raises(RunError, match=r"Cannot write .*\.parquet: No such file or directory"):
        execute(toy, toy.Config(), out=folder, runner=Vanishing())
    assert execute(toy, toy.Config(), out=folder).status == "success"


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "replaced"])
def test_damaged_units_are_found_and_done_again(toy, tmp_path, log, damage):
    run = execute(toy, toy.Config(), out=tmp_path / "run")
    table = run.store.table_path.read_bytes()
    path = run.store.unit_path(toy.plan(toy.Config())[2].key)
    data = path.read_bytes()
    path.write_bytes(
        {
            "truncated": data[: len(data) // 2],
            "emptied": b"",
            "flipped": data[:100] + bytes([data[100] ^ 4]) + data[101:],
            "replaced": b"PAR1 something else PAR1",
        }[damage]
    )
    log.write_text("")
    again = execute(toy, toy.Config(), out=tmp_path / "run")
    assert log.read_text().split() == ["2"]
    assert again.store.table_path.read_bytes() == table
    assert again.warnings == ["The stored rows of unit 2 were damaged or of another layout: done again."]


@pytest.mark.parametrize("error", [MemoryError("not enough memory"), OSError("stale file handle"), RuntimeError()])
def test_a_unit_that_dies_of_anything_is_isolated(toy, tmp_path, monkeypatch, error):
    run_unit = toy.run

    def run(unit):
        if unit.params["number"] == 1:
            raise error
        return run_unit(unit)

    monkeypatch.setattr(toy, "run", run)
    result = execute(toy, toy.Config(), out=tmp_path)
    assert result.status == "partial"
    assert [(one.exception, one.message) for one in result.failures()] == [(type(error).__name__, str(error))]


def test_a_clock_that_jumps_changes_nothing_but_the_times(toy, tmp_path, monkeypatch, undisturbed):
    jumps = random.Random(0)
    monkeypatch.setattr("time.time", lambda: jumps.uniform(0, 2e9))
    monkeypatch.setattr("theodolite.runs.driver.now", lambda: f"{jumps.randrange(1971, 2100)}-01-01T00:00:00Z")
    run = execute(toy, toy.Config(n_units=N_UNITS), out=tmp_path)
    assert run.store.table_path.read_bytes() == undisturbed
    assert run.manifest["sessions"][0]["seconds"] >= 0


def test_leftovers_of_a_driver_that_died_before_its_manifest_are_no_strangers(toy, tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".manifest.json.0a1b2c3d.part").write_text("{")
    assert execute(toy, toy.Config(), out=tmp_path).status == "success"
    assert not list(tmp_path.rglob("*.part"))
