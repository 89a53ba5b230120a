import json
import pickle
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace

import polars as pl
import pytest

from theodolite.core.errors import ParameterError, RunError
from theodolite.runs import Column, Outcome, UnitResult, config_from_mapping, execute, open_run, read_study_file
from theodolite.runs.folder.store import Store
from theodolite.runs.rows import schema_of
from theodolite.runs.work import Work


class Listener:
    def __init__(self):
        self.heard = []

    def start(self, total, label):
        self.heard.append(("start", total, label))

    def advance(self, steps, note=""):
        self.heard.append((steps, note))

    def stop(self):
        self.heard.append("stop")


def other(toy, **changes):
    """The toy study with some of its parts replaced."""
    parts = {name: getattr(toy, name) for name in ("NAME", "VERSION", "COLUMNS", "Config", "plan", "run")}
    return SimpleNamespace(**(parts | changes))


def test_a_run_folder_holds_what_the_design_says(toy, tmp_path):
    run = execute(toy, toy.Config(), out=tmp_path / "new/run")
    names = {"manifest.json", "study.yaml", "plan.jsonl", "units", "table.parquet", "summary.csv", "figures"}
    assert {one.name for one in run.path.iterdir()} == names | {".lock", ".checked.parquet"}
    assert {one.stem for one in (run.path / "units").iterdir()} == {unit.key for unit in toy.plan(toy.Config())}
    assert (run.status, run.warnings, run.failures()) == ("success", [], [])


def test_the_table_has_the_columns_of_the_study_in_the_order_of_the_plan(toy, tmp_path):
    run = execute(toy, toy.Config(n_units=7), out=tmp_path)
    table = run.table()
    assert table.schema == pl.Schema(schema_of(toy.COLUMNS))
    assert table["number"].to_list() == [number for number in range(7) for _ in range(4)]
    assert run.manifest["table"]["rows"] == table.height == 28


def test_units_of_one_group_run_one_after_the_other(toy, tmp_path, log):
    execute(toy, toy.Config(n_units=7), out=tmp_path / "run")
    assert log.read_text().split() == ["0", "3", "6", "1", "4", "2", "5"]


def test_a_finished_run_is_not_done_again(toy, tmp_path, log):
    run = execute(toy, toy.Config(), out=tmp_path / "run")
    table = run.store.table_path.read_bytes()
    again = execute(toy, toy.Config(), out=tmp_path / "run")
    assert len(log.read_text().split()) == 4
    assert again.store.table_path.read_bytes() == table
    assert again.manifest["units"] == {"planned": 4, "kept": 4, "done": 0, "failed": 0}
    assert again.manifest["inputs"] == [{"reference": f"file {number}", "sha256": "0" * 64} for number in range(3)]
    assert [one["done"] for one in again.manifest["sessions"]] == [4, 0]


def test_equal_studies_give_equal_tables_in_other_folders(toy, tmp_path):
    one, two = (execute(toy, toy.Config(), out=tmp_path / name) for name in ("one", "two"))
    assert one.store.table_path.read_bytes() == two.store.table_path.read_bytes()
    three = execute(toy, toy.Config(seed=1), out=tmp_path / "three")
    assert one.store.table_path.read_bytes() != three.store.table_path.read_bytes()


def test_progress_is_told(toy, tmp_path):
    listener = Listener()
    execute(toy, toy.Config(n_units=2), out=tmp_path, progress=listener)
    assert listener.heard == [("start", 2, "toy"), (1, "unit 0"), (1, "unit 1"), "stop"]
    listener = Listener()
    execute(toy, toy.Config(n_units=2), out=tmp_path, progress=listener)
    assert listener.heard == [("start", 2, "toy"), (2, "kept from before"), "stop"]


