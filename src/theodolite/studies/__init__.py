"""Studies by name: one file per experiment, the only place where sources and numerics meet."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from theodolite.core.progress import Progress
    from theodolite.runs import Run, Runner
    from theodolite.runs.runners import OnError, RunnerName
    from theodolite.studies.reported import ReportedStudy

STUDIES = {
    "dimension": "theodolite.studies.dimension.study",
    "rank": "theodolite.studies.rank.study",
    "layers": "theodolite.studies.layers.study",
    "neighbors": "theodolite.studies.neighbors.study",
    "probe": "theodolite.studies.probe.study",
    "similarity": "theodolite.studies.similarity.study",
    "survey": "theodolite.studies.survey.study",
    "training": "theodolite.studies.training.study",
    "transfer": "theodolite.studies.transfer.study",
}


def resolve(name: str) -> "ReportedStudy":
    """Return the study called `name`.

    Parameters
    ----------
    name : str
        A name of `STUDIES`.

    Returns
    -------
    ReportedStudy
        The module, imported now if it was not yet.

    Raises
    ------
    ParameterError
        If no study is called so; the message suggests the closest name.

    Examples
    --------
    >>> resolve("dimension").NAME
    'dimension'
    """
    from theodolite.runs.study import find_study  # noqa: PLC0415 - keeps `import theodolite.studies` light

    return cast("ReportedStudy", find_study(name, STUDIES))


def run(
    name: str,
    *,
    out: Path | str | None = None,
    runner: "RunnerName | Runner" = "serial",
    workers: int | None = None,
    address: str | None = None,
    shard: str | None = None,
    on_error: "OnError" = "continue",
    progress: "Progress | None" = None,
    **settings: Any,
) -> "Run":
    """Run a study, or go on with it: units that are already there are kept.

    Parameters
    ----------
    name : str
        A name of `STUDIES`.
    out : path, optional
        Run folder; by default `runs/<name>-<hash of the settings>`.
    runner : {"serial", "processes", "ray"} or Runner
        Who does the units of work: this process, processes of this machine, or Ray (`pip install theodolite[ray]`).
        The table is the same.
    workers : int, optional
        Units at a time; by default one for each GPU.
    address : str, optional
        Of an existing Ray cluster, such as "auto".
    shard : str, optional
        Do only this share of the units, such as "2/4", beside other processes that do the others into the same folder.
        Whichever finds all units done writes the table.
    on_error : {"continue", "stop"}
        What to do when a unit fails: go on and report it at the end, or stop there.
    progress : Progress, optional
        Told how far the run is.
    **settings
        Fields of the study's `Config`.

    Returns
    -------
    Run
        The finished run: `.table()` is a polars frame with the study's columns, empty where every unit failed.

    Warns
    -----
    RunWarning
        If units failed: how many, and why the first did.

    Raises
    ------
    ParameterError
        If a setting is unknown or of the wrong type, or there is no such runner or shard.
    RunError
        If the folder holds a run with other settings, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     finished = run("dimension", references=["bundled:pocket-64"], which=["input"], nulls=[], out=folder)
    ...     finished.status
    'success'
    """
    from theodolite.core.errors import RunWarning  # noqa: PLC0415 - keeps `import theodolite.studies` light
    from theodolite.core.number_format import counted  # noqa: PLC0415
    from theodolite.runs import config_from_mapping  # noqa: PLC0415
    from theodolite.runs.runners import make_runner  # noqa: PLC0415

    config = config_from_mapping(resolve(name).Config, settings)
    chosen = make_runner(runner, workers=workers, address=address)
    finished = execute(name, config, out=out, runner=chosen, shard=shard, on_error=on_error, progress=progress)
    if failures := finished.failures():
        many = f"{counted(len(failures), 'unit')} failed; see failures.jsonl in {finished.path}."
        warnings.warn(f"{many} The first, {failures[0].label}: {failures[0].message}", RunWarning, stacklevel=2)
    return finished


def execute(
    name: str,
    config: Any,
    *,
    out: Path | str | None = None,
    runner: "RunnerName | Runner" = "serial",
    shard: str | None = None,
    on_error: "OnError" = "continue",
    progress: "Progress | None" = None,
    command: "Sequence[str] | None" = None,
) -> "Run":
    """Run a study with a config that is already made; otherwise as `run`."""
    from theodolite import runs  # noqa: PLC0415 - keeps `import theodolite.studies` light
    from theodolite.runs.runners import make_runner  # noqa: PLC0415
    from theodolite.studies.reported import summary_of  # noqa: PLC0415

    study = resolve(name)
    folder = out if out is not None else default_folder(name, config)
    return runs.execute(
        study,
        config,
        out=folder,
        resolve=STUDIES,
        runner=make_runner(runner),
        shard=shard,
        on_error=on_error,
        progress=progress,
        command=command,
        summarize=summary_of(study),
    )


def default_folder(name: str, config: Any) -> Path:
    """Return the folder of a run that was given none: `runs/<name>-<hash of the settings>`.

    A run that was begun there before some of the settings existed is gone on with.
    """
    from theodolite import runs  # noqa: PLC0415 - keeps `import theodolite.studies` light
    from theodolite.core.hashing import hash_json  # noqa: PLC0415
    from theodolite.runs.upgrade import begun_before  # noqa: PLC0415

    settings = runs.config_to_mapping(config)
    folder = Path("runs", f"{name}-{hash_json(settings)[:8]}")
    others = [] if folder.exists() else sorted(Path("runs").glob(f"{name}-{'[0-9a-f]' * 8}"))
    return next((one for one in others if begun_before(one, resolve(name), settings)), folder)
