"""Which unit files were read and found whole, so that a finished run is resumed without reading them again.

`.checked.parquet` holds for each unit in the table what a listing said of its file (size, time of writing) and the
layout of its columns, and what all of them add up to. A file that is as the listing said needs no second reading
unless its rows are used again, which always checks them. Without this file everything is read.
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from theodolite.core.errors import FormatError
from theodolite.runs.columns import Column, columns_hash
from theodolite.runs.folder.atomic import write_atomically
from theodolite.runs.folder.location import Location
from theodolite.runs.folder.manifest import TableNote
from theodolite.runs.folder.sealed import read_sealed, said_beside, sealed_bytes

NAME = ".checked.parquet"

_SCHEMA = {"key": pl.String, "stamp": pl.String, "columns": pl.String}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the files of units add up to."""

    table: TableNote
    inputs: list[dict[str, Any]]
    warnings: list[str]
    seconds: float
    parts: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The content of `.checked.parquet`.

    Attributes
    ----------
    files : dict of str to tuple
        Stamp and `columns_hash` of each file, by unit key.
    made_of : str
        `contents_hash` of the table that was written from them.
    gathered : Gathered or None
        What the manifest said of it; None where nothing is known.
    """

    files: dict[str, tuple[str, str]]
    made_of: str
    gathered: Gathered | None

    def knows(self, key: str, stamp: str, columns: str) -> bool:
        """Say whether this file was found whole, with columns of this hash, and not written since."""
        return self.files.get(key) == (stamp, columns)


def contents_hash(columns: Mapping[str, Column], keys: Sequence[str], stamps: Mapping[str, str]) -> str:
    """Return a hash of what a table is made of: its columns, and the files of its units in their order."""
    digest = hashlib.sha256(columns_hash(columns).encode())
    for key in keys:
        digest.update(f"{key} {stamps.get(key)}\n".encode())
    return digest.hexdigest()


def write_checked(folder: Location, checked: Checked) -> None:
    """Write `.checked.parquet`.

    Raises
    ------
    RunError
        If the system refuses.
    """
    stamps, layouts = ([file[place] for file in checked.files.values()] for place in range(2))
    frame = pl.DataFrame({"key": list(checked.files), "stamp": stamps, "columns": layouts}, schema=_SCHEMA)
    content = {"made_of": checked.made_of, "gathered": asdict(checked.gathered) if checked.gathered else None}
    write_atomically(folder / NAME, sealed_bytes(frame, content))


def read_checked(folder: Location) -> Checked:
    """Read `.checked.parquet`; what is missing, damaged or of another version knows of no file."""
    try:
        data = read_sealed(folder / NAME)
        content = said_beside(data)
        gathered = Gathered(**content["gathered"]) if content["gathered"] else None
        listed = pl.read_parquet(data).select(list(_SCHEMA)).iter_rows()
        files = {key: (stamp, sys.intern(columns)) for key, stamp, columns in listed}
        return Checked(files=files, made_of=str(content["made_of"]), gathered=gathered)
    except (FormatError, KeyError, TypeError, ValueError, pl.exceptions.PolarsError):
        return Checked(files={}, made_of="", gathered=None)