def test_the_study_file_runs_exactly_this_again(toy, tmp_path):
    first = execute(toy, toy.Config(n_units=3, seed=5), out=tmp_path / "first")
    name, version, settings = read_study_file(first.store.study_path)
    assert (name, version) == ("toy", 1)
    again = execute(toy, config_from_mapping(toy.Config, settings), out=tmp_path / "again")
    assert again.manifest["config_sha256"] == first.manifest["config_sha256"]
    assert again.store.table_path.read_bytes() == first.store.table_path.read_bytes()


@pytest.mark.parametrize(
    "command", [["/home/someone/bin/theodolite", "run", "a b.yaml"], "/home/someone/bin/theodolite run 'a b.yaml'"]
)
def test_the_command_is_kept_without_the_folder_of_the_program(toy, tmp_path, command):
    manifest = execute(toy, toy.Config(), out=tmp_path, command=command).manifest
    assert manifest["command"] == manifest["sessions"][0]["command"] == ["theodolite", "run", "a b.yaml"]


def test_a_failing_unit_is_isolated_and_listed(toy, tmp_path):
    run = execute(toy, toy.Config(failing=(1,)), out=tmp_path)
    assert run.status == "partial"
    assert run.table()["number"].unique().to_list() == [0, 2, 3]
    (failure,) = run.failures()
    assert (failure.label, failure.exception, failure.attempts) == ("unit 1", "ValueError", 1)
    assert failure.message == "unit 1 always fails"
    assert "toy.py" in failure.traceback
    assert run.warnings[0] == "1 of 4 units failed; see failures.jsonl. The first, unit 1: unit 1 always fails"
    (line,) = run.store.failures_path.read_text().splitlines()
    assert set(json.loads(line)) == {"key", "label", "exception", "message", "traceback", "attempts", "time"}
    assert run.units()["status"].to_list() == ["done", "failed", "done", "done"]


def test_a_failed_unit_is_tried_again_and_its_attempts_counted(toy, tmp_path, monkeypatch):
    for attempts in (1, 2):
        run = execute(toy, toy.Config(failing=(1,)), out=tmp_path)
        assert run.failures()[0].attempts == attempts
    monkeypatch.setenv("TOY_CURED", "1")
    run = execute(toy, toy.Config(failing=(1,)), out=tmp_path)
    assert (run.status, run.failures(), run.warnings) == ("success", [], [])
    assert run.units()["attempts"].to_list() == [1, 3, 1, 1]
    assert not run.store.failures_path.exists()
    undisturbed = execute(toy, toy.Config(failing=(1,)), out=tmp_path / "undisturbed")
    assert undisturbed.store.table_path.read_bytes() == run.store.table_path.read_bytes()


