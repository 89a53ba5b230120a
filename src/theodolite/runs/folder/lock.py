"""Who may write a run folder: one driver, or several shards. Held by the kernel, so the dead never block the living.

A driver holds `.lock` alone. Shards hold it together, and each its own `.shard-2-of-4.lock` alone.
"""

import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from theodolite.core.errors import RunError
from theodolite.runs.folder.atomic import cannot_write
from theodolite.runs.folder.lease import is_leased, leased
from theodolite.runs.folder.location import Location, UrlPath
from theodolite.runs.shards.shard import Shard

LOCK_NAME = ".lock"

_TURN = ".turn.lock"
_SHARD = re.compile(r"\.shard-(\d{1,9})-of-(\d{1,9})\.lock")
_ADVICE = "Wait for it, stop it, or choose another folder."
_PATIENCE = 60.0  # seconds; who only looks whether a folder is locked holds the lock for microseconds, or is stopped
_PAUSE = 0.05
_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: Location, *, shard: Shard | None = None) -> Iterator[bool]:
    """Hold `folder` for this process, or refuse.

    The lock is `flock`: the kernel releases it when the process ends, however it ends. Behind a URL it is a lease.

    Parameters
    ----------
    folder : pathlib.Path or UrlPath
        An existing folder.
    shard : Shard, optional
        Hold only this share of it, beside other shares of the same division.

    Yields
    ------
    bool
        False where the file system has no locks, so that nothing is guarded.

    Raises
    ------
    RunError
        If another process holds the folder, the shard, or a shard of another division; or if the lock file cannot be
        written.
    """
    with _held(folder, LOCK_NAME, fcntl.LOCK_EX if shard is None else fcntl.LOCK_SH) as guarded:
        if shard is None:
            yield guarded
            return
        with _held(folder, f".shard-{shard.name}.lock", fcntl.LOCK_EX):
            others = [str(one) for one in shards_at_work(folder) if one.count != shard.count]
            if others:
                raise RunError(
                    f"Shard {others[0]} is at work in {folder}, but shard {shard} divides the units differently: some "
                    "would be done twice. Divide into as many shards as the others, or wait for them."
                )
            yield guarded


@contextmanager
def taking_turns(folder: Location) -> Iterator[None]:
    """Wait until no other shard is inside, and keep the others out; where there are no locks, go in at once."""
    if isinstance(folder, UrlPath):
        yield
        return
    try:
        descriptor = os.open(folder / _TURN, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise cannot_write(folder / _TURN, error) from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _held(folder: Location, name: str, kind: int) -> Iterator[bool]:
    """Hold one lock file; say in it who does, where nobody else may hold it."""
    if isinstance(folder, UrlPath):
        if kind == fcntl.LOCK_EX:
            _refuse_shards(folder, name)
            with leased(folder / name, doing=_doing(folder, name)):
                yield True
            return
        if is_leased(folder / name):
            raise RunError(f"Another process is {_doing(folder, name)}. {_ADVICE}")
        yield True
        return
    try:
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        guarded = _acquire(descriptor, folder, name, kind)
        if guarded and kind == fcntl.LOCK_EX:
            note = json.dumps({"pid": os.getpid(), "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
            try:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, note.encode(), 0)
            except OSError as error:
                raise cannot_write(folder / name, error) from error
        yield guarded
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, folder: Location, name: str, kind: int) -> bool:
    """Take the lock, waiting for those who only look at it; return False where the file system has none.

    Whoever wants the lock alone and may only share it waits for readers, or for shards, which are known by theirs.
    """
    waited = 0.0
    try:
        while not _try(descriptor, kind):
            if kind == fcntl.LOCK_EX:
                _refuse_shards(folder, name)
            if kind == fcntl.LOCK_SH or waited >= _PATIENCE or not _try(descriptor, fcntl.LOCK_SH):
                raise RunError(f"Another process{_holder(descriptor)} is {_doing(folder, name)}. {_ADVICE}")
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(_PAUSE)
            waited += _PAUSE
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise cannot_write(folder / name, error) from error
    return True


def _try(descriptor: int, kind: int) -> bool:
    """Take the lock if it is free, and say whether it was."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True


def _refuse_shards(folder: Location, name: str) -> None:
    """Raise the error for a driver of the whole folder while shards are at work."""
    shards = shards_at_work(folder) if name == LOCK_NAME else []
    if shards:
        named = ", ".join(map(str, shards[:5])) + (", ..." if len(shards) > 5 else "")
        raise RunError(f"Shards are writing {folder} ({named}). Wait for them, stop them, or choose another folder.")


def _doing(folder: Location, name: str) -> str:
    found = _SHARD.fullmatch(name)
    return f"doing shard {found[1]}/{found[2]} of {folder}" if found else f"writing {folder}"


def _holder(descriptor: int) -> str:
    """Say who holds the lock, as far as the lock file tells."""
    try:
        note = json.loads(os.pread(descriptor, 500, 0))
        return f" (pid {int(note['pid'])}, since {str(note['since'])[:20]})"
    except (ValueError, KeyError, TypeError, OSError):
        return ""


def is_locked(folder: Location) -> bool:
    """Say whether a living process holds `folder`, or a shard of it.

    Examples
    --------
    >>> from pathlib import Path
    >>> is_locked(Path("/no/such/folder"))
    False
    """
    return _is_held(folder / LOCK_NAME) or bool(shards_at_work(folder))


def shards_at_work(folder: Location) -> list[Shard]:
    """Return the shards that living processes hold."""
    found = ((_SHARD.fullmatch(path.name), path) for path in folder.glob(".shard-*-of-*.lock"))
    shards = [Shard(number=int(one[1]), count=int(one[2])) for one, path in found if one and _is_held(path)]
    return sorted(shards, key=lambda one: one.number)


def _is_held(path: Location) -> bool:
    if isinstance(path, UrlPath):
        return is_leased(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _BUSY
    finally:
        os.close(descriptor)
    return False
