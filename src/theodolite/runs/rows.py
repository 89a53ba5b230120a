r"""Rows to frame: every value held to its column's type, or an error that names row, column and value.

The policy for awkward values:

* None is allowed in every column and stays apart from NaN;
* an int fits a float column only where the conversion is exact; a bool fits no number column;
* numpy scalars are accepted as the Python values they stand for;
* lone surrogates, which occur in token strings that are half a UTF-8 sequence, cannot be stored as text anywhere;
  they are written as a visible escape (the six characters of ``\udc80``).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from theodolite.core.errors import RunError
from theodolite.runs.columns import Column


def schema_of(columns: Mapping[str, Column]) -> dict[str, pl.DataType]:
    """Return the polars schema of a table with these columns.

    Examples
    --------
    >>> schema_of({"layer": Column(dtype="int", meaning="0 = embedding output")})
    {'layer': Int64}
    """
    return {name: type_of(column.polars_name) for name, column in columns.items()}


def type_of(polars_name: str) -> pl.DataType:
    """Return the polars type of this name, such as `List(Int32)`."""
    inner = _inner(polars_name)
    return pl.List(type_of(inner)) if inner else getattr(pl, polars_name)()


def _inner(polars_name: str) -> str:
    """Return the type that a list holds; nothing where it is no list."""
    return polars_name.removeprefix("List(").removesuffix(")") if polars_name.startswith("List(") else ""


def frame_from_rows(rows: Sequence[Mapping[str, Any]] | pl.DataFrame, columns: Mapping[str, Column]) -> pl.DataFrame:
    """Return the rows as a frame with exactly the columns and types of `columns`.

    Parameters
    ----------
    rows : sequence of mapping, or polars.DataFrame
        Flat dicts; each has every column and no other. A frame must have the columns and types already.
    columns : mapping of str to Column
        The study's `COLUMNS`.

    Returns
    -------
    polars.DataFrame
        `len(rows)` rows in the given order.

    Raises
    ------
    RunError
        If a row has an unknown column, lacks one, or holds a value of another type or outside its range; or a frame has
        other columns or types.

    Examples
    --------
    >>> columns = {"token": Column(dtype="str", meaning="Token"), "value": Column(dtype="float", meaning="Estimate")}
    >>> frame_from_rows([{"token": " dog", "value": 1}], columns).rows()
    [(' dog', 1.0)]
    """
    if isinstance(rows, pl.DataFrame):
        return _checked_frame(rows, columns)
    names = columns.keys()
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise RunError(f"Row {number} is a {type(row).__name__}, but rows must be dicts. Correct the study's run.")
        if row.keys() != names:
            _refuse_columns(number, row, columns)
    series = []
    for name, dtype in schema_of(columns).items():
        convert = _converter(columns[name].polars_name)
        values: list[Any] = []
        for number, row in enumerate(rows):
            value = row[name]
            try:
                values.append(None if value is None else convert(value))
            except (TypeError, ValueError, OverflowError) as error:
                shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
                raise RunError(
                    f"Column {name!r} is {columns[name].dtype}, but row {number} holds {shown} "
                    f"of type {type(value).__name__} ({error}). Convert it in the study's run."
                ) from error
        series.append(pl.Series(name, values, dtype=dtype, strict=True))
    return pl.DataFrame(series, schema=schema_of(columns))


def _checked_frame(frame: pl.DataFrame, columns: Mapping[str, Column]) -> pl.DataFrame:
    """Return the columns of a frame in their order, or raise the error for those that are missing or other."""
    wanted = schema_of(columns)
    if set(frame.columns) != set(wanted):
        unknown, missing = set(frame.columns) - set(wanted), set(wanted) - set(frame.columns)
        raise RunError(
            f"The frame of a unit must have exactly the columns of COLUMNS: {', '.join(sorted(unknown)) or 'none'} "
            f"unknown, {', '.join(sorted(missing)) or 'none'} missing."
        )
    for name, dtype in wanted.items():
        if frame.schema[name] != dtype:
            raise RunError(
                f"Column {name!r} is {dtype}, but the frame of the unit holds {frame.schema[name]}. Cast it."
            )
    return frame.select(list(wanted))


def _refuse_columns(number: int, row: Mapping[str, Any], columns: Mapping[str, Column]) -> None:
    """Raise the error for a row whose columns are not those of the study."""
    unknown = [str(name) for name in row if name not in columns]
    missing = [name for name in columns if name not in row]
    parts = []
    if unknown:
        parts.append(f"has unknown column {', '.join(map(repr, unknown))}")
    if missing:
        parts.append(f"lacks column {', '.join(map(repr, missing))}")
    raise RunError(
        f"Row {number} {' and '.join(parts)}. Rows must have exactly the columns of COLUMNS ({', '.join(columns)}); "
        "write None where a value does not apply."
    )


def _converter(polars_name: str) -> Callable[[Any], Any]:
    """Return the function that turns a value into one the column can hold, or raises."""
    if polars_name == "String":
        return _text
    if polars_name == "Boolean":
        return _boolean
    if inner := _inner(polars_name):
        return _list_of(_converter(inner))
    if polars_name.startswith("Float"):
        return _single if polars_name == "Float32" else _real
    signed = polars_name.startswith("Int")
    bits = int(polars_name.removeprefix("UInt").removeprefix("Int"))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    def whole(value: Any) -> int:
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
            raise TypeError("not an integer")
        if not low <= int(value) <= high:
            raise OverflowError(f"outside [{low}, {high}]")
        return int(value)

    return whole


def _list_of(convert: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def listed(value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise TypeError("not a list")
        return [None if one is None else convert(one) for one in value]

    return listed


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "backslashreplace").decode()
    return str(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError("not a boolean")
    return bool(value)


def _real(value: Any) -> float:
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError("not a number")
    number = float(int(value))
    if int(number) != int(value):
        raise ValueError("a float cannot hold this integer exactly")
    return number


def _single(value: Any) -> float:
    number = _real(value)
    if math.isfinite(number) and abs(number) > float(np.finfo(np.float32).max):
        raise OverflowError("outside float32")
    return number