def test_a_ctrl_c_that_a_library_turns_into_its_own_error_is_no_failure_of_a_unit(toy, tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def run(unit):
        if unit.label != "unit 1":
            return toy.run(unit)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("an extension module failed to import") from None

    try:
        with pytest.raises(KeyboardInterrupt):
            execute(other(toy, run=run), toy.Config(n_units=3), out=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    stopped = open_run(tmp_path)
    assert (stopped.status, stopped.failures()) == ("interrupted", [])
    assert execute(toy, toy.Config(n_units=3), out=tmp_path).status == "success"


def test_a_ctrl_c_that_a_library_loses_ends_the_run_after_that_unit(toy, tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def run(unit):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return toy.run(unit)

    try:
        with pytest.raises(KeyboardInterrupt):
            execute(other(toy, run=run), toy.Config(n_units=3), out=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert open_run(tmp_path).status == "interrupted"
    assert open_run(tmp_path).manifest["units"]["done"] == 1


def test_stop_at_the_first_failure(toy, tmp_path, log):
    run = execute(toy, toy.Config(n_units=6, failing=(3,)), out=tmp_path / "run", on_error="stop")
    assert log.read_text().split() == ["0", "3"]
    assert run.status == "failed"
    assert [one.label for one in run.failures()] == ["unit 3"]
    assert run.table()["number"].unique().to_list() == [0]
    assert run.manifest["table"] is None


def test_a_run_of_which_nothing_succeeds_has_failed(toy, tmp_path):
    run = execute(toy, toy.Config(n_units=2, failing=(0, 1)), out=tmp_path)
    assert (run.status, len(run.failures()), run.table().height) == ("failed", 2, 0)


def test_on_error_is_one_of_two(toy, tmp_path):
    with pytest.raises(ParameterError, match="on_error must be 'continue' or 'stop', not 'ignore'"):
        execute(toy, toy.Config(), out=tmp_path, on_error="ignore")


def test_rows_of_other_columns_fail_their_unit_by_name(toy, tmp_path):
    study = other(toy, run=lambda _: [{"nubmer": 1}])
    run = execute(study, toy.Config(n_units=1), out=tmp_path)
    assert "Row 0 has unknown column 'nubmer' and lacks column 'number'" in run.failures()[0].message


@pytest.mark.parametrize("rows", [None, {"number": 1}, "rows"])
def test_a_study_returns_rows(toy, tmp_path, rows):
    run = execute(other(toy, run=lambda _: rows), toy.Config(n_units=1), out=tmp_path)
    assert "Its run must return a list of dicts, a frame or a UnitResult" in run.failures()[0].message


def test_inputs_are_fit_for_json(toy, tmp_path):
    study = other(toy, run=lambda _: UnitResult(rows=[], inputs=[{"shape": object()}]))
    run = execute(study, toy.Config(n_units=1), out=tmp_path)
    assert "An input of the unit cannot be written as JSON" in run.failures()[0].message


def test_warnings_survive_into_the_manifest_and_through_a_resume(toy, tmp_path):
    for _ in range(2):
        run = execute(toy, toy.Config(warning=True), out=tmp_path)
        assert run.warnings == ["a row was dropped"]


def test_rows_may_be_few_or_none_and_bare(toy, tmp_path):
    run = execute(other(toy, run=lambda _: []), toy.Config(), out=tmp_path)
    assert run.status == "success"
    assert run.table().schema == pl.Schema(schema_of(toy.COLUMNS))


def test_another_config_is_refused_with_the_difference(toy, tmp_path):
    execute(toy, toy.Config(), out=tmp_path)
    with pytest.raises(
        RunError, match=r"(?s)other settings:\n  n_units: 4 -> 5\n  seed: 0 -> 1\nChoose.*--out, or delete"
    ):
        execute(toy, toy.Config(n_units=5, seed=1), out=tmp_path)


def test_another_config_is_refused_even_where_it_came_while_the_plan_was_made(toy, tmp_path):
    def plan(config):
        execute(toy, toy.Config(seed=1), out=tmp_path)
        return toy.plan(config)

    with pytest.raises(RunError, match="seed: 1 -> 0"):
        execute(other(toy, plan=plan), toy.Config(), out=tmp_path)


def test_another_version_of_the_study_is_refused(toy, tmp_path):
    execute(toy, toy.Config(), out=tmp_path)
    with pytest.raises(RunError, match="version: 1 -> 2"):
        execute(other(toy, VERSION=2), toy.Config(), out=tmp_path)


def test_another_study_is_refused(toy, tmp_path):
    execute(toy, toy.Config(), out=tmp_path)
    with pytest.raises(RunError, match='study: "toy" -> "other"\nChoose'):
        execute(other(toy, NAME="other"), toy.Config(), out=tmp_path)


def test_an_edited_hash_is_refused(toy, tmp_path):
    run = execute(toy, toy.Config(), out=tmp_path)
    manifest = run.manifest
    manifest["config_sha256"] = "0"
    run.store.write_manifest(manifest)
    with pytest.raises(RunError, match="the manifest was edited"):
        execute(toy, toy.Config(), out=tmp_path)


def test_a_folder_of_other_things_is_refused_and_left_alone(toy, tmp_path):
    for name in "abcd":
        (tmp_path / name).touch()
    with pytest.raises(RunError, match=r"is not empty and is not a run \(it holds a, b, c, \.\.\.\)\. Choose a new"):
        execute(toy, toy.Config(), out=tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == list("abcd")


def test_a_refused_run_leaves_no_folder_behind(toy, tmp_path):
    def refuse(config):
        raise ParameterError("no such reference")

    with pytest.raises(ParameterError, match="no such reference"):
        execute(other(toy, plan=refuse), toy.Config(), out=tmp_path / "run")
    with pytest.raises(ParameterError, match="There is nothing to do: study 'toy' plans no unit"):
        execute(toy, toy.Config(n_units=0), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_unit_that_is_planned_twice_is_done_once(toy, tmp_path, log):
    study = other(toy, plan=lambda config: [*toy.plan(config), *toy.plan(config)])
    run = execute(study, toy.Config(), out=tmp_path / "run")
    assert len(log.read_text().split()) == 4
    assert run.warnings == ["4 units planned more than once: each is done once."]


def test_a_plan_that_changed_is_said_and_followed(toy, tmp_path):
    execute(toy, toy.Config(), out=tmp_path)
    run = execute(other(toy, plan=lambda config: toy.plan(config)[:2]), toy.Config(), out=tmp_path)
    assert run.table()["number"].unique().to_list() == [0, 1]
    assert "The plan changed since this folder was begun" in run.warnings[0]


def test_stored_rows_of_another_layout_are_done_again(toy, tmp_path, log):
    execute(toy, toy.Config(), out=tmp_path / "run")
    columns = toy.COLUMNS | {"number": Column(dtype="float", meaning="which unit")}
    run = execute(other(toy, COLUMNS=columns), toy.Config(), out=tmp_path / "run")
    assert len(log.read_text().split()) == 8
    assert run.table().schema["number"] == pl.Float64


@dataclass(frozen=True)
class Nothing:
    pass


def composite(toy, columns):
    return SimpleNamespace(
        NAME="composite",
        VERSION=1,
        COLUMNS=columns,
        Config=Nothing,
        plan=lambda _: toy.plan(toy.Config()),
        run=None,
    )


def test_a_composite_study_runs_units_of_others(toy, tmp_path):
    columns = {"note": Column(dtype="str", meaning="of another study"), **toy.COLUMNS}
    run = execute(composite(toy, columns), Nothing(), out=tmp_path, resolve={"toy": "toy_study"})
    assert run.status == "success"
    assert run.table().columns == list(columns)
    assert run.table()["note"].null_count() == 16
    plain = execute(toy, toy.Config(), out=tmp_path / "plain")
    assert {one.name: one.stat().st_size for one in run.store.units_path.iterdir()}.keys() == {
        one.name for one in plain.store.units_path.iterdir()
    }


def test_a_composite_study_may_have_a_column_for_the_study_of_each_row(toy, tmp_path):
    columns = {"study": Column(dtype="str", meaning="which study"), **toy.COLUMNS}
    run = execute(composite(toy, columns), Nothing(), out=tmp_path, resolve={"toy": toy})
    assert run.table()["study"].unique().to_list() == ["toy"]
    manifest = run.manifest
    manifest["status"], manifest["table"] = "running", None
    run.store.write_manifest(manifest)
    assert run.table()["study"].unique().to_list() == ["toy"], "also while the run is not finished"


def test_a_composite_study_has_the_columns_of_its_parts(toy, tmp_path):
    fewer = {name: column for name, column in toy.COLUMNS.items() if name != "value"}
    with pytest.raises(ParameterError, match=r"plans units of 'toy', whose column 'value' \(Float64\) it lacks"):
        execute(composite(toy, fewer), Nothing(), out=tmp_path, resolve={"toy": toy})
    changed = toy.COLUMNS | {"value": Column(dtype="int", meaning="")}
    with pytest.raises(ParameterError, match=r"whose column 'value' \(Float64\) is Int64 there\. Add it to COLUMNS"):
        execute(composite(toy, changed), Nothing(), out=tmp_path, resolve={"toy": toy})


def test_a_part_that_is_not_known_is_an_error(toy, tmp_path):
    with pytest.raises(ParameterError, match="No study is called 'toy'"):
        execute(composite(toy, toy.COLUMNS), Nothing(), out=tmp_path)


def test_a_summary_is_made_by_the_caller(toy, tmp_path):
    run = execute(
        toy,
        toy.Config(),
        out=tmp_path / "frame",
        summarize=lambda table: table.group_by("even").len().sort("len", "even"),
    )
    assert run.store.summary_path.read_text().splitlines() == ["even,len", "False,2", "True,2", ",12"]
    rows = [{"model": "a, b", "null": {"gaussian": 59.7, "odd": float("nan")}}, {"model": "½", "value": 1.5}]
    run = execute(toy, toy.Config(), out=tmp_path / "rows", summarize=lambda _: rows)
    assert run.store.summary_path.read_text().splitlines() == [
        "model,null,value",
        '"a, b","{""gaussian"":59.7,""odd"":NaN}",',
        "½,,1.5",
    ]


@pytest.mark.parametrize("summary", [None, "text", [1, 2]])
def test_a_summary_is_a_frame_or_rows(toy, tmp_path, summary):
    with pytest.raises(RunError, match="A summary must be a polars DataFrame or a list of dicts"):
        execute(toy, toy.Config(), out=tmp_path, summarize=lambda _: summary)
    run = open_run(tmp_path)
    assert run.status == "failed"
    assert "A summary must be" in run.manifest["sessions"][0]["error"]
    assert execute(toy, toy.Config(), out=tmp_path).manifest["units"]["kept"] == 4


def test_any_runner_does(toy, tmp_path):
    class Backwards:
        name, workers = "backwards", 1

        def map(self, work, units):
            for unit in reversed(units):
                outcome = work(unit)
                assert isinstance(outcome, Outcome)
                yield outcome

    run = execute(toy, toy.Config(n_units=5), out=tmp_path / "one", runner=Backwards())
    assert run.manifest["sessions"][0]["runner"] == "backwards"
    serial = execute(toy, toy.Config(n_units=5), out=tmp_path / "two")
    assert run.store.table_path.read_bytes() == serial.store.table_path.read_bytes()


def test_stopping_closes_the_runner(toy, tmp_path):
    closed, kept = [], []

    class Watched:
        name, workers = "watched", 1

        def map(self, work, units):
            kept.append(self.outcomes(work, units))  # so that only closing can end it
            return kept[0]

        def outcomes(self, work, units):
            try:
                for unit in units:
                    yield work(unit)
            finally:
                closed.append(True)

    execute(toy, toy.Config(failing=(0,)), out=tmp_path, runner=Watched(), on_error="stop")
    assert closed == [True]


def test_work_travels_to_other_processes(toy, tmp_path):
    store = Store(tmp_path)
    store.create_inside()
    work = pickle.loads(pickle.dumps(Work(store=store, resolve={"toy": "toy_study"})))
    unit = toy.plan(toy.Config())[0]
    outcome = pickle.loads(pickle.dumps(work(pickle.loads(pickle.dumps(unit)))))
    assert (outcome.key, outcome.n_rows, outcome.failure) == (unit.key, 4, None)
    assert store.unit_path(unit.key).exists()


def test_the_home_folder_is_left_out_of_tracebacks(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(sys.modules["toy_study"].__file__).rsplit("/", 1)[0])
    run = execute(toy, toy.Config(n_units=1, failing=(0,)), out=tmp_path)
    assert 'File "~/toy.py"' in run.failures()[0].traceback


def test_a_unit_of_a_foreign_key_in_the_folder_is_done_again(toy, tmp_path, log):
    run = execute(toy, toy.Config(), out=tmp_path / "run")
    first, second = (run.store.unit_path(unit.key) for unit in toy.plan(toy.Config())[:2])
    second.write_bytes(first.read_bytes())
    again = execute(toy, toy.Config(), out=tmp_path / "run")
    assert log.read_text().split()[4:] == ["1"]
    assert again.table()["number"].unique().to_list() == [0, 1, 2, 3]
