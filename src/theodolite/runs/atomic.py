"""Files that are there completely or not at all."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from theodolite.core.errors import RunError

TEMPORARY_SUFFIX = ".part"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader, a crash or a full disk never sees half of it.

    The bytes go to a temporary name in the same folder, are forced to the disk, and take the final name in one step.
    A failed attempt leaves what was there before.

    Parameters
    ----------
    path : pathlib.Path
        Where the file should be; its folder exists.
    data : bytes
        The whole content.

    Raises
    ------
    RunError
        If the system refuses (no space, no permission, no such folder).
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> RunError:
    """Return the error for a file or folder that the system refuses to write, with what to do about it.

    Examples
    --------
    >>> print(cannot_write(Path("runs/a"), OSError(28, "No space left on device")))
    Cannot write runs/a: No space left on device. Free some space (what is finished is kept), or choose another folder.
    """
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        advice = "Free some space (what is finished is kept), or choose another folder."
    else:
        advice = "Make the folder writable, or choose another one."
    return RunError(f"Cannot write {path}: {reason}. {advice}")


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed process left in `folder`. Call it only while holding the folder's lock."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            leftover.unlink()
