"""One unit's rows in one sealed parquet file, with what the manifest gathers: inputs, warnings, seconds."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from theodolite.core.errors import FormatError
from theodolite.runs.folder.atomic import write_atomically
from theodolite.runs.folder.location import Location
from theodolite.runs.folder.sealed import read_sealed, said_beside, sealed_bytes

_QUICK = 0.1
"""Seconds of work that are sooner done again than the disk is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRecord:
    """What a unit's file says beside its rows.

    Attributes
    ----------
    key, study, version, label
        Of the unit.
    columns : str
        `columns_hash` of the columns the rows were held to.
    n_rows : int
        Number of rows.
    seconds : float
        Time the unit took.
    attempts : int
        How many times it was tried, this one included.
    inputs : list of dict
        Provenance of what it read.
    warnings : list of str
        What a reader of the numbers should know.
    parts : dict of str to float
        Seconds that parts of the work took.
    notes : dict
        How the work was done.
    """

    key: str
    study: str
    version: int
    label: str
    columns: str
    n_rows: int
    seconds: float
    attempts: int = 1
    inputs: Sequence[Mapping[str, Any]] = field(default_factory=list)
    warnings: Sequence[str] = field(default_factory=list)
    parts: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


def write_unit_file(path: Location, frame: pl.DataFrame, record: UnitRecord) -> None:
    """Write rows and record to `path`, completely or not at all.

    The disk is waited for unless the unit took less than a tenth of a second: such a file survives the death of the
    process like any other, but not surely that of the machine. Then its checksum tells, and the unit is done again.

    Raises
    ------
    RunError
        If the system refuses to write.
    """
    write_atomically(path, sealed_bytes(frame, asdict(record)), forced=record.seconds >= _QUICK)


def read_unit_record(path: Location) -> UnitRecord:
    """Check a unit's file and return what it says beside its rows.

    Raises
    ------
    FormatError
        If the file cannot be read, or is not what `write_unit_file` wrote, bit by bit.
    """
    return read_unit_bytes(path)[1]


def read_unit_bytes(path: Location) -> tuple[bytes, UnitRecord]:
    """Check a unit's file and return its content and what it says beside its rows.

    Raises
    ------
    FormatError
        If the file cannot be read, or is not what `write_unit_file` wrote, bit by bit.
    """
    data = read_sealed(path)
    try:
        return data, UnitRecord(**said_beside(data))
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError) as error:
        raise FormatError(f"The unit file {path} was written by another version of theodolite ({error}).") from error


def read_unit_file(path: Location) -> tuple[pl.DataFrame, UnitRecord]:
    """Check a unit's file and return its rows and what it says beside them.

    Raises
    ------
    FormatError
        If the file cannot be read, or is not what `write_unit_file` wrote, bit by bit.
    """
    data, record = read_unit_bytes(path)
    return pl.read_parquet(io.BytesIO(data)), record
