import errno
import fcntl
import os

import pytest

from theodolite.core.errors import RunError
from theodolite.runs.folder import lock
from theodolite.runs.folder.lock import is_locked, locked
from theodolite.runs.shards.shard import Shard


def test_a_folder_has_one_driver(tmp_path):
    assert not is_locked(tmp_path)
    with locked(tmp_path) as guarded:
        assert guarded
        assert is_locked(tmp_path)
        with (
            pytest.raises(RunError, match=rf"Another process \(pid {os.getpid()}, since .*\) is writing"),
            locked(tmp_path),
        ):
            pass
    assert not is_locked(tmp_path)
    with locked(tmp_path) as guarded:
        assert guarded


def test_a_lock_file_that_tells_nothing_still_locks(tmp_path):
    with locked(tmp_path):
        (tmp_path / ".lock").write_text("nonsense")
        with pytest.raises(RunError, match="Another process is writing"), locked(tmp_path):
            pass


def test_an_old_lock_file_locks_nothing(tmp_path):
    (tmp_path / ".lock").write_text('{"pid": 1, "since": "1970-01-01T00:00:00Z"}')
    assert not is_locked(tmp_path)
    with locked(tmp_path) as guarded:
        assert guarded


def test_the_lock_is_released_by_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    assert not is_locked(tmp_path)


@pytest.fixture
def reader(tmp_path):
    """Somebody who looks whether the folder is locked, and is stopped by the system just then."""
    (tmp_path / ".lock").touch()
    descriptor = os.open(tmp_path / ".lock", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    yield descriptor
    os.close(descriptor)


def test_a_reader_that_looks_does_not_stop_the_driver_however_long_it_takes(tmp_path, monkeypatch, reader):
    looks = []

    def pause(seconds):
        looks.append(seconds)
        if sum(looks) > 50:
            fcntl.flock(reader, fcntl.LOCK_UN)

    monkeypatch.setattr(lock.time, "sleep", pause)
    with locked(tmp_path) as guarded:
        assert guarded
    assert len(looks) > 100


def test_a_reader_that_never_goes_away_is_not_waited_for_for_ever(tmp_path, monkeypatch, reader):
    monkeypatch.setattr(lock.time, "sleep", lambda _: None)
    with pytest.raises(RunError, match="Another process is writing"), locked(tmp_path):
        pass


def test_who_is_refused_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(lock.time, "sleep", pytest.fail)
    shard = Shard(number=1, count=2)
    for first, second in ((None, None), (None, shard), (shard, None), (shard, shard)):
        with locked(tmp_path, shard=first), pytest.raises(RunError), locked(tmp_path, shard=second):
            pass


def test_a_file_system_without_locks_is_said_to_guard_nothing(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path) as guarded:
        assert not guarded
    assert not is_locked(tmp_path)


def test_a_lock_that_fails_otherwise_is_an_error(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(RunError, match=r"Cannot write .*\.lock: Input/output error"), locked(tmp_path):
        pass


def test_a_full_disk_is_an_error(tmp_path, monkeypatch):
    def refuse(descriptor, data, place):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(RunError, match=r"Cannot write .*\.lock: No space left on device"), locked(tmp_path):
        pass
    assert not is_locked(tmp_path)


def test_a_folder_that_is_none_cannot_be_locked(tmp_path):
    with pytest.raises(RunError, match=r"Cannot write .*: No such file"), locked(tmp_path / "none"):
        pass
