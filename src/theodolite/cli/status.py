"""Command that shows how far a run is."""

import shlex
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from theodolite.cli.amounts import duration
from theodolite.cli.options import Speech
from theodolite.cli.output import Output, print_json
from theodolite.core.errors import ParameterError
from theodolite.core.number_format import counted

if TYPE_CHECKING:
    from theodolite.runs import Run, RunStatus
    from theodolite.runs.folder.store import FailureRecord

_RUNNING_SHOWN = 8
_UNITS_SHOWN = 1000


def status(
    run: Path,
    *,
    units: bool = False,
    failed: bool = False,
    watch: bool = False,
    every: Annotated[float, Parameter(name="--every")] = 5.0,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Show how far a run is, and what failed.

    Parameters
    ----------
    run
        Run folder.
    units
        List every unit: done, running, failed or pending, with rows, seconds and attempts.
    failed
        Show the whole traceback of each failed unit.
    watch
        Say it again and again until the run is over.
    every
        Seconds between two looks with --watch.
    """
    from theodolite import runs  # noqa: PLC0415 - keeps --help fast

    if not every > 0:
        raise ParameterError(f"--every must be a number of seconds above 0, not {every:g}.")
    opened = runs.open_run(run)
    state = runs.status(opened)
    while watch and state.status == "running":
        output.lines([_line(run, state)])
        time.sleep(every)
        state = runs.status(opened)
    failures = opened.failures()
    if output.json:
        print_json({"command": "status", "run": str(run), **_told(opened, state, failures, units=units, whole=failed)})
    output.lines(_lines(run, opened, state))
    if units and output.human:
        _show_units(opened, state, output)
    for one in failures:
        output.lines([f"failed: {one.label}: {one.message}"])
        if failed:
            output.lines(
                [f"  attempt {one.attempts}, {one.time}", *(f"  {line}" for line in one.traceback.split("\n"))]
            )
    return 0


def _told(
    opened: "Run", state: "RunStatus", failures: "list[FailureRecord]", *, units: bool, whole: bool
) -> dict[str, Any]:
    """Return the state as JSON gives it."""
    from dataclasses import asdict  # noqa: PLC0415 - keeps --help fast

    told = asdict(state)
    told["failures"] = [
        {"unit": one.label, "error": one.exception, "message": one.message}
        | ({"key": one.key, "attempts": one.attempts, "time": one.time, "traceback": one.traceback} if whole else {})
        for one in failures
    ]
    if units:
        told["units"] = _units(opened, state)
    return told


def _units(opened: "Run", state: "RunStatus") -> list[dict[str, Any]]:
    running = {one.key: one.seconds for one in state.running}
    rows = opened.units().to_dicts()
    for row in rows:
        if row["status"] == "pending" and row["key"] in running:
            row["status"], row["seconds"] = "running", running[row["key"]]
    return rows


def _line(run: Path, state: "RunStatus") -> str:
    """Say in one line how far the run is."""
    parts = [f"{run}: {state.status}, {state.done:,} of {counted(state.planned, 'unit')} done"]
    if state.failed:
        parts.append(f"{state.failed:,} failed")
    if state.rate is not None and state.status == "running":
        parts.append(_speed(state.rate))
    if state.seconds_left is not None and state.estimated_end is not None:
        end = datetime.fromtimestamp(state.estimated_end).astimezone()
        parts.append(f"{duration(state.seconds_left)} left, until about {end:%Y-%m-%d %H:%M}")
    return ", ".join(parts)


def _speed(rate: float) -> str:
    return f"{rate:.3g} per second" if rate >= 1 else f"{duration(1 / rate)} per unit"


def _lines(run: Path, opened: "Run", state: "RunStatus") -> list[str]:
    lines = [_line(run, state)]
    shown = state.running[:_RUNNING_SHOWN]
    lines += [f"running: {one.label}, since {duration(one.seconds)} (process {one.pid})" for one in shown]
    if len(state.running) > len(shown):
        lines.append(f"running: {len(state.running) - len(shown)} more; --json lists all")
    if state.remaining and state.status != "running":
        lines.append(f"{state.remaining:,} to do; the same command that began the run goes on with it:")
        lines.append(f"  {shlex.join(opened.manifest['command'] or [])}")
    return lines


def _show_units(opened: "Run", state: "RunStatus", output: Output) -> None:
    rows = _units(opened, state)
    output.table(
        "Units",
        ("unit", "study", "status", "rows", "seconds", "attempts"),
        [
            (
                row["label"] or row["key"],
                row["study"],
                row["status"],
                "" if row["n_rows"] is None else f"{row['n_rows']:,}",
                "" if row["seconds"] is None else f"{row['seconds']:.3g}",
                str(row["attempts"] or ""),
            )
            for row in rows[:_UNITS_SHOWN]
        ],
    )
    if len(rows) > _UNITS_SHOWN:
        output.lines([f"{len(rows) - _UNITS_SHOWN:,} more; --json lists all."])
