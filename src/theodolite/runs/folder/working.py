"""Which unit each process is at: a small file that is there while the unit is being done."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from theodolite.runs.folder.atomic import TEMPORARY_SUFFIX
from theodolite.runs.folder.location import Location
from theodolite.runs.unit import Unit, is_key

_BEGINNING = ".working-"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningUnit:
    """A unit that a process is at.

    Attributes
    ----------
    key, label : str
        Of the unit.
    seconds : float
        How long it has been at it; 0 where the clock was set back since.
    pid : int
        The process.
    host : str
        Tells machines apart without naming them.
    """

    key: str
    label: str
    seconds: float
    pid: int
    host: str


@cache
def host_mark() -> str:
    """Return eight digits that tell this machine from others without naming it.

    Examples
    --------
    >>> len(host_mark())
    8
    """
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


@contextmanager
def marked(folder: Location, unit: Unit) -> Iterator[None]:
    """Say in `folder` that this process is at `unit`. Where that cannot be written, work goes on without.

    A killed process leaves its file; `running_units` sees that it is dead, and the next driver clears it away.
    """
    if not isinstance(folder, Path):  # behind a URL a marker would cost more than a small unit
        yield
        return
    path = folder / f"{_BEGINNING}{host_mark()}-{os.getpid()}{TEMPORARY_SUFFIX}"
    try:
        with suppress(OSError):
            path.write_text(json.dumps({"key": unit.key, "label": unit.name}))
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def running_units(folder: Path) -> list[RunningUnit]:
    """Return what processes are at, the one that began first before the others.

    Processes of this machine that are dead are left out; of other machines that cannot be known.
    """
    found = [one for path in folder.glob(f"{_BEGINNING}*{TEMPORARY_SUFFIX}") if (one := _read(path)) is not None]
    return sorted(found, key=lambda one: -one.seconds)


def _read(path: Path) -> RunningUnit | None:
    try:
        host, _, pid = path.name.removeprefix(_BEGINNING).removesuffix(TEMPORARY_SUFFIX).partition("-")
        seconds = max(0.0, time.time() - path.stat().st_mtime)
        said = json.loads(path.read_bytes())
        unit = RunningUnit(key=str(said["key"]), label=str(said["label"]), seconds=seconds, pid=int(pid), host=host)
    except (OSError, ValueError, KeyError, TypeError):  # gone meanwhile, half written, or not ours
        return None
    return unit if is_key(unit.key) and (host != host_mark() or _is_alive(unit.pid)) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
