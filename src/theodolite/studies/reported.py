"""What a study offers beside being run: what its rows say."""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import polars as pl

from theodolite.runs import Run, Study
from theodolite.runs.folder.table import FromScan, Summarize
from theodolite.studies.finding import Finding


class ReportedStudy(Study, Protocol):
    """A study whose table can be summed up for a terminal, a program and a report.

    One whose tables grow very long may also have `read`, from a `polars.LazyFrame` to a frame that takes less memory.
    """

    def summarize(self, frame: pl.DataFrame, /) -> Sequence[dict[str, Any]]:
        """Return the rows that `--json` prints."""

    def summary_frame(self, frame: pl.DataFrame, /) -> pl.DataFrame:
        """Return the same rows, flat, for `summary.csv`."""

    def find(self, frame: pl.DataFrame, /) -> Sequence[Finding]:
        """Return what the numbers say, in sentences with a verdict."""


def rows_of(run: Run, study: ReportedStudy) -> pl.DataFrame:
    """Return the rows of a run as its study wants to read them.

    Parameters
    ----------
    run : Run
        Of this study, finished or not.
    study : ReportedStudy
        The study.

    Returns
    -------
    polars.DataFrame
        What `summarize`, `find` and the chapter of the study are given.
    """
    read = getattr(study, "read", None)
    return run.table() if read is None else cast(pl.DataFrame, read(run.scan()))


def summary_of(study: ReportedStudy) -> Summarize | FromScan:
    """Return what makes `summary.csv` from the table of a study."""
    read = getattr(study, "read", None)
    return study.summary_frame if read is None else FromScan(lambda scan: study.summary_frame(read(scan)))
