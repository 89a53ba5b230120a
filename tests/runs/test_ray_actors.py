import builtins
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from theodolite.core.errors import ParameterError, RunError
from theodolite.runs import execute
from theodolite.runs.folder.store import Store
from theodolite.runs.runners import make_runner
from theodolite.runs.study import load_study
from theodolite.runs.work import Work
from theodolite.runs.workers.dispatch import Board
from theodolite.runs.workers.ray_actors import Actor, _connected, _init, _Troupe
from theodolite.runs.workers.recipe import parcel_of, recipe_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def ray():
    """One local Ray for all tests: starting it takes longer than they do."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        _init(ray, None, {"num_cpus": 2, "include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"})
        yield ray
        ray.shutdown()


def test_the_table_is_that_of_the_serial_runner(ray, toy, tmp_path):
    config = toy.Config(n_units=12, failing=(4,), warning=True)
    serial = execute(toy, config, out=tmp_path / "serial")
    run = execute(toy, config, out=tmp_path / "ray", runner=make_runner("ray"))
    assert run.store.table_path.read_bytes() == serial.store.table_path.read_bytes()
    (session,) = run.manifest["sessions"]
    assert (session["runner"], session["workers"]) == ("ray", 2)
    assert [one.label for one in run.failures()] == ["unit 4"]
    assert ray.is_initialized(), "a connection that was there before is left alone"


def test_a_unit_that_kills_its_actor_is_given_up_and_the_others_are_done(ray, killer, tmp_path):
    log = tmp_path / "log.txt"
    log.touch()
    acts = ("a1", "a2 kill", "a3", "b1", "b2 once", "c memory", "d")
    config = killer.Config(acts=acts, log=str(log))
    run = execute(killer, config, out=tmp_path / "run", runner=make_runner("ray", workers=2))
    assert run.table()["act"].to_list() == ["a1", "a3", "b1", "b2 once", "d"]
    assert os.getpid() not in set(run.table()["pid"])
    failures = {one.label: one for one in run.failures()}
    assert failures.keys() == {"a2 kill", "c memory"}
    assert failures["a2 kill"].exception == "WorkerDied"
    assert "died 3 times; the last time it ended so:" in failures["a2 kill"].message
    done = [line.rpartition(" ")[0] for line in log.read_text().splitlines()]
    assert {act: done.count(act) for act in acts} == dict.fromkeys(acts, 1) | {"a2 kill": 3, "b2 once": 2}


class DeadlyRay:
    """As Ray where an actor dies so soon after a unit that the answer to it is lost."""

    class exceptions:  # noqa: N801 - Ray's name
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            pass

    def __init__(self):
        self.asked = []

    def cluster_resources(self):
        return {"CPU": 1.0}

    def remote(self, _of):
        return SimpleNamespace(options=lambda **_options: SimpleNamespace(remote=lambda _recipe: self._actor()))

    def _actor(self):
        return SimpleNamespace(ready=SimpleNamespace(remote=object), do=SimpleNamespace(remote=self._ask))

    def _ask(self, _parcel):
        self.asked.append(object())
        return self.asked[-1]

    def wait(self, answers, num_returns):
        return answers[:num_returns], answers[num_returns:]

    def get(self, answer):
        if answer in self.asked:
            raise self.exceptions.RayError("the actor died")

    def kill(self, actor, *, no_restart):
        pass


def test_a_unit_done_before_its_actor_died_is_not_blamed(toy, tmp_path):
    run = execute(toy, toy.Config(n_units=1), out=tmp_path / "run")
    first, second = toy.plan(toy.Config(n_units=2))
    work = Work(store=run.store, own=toy)
    board = Board([first, second])
    troupe = _Troupe(DeadlyRay(), work, recipe_of(work), 1)
    assert list(troupe.hear(board)) == []
    board._ahead[0] = 2
    while (unit := board.next_for(0)) is not None:
        troupe.send(0, parcel_of(work, unit, board.deaths(unit)))
    (outcome,) = troupe.hear(board)
    assert outcome == work.kept(first)
    assert (board.left, board.deaths(first), board.deaths(second)) == (1, 0, 1)


def test_an_actor_that_ran_out_of_memory_begins_nothing_more(killer, tmp_path):
    work = Work(store=Store(tmp_path), own=killer)
    actor = Actor(json.dumps(recipe_of(work)))
    actor.ready()
    exhausting, plain = killer.plan(killer.Config(acts=("memory", "plain")))
    answer = actor.do(json.dumps(parcel_of(work, exhausting, 0)))
    assert json.loads(answer)["failure"]["exception"] == "MemoryError"
    assert actor.do(json.dumps(parcel_of(work, plain, 0))) is None
    assert work.kept(plain) is None


def test_ray_does_not_keep_the_signal_that_ends_a_program(monkeypatch):
    """It would let a SIGTERM end as a `SystemExit`, which the folder calls a failure of the run."""

    def init(**_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    fake = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: None)
    monkeypatch.setattr("theodolite.runs.workers.ray_actors._ray", lambda: fake)
    before = signal.getsignal(signal.SIGTERM)
    with _connected(None):
        assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(("address", "failures", "tries"), [(None, 2, 3), (None, 3, 3), ("auto", 1, 1)])
def test_a_local_start_that_takes_too_long_is_tried_again(monkeypatch, address, failures, tries):
    told = []

    def init(**_):
        told.append("init")
        if told.count("init") <= failures:
            raise Exception("The current node timed out during startup.")

    fake = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: told.append("shutdown"))
    monkeypatch.setattr("theodolite.runs.workers.ray_actors._ray", lambda: fake)
    if failures < tries:
        with _connected(address):
            assert told == ["init", "shutdown"] * failures + ["init"]
    else:
        with pytest.raises(RunError, match=r"Ray cannot be reached at .*timed out during startup"), _connected(address):
            pass
        assert told == ["init", "shutdown"] * tries


def test_a_study_that_cannot_be_imported_there_is_one_error(ray, toy, tmp_path):
    broken = tmp_path / "broken_there.py"
    broken.write_text(Path(toy.__file__).read_text())
    study = load_study(str(broken))
    broken.write_text("raise ImportError('a library is missing')")
    with pytest.raises(RunError, match="a library is missing"):
        execute(study, study.Config(), out=tmp_path / "run", runner=make_runner("ray", workers=1))


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    imported = builtins.__import__

    def refuse(name, *rest, **more):
        if name == "ray":
            raise ImportError("No module named 'ray'")
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(
        ParameterError, match=r"The runner 'ray' needs Ray\. Install it with `pip install theodolite\[ray\]`"
    ):
        make_runner("ray")
