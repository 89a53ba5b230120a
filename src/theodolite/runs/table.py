"""From the files of units to the one table, always the same bytes for the same rows."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from theodolite.core.errors import RunError
from theodolite.runs.atomic import write_atomically
from theodolite.runs.columns import Column
from theodolite.runs.manifest import TableNote, distinct
from theodolite.runs.rows import schema_of
from theodolite.runs.store import Store
from theodolite.runs.unit_file import UnitRecord, read_unit_file

Summarise: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame | Sequence[Mapping[str, Any]]]

STUDY = "study"
"""Column that says which study a row is from, in a table of the rows of several."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SUMMARY_ROWS = 1000
_ROW_GROUP = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the files of units add up to."""

    table: TableNote
    inputs: list[dict[str, Any]]
    warnings: list[str]
    seconds: float
    parts: dict[str, float]


def assemble(store: Store, keys: Iterable[str], columns: Mapping[str, Column]) -> tuple[pl.DataFrame, list[UnitRecord]]:
    """Put the rows of units under one another.

    Parameters
    ----------
    store : Store
        The run folder.
    keys : iterable of str
        Units in the order of the table; each has a file.
    columns : mapping of str to Column
        Columns of the table; those that a unit's study lacks are None in its rows, but a column `study` that it lacks
        holds its name.

    Returns
    -------
    polars.DataFrame
        All rows, in one piece of memory.
    list of UnitRecord
        What each file says beside its rows, in the same order.

    Raises
    ------
    FormatError
        If a unit's file is damaged.
    """
    schema = schema_of(columns)
    frames, records = [pl.DataFrame(schema=schema)], []
    for key in keys:
        frame, record = read_unit_file(store.unit_path(key))
        known = {STUDY: record.study}
        missing = [
            pl.lit(known.get(name), dtype=dtype).alias(name)
            for name, dtype in schema.items()
            if name not in frame.columns
        ]
        frames.append(frame.with_columns(missing).select(list(schema)))
        records.append(record)
    return pl.concat(frames, rechunk=True), records


def compact(
    store: Store,
    columns: Mapping[str, Column],
    keys: Sequence[str],
    summarise: Summarise,
) -> Gathered:
    """Write `table.parquet` and `summary.csv`, and gather what the manifest says about them.

    Raises
    ------
    RunError
        If the system refuses to write, or the summary is no frame.
    FormatError
        If a unit's file is damaged.
    """
    table, records = assemble(store, keys, columns)
    data = table_bytes(table)
    write_atomically(store.table_path, data)
    write_atomically(store.summary_path, summary_csv(summarise(table)))
    return Gathered(
        table={"rows": table.height, "sha256": hashlib.sha256(data).hexdigest()},
        inputs=distinct([one for record in records for one in record.inputs]),
        warnings=list(dict.fromkeys(one for record in records for one in record.warnings)),
        seconds=round(sum(record.seconds for record in records), 3),
        parts=_added(record.parts for record in records),
    )


def _added(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for name, spent in ((name, spent) for one in parts for name, spent in one.items()):
        total[name] = total.get(name, 0.0) + spent
    return {name: round(spent, 3) for name, spent in total.items()}


def table_bytes(table: pl.DataFrame) -> bytes:
    """Return the table as parquet: equal rows give equal bytes, with one version of polars."""
    buffer = io.BytesIO()
    table.rechunk().write_parquet(buffer, compression="zstd", statistics=True, row_group_size=_ROW_GROUP)
    return buffer.getvalue()


def summary_csv(summary: pl.DataFrame | Sequence[Mapping[str, Any]]) -> bytes:
    r"""Return a summary as CSV; values that are lists or mappings are written as JSON.

    Text that a spreadsheet would run as a formula (it begins with one of ``= + - @``, a tab or a carriage return) gets
    a leading apostrophe, because token strings come from strangers. The table itself is never changed.

    Parameters
    ----------
    summary : polars.DataFrame or sequence of mapping
        What a `summarise` function returns.

    Returns
    -------
    bytes
        UTF-8, lines ended by CR LF (RFC 4180), one header line; the columns of mappings are those of all of them, in
        order of first occurrence.

    Raises
    ------
    RunError
        If it is neither.

    Examples
    --------
    >>> summary_csv([{"model": "a", "null": {"gaussian": 59.7}}])
    b'model,null\r\na,"{""gaussian"":59.7}"\r\n'
    """
    rows = summary.to_dicts() if isinstance(summary, pl.DataFrame) else summary
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        raise RunError(
            f"A summary must be a polars DataFrame or a list of dicts, but this is a {type(summary).__name__}. "
            "Correct the function passed as summarise."
        )
    names = (
        summary.columns if isinstance(summary, pl.DataFrame) else list(dict.fromkeys(n for row in rows for n in row))
    )
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return value


def default_summary(table: pl.DataFrame) -> pl.DataFrame:
    """Return the first 1000 rows."""
    return table.head(_SUMMARY_ROWS)
