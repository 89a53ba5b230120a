"""The summary rows of a study as a flat frame, for `summary.csv`."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from theodolite.core.hashing import canonical_json, without_nan


def flat_summary(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return summary rows as a frame: parameters as JSON.

    Parameters
    ----------
    rows : sequence of mapping
        As a study's `summarize` returns them, each with `params`.

    Returns
    -------
    polars.DataFrame
        As many rows, with the columns of the first, then those that only others have.

    Examples
    --------
    >>> flat_summary([{"measure": "dimension", "params": {"discard": 0.1}}]).rows()
    [('dimension', '{"discard":0.1}')]
    """
    flat = [{**row, "params": canonical_json(without_nan(row["params"]))} for row in rows]
    return pl.from_dicts(flat, infer_schema_length=None) if flat else pl.DataFrame()
