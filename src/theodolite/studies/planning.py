"""What a study will take before it starts: units, downloads, disk, memory, time."""

import resource
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from theodolite import runs
from theodolite.core.errors import ParameterError
from theodolite.core.progress import Progress
from theodolite.runs.execution import known_units, planned, refuse_other_config
from theodolite.runs.folder.location import Location, locate
from theodolite.runs.folder.store import Store
from theodolite.runs.reading.forecast import Forecast, PilotOverError, PilotRunner, forecast
from theodolite.studies import STUDIES, default_folder, resolve
from theodolite.studies.needs import costs_of, count_units
from theodolite.studies.reported import ReportedStudy
from theodolite.tables import cache_folder
from theodolite.tables.cost import Cost

_COPIES = 2  # each row lies in the file of its unit, and in the table
_PILOT_UNITS = 64  # at most, where a pilot is limited by time


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What a study will take.

    Attributes
    ----------
    study : str
        Its name.
    run : str
        The run folder that is meant.
    n_units : int or None
        Units in all; None where only the weights and texts, which are not here yet, can tell.
    forecast : Forecast or None
        The units themselves and the time they take; None while weights would have to be fetched to list them.
    costs : tuple of Cost
        What each reference costs to read.
    n_missing : int
        Bytes that would be fetched.
    disk_run, disk_free : int or None
        Bytes that the run folder will take, known once units were timed; bytes that are free there.
    cache_free : int
        Bytes that are free where downloads are kept.
    memory : int
        Bytes of the largest table or model in memory: each worker needs that, and room to compute.
    peak_memory, peak_device_memory : int or None
        Most that this process, and its accelerator, held during the pilot.
    """

    study: str
    run: str
    n_units: int | None
    forecast: Forecast | None
    costs: tuple[Cost, ...]
    n_missing: int
    disk_run: int | None
    disk_free: int | None
    cache_free: int
    memory: int
    peak_memory: int | None = None
    peak_device_memory: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the same as nested dicts and lists, fit for JSON."""
        return asdict(self)


def plan_study(
    name: str,
    config: Any,
    *,
    out: Location | str | None = None,
    pilot: int | None = None,
    pilot_seconds: float | None = None,
    fetch: bool = False,
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> StudyPlan:
    """Say what a study will take, before it starts or of what is left of it.

    Parameters
    ----------
    name : str
        A name of `STUDIES`.
    config : dataclass
        An instance of its `Config`.
    out : path or str, optional
        The run folder; by default that of `run`. Units that are done there count as done, and their times as known.
    pilot : int, optional
        Do this many units that stand for all, in the run folder: they are kept, and the run goes on from there.
    pilot_seconds : float, optional
        Do such units for about this long.
    fetch : bool
        Whether weights may be fetched to list the units or to do those of the pilot.
    progress : Progress, optional
        Told about each unit of the pilot.
    command : sequence of str, optional
        The command line that goes on with the run, for its manifest.

    Returns
    -------
    StudyPlan
        Without a pilot and without `fetch`, nothing is written but the small files and headers that `describe` reads.

    Raises
    ------
    ParameterError
        If the pilot would have to fetch weights and `fetch` is off, or is to do less than one unit.
    RunError
        If the folder holds another run.
    TheodoliteError
        If a reference cannot be read.
    """
    if (pilot is not None and pilot < 1) or (pilot_seconds is not None and not pilot_seconds > 0):
        raise ParameterError("A pilot needs at least one unit, or some seconds.")
    study, folder = resolve(name), locate(out if out is not None else default_folder(name, config))
    store = Store(folder)
    refuse_other_config(store, study, runs.config_to_mapping(config))
    costs = tuple(costs_of(name, config))
    missing = sum(one.n_missing for one in costs)
    piloted = pilot is not None or pilot_seconds is not None
    if missing and piloted and not fetch:
        raise ParameterError(
            f"A pilot needs the weights, of which {missing:,} bytes are not on this machine. Allow it to fetch them "
            "(--fetch), or leave the pilot out."
        )
    if piloted:
        runner = PilotRunner(pilot or _PILOT_UNITS, pilot_seconds)
        _do_pilot(study, config, folder, runner=runner, progress=progress, command=command)
    found = None
    if not missing or fetch:
        units = known_units(store, planned(study, config, STUDIES)[0], study, STUDIES)
        found = forecast(units, store if store.exists() else None)
        costs = tuple(costs_of(name, config)) if missing else costs
    unit_bytes = None if found is None else found.unit_bytes
    return StudyPlan(
        study=name,
        run=str(folder),
        n_units=found.planned if found is not None else count_units(name, config, costs),
        forecast=found,
        costs=costs,
        n_missing=sum(one.n_missing for one in costs),
        disk_run=None if found is None or unit_bytes is None else round(unit_bytes * found.planned * _COPIES),
        disk_free=_free(folder) if isinstance(folder, Path) else None,
        cache_free=_free(cache_folder()),
        memory=max((one.memory for one in costs), default=0),
        peak_memory=_peak_memory() if piloted else None,
        peak_device_memory=_peak_device_memory() if piloted else None,
    )


def _do_pilot(
    study: ReportedStudy,
    config: Any,
    folder: Location,
    *,
    runner: PilotRunner,
    progress: Progress | None,
    command: Sequence[str] | None,
) -> None:
    try:
        runs.execute(
            study,
            config,
            out=folder,
            resolve=STUDIES,
            runner=runner,
            progress=progress,
            command=command,
            summarize=study.summary_frame,
        )
    except PilotOverError:
        return


def _free(folder: Path) -> int:
    """Return the bytes that are free where a folder is or would be made."""
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    return shutil.disk_usage(there).free


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _peak_device_memory() -> int | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated())
