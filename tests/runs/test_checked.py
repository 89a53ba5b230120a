"""What a resumed run reads again, and what it does not."""

import os
from pathlib import Path

import polars as pl
import pytest

from theodolite.core.errors import FormatError, RunError
from theodolite.runs import execute
from theodolite.runs.folder import table as table_module
from theodolite.runs.folder.checked import NAME, Checked, read_checked, write_checked
from theodolite.runs.folder.sealed import sealed_bytes
from theodolite.runs.folder.store import Store


@pytest.fixture
def reads(monkeypatch):
    """Names of the unit files that are read."""
    found = []
    plain = Store.unit_path

    def noted(store, key):
        found.append(key)
        return plain(store, key)

    monkeypatch.setattr(Store, "unit_path", noted)
    return found


def flip_unseen(path):
    """Flip a bit of the rows as a bad disk does: size and time of writing stay."""
    about = path.stat()
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_a_finished_run_is_resumed_without_reading_a_unit(toy, tmp_path, reads):
    run = execute(toy, toy.Config(failing=(1,)), out=tmp_path)
    before = run.manifest
    del reads[:]
    again = execute(toy, toy.Config(failing=(1,)), out=tmp_path).manifest
    assert reads == []
    for name in ("table", "inputs", "warnings", "unit_seconds", "part_seconds"):
        assert again[name] == before[name]
    assert again["units"] == {"planned": 4, "kept": 3, "done": 0, "failed": 1}


@pytest.mark.parametrize("loss", ["deleted", "damaged", "of another version"])
def test_without_the_note_of_checked_files_all_are_read(toy, tmp_path, reads, loss):
    run = execute(toy, toy.Config(), out=tmp_path)
    path = tmp_path / NAME
    if loss == "deleted":
        path.unlink()
    elif loss == "damaged":
        flip_unseen(path)
    else:
        path.write_bytes(sealed_bytes(pl.DataFrame({"a": [1]}), {"other": 1}))
    del reads[:]
    assert execute(toy, toy.Config(), out=tmp_path).table().equals(run.table(), null_equal=True)
    assert len(reads) == 8  # each once to see whether it is whole, once for its rows
    assert read_checked(tmp_path).gathered is not None


def test_only_what_is_new_is_checked_before_the_rows_are_used(toy, tmp_path, log, reads):
    run = execute(toy, toy.Config(), out=tmp_path / "run")
    keys = [unit.key for unit in toy.plan(toy.Config())]
    os.utime(run.store.unit_path(keys[2]))
    del reads[:]
    execute(toy, toy.Config(), out=run.path)
    assert reads == [keys[2], *keys]
    assert len(log.read_text().split()) == 4


def test_a_flipped_bit_that_no_listing_shows_is_found_when_the_rows_are_used(toy, tmp_path, log):
    whole = execute(toy, toy.Config(failing=(0,)), out=tmp_path / "run")
    table = execute(toy, toy.Config(), out=tmp_path / "undisturbed").store.table_path.read_bytes()
    flip_unseen(whole.store.unit_path(toy.plan(toy.Config(failing=(0,)))[2].key))
    log.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOY_CURED", "1")
        again = execute(toy, toy.Config(failing=(0,)), out=whole.path)
    assert log.read_text().split() == ["0", "2"]
    assert again.status == "success"
    assert again.warnings == ["The stored rows of unit 2 were damaged: done again."]
    assert again.manifest["units"] == {"planned": 4, "kept": 2, "done": 2, "failed": 0}
    assert pl.read_parquet(table)["number"].equals(again.table()["number"])


def test_a_flipped_bit_of_rows_that_are_not_used_again_does_no_harm(toy, tmp_path, log):
    run = execute(toy, toy.Config(), out=tmp_path / "run")
    table = run.store.table_path.read_bytes()
    flip_unseen(run.store.unit_path(toy.plan(toy.Config())[2].key))
    again = execute(toy, toy.Config(), out=run.path)
    assert again.store.table_path.read_bytes() == table
    assert len(log.read_text().split()) == 4
    flip_unseen(run.store.table_path)  # now they are
    again = execute(toy, toy.Config(), out=run.path)
    assert again.store.table_path.read_bytes() == table
    assert log.read_text().split()[4:] == ["2"]


