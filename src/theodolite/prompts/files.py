"""Records of a file or folder: what each holds, before anyone asks for a text in it."""

import csv
import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.prompts.packed import PACKED, unpacked

COLUMNS = ("name", "id", "label", "source")
"""Columns of a table that are read beside the text, where it has them."""
_SEPARATORS = {".csv": ",", ".tsv": "\t"}


class Record(NamedTuple):
    """One row of a source.

    Attributes
    ----------
    row : int
        Its number in the source, from 0.
    place : str
        Where it stands, for messages.
    value : object
        A text, or a dict that holds one.
    """

    row: int
    place: str
    value: Any


def records_of(place: Path, *, field: str, columns: Collection[str] = ()) -> tuple[list[Record], str, str]:
    """Return the records of a file or folder, what kind it is, and what to call its prompts.

    Parameters
    ----------
    place : pathlib.Path
        A file or a folder of `.txt` files.
    field : str
        Where records hold their text.
    columns : collection of str
        Columns of a table to read beside the text and those of `COLUMNS`.

    Returns
    -------
    tuple of (list of Record, str, str)
        Records in order.

    Raises
    ------
    NotFoundError
        If a folder holds no `.txt` file.
    FormatError
        If a file is not what its ending says.
    """
    name = place.stem if place.suffix in PACKED else place.name
    kind, stem = Path(name).suffix, Path(name).stem
    if place.is_dir():
        files = sorted(
            path
            for path in place.iterdir()
            if path.suffix == ".txt" and path.is_file() and not path.name.startswith(".")
        )
        if not files:
            raise NotFoundError(f"The folder {place} holds no .txt file. Give a folder with one text in each file.")
        texts = [{field: decoded(file.read_bytes(), str(file)), "name": file.stem} for file in files]
        found = [Record(row, str(file), text) for row, (file, text) in enumerate(zip(files, texts, strict=True))]
        return found, "folder", place.resolve().name
    if kind == ".parquet":
        return list(parquet_records(place, str(place), field=field, columns=columns)), "parquet", stem
    if kind in (".jsonl", ".json", *_SEPARATORS):
        text = decoded(unpacked(place.read_bytes(), str(place)), str(place))
        return list(text_records(text, kind, str(place))), kind[1:], stem
    text = decoded(place.read_bytes(), str(place))
    return [Record(0, str(place), {field: text, "name": stem})], "text", stem


def text_records(text: str, kind: str, place: str) -> Iterator[Record]:
    """Yield the records of a text that holds several.

    Parameters
    ----------
    text : str
        What the file holds.
    kind : str
        `.jsonl`, `.json`, `.csv` or `.tsv`.
    place : str
        The file, for messages.

    Yields
    ------
    Record
        Blank lines are no records.

    Raises
    ------
    FormatError
        If it is damaged; the message names the line.
    """
    if kind == ".jsonl":
        return _lines(text, place)
    return _list(text, place) if kind == ".json" else _table(text, place, _SEPARATORS[kind])


def decoded(stored: bytes, place: str) -> str:
    """Return the text of bytes in UTF-8.

    Raises
    ------
    FormatError
        If a byte is not UTF-8; the message names line and byte.
    """
    try:
        return stored.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = stored[: error.start].count(b"\n") + 1
        raise FormatError(
            f"{place} is not UTF-8: line {line} holds the byte 0x{stored[error.start]:02x}. Save it as UTF-8."
        ) from error


def parquet_records(
    place: Path, said: str, *, field: str, columns: Collection[str] = (), first: int = 0, n_rows: int | None = None
) -> Iterator[Record]:
    """Yield the records of rows of a parquet file.

    Parameters
    ----------
    place : pathlib.Path
        The file.
    said : str
        What messages call it.
    field : str
        Column that holds the texts.
    columns : collection of str
        Columns to read beside it and those of `COLUMNS`.
    first : int
        Row to begin with.
    n_rows : int or None
        How many; None for all that follow.

    Yields
    ------
    Record
        Numbered as in the file.

    Raises
    ------
    FormatError
        If it cannot be read or has no such column.
    """
    import polars  # noqa: PLC0415 (only for this format)

    try:
        there = polars.read_parquet_schema(place)
        check_field(field, there, said)
        wanted = [name for name in dict.fromkeys((field, *COLUMNS, *columns)) if name in there]
        table = polars.scan_parquet(place).slice(first, n_rows).select(wanted).collect()
    except (polars.exceptions.PolarsError, OSError) as error:
        raise FormatError(f"{said} cannot be read as parquet: {str(error)[:200]}. Download it again.") from error
    for row, values in enumerate(table.iter_rows(named=True), start=first):
        yield Record(row, f"{said}, row {row}", values)


def check_field(field: str, columns: Collection[str], place: str) -> None:
    """Refuse a table without the column that should hold the texts.

    Raises
    ------
    FormatError
        If there is none; the message lists those there are.
    """
    if field not in columns:
        raise FormatError(f"{place} has no column {field!r}. It has {', '.join(columns)}. Name one with field=.")


def _lines(text: str, place: str) -> Iterator[Record]:
    """Yield the records of lines; blank lines are no rows."""
    row = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield Record(row, f"{place}, line {number}", json.loads(line))
        except ValueError as error:
            raise FormatError(
                f"{place}, line {number} is no valid JSON: {error}. Each line is one object or one string."
            ) from error
        row += 1


def _list(text: str, place: str) -> Iterator[Record]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise FormatError(f"{place} is no valid JSON: {error}. Needed is a list of strings or objects.") from error
    if not isinstance(values, list):
        raise FormatError(
            f"{place} holds no list at its top, but a {type(values).__name__}. Needed is a list of prompts."
        )
    for row, value in enumerate(values):
        yield Record(row, f"{place}, item {row}", value)


def _table(text: str, place: str, separator: str) -> Iterator[Record]:
    """Yield the rows of a table in text; its first line names the columns."""
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row, values in enumerate(lines):
            if None in values or None in values.values():
                raise FormatError(f"{place}, line {lines.line_num} has not as many values as there are columns.")
            yield Record(row, f"{place}, line {lines.line_num}", values)
    except csv.Error as error:
        raise FormatError(f"{place}, line {lines.line_num} cannot be read as a table: {error}.") from error
