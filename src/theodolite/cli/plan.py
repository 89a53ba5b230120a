"""Command that says what a study will take."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from theodolite.cli.amounts import duration, parse_duration, size
from theodolite.cli.options import Speech
from theodolite.cli.output import Output, print_json
from theodolite.core.errors import ParameterError
from theodolite.core.number_format import counted

if TYPE_CHECKING:
    from theodolite.runs.reading.forecast import Forecast
    from theodolite.studies.planning import StudyPlan

_GROUPS_SHOWN = 20


def plan(
    study: Path,
    *,
    pilot: str | None = None,
    fetch: bool = False,
    workers: int = 1,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Show what a study will take before it starts: units, downloads, disk, memory, and time from a timed pilot.

    Of a run folder, it shows what is left. Without --pilot and --fetch only headers and small files are read.

    Parameters
    ----------
    study
        A YAML file with `study` and `config`, or a run folder.
    pilot
        Do a few units that stand for all and time them: how many (8), or for how long (60s, 5m). They are kept in the
        run folder, and the run goes on from there.
    fetch
        Fetch weights where they are needed to list the units or for the pilot.
    workers
        Workers that the time is shared by.
    out
        Run folder; by default a folder in ./runs named after the settings.
    """
    from theodolite import runs, studies  # noqa: PLC0415 - keeps --help fast
    from theodolite.runs.folder.location import locate  # noqa: PLC0415
    from theodolite.studies.planning import plan_study  # noqa: PLC0415
    from theodolite.tables import reporting_to  # noqa: PLC0415

    if workers < 1:
        raise ParameterError(f"--workers must be 1 or more, not {workers}.")
    units, seconds = _parse_pilot(pilot)
    file, folder = locate(study), None if out is None else locate(out)
    if file.is_dir():
        folder = runs.open_run(file).path
        file = folder / "study.yaml"
    name, _, mapping = runs.read_study_file(file)
    config = runs.config_from_mapping(studies.resolve(name).Config, mapping)
    with reporting_to(output.downloads()):
        found = plan_study(
            name,
            config,
            out=folder,
            pilot=units,
            pilot_seconds=seconds,
            fetch=fetch,
            progress=output.progress(),
            command=["theodolite", "run", str(file), *(["--out", str(folder)] if folder is not None else [])],
        )
    if output.json:
        print_json({"command": "plan", "status": "success", "workers": workers, **found.as_dict()})
    _show(found, workers, output)
    return 0


def _parse_pilot(pilot: str | None) -> tuple[int | None, float | None]:
    """Return the units and the seconds of a pilot, one of them None."""
    if pilot is None:
        return None, None
    if pilot.isdecimal():
        return int(pilot), None
    try:
        return None, parse_duration(pilot)
    except ParameterError as error:
        raise ParameterError(f"--pilot takes a number of units, or a span of time. {error}") from None


def _show(found: "StudyPlan", workers: int, output: Output) -> None:
    forecast = found.forecast
    lines = [f"{found.study} in {found.run}"]
    if forecast is not None:
        done = f", {forecast.done:,} done, {forecast.remaining:,} left" if forecast.done else ""
        lines.append(f"units: {forecast.planned:,}{done}")
    elif found.n_units is not None:
        lines.append(f"units: {found.n_units:,}, counted from headers")
    else:
        lines.append("units: known once the weights are here (--fetch)")
    output.lines(lines)
    if forecast is not None:
        _show_groups(forecast, output)
    _show_downloads(found, output)
    output.lines(_needs(found, workers))


def _show_groups(forecast: "Forecast", output: Output) -> None:
    rows = [(one.study, one.group, f"{one.planned:,}", f"{one.done:,}") for one in forecast.groups]
    output.table("", ("study", "group", "units", "done"), rows[:_GROUPS_SHOWN])
    if len(rows) > _GROUPS_SHOWN:
        rest = Counter(one.study for one in forecast.groups[_GROUPS_SHOWN:])
        output.lines(
            [f"and {counted(count, 'more group')} of {study}; --json lists all" for study, count in rest.items()]
        )


def _show_downloads(found: "StudyPlan", output: Output) -> None:
    missing = [one for one in found.costs if one.n_missing]
    if not missing:
        output.lines(["downloads: none, everything is on this machine"])
        return
    output.lines([f"downloads: {size(found.n_missing)} (free where they are kept: {size(found.cache_free)})"])
    rows = [(one.reference, one.what, size(one.n_bytes), size(one.n_missing)) for one in missing]
    output.table("", ("reference", "what", "size", "to fetch"), rows[:_GROUPS_SHOWN])
    if found.n_missing > found.cache_free:
        output.say("warning: the downloads do not fit on the disk. THEODOLITE_CACHE names another place.")


def _needs(found: "StudyPlan", workers: int) -> list[str]:
    """Return the lines on disk, memory and time."""
    free = "" if found.disk_free is None else f" (free: {size(found.disk_free)})"
    disk = "known after a pilot" if found.disk_run is None else f"about {size(found.disk_run)}"
    lines = [f"disk of the run: {disk}{free}"]
    memory = f"memory of each worker: {size(found.memory)} for the largest table or model, and room to compute"
    if found.peak_memory is not None:
        memory += f"; the pilot's process held {size(found.peak_memory)} at most"
    if found.peak_device_memory is not None:
        memory += f", {size(found.peak_device_memory)} of them on its device"
    return [*lines, memory, _time(found, workers)]


def _time(found: "StudyPlan", workers: int) -> str:
    forecast = found.forecast
    if forecast is not None and not forecast.remaining:
        return "time: nothing is left to do"
    if forecast is None or forecast.seconds is None:
        return "time: known after a pilot (--pilot 8, or --pilot 60s)"
    told: dict[str, Any] = {"low": forecast.low, "high": forecast.high}
    between = ""
    if forecast.low is not None and forecast.high is not None:
        between = f" (95 %: {duration(told['low'] / workers)} to {duration(told['high'] / workers)})"
    by = counted(workers, "worker")
    return (
        f"time: {duration(forecast.seconds / workers)}{between} with {by}, from "
        f"{counted(forecast.n_timed, 'timed unit')}"
    )
