import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from theodolite.core.errors import ParameterError, RunError
from theodolite.runs import Outcome, execute, open_run
from theodolite.runs.folder.store import Store
from theodolite.runs.runners import make_runner
from theodolite.runs.study import load_study
from theodolite.runs.work import Work
from theodolite.runs.workers import processes as processes_module
from theodolite.runs.workers.processes import (
    ProcessRunner,
    _Worker,
    default_workers,
    thread_share,
    visible_gpus,
    worker_environment,
)
from theodolite.runs.workers.recipe import address_of, parcel_of, recipe_of


@pytest.fixture
def killer_log(tmp_path):
    path = tmp_path / "killer.txt"
    path.touch()
    return path


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true):
    """Wait for what must come; it is the limit of the test that ends what takes for ever."""
    while not true():
        time.sleep(0.01)


def test_the_table_is_that_of_the_serial_runner(toy, tmp_path):
    config = toy.Config(n_units=30, failing=(4,), warning=True)
    serial = execute(toy, config, out=tmp_path / "serial")
    run = execute(toy, config, out=tmp_path / "processes", runner=ProcessRunner(workers=2))
    assert run.store.table_path.read_bytes() == serial.store.table_path.read_bytes()
    assert run.store.summary_path.read_bytes() == serial.store.summary_path.read_bytes()
    (session,) = run.manifest["sessions"]
    assert (session["runner"], session["workers"], session["shard"]) == ("processes", 2, None)
    (failure,) = run.failures()
    assert (failure.label, failure.exception, failure.message) == ("unit 4", "ValueError", "unit 4 always fails")
    assert run.warnings == serial.warnings


def test_workers_share_the_cores_and_keep_their_groups(killer, tmp_path, monkeypatch):
    monkeypatch.setattr(processes_module, "usable_cores", lambda: 6)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    acts = tuple(f"{group}{number}" for group in "ab" for number in range(5))
    table = execute(killer, killer.Config(acts=acts), out=tmp_path, runner=ProcessRunner()).table()
    assert set(table["threads"]) == {"3"}
    assert set(table["device"]) == {"GPU-a", "GPU-b"}
    assert os.getpid() not in set(table["pid"])
    assert table["pid"].n_unique() == 2


def test_a_unit_that_kills_its_worker_is_given_up_and_the_others_are_done(killer, tmp_path, killer_log):
    acts = ("a1", "a2 kill", "a3", "b1", "b2 once", "c exit", "d memory", "e")
    run = execute(
        killer, killer.Config(acts=acts, log=str(killer_log)), out=tmp_path / "run", runner=ProcessRunner(workers=2)
    )
    assert run.status == "partial"
    assert run.table()["act"].to_list() == ["a1", "a3", "b1", "b2 once", "e"]
    failures = {one.label: one for one in run.failures()}
    assert failures.keys() == {"a2 kill", "c exit", "d memory"}
    assert failures["a2 kill"].exception == "WorkerDied"
    assert failures["a2 kill"].message == (
        "The process that did this unit died 3 times; the last time it was killed by SIGKILL, as the system does when "
        "memory runs out."
    )
    assert failures["c exit"].message.endswith("the last time it ended with exit code 7.")
    assert "the last words" in failures["c exit"].traceback
    assert (failures["d memory"].exception, failures["d memory"].attempts) == ("MemoryError", 1)
    begun = [line.rsplit(" ", 1) for line in killer_log.read_text().splitlines()]
    done = [act for act, _ in begun]
    assert {act: done.count(act) for act in acts} == dict.fromkeys(acts, 1) | {"a2 kill": 3, "b2 once": 2, "c exit": 3}
    exhausted = done.index("d memory")
    later = {pid for _, pid in begun[exhausted + 1 :]}
    assert begun[exhausted][1] not in later, "a worker without memory was kept"


def test_a_worker_that_ran_out_of_memory_begins_nothing_more(killer, tmp_path, killer_log):
    work = Work(store=Store(tmp_path / "run"), own=killer)
    worker = _Worker(worker_environment(0, 1, []))
    worker.send(recipe_of(work))
    for unit in killer.plan(killer.Config(acts=("memory", "plain"), log=str(killer_log))):
        worker.send(parcel_of(work, unit, 0))
    said = [worker.receive(), worker.receive()]
    with pytest.raises((EOFError, OSError)):
        worker.receive()
    worker.end()
    assert "ready" in said[0]
    assert said[1]["outcome"]["failure"]["exception"] == "MemoryError"
    assert [line.split()[0] for line in killer_log.read_text().splitlines()] == ["memory"]


def test_the_last_words_of_a_worker_are_those_of_the_unit_it_died_of(killer, tmp_path):
    (tmp_path / "run" / "units").mkdir(parents=True)
    work = Work(store=Store(tmp_path / "run"), own=killer)
    worker = _Worker(worker_environment(0, 1, []))
    worker.send(recipe_of(work))
    first, deadly, late = killer.plan(killer.Config(acts=("a says", "a exit", "a late")))
    for unit in (first, deadly):
        worker.send(parcel_of(work, unit, 0))
    with suppress(EOFError, OSError):
        while True:
            worker.receive()
    worker.send(parcel_of(work, late, 0))  # as a driver does that has not noticed yet
    worker.process.wait()
    worker.end()
    assert worker.last_words() == ("ended with exit code 7", "the last words\n")


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_driver(killer, tmp_path, killer_log, way):
    folder = tmp_path / "run"
    driver = subprocess.Popen(
        [sys.executable, killer.__file__, str(folder), str(killer_log), "a sleep", "b sleep"], stderr=subprocess.PIPE
    )
    wait_until(lambda: len(killer_log.read_text().splitlines()) == 2)
    pids = [int(line.rsplit(" ", 1)[1]) for line in killer_log.read_text().splitlines()]
    assert all(is_alive(pid) for pid in pids)
    driver.send_signal(way)
    driver.communicate()
    wait_until(lambda: not any(is_alive(pid) for pid in pids))
    assert open_run(folder).status == "interrupted"


