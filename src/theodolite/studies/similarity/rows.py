"""How a correlation over tokens is written down in the similarity study."""

from typing import Any

from theodolite.statistics import Correlation
from theodolite.studies.rows import Row, RowMaker


def correlation_row(make: RowMaker, measure: str, found: Correlation, **columns: Any) -> Row:
    """Return the row of a correlation over tokens; permuted tokens give 0 with standard deviation 1/sqrt(n - 1)."""
    return make.row(
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
