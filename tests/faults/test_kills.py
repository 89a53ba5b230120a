"""Kills of drivers and of workers at random moments, until completion; interrupts; units that kill their process."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from theodolite.runs import execute, open_run, status
from theodolite.runs.workers.processes import ProcessRunner

N_UNITS = 60
pytestmark = pytest.mark.skipif(not list(Path("/proc/self/task").glob("*/children")), reason="finds workers in /proc")


def children_of(pid):
    """Return the processes that a process started."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(one) for text in lists for one in text.split()]


def is_alive(pid):
    """Say whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition):
    """Wait for what must come; it is the limit of the test that ends what takes for ever."""
    while not condition():
        time.sleep(0.005)


def done_units(folder):
    return {path.name: path.stat().st_ino for path in (folder / "units").glob("**/*.parquet")}


def kill_workers_and_drivers(folder, program, whole, *, kills, seed, n_drivers):
    """Kill what a driver started, or the driver, at random moments; begin anew what came to its end.

    Which of them is hit does not depend on how fast the machine is: a blow at a worker waits until there is one.
    """
    draw = random.Random(seed)
    blows = draw.sample(["driver"] * n_drivers + ["worker"] * (kills - n_drivers), kills)
    finished = 0
    while blows:
        current = folder / str(finished)
        child = program(current, N_UNITS, TOY_WORKERS="2", TOY_PAUSE="0.02")
        while blows and child.poll() is None:
            time.sleep(draw.uniform(0.0, 0.4))
            before = done_units(current)
            if blows[-1] == "driver":
                left = children_of(child.pid)
                child.kill()
                child.wait()
                wait_until(lambda pids=left: not any(map(is_alive, pids)))
                if child.returncode == -signal.SIGKILL:
                    blows.pop()
            elif one := a_worker_of(child, draw):
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
                    blows.pop()
            after = done_units(current)
            assert before.items() <= after.items(), "a finished unit was done again"
        _, complaint = child.communicate()
        assert child.returncode in (0, -signal.SIGKILL), f"a driver died of the death of a worker: {complaint}"
        if child.returncode == 0:
            run = open_run(current)
            if run.status == "success":
                assert run.store.table_path.read_bytes() == whole(N_UNITS)
            finished += 1
    return folder / str(finished)


def a_worker_of(child, draw):
    """Wait until a driver has workers and return one; None where it ended."""
    while child.poll() is None:
        workers = [pid for pid in children_of(child.pid) if b"theodolite.runs.workers.worker" in command_of(pid)]
        if workers:
            return draw.choice(workers)
        time.sleep(0.005)
    return None


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def check_completion(folder, toy, whole):
    before = done_units(folder)
    run = execute(toy, toy.Config(n_units=N_UNITS), out=folder)
    assert run.status == "success"
    assert run.store.table_path.read_bytes() == whole(N_UNITS)
    assert before.items() <= done_units(folder).items(), "a finished unit was done again"
    assert not list(folder.rglob("*.part"))
    assert not run.failures()


def test_kills_of_workers_and_of_their_driver_are_survived(toy_study, tmp_path, program, whole):
    current = kill_workers_and_drivers(tmp_path, program, whole, kills=6, seed=3, n_drivers=2)
    check_completion(current, toy_study, whole)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_of_fifty_kills_of_workers_and_drivers_are_survived(toy_study, tmp_path, program, whole):
    for seed in range(5):
        folder = tmp_path / str(seed)
        current = kill_workers_and_drivers(folder, program, whole, kills=10, seed=seed, n_drivers=3)
        check_completion(current, toy_study, whole)


def test_a_unit_that_kills_its_process_again_and_again_is_isolated(toy_study, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_DEADLY", "2")
    config = toy_study.Config(n_units=6)
    run = execute(toy_study, config, out=tmp_path, runner=ProcessRunner(workers=1))
    assert run.status == "partial"
    (failure,) = run.failures()
    assert failure.label == "unit 2"
    assert "SIGKILL" in failure.message
    monkeypatch.delenv("TOY_DEADLY")
    assert execute(toy_study, config, out=tmp_path).status == "success"


@pytest.mark.parametrize("workers", [0, 1], ids=["serial", "processes"])
def test_a_unit_that_needs_more_memory_than_there_is_is_isolated(toy_study, tmp_path, monkeypatch, workers):
    monkeypatch.setenv("TOY_HUNGRY", "2")
    runner = ProcessRunner(workers=workers) if workers else None
    run = execute(toy_study, toy_study.Config(n_units=5), out=tmp_path, runner=runner)
    assert run.status == "partial"
    assert [(one.label, one.exception) for one in run.failures()] == [("unit 2", "MemoryError")]
    assert status(run).done == 4


def interrupt_at_random(folder, program, *, interrupts, seed, **environment):
    draw = random.Random(seed)
    landed = finished = 0
    while landed < interrupts:
        current = folder / str(finished)
        log = folder / "log.txt"
        log.write_text("")
        child = program(current, N_UNITS, TOY_PAUSE="0.005", TOY_LOG=str(log), **environment)
        n_begun = draw.choice([0, draw.randrange(N_UNITS)])
        while child.poll() is None and len(log.read_text().split()) < n_begun:
            time.sleep(0.005)
        time.sleep(draw.uniform(0.0, 0.02))
        child.send_signal(signal.SIGINT)
        _, complaint = child.communicate()
        if child.returncode == 0:
            finished += 1
            continue
        assert child.returncode == -signal.SIGINT, complaint
        landed += 1
        if (current / "manifest.json").exists():
            assert open_run(current).status in ("interrupted", "success")
        if "TOY_WORKERS" not in environment:  # workers are killed, and what one was writing stays until the next call
            left = [path.name for path in current.rglob("*.part")]
            assert all(name.startswith(".working-") for name in left), "only a mark may stay, which says who is dead"
    return folder / str(finished)


@pytest.mark.parametrize("workers", ["0", "2"], ids=["serial", "processes"])
def test_ctrl_c_at_random_moments_leaves_a_folder_that_goes_on(toy_study, tmp_path, program, whole, workers):
    count = 6 if workers == "0" else 3
    environment = {"TOY_WORKERS": workers} if workers != "0" else {}
    current = interrupt_at_random(tmp_path, program, interrupts=count, seed=1, **environment)
    check_completion(current, toy_study, whole)


def cpu_seconds(pid):
    """Return the time that a process spent computing: how far it is, however busy the machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


CLI = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests behind it has it ignored
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
print("ready", flush=True)
from theodolite.cli.main import main
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_signals_at_any_moment_of_a_command_end_it_in_order(tmp_path):
    """From the first import to the last figure; a shell shows the same for a program that the signal itself ended."""
    draw = random.Random(0)
    (tmp_path / "study.yaml").write_text(
        "study: dimension\nconfig:\n  references: ['bundled:pocket-64']\n  limit: 300\n  k: 6\n  mle_k: [5]\n"
    )
    command = ("run", "study.yaml", "--out", "run", "--quiet")
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
        child = subprocess.Popen(
            [sys.executable, "-c", CLI, *command],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout.readline() == "ready\n"
        spent = draw.uniform(0.0, 3.0)
        while child.poll() is None and cpu_seconds(child.pid) < spent:
            time.sleep(0.005)
        child.send_signal(number)
        _, complaint = child.communicate()
        assert child.returncode in (0, 128 + number, -number), complaint
    subprocess.run([sys.executable, "-c", CLI, *command], cwd=tmp_path, check=True)
    assert open_run(tmp_path / "run").status == "success"
