"""One driver for one run folder, held by the kernel so that a dead process never blocks the next."""

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from theodolite.core.errors import RunError
from theodolite.runs.atomic import cannot_write

LOCK_NAME = ".lock"

_ATTEMPTS = 5  # a reader that looks whether the folder is locked holds the lock for microseconds
_PAUSE = 0.05
_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold `folder` for this process, or refuse.

    The lock is `flock` on the file `.lock`: the kernel releases it when the process ends, however it ends.

    Parameters
    ----------
    folder : pathlib.Path
        An existing folder.

    Yields
    ------
    bool
        False where the file system has no locks, so that nothing is guarded.

    Raises
    ------
    RunError
        If another process holds the folder, or the lock file cannot be written.
    """
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        guarded = _acquire(descriptor, folder)
        if guarded:
            note = json.dumps({"pid": os.getpid(), "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
            try:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, note.encode(), 0)
            except OSError as error:
                raise cannot_write(folder / LOCK_NAME, error) from error
        yield guarded
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, folder: Path) -> bool:
    """Take the lock; return False where the file system has none."""
    for attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return False
            if error.errno not in _BUSY:
                raise cannot_write(folder / LOCK_NAME, error) from error
        if attempt + 1 < _ATTEMPTS:
            time.sleep(_PAUSE)
    raise RunError(
        f"Another process{_holder(descriptor)} is writing {folder}. Wait for it, stop it, or choose another folder."
    )


def _holder(descriptor: int) -> str:
    """Say who holds the lock, as far as the lock file tells."""
    try:
        note = json.loads(os.pread(descriptor, 500, 0))
        return f" (pid {int(note['pid'])}, since {str(note['since'])[:20]})"
    except (ValueError, KeyError, TypeError, OSError):
        return ""


def is_locked(folder: Path) -> bool:
    """Say whether a living process holds `folder`.

    Examples
    --------
    >>> is_locked(Path("/no/such/folder"))
    False
    """
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _BUSY
    finally:
        os.close(descriptor)
    return False
