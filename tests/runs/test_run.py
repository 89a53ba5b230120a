import json
import os

import polars as pl
import pytest

from theodolite.core.errors import NotFoundError, RunError
from theodolite.runs import execute, list_runs, open_run, status
from theodolite.runs.folder.lock import locked
from theodolite.runs.folder.store import FailureRecord, Store

FAILURE = FailureRecord(
    key="0" * 20, label="unit", exception="ValueError", message="\udc80", traceback="", attempts=1, time="now"
)


@pytest.fixture
def run(toy, tmp_path):
    return execute(toy, toy.Config(failing=(2,)), out=tmp_path / "run")


def unfinished(run):
    """Make the folder what a kill would have left: a manifest that says running, and a unit less."""
    manifest = run.manifest
    manifest["status"], manifest["table"], manifest["finished"] = "running", None, None
    run.store.write_manifest(manifest)
    run.store.table_path.unlink()
    keys = [unit.key for unit in run.store.read_plan()]
    run.store.unit_path(keys[0]).unlink()


def test_a_run_opens_by_its_folder_or_a_file_in_it(run):
    for path in (run.path, str(run.path), run.store.manifest_path):
        assert open_run(path) == run
    assert open_run(run.path).config == {"n_units": 4, "failing": [2], "warning": False, "seed": 0}


def test_a_notebook_shows_how_a_run_went(run):
    shown = run._repr_html_()
    assert "3 of 4 done, 1 failed" in shown
    assert "partial" in shown
    assert "12 rows: .table()" in shown
    unfinished(run)
    assert "not yet" in run._repr_html_()


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(NotFoundError, match=r"There is no run at .*none\. `theodolite ls` lists"):
        open_run(tmp_path / "none")


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(RunError, match=r"is not a run: it has no manifest\.json"):
        open_run(tmp_path)


def test_a_run_with_a_damaged_manifest(run):
    run.store.manifest_path.write_text("{")
    with pytest.raises(RunError, match="is damaged: it is not valid JSON"):
        open_run(run.path)


def test_a_run_that_says_running_while_nobody_works_was_interrupted(run):
    unfinished(run)
    assert run.status == "interrupted"
    with locked(run.path):
        assert run.status == "running"


def test_the_table_of_an_unfinished_run_holds_what_is_there(run):
    unfinished(run)
    assert run.table()["number"].unique().to_list() == [1, 3]
    keys = [unit.key for unit in run.store.read_plan()]
    run.store.unit_path(keys[1]).write_bytes(b"damaged")
    assert run.table()["number"].unique().to_list() == [3]
    run.store.unit_path(keys[3]).unlink()
    assert run.table().is_empty()


def test_units_tell_what_is_done_failed_and_pending(run):
    unfinished(run)
    keys = [unit.key for unit in run.store.read_plan()]
    run.store.unit_path(keys[1]).write_bytes(b"damaged")
    units = run.units()
    assert units["status"].to_list() == ["pending", "pending", "failed", "done"]
    assert units["n_rows"].to_list() == [None, None, None, 4]
    assert units["label"].to_list() == [f"unit {number}" for number in range(4)]


@pytest.mark.parametrize("data", [b"", b"PAR1"])
def test_a_damaged_table_is_refused_and_written_anew_by_the_next_session(run, toy, data):
    table = run.store.table_path.read_bytes()
    run.store.table_path.write_bytes(data)
    with pytest.raises(RunError, match=r"its checksum is not the one in the manifest\. Run the study again"):
        run.table()
    execute(toy, toy.Config(failing=(2,)), out=run.path)
    assert run.store.table_path.read_bytes() == table


def test_a_table_that_is_gone_is_said_to_be_gone(run):
    run.store.table_path.unlink()
    with pytest.raises(RunError, match=r"Cannot read .*table\.parquet: No such file"):
        run.table()


def test_status_counts_from_the_folder(run):
    told = status(run)
    assert (told.status, told.planned, told.done, told.failed, told.remaining) == ("partial", 4, 3, 1, 0)
    assert told.rate is None or told.rate > 0, "small units may end in the same moment, as files tell moments"
    assert told.seconds_left is None
    unfinished(run)
    for moment, path in enumerate(run.store.units_path.glob("*.parquet")):
        os.utime(path, (1e9, 1e9 + moment))
    told = status(run)
    assert (told.status, told.done, told.failed, told.remaining) == ("interrupted", 2, 1, 1)
    with locked(run.path):
        told = status(run)
        assert told.status == "running"
        assert told.rate == told.seconds_left == 1.0


def test_status_of_files_that_are_all_of_one_moment_has_no_rate(run, toy):
    for path in run.store.units_path.iterdir():
        os.utime(path, (0, 0))
    assert status(run).rate is None


def test_status_before_the_first_session(run):
    manifest = run.manifest
    manifest["sessions"] = []
    run.store.write_manifest(manifest)
    run.store.plan_path.unlink()
    told = status(run)
    assert (told.planned, told.done, told.rate) == (4, 0, None)


def test_runs_are_listed_by_name_damaged_ones_too(run, toy, tmp_path):
    execute(toy, toy.Config(), out=tmp_path / "another")
    (tmp_path / "no run").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/manifest.json").write_text("{}")
    entries = list_runs(tmp_path)
    assert [(one.path.name, one.study, one.status, one.done, one.failed) for one in entries] == [
        ("another", "toy", "success", 4, 0),
        ("broken", "", "damaged", 0, 0),
        ("run", "toy", "partial", 3, 1),
    ]
    assert entries[2].n_warnings == 1
    assert list_runs(run.path)[0].path == run.path
    assert list_runs(tmp_path / "no run") == []


def test_runs_are_listed_in_a_folder(tmp_path):
    with pytest.raises(NotFoundError, match="There is no folder"):
        list_runs(tmp_path / "none")


def test_a_plan_is_data_to_be_checked(run):
    lines = run.store.plan_path.read_text().splitlines()
    hostile = json.loads(lines[0]) | {"key": "../../../etc/passwd"}
    run.store.plan_path.write_text(json.dumps(hostile))
    with pytest.raises(RunError, match=r"is damaged: '\.\./\.\./\.\./etc/passwd' is not the key of a unit"):
        run.units()
    for damaged in ("{", "[]", "3", '{"key": "a"}'):
        run.store.plan_path.write_text(damaged)
        with pytest.raises(RunError, match=r"is damaged .*Run the study again to write it anew"):
            run.units()


def test_failures_survive_a_line_that_was_cut_short(tmp_path):
    store = Store(tmp_path)
    store.append_failure(FAILURE)
    with store.failures_path.open("ab") as file:
        file.write(b'{"key": "1')
    store.append_failure(FAILURE)
    assert store.read_failures() == {FAILURE.key: FAILURE}
    assert len(store.failures_path.read_bytes().splitlines()) == 3
    store.replace_failures([FAILURE])
    assert len(store.failures_path.read_bytes().splitlines()) == 1
    store.replace_failures([])
    assert not store.failures_path.exists()


def test_only_unit_files_count_as_units(tmp_path):
    store = Store(tmp_path)
    assert store.finished_keys() == set()
    store.units_path.mkdir()
    for name in ("0" * 20 + ".parquet", "1" * 20, "README.parquet", ".x.part"):
        (store.units_path / name).touch()
    assert store.finished_keys() == {"0" * 20}


def test_the_table_can_be_read_by_polars_alone(run):
    assert pl.read_parquet(run.path / "table.parquet").equals(run.table(), null_equal=True)