def test_a_unit_that_stays_damaged_is_an_error(toy, tmp_path, monkeypatch):
    def damaged(path):
        raise FormatError(f"The unit file {path} is damaged.")

    monkeypatch.setattr(table_module, "read_unit_bytes", damaged)
    with pytest.raises(FormatError, match=r"is damaged\. \(and 3 more\)"):
        execute(toy, toy.Config(), out=tmp_path)


def test_many_units_are_spread_over_folders(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("theodolite.runs.folder.store._MANY", 10)
    few = execute(toy, toy.Config(n_units=10), out=tmp_path / "few")
    many = execute(toy, toy.Config(n_units=11), out=tmp_path / "many")
    keys = [unit.key for unit in toy.plan(toy.Config(n_units=11))]
    assert sorted(one.stem for one in (tmp_path / "few/units").iterdir()) == sorted(keys[:10])
    assert all((tmp_path / "many/units" / key[:2] / f"{key}.parquet").is_file() for key in keys)
    assert many.table()[:40].equals(few.table(), null_equal=True)
    assert many.store.finished_keys() == set(keys)
    (tmp_path / "many/units" / keys[0][:2] / f".{keys[0]}.parquet.0a.part").touch()
    assert execute(toy, toy.Config(n_units=11), out=many.path).manifest["units"]["kept"] == 11
    assert not list(many.path.rglob("*.part"))


def test_processes_that_begin_together_agree_on_the_folders(tmp_path, monkeypatch):
    one, other = Store(tmp_path), Store(tmp_path)
    rename = Path.rename

    def overtaken(path, target):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", rename)
            other.create_inside(5000)
        (other.unit_path("0" * 20)).touch()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    one.create_inside(5000)
    assert one.unit_path("0" * 20).is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "units"]
    assert len(list((tmp_path / "units").iterdir())) == 256


def test_folders_that_cannot_be_made_are_an_error(tmp_path):
    (tmp_path / "units").symlink_to(tmp_path / "gone" / "away")
    with pytest.raises(RunError, match=r"Cannot write .*units: .*Make the folder writable"):
        Store(tmp_path).create_inside(5000)


def test_a_run_keeps_the_folders_it_was_begun_with(toy, tmp_path, monkeypatch):
    run = execute(toy, toy.Config(), out=tmp_path)
    monkeypatch.setattr("theodolite.runs.folder.store._MANY", 0)
    assert execute(toy, toy.Config(), out=tmp_path).manifest["units"]["kept"] == 4
    assert all(one.is_file() for one in run.store.units_path.iterdir())


def test_quick_units_do_not_wait_for_the_disk_and_slow_ones_do(toy, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr("os.fsync", waits.append)
    execute(toy, toy.Config(n_units=1), out=tmp_path / "one")
    quick = len(waits)
    execute(toy, toy.Config(n_units=5), out=tmp_path / "five")
    assert len(waits) == 2 * quick
    monkeypatch.setattr("theodolite.runs.folder.unit_file._QUICK", 0.0)
    execute(toy, toy.Config(n_units=5), out=tmp_path / "slow")
    assert len(waits) == 3 * quick + 5


def test_checked_files_read_back(tmp_path):
    none = Checked(files={}, made_of="x", gathered=None)
    write_checked(tmp_path, none)
    assert read_checked(tmp_path) == none
    some = Checked(files={"0" * 20: ("5/7", "layout")}, made_of="y", gathered=None)
    write_checked(tmp_path, some)
    assert read_checked(tmp_path) == some
    assert some.knows("0" * 20, "5/7", "layout")
    assert not some.knows("0" * 20, "5/8", "layout")
    assert not some.knows("0" * 20, "5/7", "other")
    assert not some.knows("1" * 20, "5/7", "layout")
