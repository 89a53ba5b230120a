"""What a study offers beside being run: what its rows say."""

from collections.abc import Sequence
from typing import Any, Protocol

import polars as pl

from theodolite.runs import Study
from theodolite.studies.finding import Finding


class ReportedStudy(Study, Protocol):
    """A study whose table can be summed up for a terminal, a program and a report."""

    def summarize(self, frame: pl.DataFrame, /) -> Sequence[dict[str, Any]]:
        """Return the rows that `--json` prints."""

    def summary_frame(self, frame: pl.DataFrame, /) -> pl.DataFrame:
        """Return the same rows, flat, for `summary.csv`."""

    def find(self, frame: pl.DataFrame, /) -> Sequence[Finding]:
        """Return what the numbers say, in sentences with a verdict."""
