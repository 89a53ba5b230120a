"""Runs behind a URL: in memory, and on file systems that are registered here."""

import json
import pickle
import time
from pathlib import Path
from types import SimpleNamespace

import fsspec
import polars as pl
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from theodolite.core.errors import NotFoundError, RunError
from theodolite.runs import execute, list_runs, open_run, status
from theodolite.runs.folder import lease
from theodolite.runs.folder.lease import is_leased, leased, machine
from theodolite.runs.folder.location import UrlPath, local_copy, locate
from theodolite.runs.reading.comparison import compare_runs


class SlowlyWritten(LocalFileSystem):
    """A disk that fsspec reaches by another name, as a server is: no locks, and files that can be half written."""

    protocol = "slowly"

    @classmethod
    def _strip_protocol(cls, path):
        return LocalFileSystem._strip_protocol(str(path).replace("slowly://", "file:///"))


class Refusing(MemoryFileSystem):
    """A store that refuses with an error of its own kind."""

    protocol = "refusing"

    def cat_file(self, *_, **__):
        raise ValueError("no credentials")


class Clock:
    """Time for those who wait for a lease: it passes while they sleep, and something may happen meanwhile."""

    def __init__(self):
        self.now = 0.0
        self.meanwhile = lambda: None

    def sleep(self, seconds):
        self.now += seconds
        self.meanwhile()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    waiting = SimpleNamespace(time=time.time, monotonic=lambda: clock.now, sleep=clock.sleep)
    monkeypatch.setattr(lease, "time", waiting)
    monkeypatch.setattr(lease, "EVERY", 600.0)
    return clock


def count_up(path):
    """Renew a lease as its holder does."""
    holder = json.loads(path.read_bytes())
    path.write_bytes(json.dumps({**holder, "beat": holder["beat"] + 1}).encode())


@pytest.fixture(autouse=True)
def file_systems():
    fsspec.register_implementation("slowly", SlowlyWritten, clobber=True)
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture(params=["memory", "slowly"])
def url(request, tmp_path):
    return "memory://bucket/run" if request.param == "memory" else f"slowly:/{tmp_path}/run"


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("runs/demo", Path("runs/demo")),
        (Path("runs/a:b"), Path("runs/a:b")),
        ("nothing://such", Path("nothing://such")),
        ("file:///data/run", Path("/data/run")),
        (Path("file:///data/run"), Path("/data/run")),
        ("memory://bucket/run/", UrlPath("memory://bucket/run")),
        (Path("memory://bucket/run"), UrlPath("memory://bucket/run")),
        (UrlPath("memory://bucket/run"), UrlPath("memory://bucket/run")),
    ],
)
def test_a_place_is_a_folder_or_a_url(place, found):
    assert locate(place) == found


def test_a_password_in_a_url_is_refused():
    with pytest.raises(RunError, match=r"The ftp URL of the run holds a password.*Leave it out") as refused:
        locate("ftp://user:secret@host/run")
    assert "secret" not in str(refused.value)