def test_a_failure_can_stop_the_run_and_its_workers(killer, tmp_path, killer_log):
    config = killer.Config(acts=("a sleep", "b memory"), log=str(killer_log))
    run = execute(killer, config, out=tmp_path / "run", runner=ProcessRunner(workers=2), on_error="stop")
    assert run.status == "failed"
    assert not any(is_alive(int(line.rsplit(" ", 1)[1])) for line in killer_log.read_text().splitlines())


def test_a_folder_that_cannot_be_written_stops_the_run(toy, tmp_path):
    def outcomes():
        work = Work(store=open_run(tmp_path / "run").store, own=toy)
        (tmp_path / "run/units").rename(tmp_path / "gone")
        yield from ProcessRunner(workers=1).map(work, toy.plan(toy.Config(n_units=2, seed=1)))

    execute(toy, toy.Config(), out=tmp_path / "run")
    with pytest.raises(RunError, match=r"Cannot write .*No such file or directory"):
        list(outcomes())


def test_a_study_that_is_an_object_cannot_travel(toy, tmp_path):
    study = SimpleNamespace(
        **{name: getattr(toy, name) for name in ("NAME", "VERSION", "COLUMNS", "Config", "plan", "run")}
    )
    with pytest.raises(ParameterError, match=r"The study 'toy' is an object of this process.* Put it into a module"):
        execute(study, toy.Config(), out=tmp_path, runner=ProcessRunner(workers=1))


def test_a_resolver_that_is_a_function_cannot_travel(toy, tmp_path):
    with pytest.raises(ParameterError, match="cannot call the function passed as resolve"):
        execute(toy, toy.Config(), out=tmp_path, resolve=lambda _: toy, runner=ProcessRunner(workers=1))


def test_only_a_work_can_travel():
    with pytest.raises(ParameterError, match="Only a Work can be done in other processes, not a function"):
        recipe_of(lambda unit: Outcome(key=unit.key, seconds=0.0))


def test_a_named_study_is_found_by_its_name_only_if_it_is_the_same(toy):
    assert address_of(toy, {}) == str(Path(toy.__file__).absolute())
    assert address_of(toy, {"toy": "toy_study"}) == "toy_study"
    with pytest.raises(ParameterError, match="is an object of this process"):
        address_of(SimpleNamespace(NAME="toy"), {"toy": "toy_study"})


def test_a_study_that_cannot_be_imported_there_is_one_error(toy, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text(Path(toy.__file__).read_text())
    study = load_study(str(broken))
    broken.write_text("raise ImportError('a library is missing')")
    with pytest.raises(RunError, match="a library is missing"):
        execute(study, study.Config(), out=tmp_path / "run", runner=ProcessRunner(workers=1))


def test_workers_that_die_at_the_door_are_one_error(toy, tmp_path):
    broken = tmp_path / "deadly.py"
    broken.write_text(Path(toy.__file__).read_text())
    study = load_study(str(broken))
    broken.write_text("import os; os._exit(3)")
    with pytest.raises(RunError, match=r"A worker ended with exit code 3 before it could begin\. Its last words: none"):
        execute(study, study.Config(), out=tmp_path / "run", runner=ProcessRunner(workers=1))


def test_gpus_are_those_the_environment_allows(monkeypatch):
    for stated, gpus in (("2,5", ["2", "5"]), ("", []), ("-1", []), ("MIG-1, MIG-2", ["MIG-1", "MIG-2"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", stated)
        assert visible_gpus() == gpus
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert default_workers() == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for cores, workers in ((1, 1), (2, 2), (6, 2), (16, 4)):
        monkeypatch.setattr(processes_module, "usable_cores", lambda cores=cores: cores)
        assert default_workers() == workers
    assert thread_share(3.0, {"OMP_NUM_THREADS": "8", "MKL_NUM_THREADS": "2"})["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"name": "dask"}, "runner='dask' is not known. Choose one of serial, processes, ray"),
        ({"name": "processes", "workers": 0}, "workers=0 cannot do anything"),
        ({"name": "serial", "workers": 4}, "The serial runner does one unit at a time, so workers=4 says nothing"),
        ({"name": "processes", "address": "auto"}, "address='auto' is that of a Ray cluster, but runner='processes'"),
    ],
)
def test_settings_that_fit_no_runner(settings, reason):
    with pytest.raises(ParameterError, match=reason):
        make_runner(**settings)


def test_a_negative_number_of_workers():
    with pytest.raises(ParameterError, match="workers=-1 cannot do anything"):
        ProcessRunner(workers=-1)


def test_a_runner_of_ones_own_is_taken_as_it_is():
    runner = ProcessRunner(workers=3)
    assert make_runner(runner) is runner
