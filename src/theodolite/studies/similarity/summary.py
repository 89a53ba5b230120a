"""The summary of a similarity study: every number that is not a point of a curve or a bin of a histogram."""

from typing import Any

import polars as pl

_DETAILS = ("lle_histogram", "token_dimension", "coherence_curve", "listed")
_LEFT_OUT = ("token_id", "token", "neighbors", "x")


def summarize(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the summary rows that `--json` prints, the report shows and `summary.csv` holds.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of dict
        One for each number of a pair of tables, of a table, and of two layers at the same depth.
    """
    return summary_frame(frame).to_dicts()


def summary_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the same rows as a frame.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        In the order of the table.
    """
    shown = ~pl.col("measure").is_in(_DETAILS) & (pl.col("layer_a").is_null() | pl.col("depth").is_not_null())
    return frame.filter(shown).drop(_LEFT_OUT)