def test_a_url_without_its_package_is_refused(monkeypatch):
    def missing(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(RunError, match=r"s3://bucket/run: Install s3fs to access S3\. Install the package"):
        locate("s3://bucket/run")


def test_a_url_that_makes_no_sense_is_refused(monkeypatch):
    def broken(url):
        raise ValueError("no bucket")

    monkeypatch.setattr("fsspec.core.url_to_fs", broken)
    with pytest.raises(NotFoundError, match="Cannot reach s3://bucket/run: ValueError: no bucket"):
        locate("s3://bucket/run")


def test_the_parts_of_a_url():
    path = UrlPath("memory://bucket/run") / "units" / "a.parquet"
    assert (str(path), path.name, path.parent.name) == ("memory://bucket/run/units/a.parquet", "a.parquet", "units")
    assert pickle.loads(pickle.dumps(path)) == path.absolute() == path
    path.mkdir(parents=True)
    path.rmdir()
    assert not path.exists()


def test_files_behind_a_url(url, tmp_path):
    path = UrlPath(url) / "a.txt"
    with pytest.raises(FileNotFoundError):
        path.read_bytes()
    with pytest.raises(FileNotFoundError):
        path.unlink()
    path.unlink(missing_ok=True)
    path.write_bytes(b"one")
    assert (path.read_text(), path.is_file(), path.parent.is_dir()) == ("one", True, True)
    before = path.parent.files()["a.txt"]
    path.write_bytes(b"three")
    assert path.parent.files().keys() == {"a.txt"}
    assert path.parent.files()["a.txt"] != before
    (tmp_path / "local").write_bytes(b"up")
    path.upload(tmp_path / "local")
    with local_copy(path) as local:
        assert local.read_bytes() == b"up"
    assert not local.exists()
    assert [one.name for one in path.parent.glob("*.txt")] == [one.name for one in path.parent.iterdir()] == ["a.txt"]
    path.unlink()
    assert path.parent.files() == {}


def test_an_error_of_the_file_system_is_one_of_the_system():
    with pytest.raises(OSError, match="ValueError: no credentials"):
        UrlPath("refusing://bucket/a").read_bytes()


def test_a_run_behind_a_url_is_that_of_a_folder(toy, tmp_path, url, log):
    config = toy.Config(n_units=7, failing=(2,))
    local = execute(toy, config, out=tmp_path / "local")
    run = execute(toy, config, out=url)
    assert (run.status, run.name, str(run.path)) == ("partial", "run", url)
    assert run.manifest["table"] == local.manifest["table"]
    assert run.table().equals(local.table(), null_equal=True)
    assert run.scan().select("number").collect().equals(run.table().select("number"))
    assert [one.key for one in run.failures()] == [one.key for one in local.failures()]
    assert run.units().drop("seconds").equals(local.units().drop("seconds"), null_equal=True)
    assert status(run).done == 6
    assert compare_runs(run, local).identical
    assert url in [str(one.path) for one in list_runs(run.path.parent)]
    assert open_run(f"{url}/manifest.json").path == run.path
    log.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOY_CURED", "1")
        again = execute(toy, config, out=Path(url))
    assert log.read_text().split() == ["2"]
    assert (again.status, again.failures()) == ("success", [])
    assert not is_leased(run.path / ".lock")
    assert not run.store.failures_path.exists()


def test_shards_write_behind_a_url(toy, tmp_path, url):
    config = toy.Config(n_units=7, failing=(2,))
    parts = [execute(toy, config, out=url, shard=f"{number}/3").status for number in (1, 2, 3)]
    assert parts == ["interrupted", "interrupted", "partial"]
    run = open_run(url)
    assert run.manifest["table"] == execute(toy, config, out=tmp_path / "local").manifest["table"]
    assert len(run.failures()) == 1
    assert {one["shard"] for one in run.manifest["sessions"]} == {"1/3", "2/3", "3/3"}


def test_a_folder_behind_a_url_that_is_no_run_is_refused(toy, url):
    (UrlPath(url) / "thesis.txt").write_bytes(b"mine")
    with pytest.raises(RunError, match=r"is not empty and is not a run \(it holds thesis\.txt\)"):
        execute(toy, toy.Config(), out=url)
    with pytest.raises(RunError, match="is not a run"):
        open_run(url)
    with pytest.raises(NotFoundError, match="There is no run at"):
        open_run(f"{url}/none")


def test_damaged_files_behind_a_url_are_done_again(toy, url, log):
    run = execute(toy, toy.Config(), out=url)
    table = run.store.table_path.read_bytes()
    path = run.store.unit_path(toy.plan(toy.Config())[1].key)
    path.write_bytes(path.read_bytes()[:-9])
    log.write_text("")
    assert execute(toy, toy.Config(), out=url).store.table_path.read_bytes() == table
    assert log.read_text().split() == ["1"]
    run.store.table_path.write_bytes(b"x")
    with pytest.raises(RunError, match="its checksum is not the one in the manifest"):
        run.table()
    run.store.table_path.unlink()
    with pytest.raises(RunError, match="Cannot read"):
        run.table()


def test_files_of_a_report_are_put_beside_the_run(toy, url):
    run = execute(toy, toy.Config(), out=url)
    with run.workspace() as folder:
        (folder / "figures").mkdir()
        (folder / "figures" / "a.svg").write_text("drawn")
    assert (run.path / "figures" / "a.svg").read_text() == "drawn"
    assert not folder.exists()


def test_a_store_that_refuses_says_so(toy, url, monkeypatch):
    def refuse(path, data):
        raise PermissionError(13, "Access denied")

    monkeypatch.setattr(UrlPath, "write_bytes", refuse)
    with pytest.raises(RunError, match=r"Cannot write .*Access denied\. Make the folder writable"):
        execute(toy, toy.Config(), out=url)


def test_a_second_driver_behind_a_url_is_refused_while_the_first_lives(toy, url, clock):
    path = UrlPath(url) / ".lock"
    with leased(path, doing="writing it"):
        clock.meanwhile = lambda: count_up(path)
        assert is_leased(path)
        with pytest.raises(RunError, match=r"process \(pid \d+ of this machine\) is writing .*run\. Wait for it"):
            execute(toy, toy.Config(), out=url)
        with pytest.raises(RunError, match=r"Another process is writing .*run\. Wait"):
            execute(toy, toy.Config(), out=url, shard="1/2")
    with leased(UrlPath(url) / ".shard-1-of-2.lock", doing="doing a shard"):
        with pytest.raises(RunError, match=r"Shards are writing .* \(1/2\)"):
            execute(toy, toy.Config(), out=url)
        with pytest.raises(RunError, match="divides the units differently"):
            execute(toy, toy.Config(), out=url, shard="1/3")
    assert execute(toy, toy.Config(), out=url).status == "success"


@pytest.mark.parametrize("host", ["here", "elsewhere"])
def test_a_lease_of_the_dead_is_taken_over(toy, url, host):
    holder = {"pid": 2**22 + 1, "host": machine() if host == "here" else "far away", "token": "x", "beat": 3, "time": 0}
    path = UrlPath(url) / ".lock"
    path.write_bytes(json.dumps(holder).encode())
    assert not is_leased(path)
    assert execute(toy, toy.Config(), out=url).status == "success"


def test_a_lease_that_is_counted_up_from_elsewhere_is_respected(url, clock):
    path = UrlPath(url) / ".lock"
    holder = {"pid": 1, "host": "far away", "token": "x", "beat": 0, "time": 0}
    path.write_bytes(json.dumps(holder).encode())

    def renewed_once_in_a_while():
        if clock.now > lease.EVERY:
            count_up(path)

    clock.meanwhile = renewed_once_in_a_while
    with pytest.raises(RunError, match="pid 1 of another machine"), leased(path, doing="writing it"):
        pass


def test_a_lease_is_counted_up_while_it_is_held(url, monkeypatch):
    monkeypatch.setattr(lease, "EVERY", 0.01)
    path = UrlPath(url) / ".lock"
    with leased(path, doing="writing it"):
        while lease._read(path).get("beat", 0) < 3:
            time.sleep(0.01)
    assert not path.is_file()


def test_a_lease_that_another_took_is_left_to_it(url):
    path = UrlPath(url) / ".lock"
    other = {"pid": 1, "host": "far away", "token": "other", "beat": 0, "time": 0}
    with leased(path, doing="writing it"):
        path.write_bytes(json.dumps(other).encode())
    assert json.loads(path.read_bytes())["token"] == "other"


def test_the_table_behind_a_url_is_read_by_polars_alone(toy, url):
    run = execute(toy, toy.Config(), out=url)
    assert pl.read_parquet(run.store.table_path.read_bytes()).equals(run.table(), null_equal=True)
