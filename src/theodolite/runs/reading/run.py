"""Reading a run folder: its table, its units, its failures, how far it has come."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from theodolite.core.display import card
from theodolite.core.errors import FormatError, NotFoundError, RunError
from theodolite.core.hashing import hash_file
from theodolite.core.number_format import counted
from theodolite.runs.folder.atomic import write_atomically
from theodolite.runs.folder.location import Location, locate
from theodolite.runs.folder.lock import is_locked
from theodolite.runs.folder.manifest import Manifest
from theodolite.runs.folder.store import FailureRecord, Store
from theodolite.runs.folder.table import STUDY
from theodolite.runs.folder.unit_file import read_unit_file, read_unit_record
from theodolite.runs.rows import type_of

_UNITS_SCHEMA = {
    "key": pl.String,
    "study": pl.String,
    "group": pl.String,
    "label": pl.String,
    "status": pl.String,
    "n_rows": pl.Int64,
    "seconds": pl.Float64,
    "attempts": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class Run:
    """A folder with everything a study produced. Each property reads the folder as it is now.

    Attributes
    ----------
    path : pathlib.Path or UrlPath
        The folder.
    """

    path: Location

    @property
    def store(self) -> Store:
        """Where each file of the run lies."""
        return Store(self.path)

    @property
    def manifest(self) -> Manifest:
        """What the run is, what it was computed from and with."""
        return self.store.read_manifest()

    @property
    def status(self) -> str:
        """One of running, success, partial, interrupted, failed.

        A run that says "running" while no process holds its folder was killed, and is called interrupted.
        """
        stated = self.manifest["status"]
        return "interrupted" if stated == "running" and not is_locked(self.path) else stated

    @property
    def warnings(self) -> list[str]:
        """What a reader of the numbers should know."""
        return list(self.manifest["warnings"])

    @property
    def config(self) -> dict[str, object]:
        """The settings, as JSON gives them."""
        return dict(self.manifest["config"])

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what the run is, how it went, and what it holds."""
        manifest = self.manifest
        counts, table = manifest["units"], manifest["table"]
        facts = {
            "study": manifest["study"],
            "status": self.status,
            "units": f"{counts['kept'] + counts['done']:,} of {counts['planned']:,} done, {counts['failed']:,} failed",
            "table": "not yet" if table is None else f"{counted(table['rows'], 'row')}: .table()",
            "warnings": str(len(manifest["warnings"])),
            "folder": str(self.path),
        }
        return card("Run", facts)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Give a folder of this machine to write figures and pages to: the run's own, or one that is put there after.

        Raises
        ------
        RunError
            If the system refuses to write.
        """
        if isinstance(self.path, Path):
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="theodolite-") as folder:
            yield Path(folder)
            for local in sorted(Path(folder).rglob("*")):
                if local.is_file():
                    write_atomically(self.path / local.relative_to(folder).as_posix(), local.read_bytes())

    def table(self) -> pl.DataFrame:
        """Return all rows, in the order of the plan; of a run that is not finished, those that are there.

        The columns are those of the study, also where no unit could be done.

        Raises
        ------
        RunError
            If `table.parquet` is damaged or missing although the manifest knows it.
        """
        return self.scan().collect()

    def scan(self) -> pl.LazyFrame:
        """Return the rows of `table` as a frame that reads only what is asked of it.

        Raises
        ------
        RunError
            If `table.parquet` is damaged or missing although the manifest knows it.
        """
        stated = self.manifest["table"]
        if stated is not None:
            return self._finished_table(stated["sha256"])
        return self._rows_so_far().lazy()

    def _rows_so_far(self) -> pl.DataFrame:
        finished, study = self.store.finished_keys(), self.manifest["study"]
        frames = []
        for unit in self.store.read_plan():
            if unit.key in finished:
                try:
                    frame = read_unit_file(self.store.unit_path(unit.key))[0]
                except FormatError:  # the next session finds it and does it again
                    continue
                frames.append(frame if unit.study == study else frame.with_columns(pl.lit(unit.study).alias(STUDY)))
        schema = {name: type_of(kind) for name, kind in self.manifest.get("columns", {}).items()}
        whole = pl.concat([pl.DataFrame(schema=schema), *frames], how="diagonal_relaxed", rechunk=True)
        return whole.select(list(schema)) if schema else whole

    def _finished_table(self, sha256: str) -> pl.LazyFrame:
        path = self.store.table_path
        advice = "Run the study again: the table is written anew from the units, which are kept."
        try:
            data = path if isinstance(path, Path) else path.read_bytes()
            found = hash_file(data) if isinstance(data, Path) else hashlib.sha256(data).hexdigest()
        except OSError as error:
            raise RunError(f"Cannot read {path}: {error.strerror}. {advice}") from error
        if found != sha256:
            raise RunError(f"{path} is damaged: its checksum is not the one in the manifest. {advice}")
        return pl.scan_parquet(data, glob=False)

    def units(self) -> pl.DataFrame:
        """Return one row for each planned unit: status (done, failed, pending), rows, seconds, attempts."""
        finished, failures = self.store.finished_keys(), self.store.read_failures()
        rows = []
        for unit in self.store.read_plan():
            row: dict[str, object] = {
                "key": unit.key,
                "study": unit.study,
                "group": unit.group,
                "label": unit.label,
                "status": "pending",
            }
            if unit.key in finished:
                try:
                    record = read_unit_record(self.store.unit_path(unit.key))
                    row |= {"status": "done", "n_rows": record.n_rows, "seconds": record.seconds}
                    row["attempts"] = record.attempts
                except FormatError:
                    pass
            elif unit.key in failures:
                row |= {"status": "failed", "attempts": failures[unit.key].attempts}
            rows.append(row)
        return pl.DataFrame(rows, schema=_UNITS_SCHEMA)

    def failures(self) -> list[FailureRecord]:
        """Return the units that could not be done and are not done since."""
        finished = self.store.finished_keys()
        return [record for key, record in self.store.read_failures().items() if key not in finished]


def open_run(path: Location | str) -> Run:
    """Open an existing run folder.

    Parameters
    ----------
    path : path or str
        The folder or its URL, or a file directly in it such as its manifest.

    Returns
    -------
    Run
        For reading; nothing is changed.

    Raises
    ------
    NotFoundError
        If there is nothing there.
    RunError
        If it is no run, or its manifest is damaged.

    Examples
    --------
    >>> open_run("no/such/run")
    Traceback (most recent call last):
    ...
    theodolite.core.errors.NotFoundError: There is no run at no/such/run. `theodolite ls` lists the runs of a folder.
    """
    folder = locate(path)
    if folder.is_file():
        folder = folder.parent
    run = Run(folder)
    if not folder.exists():
        raise NotFoundError(f"There is no run at {path}. `theodolite ls` lists the runs of a folder.")
    if not run.store.exists():
        raise RunError(f"{folder} is not a run: it has no manifest.json. `theodolite ls` lists the runs of a folder.")
    run.store.read_manifest()
    return run
