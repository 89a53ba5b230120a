"""Rows of the similarity study, made in one place so that every column is always there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theodolite.statistics import Correlation
from theodolite.studies.similarity_columns import COLUMNS
from theodolite.studies.similarity_config import MEASURED

Row = dict[str, Any]

_BLANK: Row = dict.fromkeys(COLUMNS)


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Makes rows that share where they come from.

    Attributes
    ----------
    shared : Mapping
        Columns that every row repeats: models, which, widths, condition.
    """

    shared: Mapping[str, Any]

    def row(self, measure: str, value: float, **columns: Any) -> Row:
        """Return one row: a measure, its value, and what else is known of it."""
        return {**_BLANK, "condition": MEASURED, **self.shared, "measure": measure, "value": float(value), **columns}

    def correlation(self, measure: str, found: Correlation, **columns: Any) -> Row:
        """Return the row of a correlation over tokens; permuted tokens give 0 with standard deviation 1/sqrt(n - 1)."""
        return self.row(
            measure,
            found.value,
            stderr=found.stderr,
            low=found.low,
            high=found.high,
            null=0.0,
            null_stderr=None if found.n < 2 else (found.n - 1) ** -0.5,
            n_used=found.n,
            **columns,
        )

    def having(self, **shared: Any) -> "RowMaker":
        """Return a maker whose rows share more."""
        return RowMaker({**self.shared, **shared})
