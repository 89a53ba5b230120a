"""The runs of a folder, one line each."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from theodolite.core.errors import NotFoundError, RunError
from theodolite.runs.folder.location import Location, locate
from theodolite.runs.folder.store import Store
from theodolite.runs.reading.run import Run
from theodolite.runs.reading.state import status


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """A line of `theodolite ls`.

    Attributes
    ----------
    path : pathlib.Path or UrlPath
        The folder.
    study : str
        Empty where the manifest is damaged.
    status : str
        As `Run.status`, or "damaged".
    planned, done, failed : int
        Units.
    created : str
        When it was begun.
    n_warnings : int
        Warnings in its manifest.
    """

    path: Location
    study: str = ""
    status: str = "damaged"
    planned: int = 0
    done: int = 0
    failed: int = 0
    created: str = ""
    n_warnings: int = 0


def list_runs(folder: Location | str) -> list[RunEntry]:
    """List the runs in a folder, and the folder itself if it is one, by name.

    Parameters
    ----------
    folder : path or str
        Where runs are kept, such as `runs`.

    Returns
    -------
    list of RunEntry
        Empty where there is none; damaged ones are listed too.

    Raises
    ------
    NotFoundError
        If there is no such folder.
    """
    root = locate(folder)
    if not root.is_dir():
        raise NotFoundError(f"There is no folder {folder}. Runs are kept in `runs` where no other folder was named.")
    inside: Iterable[Location] = root.iterdir()
    return [_entry(one) for one in (root, *sorted(inside, key=str)) if Store(one).exists()]


def _entry(path: Location) -> RunEntry:
    run = Run(path)
    try:
        manifest, far = run.manifest, asdict(status(run))
    except RunError:
        return RunEntry(path=path)
    counts = {name: far[name] for name in ("status", "planned", "done", "failed")}
    return RunEntry(
        path=path,
        study=manifest["study"],
        created=manifest["created"],
        n_warnings=len(manifest["warnings"]),
        **counts,
    )
