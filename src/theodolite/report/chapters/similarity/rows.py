"""Which rows of a similarity study its figures and tables show, and under which names."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from theodolite.report.selection import short_names, which_label
from theodolite.studies.similarity.config import GAUSSIAN, MEASURED, PERMUTED

KINDS = ("output", "input", "table", "states")
NULL_NAMES = {PERMUTED: "tokens permuted", GAUSSIAN: "Gaussian table"}


def measured(frame: pl.DataFrame, measure: str, *, method: str | None = None) -> pl.DataFrame:
    """Return the finite numbers of one measure, nulls left out.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a similarity study.
    measure : str
        Value of the column `measure`.
    method : str, optional
        Value of the column `method`.

    Returns
    -------
    polars.DataFrame
        In the order of the table.
    """
    rows = frame.filter((pl.col("measure") == measure) & (pl.col("condition") == MEASURED))
    rows = rows.filter(pl.col("value").is_finite())
    return rows if method is None else rows.filter(pl.col("method") == method)


def kinds_in(rows: pl.DataFrame) -> list[str]:
    """Return the kinds of table in a frame, the output first."""
    return [which for which in KINDS if which in rows["which"]]


def kind_title(which: str) -> str:
    """Return the heading of a panel, such as `Output embeddings`."""
    if which == "states":
        return "Hidden states"
    return "Tables" if which == "table" else f"{which_label(which).capitalize()}s"


def names_in(frame: pl.DataFrame) -> dict[str, str]:
    """Return reference to short name, in the order of the study."""
    return short_names(dict.fromkeys(_models(frame)))


def with_pairs(rows: pl.DataFrame, names: Mapping[str, str]) -> pl.DataFrame:
    """Return the rows with the name of their pair in the column `pair`."""
    one = pl.col("model_a").replace_strict(names, return_dtype=pl.String)
    other = pl.col("model_b").replace_strict(names, return_dtype=pl.String)
    return rows.with_columns(pl.concat_str([one, other], separator=", ").alias("pair"))


def tokens_used(rows: pl.DataFrame) -> str:
    """Return how many tokens stand behind some rows, in words; empty where there is none."""
    used = [int(one) for one in rows["n_used"].drop_nulls().unique()]
    if not used:
        return ""
    return f"n\u00a0=\u00a0{min(used):,}" + ("" if min(used) == max(used) else f" to {max(used):,}") + " tokens"


def largest(rows: pl.DataFrame, column: str) -> str:
    """Return the largest number of a column as text, three digits of one that is not whole; empty where none is."""
    found: Any = rows[column].max()
    if found is None:
        return ""
    return f"{found:,}" if isinstance(found, int) else f"{found:.3g}"


def _models(frame: pl.DataFrame) -> Iterable[str]:
    for row in frame.select("model_a", "model_b").unique(maintain_order=True).iter_rows():
        yield from (one for one in row if one is not None)
