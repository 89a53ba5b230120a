"""What is left of a run, how long that takes, and a pilot whose units are kept."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from theodolite.core.errors import FormatError
from theodolite.runs import Unit, execute, open_run
from theodolite.runs.folder.store import Store
from theodolite.runs.reading.forecast import PilotOverError, PilotRunner, forecast, representative


def units(n_groups=3, size=4):
    return [
        Unit(study="toy", version=1, params={"group": group, "number": number}, group=f"group {group}")
        for group in range(n_groups)
        for number in range(size)
    ]


@pytest.mark.parametrize("count", range(1, 14))
def test_a_pilot_takes_the_number_asked_for_spread_over_the_groups(count):
    chosen = representative(units(), count)
    assert len(chosen) == min(count, 12)
    assert len({unit.key for unit in chosen}) == len(chosen)
    groups = [unit.group for unit in chosen]
    assert len(set(groups)) == (3 if count >= 12 else min(3, math.ceil(count / 3)))
    assert groups == sorted(groups), "what is expensive to load is loaded once"


def test_a_group_that_is_too_small_gives_what_it_has():
    assert len(representative(units(2, 1), 6)) == 2
    assert representative([], 3) == []


@pytest.fixture
def timed(monkeypatch):
    """Let each stored unit have taken the seconds that a function of its parameters gives."""

    def set_to(plan, seconds, done):
        keys = {unit.key: unit for unit in plan}

        class Said:
            def __init__(self, unit):
                self.seconds = seconds(unit)

        monkeypatch.setattr("theodolite.runs.reading.forecast.read_unit_record", lambda path: Said(keys[path.stem]))
        monkeypatch.setattr(Store, "unit_files", lambda _: dict.fromkeys(unit.key for unit in done))

    return set_to


def test_the_time_left_is_that_of_like_units(timed, tmp_path):
    plan = units()
    done = [plan[0], plan[1], plan[4], plan[5]]
    timed(plan, lambda unit: {0: 1.0, 1: 10.0}.get(unit.params["group"], math.nan), done)
    found = forecast(plan, Store(tmp_path))
    assert (found.planned, found.done, found.remaining, found.n_timed) == (12, 4, 8, 4)
    assert found.seconds == pytest.approx(2 * 1 + 2 * 10 + 4 * 5.5), "the third group is expected to be like its study"
    assert [(one.group, one.planned, one.done) for one in found.groups] == [
        ("group 0", 4, 2),
        ("group 1", 4, 2),
        ("group 2", 4, 0),
    ]
    assert found.low < found.seconds < found.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says(timed, tmp_path):
    generator = np.random.Generator(np.random.PCG64(0))
    held = 0
    for _ in range(200):
        plan = units(1, 40)
        took = {unit.key: float(generator.normal(10.0, 2.0)) for unit in plan}
        chosen = [plan[place] for place in generator.choice(40, size=6, replace=False)]
        timed(plan, lambda unit, took=took: took[unit.key], chosen)
        found = forecast(plan, Store(tmp_path))
        truth = sum(took.values()) - sum(took[unit.key] for unit in chosen)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / 200 <= 0.99


def test_one_timed_unit_gives_a_time_without_an_interval(timed, tmp_path):
    plan = units(1, 4)
    timed(plan, lambda _: 3.0, plan[:1])
    found = forecast(plan, Store(tmp_path))
    assert (found.seconds, found.low, found.high) == (9.0, None, None)


def test_without_timed_units_there_is_no_time_and_nothing_left_takes_none(toy, tmp_path):
    plan = toy.plan(toy.Config())
    assert (forecast(plan).seconds, forecast(plan).unit_bytes) == (None, None)
    run = execute(toy, toy.Config(), out=tmp_path / "run")
    found = forecast(plan, run.store)
    assert (found.remaining, found.seconds, found.low, found.high) == (0, 0.0, 0.0, 0.0)
    sizes = [path.stat().st_size for path in run.store.units_path.glob("*.parquet")]
    assert found.unit_bytes == sum(sizes) / len(sizes)


def test_damaged_units_are_not_timed(toy, tmp_path, monkeypatch):
    run = execute(toy, toy.Config(), out=tmp_path / "run")

    def refuse(path):
        raise FormatError("damaged")

    monkeypatch.setattr("theodolite.runs.reading.forecast.read_unit_record", refuse)
    more = toy.plan(toy.Config(n_units=8))
    assert forecast(more, run.store).seconds is None


def test_what_a_pilot_did_is_kept_and_the_run_goes_on(toy, tmp_path, log):
    config = toy.Config(n_units=9)
    whole = execute(toy, config, out=tmp_path / "whole").store.table_path.read_bytes()
    log.write_text("")
    with pytest.raises(PilotOverError):
        execute(toy, config, out=tmp_path / "run", runner=PilotRunner(4))
    piloted = log.read_text().split()
    assert len(piloted) == 4
    run = open_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert run.manifest["sessions"][0]["runner"] == "pilot"
    log.write_text("")
    assert execute(toy, config, out=tmp_path / "run").status == "success"
    assert sorted(piloted + log.read_text().split()) == sorted(map(str, range(9)))
    assert run.store.table_path.read_bytes() == whole


def test_a_pilot_with_enough_units_for_all_ends_the_run(toy, tmp_path):
    assert execute(toy, toy.Config(), out=tmp_path, runner=PilotRunner(4)).status == "success"


def test_a_pilot_of_some_seconds_begins_no_unit_after_them(toy, tmp_path, log, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(
        "theodolite.runs.reading.forecast.time", SimpleNamespace(perf_counter=lambda: float(next(clock)))
    )
    with pytest.raises(PilotOverError):
        execute(toy, toy.Config(n_units=40), out=tmp_path / "run", runner=PilotRunner(40, seconds=2.5))
    assert len(log.read_text().split()) == 3
