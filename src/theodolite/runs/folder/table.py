"""From the files of units to the one table, always the same bytes for the same rows, never all rows in memory."""

import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, TypeAlias, cast

import polars as pl
from polars.io.plugins import register_io_source

from theodolite.core.errors import FormatError
from theodolite.core.hashing import canonical_json
from theodolite.core.number_format import counted
from theodolite.runs.columns import Column
from theodolite.runs.folder.atomic import cannot_write, write_atomically, written_atomically
from theodolite.runs.folder.checked import Checked, Gathered, contents_hash, read_checked, write_checked
from theodolite.runs.folder.location import Location, UrlPath, local_copy, scratch_file
from theodolite.runs.folder.store import Store
from theodolite.runs.folder.summary_file import summary_csv
from theodolite.runs.folder.unit_file import UnitRecord, read_unit_bytes
from theodolite.runs.rows import schema_of

Summarize: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame | Sequence[Mapping[str, Any]]]

STUDY = "study"
"""Column that says which study a row is from, in a table of the rows of several."""
_ROW_GROUP = 1 << 18
_BATCH_ROWS = 1 << 16
_BATCH_FILES = 256
_MOST_WARNINGS = 1000
_CHUNK = 1 << 20
_SUMMARY_ROWS = 1000


@dataclass(frozen=True, slots=True)
class FromScan:
    """A summary that reads of the table what it needs.

    Attributes
    ----------
    make : callable
        From the table, not read yet, to what a `Summarize` returns.
    """

    make: Callable[[pl.LazyFrame], pl.DataFrame | Sequence[Mapping[str, Any]]]


class DamagedUnitsError(FormatError):
    """Files of units are not what was written.

    Attributes
    ----------
    keys : tuple of str
        Units to be done again.
    """

    def __init__(self, message: str, keys: Sequence[str]) -> None:
        super().__init__(message)
        self.keys = tuple(keys)


def compact(
    store: Store,
    columns: Mapping[str, Column],
    keys: Sequence[str],
    summarize: "Summarize | FromScan",
) -> Gathered:
    """Write `table.parquet` and `summary.csv`, and gather what the manifest says about them.

    The table is written row group by row group. Where it is there already, whole and of the same files, it stays, and
    no file of a unit is read.

    Raises
    ------
    RunError
        If the system refuses to write, or the summary is no frame.
    DamagedUnitsError
        If files of units are damaged; nothing is written then.
    """
    stamps = {key: note.stamp for key, note in store.unit_files().items()}
    made_of = contents_hash(columns, keys, stamps)
    known = read_checked(store.path)
    gathered = known.gathered
    if known.made_of != made_of or gathered is None or not is_table(store.table_path, gathered.table["sha256"]):
        units = _Units(store, keys, columns)
        note = write_table(store.table_path, units.frames(), columns)
        gathered = units.gathered(note)
        files = {key: (stamps[key], layout) for key, layout in zip(keys, units.layouts, strict=True) if key in stamps}
        write_checked(store.path, Checked(files=files, made_of=made_of, gathered=gathered))
    with local_copy(store.table_path) as local:
        scan = pl.scan_parquet(local, glob=False)
        summary = summarize.make(scan) if isinstance(summarize, FromScan) else summarize(scan.collect())
    write_atomically(store.summary_path, summary_csv(summary))
    return gathered


