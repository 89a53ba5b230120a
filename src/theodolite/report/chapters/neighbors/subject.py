"""What the titles of the chapter call the table."""

import polars as pl

from theodolite.report.selection import short_names
from theodolite.studies.neighbors.readings import readings_of


def of_table(frame: pl.DataFrame) -> str:
    """Return " of" with the short name of the table, for a title; nothing while blocks are missing.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a neighbors study.

    Returns
    -------
    str
        Begins with a space, or is empty.
    """
    read = readings_of(frame)
    return "" if read is None else f" of {short_names([read.model])[read.model]} {read.which}".rstrip()
