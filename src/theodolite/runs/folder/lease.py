"""Who may write a run behind a URL, where no kernel keeps locks: a lease that is renewed while its holder lives.

The lease is a small file. Its holder counts up in it every few seconds. Whoever finds one waits for two renewals: a
lease that is counted up belongs to a living process, one that is not was left by a dead one. No clocks are compared.
Where the file system cannot create a file exclusively, two drivers that start in the same second may both go on: they
then do the same units twice, and write the same files.
"""

import hashlib
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from theodolite.core.errors import RunError
from theodolite.runs.folder.atomic import cannot_write
from theodolite.runs.folder.location import UrlPath

EVERY = 10.0
"""Seconds between two renewals."""

_STALE = 4


@contextmanager
def leased(path: UrlPath, *, doing: str) -> Iterator[None]:
    """Hold a lease while the block runs, or refuse.

    Parameters
    ----------
    path : UrlPath
        The file of the lease.
    doing : str
        What its holder does, for the one who is refused: "writing s3://bucket/run".

    Raises
    ------
    RunError
        If a living process holds it, or the file system refuses to write.
    """
    mine = {"pid": os.getpid(), "host": machine(), "token": secrets.token_hex(8), "beat": 0}
    _refuse_living(path, doing)
    try:
        with suppress(FileNotFoundError):
            path.unlink(missing_ok=True)
        path.create_bytes(_bytes(mine))
        holder = _read(path)
    except FileExistsError:
        holder = _read(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    if holder.get("token") != mine["token"]:
        raise _refusal(holder, doing)
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(path, mine, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with suppress(OSError):
            if _read(path).get("token") == mine["token"]:
                path.unlink(missing_ok=True)


def is_leased(path: UrlPath) -> bool:
    """Say whether a lease looks held: renewed in the last minute, by the clocks of its holder and of this machine."""
    holder = _read(path)
    return not _is_gone(holder) and abs(time.time() - float(holder.get("time", 0.0))) < _STALE * EVERY


def machine() -> str:
    """Return what tells this machine from others without naming it."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _refuse_living(path: UrlPath, doing: str) -> None:
    """Raise the refusal where a process counts the lease up, or died so recently that it cannot be told."""
    holder = _read(path)
    end = time.monotonic() + 2.5 * EVERY
    while not _is_gone(holder) and time.monotonic() < end:
        time.sleep(EVERY / 10)
        now = _read(path)
        if now.get("token") == holder["token"] and now.get("beat") != holder["beat"]:
            raise _refusal(holder, doing)
        if now.get("token") != holder["token"]:
            holder, end = now, time.monotonic() + 2.5 * EVERY


def _refusal(holder: dict[str, Any], doing: str) -> RunError:
    where = "this machine" if holder.get("host") == machine() else "another machine"
    named = f" (pid {holder['pid']} of {where})" if holder else ""
    return RunError(f"Another process{named} is {doing}. Wait for it, stop it, or choose another folder.")


def _is_gone(holder: dict[str, Any]) -> bool:
    """Say whether there is no holder, or one of this machine that is dead."""
    if not holder:
        return True
    if holder["host"] != machine():
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _renew(path: UrlPath, mine: dict[str, Any], done: threading.Event) -> None:
    """Count up until done. What fails is tried again the next time; a lease that another took is left to it."""
    while not done.wait(EVERY):
        mine["beat"] += 1
        with suppress(OSError):
            holder = _read(path)
            if holder and holder["token"] != mine["token"]:
                return
            path.write_bytes(_bytes(mine))


def _bytes(content: dict[str, Any]) -> bytes:
    return json.dumps({**content, "time": round(time.time(), 1)}).encode()


def _read(path: UrlPath) -> dict[str, Any]:
    """Return who holds a lease; nothing where nobody does."""
    try:
        content = json.loads(path.read_bytes())
        return {**content, "pid": int(content["pid"]), "host": str(content["host"]), "beat": int(content["beat"])}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
