"""The small table a person reads: `summary.csv`."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from theodolite.core.errors import RunError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def summary_csv(summary: pl.DataFrame | Sequence[Mapping[str, Any]]) -> bytes:
    r"""Return a summary as CSV; values that are lists or mappings are written as JSON.

    Text that a spreadsheet would run as a formula (it begins with one of ``= + - @``, a tab or a carriage return) gets
    a leading apostrophe, because token strings come from strangers. The table itself is never changed.

    Parameters
    ----------
    summary : polars.DataFrame or sequence of mapping
        What a `summarize` function returns.

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
            "Correct the function passed as summarize."
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