class _Units:
    """The rows of units in the order of the table, and what is learned on the way."""

    def __init__(self, store: Store, keys: Sequence[str], columns: Mapping[str, Column]) -> None:
        self._store = store
        self._keys = keys
        self._schema = schema_of(columns)
        self._inputs: dict[str, dict[str, Any]] = {}
        self._warnings: dict[str, None] = {}
        self._seconds = 0.0
        self._parts: dict[str, float] = {}
        self._rows = 0
        self.layouts: list[str] = []

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, those of many small units at once.

        Raises
        ------
        DamagedUnitsError
            After the last unit, if files are damaged.
        """
        batch: list[bytes] = []
        kind, n_rows = ("", ""), 0
        damaged: list[tuple[str, str]] = []
        for key in self._keys:
            try:
                data, record = read_unit_bytes(self._store.unit_path(key))
                if record.key != key:
                    raise FormatError(f"The unit file of {key} is that of another unit.")
            except FormatError as error:
                damaged.append((key, str(error)))
                continue
            if damaged:
                continue
            other = (record.study, record.columns) != kind
            if batch and (other or n_rows >= _BATCH_ROWS or len(batch) >= _BATCH_FILES):
                yield self._frame(batch, kind[0])
                batch, n_rows = [], 0
            batch.append(data)
            kind, n_rows = (record.study, record.columns), n_rows + record.n_rows
            self._learn(record)
        if damaged:
            more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
            raise DamagedUnitsError(f"{damaged[0][1]}{more}", [key for key, _ in damaged])
        if batch:
            yield self._frame(batch, kind[0])

    def _frame(self, batch: Sequence[bytes], study: str) -> pl.DataFrame:
        """Return the rows of some units of one study. What it lacks is None; a column `study` then holds its name."""
        files: list[IO[bytes]] = [io.BytesIO(data) for data in batch]
        frame = pl.read_parquet(files).rechunk()
        if frame.columns == list(self._schema):
            return frame
        known = {STUDY: study}
        missing = [
            pl.lit(known.get(name), dtype=kind).alias(name)
            for name, kind in self._schema.items()
            if name not in frame.columns
        ]
        return frame.with_columns(missing).select(list(self._schema))

    def _learn(self, record: UnitRecord) -> None:
        self.layouts.append(sys.intern(record.columns))
        self._inputs |= {canonical_json(one): dict(one) for one in record.inputs}
        self._warnings |= dict.fromkeys(record.warnings)
        self._seconds += record.seconds
        self._rows += record.n_rows
        for name, spent in record.parts.items():
            self._parts[name] = self._parts.get(name, 0.0) + spent

    def gathered(self, table: tuple[int, str]) -> Gathered:
        """Return what the files add up to, once all frames were taken."""
        warnings = list(self._warnings)
        if len(warnings) > _MOST_WARNINGS:
            left_out = len(warnings) - _MOST_WARNINGS
            warnings = [*warnings[:_MOST_WARNINGS], f"{counted(left_out, 'more warning')} in the files of the units."]
        rows, sha256 = table
        return Gathered(
            table={"rows": rows, "sha256": sha256},
            inputs=list(self._inputs.values()),
            warnings=warnings,
            seconds=round(self._seconds, 3),
            parts={name: round(spent, 3) for name, spent in self._parts.items()},
        )


def write_table(path: Location, frames: Iterable[pl.DataFrame], columns: Mapping[str, Column]) -> tuple[int, str]:
    """Write frames under one another as one parquet file, completely or not at all.

    Parameters
    ----------
    path : pathlib.Path or UrlPath
        Where the file should be.
    frames : iterable of polars.DataFrame
        Frames with exactly these columns. How rows are divided among them does not change the file.
    columns : mapping of str to Column
        Columns of the table.

    Returns
    -------
    tuple of int and str
        Rows, and sha256 of the file. Equal rows give equal bytes, with one version of polars.

    Raises
    ------
    RunError
        If the system refuses to write. What `frames` raises goes through.
    """
    if isinstance(path, UrlPath):
        with scratch_file(path.name) as local:
            written = write_table(local, frames, columns)
            try:
                path.upload(local)
            except OSError as error:
                raise cannot_write(path, error) from error
        return written
    with written_atomically(path) as temporary, temporary.open("xb") as file:
        sink = _Sink(file)
        rows = _write(frames, columns, sink)
        file.flush()
        os.fsync(file.fileno())
    return rows, sink.digest.hexdigest()


def _write(frames: Iterable[pl.DataFrame], columns: Mapping[str, Column], sink: "_Sink") -> int:
    """Have polars write the frames as they come; its own errors give way to those that caused them."""
    schema = schema_of(columns)
    rows = 0
    problem: list[BaseException] = []

    def source(*_: Any) -> Iterator[pl.DataFrame]:
        nonlocal rows
        try:
            for frame in frames:
                rows += frame.height
                yield frame
        except BaseException as error:
            problem.append(error)
            raise

    stream = register_io_source(source, schema=schema)
    target = cast(IO[bytes], sink)
    try:
        stream.sink_parquet(target, compression="zstd", statistics=True, row_group_size=_ROW_GROUP, maintain_order=True)
    except Exception:
        for cause in (*problem, *sink.problems):
            raise cause from None
        raise
    return rows


class _Sink:
    """A file that takes its checksum while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.problems: list[OSError] = []

    def write(self, data: bytes) -> int:
        """Write and count in."""
        try:
            self._file.write(data)
        except OSError as error:
            self.problems.append(error)
            raise
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""


def is_table(path: Location, sha256: str) -> bool:
    """Say whether a file is there and has this checksum, without holding it in memory."""
    try:
        if isinstance(path, UrlPath):
            return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return False
    return digest.hexdigest() == sha256


def default_summary(table: pl.DataFrame) -> pl.DataFrame:
    """Return the first 1000 rows."""
    return table.head(_SUMMARY_ROWS)
