"""One unit's rows in one parquet file that knows its own checksum.

The file's key-value metadata holds one JSON text. It begins with the sha256 of the whole file (taken with the 64
digits set to zero), so any truncation or flipped bit shows without a second file beside it, and goes on with what the
manifest gathers: inputs, warnings, seconds.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from theodolite.core.errors import FormatError
from theodolite.core.hashing import canonical_json
from theodolite.runs.atomic import write_atomically

_ENTRY = "theodolite"
# canonical JSON has no white space outside strings and escapes quotes inside them, so no content can look like this
_MARK = b'{"sha256" : "'
_BLANK = b"0" * 64


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


def write_unit_file(path: Path, frame: pl.DataFrame, record: UnitRecord) -> None:
    """Write rows and record to `path`, completely or not at all.

    Raises
    ------
    RunError
        If the system refuses to write.
    """
    text = canonical_json(asdict(record)).encode("utf-8", "backslashreplace").decode()  # JSON reads \\udc80 back
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer, compression="zstd", metadata={_ENTRY: (_MARK + _BLANK).decode() + '",' + text.removeprefix("{")}
    )
    data = bytearray(buffer.getvalue())
    start = data.rfind(_MARK) + len(_MARK)
    assert data[start : start + 64] == _BLANK
    data[start : start + 64] = hashlib.sha256(data).hexdigest().encode()
    write_atomically(path, bytes(data))


def read_unit_record(path: Path) -> UnitRecord:
    """Check a unit's file and return what it says beside its rows.

    Raises
    ------
    FormatError
        If the file cannot be read, or is not what `write_unit_file` wrote, bit by bit.
    """
    return _record(_checked_bytes(path), path)


def read_unit_file(path: Path) -> tuple[pl.DataFrame, UnitRecord]:
    """Check a unit's file and return its rows and what it says beside them.

    Raises
    ------
    FormatError
        If the file cannot be read, or is not what `write_unit_file` wrote, bit by bit.
    """
    data = _checked_bytes(path)
    record = _record(data, path)
    return pl.read_parquet(io.BytesIO(data)), record


def _checked_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"Cannot read the unit file {path}: {error.strerror}.") from error
    start = data.rfind(_MARK) + len(_MARK)
    if start < len(_MARK):
        raise FormatError(f"The unit file {path} is damaged or was not written by theodolite.")
    stated = data[start : start + 64]
    digest = hashlib.sha256(data[:start])
    digest.update(_BLANK)
    digest.update(data[start + 64 :])
    if digest.hexdigest().encode() != stated:
        raise FormatError(
            f"The unit file {path} is damaged: its checksum does not fit. Run the study again to redo it."
        )
    return data


def _record(data: bytes, path: Path) -> UnitRecord:
    try:
        content = json.loads(pl.read_parquet_metadata(io.BytesIO(data))[_ENTRY])
        content.pop("sha256")
        return UnitRecord(**content)
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError) as error:
        raise FormatError(f"The unit file {path} was written by another version of theodolite ({error}).") from error
