"""Files that are there completely or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from theodolite.core.errors import RunError
from theodolite.runs.folder.location import Location, UrlPath

TEMPORARY_SUFFIX = ".part"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: Location, data: bytes, *, forced: bool = True) -> None:
    """Write `data` to `path` so that a reader, a crash or a full disk never sees half of it.

    The bytes go to a temporary name in the same folder, are forced to the disk, and take the final name in one step.
    A failed attempt leaves what was there before. Behind a URL the file system's own put does this.

    Parameters
    ----------
    path : pathlib.Path or UrlPath
        Where the file should be; its folder exists.
    data : bytes
        The whole content.
    forced : bool
        Whether to wait until the disk has it. A file that was not waited for survives the death of the process; the
        death of the machine within the next half minute may leave it empty.

    Raises
    ------
    RunError
        If the system refuses (no space, no permission, no such folder).
    """
    if isinstance(path, UrlPath):
        try:
            path.write_bytes(data)
        except OSError as error:
            raise cannot_write(path, error) from error
        return
    with written_atomically(path) as temporary, temporary.open("xb") as file:
        file.write(data)
        file.flush()
        if forced:
            os.fsync(file.fileno())


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to, which takes the name `path` once all went well.

    Parameters
    ----------
    path : pathlib.Path
        Where the file should be; its folder exists.

    Yields
    ------
    pathlib.Path
        Where to write it.

    Raises
    ------
    RunError
        If the system refuses.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def append_line(path: Location, line: bytes) -> None:
    """Add a line to a file at once, so that a kill does not lose it. Behind a URL the file is put anew as a whole.

    Raises
    ------
    RunError
        If the system refuses.
    """
    try:
        if isinstance(path, UrlPath):
            before = path.read_bytes() if path.is_file() else b""
            path.write_bytes(before + line + b"\n")
            return
        with path.open("a+b") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 1))
            torn = file.read(1) not in (b"", b"\n")  # by a kill: that line ends here
            file.write((b"\n" if torn else b"") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Location, error: OSError) -> RunError:
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


def remove_leftovers(folder: Path, stems: Collection[str] | None = None) -> None:
    """Delete temporary files that a killed process left in `folder`. Call it only while holding the folder's lock.

    Parameters
    ----------
    folder : pathlib.Path
        An existing folder.
    stems : collection of str, optional
        Delete those of files with these names, up to the first dot, only.
    """
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        if stems is None or leftover.name[1:].partition(".")[0] in stems:
            with suppress(OSError):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
