"""Rows of the layer study, made in one place so that every column is always there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theodolite.studies.layers_columns import COLUMNS

Row = dict[str, Any]

_BLANK: Row = dict.fromkeys(COLUMNS)


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Makes rows that share where they come from.

    Attributes
    ----------
    shared : Mapping
        Columns that every row repeats: model, prompt, control and so on.
    """

    shared: Mapping[str, Any]

    def row(self, measure: str, value: float, **columns: Any) -> Row:
        """Return one row: a measure, its value, and what else is known of it."""
        return {**_BLANK, **self.shared, "measure": measure, "value": float(value), **columns}

    def having(self, **shared: Any) -> "RowMaker":
        """Return a maker whose rows share more."""
        return RowMaker({**self.shared, **shared})
