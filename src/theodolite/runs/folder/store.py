"""The run folder on disk: where each file lies, and how it is read and written."""

import io
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from theodolite.core.errors import FormatError, RunError
from theodolite.core.hashing import hash_json
from theodolite.core.redaction import redacted
from theodolite.runs.folder.atomic import (
    TEMPORARY_SUFFIX,
    append_line,
    cannot_write,
    remove_leftovers,
    write_atomically,
)
from theodolite.runs.folder.location import FileNote, Location, UrlPath
from theodolite.runs.folder.lock import LOCK_NAME
from theodolite.runs.folder.manifest import Manifest, manifest_bytes, parse_manifest
from theodolite.runs.folder.unit_file import read_unit_record
from theodolite.runs.runner import Failure
from theodolite.runs.shards.files import all_failures_paths, with_shards
from theodolite.runs.unit import Unit, is_key

_MANY = 4096
"""Units from which on their files are spread over folders by the first two digits of their keys."""
_SUFFIX = ".parquet"
_SHARDS = tuple(f"{number:02x}" for number in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecord:
    """A unit that could not be done: one line of `failures.jsonl`."""

    key: str
    label: str
    exception: str
    message: str
    traceback: str
    attempts: int
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUnit:
    """A unit as `plan.jsonl` lists it."""

    key: str
    study: str
    version: int
    group: str
    label: str
    params: Mapping[str, Any]
    later: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Store:
    """A run folder. Nothing is read or written before a method is called.

    Examples
    --------
    >>> Store(Path("runs/demo")).unit_path("0123456789abcdef0123").as_posix()
    'runs/demo/units/0123456789abcdef0123.parquet'
    """

    path: Location

    @property
    def manifest_path(self) -> Location:
        """What the run is and how far it has come."""
        return self.path / "manifest.json"

    @property
    def study_path(self) -> Location:
        """Runs exactly this again."""
        return self.path / "study.yaml"

    @property
    def plan_path(self) -> Location:
        """The units in the order of the table."""
        return self.path / "plan.jsonl"

    @property
    def failures_path(self) -> Location:
        """Units that could not be done; absent when there is none."""
        return self.path / "failures.jsonl"

    @property
    def table_path(self) -> Location:
        """All rows."""
        return self.path / "table.parquet"

    @property
    def summary_path(self) -> Location:
        """The small table a person reads."""
        return self.path / "summary.csv"

    @property
    def units_path(self) -> Location:
        """Folder of the units' rows."""
        return self.path / "units"

    @property
    def figures_path(self) -> Location:
        """Folder of figures and the data behind them."""
        return self.path / "figures"

    def unit_path(self, key: str) -> Location:
        """Where the rows of a unit lie: in `units`, or in a folder there where the run has many."""
        units = self.units_path
        if isinstance(units, Path) and (spread := units / key[:2]).is_dir():
            units = spread
        return units / f"{key}{_SUFFIX}"

    @property
    def _spread(self) -> list[Path]:
        """The folders that the files of many units are spread over; none in a run of few."""
        units = self.units_path
        if isinstance(units, UrlPath) or not (units / _SHARDS[0]).is_dir():
            return []
        return [units / name for name in _SHARDS]

    def exists(self) -> bool:
        """Say whether the folder is a run."""
        return self.manifest_path.is_file()

    def refuse_foreign(self) -> None:
        """Refuse a path that is no folder, or a folder with other things in it.

        Raises
        ------
        RunError
            If a run must not be put there.
        """
        try:
            if not self.path.exists() or self.exists():
                return
            if not self.path.is_dir():
                raise RunError(f"{self.path} is a file, but a run needs a folder. Choose another one with --out.")
            strangers = sorted(one.name for one in self.path.iterdir() if not _is_leftover(one.name))
        except OSError as error:
            raise cannot_write(self.path, error) from error
        if strangers and not self.exists():  # another shard may have begun the run meanwhile
            shown = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
            raise RunError(
                f"{self.path} is not empty and is not a run (it holds {shown}). "
                "Choose a new or empty folder with --out."
            )

    def create(self) -> None:
        """Make the folder, so that it can be locked.

        Raises
        ------
        RunError
            If the system refuses.
        """
        make_folder(self.path)

    def create_inside(self, n_units: int = 0) -> None:
        """Make the folders in it. The manifest comes before them, so that the folder is known for a run by then.

        Parameters
        ----------
        n_units : int
            How many are planned. File systems slow down where very many files share one folder, so many units are
            spread over 256. Behind a URL folders are only names.

        Raises
        ------
        RunError
            If the system refuses.
        """
        units = self.units_path
        if n_units > _MANY and isinstance(units, Path):
            _spread_folder(units)
        make_folder(units)
        make_folder(self.figures_path)

    def clear_leftovers(self) -> None:
        """Delete what a killed process left half written. Call it only while holding the lock."""
        if isinstance(self.path, Path):
            for folder in (self.path, self.path / "units", *self._spread):
                remove_leftovers(folder)

    def clear_leftovers_of(self, keys: Collection[str]) -> None:
        """Delete what a killed process left half written of these units. Call it only while holding their shard."""
        units = self.units_path
        if isinstance(units, Path):
            for folder in (units, *self._spread):
                remove_leftovers(folder, keys)

    def read_manifest(self) -> Manifest:
        """Read the manifest with the sessions of shards, or raise `RunError` where it is damaged."""
        return with_shards(self.path, parse_manifest(self.manifest_path))

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, or raise `RunError` where the system refuses."""
        write_atomically(self.manifest_path, manifest_bytes(manifest))

    def write_plan(self, units: Sequence[Unit]) -> None:
        """Write the list of units, or raise `RunError` where the system refuses."""
        write_atomically(self.plan_path, plan_bytes(units))

    def read_plan(self) -> list[PlannedUnit]:
        """Return the units in the order of the table; an empty list where the run never came so far.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        if not self.plan_path.exists():
            return []
        try:
            lines = self.plan_path.read_text(encoding="utf-8").splitlines()
            units = [PlannedUnit(**json.loads(line)) for line in lines]
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{self.plan_path} is damaged ({error}). Run the study again to write it anew.") from error
        strange = [unit.key for unit in units if not is_key(unit.key)]
        if strange:
            raise RunError(f"{self.plan_path} is damaged: {strange[0]!r} is not the key of a unit.")
        return units

    def finished_keys(self) -> set[str]:
        """Return the keys of all units with a file, looking into none of them."""
        return set(self.unit_files())

    def unit_files(self) -> dict[str, FileNote]:
        """Return for each unit with a file what a listing says of it, looking into none of them.

        Raises
        ------
        RunError
            If the folder cannot be listed.
        """
        units = self.units_path
        try:
            if isinstance(units, UrlPath):
                listed = units.files()
            else:
                listed = {}
                for folder in (units, *self._spread):
                    listed |= _listed(folder)
                return listed
        except OSError as error:
            raise RunError(f"Cannot list {units}: {error.strerror}.") from error
        found = ((name.removesuffix(_SUFFIX), note) for name, note in listed.items() if name.endswith(_SUFFIX))
        return {key: note for key, note in found if is_key(key)}

    def delete_unit(self, key: str) -> None:
        """Delete the file of a unit, or raise `RunError` where the system refuses."""
        path = self.unit_path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error

    def is_intact(self, unit: Unit, columns: str) -> bool:
        """Say whether the unit's file is there, whole, and holds columns of this `columns_hash`."""
        try:
            record = read_unit_record(self.unit_path(unit.key))
        except FormatError:
            return False
        return record.key == unit.key and record.columns == columns

    def append_failure(self, record: FailureRecord, path: Location | None = None) -> None:
        """Add a line to `failures.jsonl`, or to a shard's list, at once, so that a kill does not lose it.

        Raises
        ------
        RunError
            If the system refuses.
        """
        append_line(path or self.failures_path, _line(record))

    def read_failures(self) -> dict[str, FailureRecord]:
        """Return the latest failure of each unit; lines that a kill cut short are passed over."""
        records: dict[str, FailureRecord] = {}
        for path in (self.failures_path, *all_failures_paths(self.path)):
            for record in _read_failures(path):
                if record.key not in records or records[record.key].attempts <= record.attempts:
                    records.pop(record.key, None)
                    records[record.key] = record
        return records

    def replace_failures(self, records: Iterable[FailureRecord], path: Location | None = None) -> None:
        """Leave these failures on record, or in a shard's list, and no others there.

        Raises
        ------
        RunError
            If the system refuses.
        """
        path = path or self.failures_path
        lines = b"".join(_line(record) + b"\n" for record in records)
        if lines:
            write_atomically(path, lines)
            return
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error


def failure_record(unit: Unit, failure: Failure, attempts: int, time: str) -> FailureRecord:
    """Return the line that `failures.jsonl` keeps of a failed unit, without secrets."""
    return FailureRecord(
        key=unit.key,
        label=unit.label,
        exception=failure.exception,
        message=redacted(failure.message),
        traceback=redacted(failure.traceback),
        attempts=attempts,
        time=time,
    )


def plan_hash(units: Sequence[Unit]) -> str:
    """Return a hash of the units and their order."""
    return hash_json([unit.key for unit in units])


def plan_bytes(units: Sequence[Unit]) -> bytes:
    """Return the content of `plan.jsonl`."""
    *names, later = PlannedUnit.__dataclass_fields__
    content = io.BytesIO()  # line by line: a list of all lines would be as large again
    for unit in units:
        line = {name: getattr(unit, name) for name in (*names, *([later] if unit.later else []))}
        content.write(json.dumps(line).encode() + b"\n")
    return content.getvalue()


def _listed(folder: Path) -> dict[str, FileNote]:
    """Return size and time of writing of the units' files in a folder, by key; nothing where there is no folder."""
    listed = {}
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for one in entries:
            key = one.name.removesuffix(_SUFFIX)
            if key != one.name and is_key(key):
                with suppress(FileNotFoundError):
                    about = one.stat()
                    stamp = f"{about.st_size}/{about.st_mtime_ns}"
                    listed[key] = FileNote(stamp=stamp, written=about.st_mtime)
    return listed


def _spread_folder(units: Path) -> None:
    """Make the folder of many units in one step, because other processes may begin at the same moment."""
    if units.exists():
        return
    temporary = units.with_name(f".{units.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        for name in _SHARDS:
            (temporary / name).mkdir(parents=True)
        temporary.rename(units)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if not units.is_dir():  # by another process, with units in it
            raise cannot_write(units, error) from error


def make_folder(folder: Location) -> None:
    """Make a folder and those above it, or raise `RunError` where the system refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _read_failures(path: Location) -> Iterator[FailureRecord]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with suppress(ValueError, TypeError):
            yield FailureRecord(**json.loads(line))


def _line(record: FailureRecord) -> bytes:
    return json.dumps(asdict(record)).encode()


def _is_leftover(name: str) -> bool:
    """Say whether a file of this name comes from a driver that was killed before it wrote a manifest."""
    return name.startswith(".") and name.endswith((LOCK_NAME, TEMPORARY_SUFFIX))
