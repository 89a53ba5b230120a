"""How far a run has come, while it runs or after: counted from names and times of files, without opening any unit."""

import time
from dataclasses import dataclass
from pathlib import Path

from theodolite.core.errors import FormatError
from theodolite.runs.folder.store import Store
from theodolite.runs.folder.unit_file import read_unit_record
from theodolite.runs.folder.working import RunningUnit, running_units
from theodolite.runs.reading.pace import recent_rate
from theodolite.runs.reading.run import Run

__all__ = ["RunStatus", "RunningUnit", "status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """How far a run has come.

    Attributes
    ----------
    status : str
        running, success, partial, interrupted, failed.
    planned, done, failed, remaining : int
        Units; `remaining` were neither done nor tried in vain.
    running : tuple of RunningUnit
        Those that a process is at; they count as remaining.
    rate : float or None
        Units finished per second over the last while; None before the first.
    seconds_left : float or None
        Remaining units at that rate, while the run is running.
    estimated_end : float or None
        The same as a time, in seconds since 1970.
    """

    status: str
    planned: int
    done: int
    failed: int
    remaining: int
    running: tuple[RunningUnit, ...] = ()
    rate: float | None
    seconds_left: float | None
    estimated_end: float | None = None


def status(run: Run) -> RunStatus:
    """Say how far a run has come, while it runs or after.

    Parameters
    ----------
    run : Run
        An open run.

    Returns
    -------
    RunStatus
        Counted from the folder, not from what a driver last wrote.
    """
    manifest, state, store = run.manifest, run.status, run.store
    plan = {unit.key for unit in store.read_plan()}
    files = {key: note.written for key, note in store.unit_files().items() if key in plan}
    finished = files.keys()
    failed = plan & store.read_failures().keys() - finished
    planned = len(plan) or manifest["units"]["planned"]
    remaining = planned - len(finished) - len(failed)
    rate = recent_rate(files, lambda key: _seconds(store, key))
    left = remaining / rate if state == "running" and rate else None
    at_work = running_units(store.units_path) if state == "running" and isinstance(store.units_path, Path) else []
    return RunStatus(
        status=state,
        planned=planned,
        done=len(finished),
        failed=len(failed),
        remaining=remaining,
        running=tuple(one for one in at_work if one.key in plan - finished),
        rate=rate,
        seconds_left=left,
        estimated_end=None if left is None else round(time.time() + left, 3),
    )


def _seconds(store: Store, key: str) -> float | None:
    try:
        return read_unit_record(store.unit_path(key)).seconds
    except FormatError:
        return None
