"""Rows of a study, made in one place so that every column is always there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theodolite.core.hashing import canonical_json
from theodolite.runs import Column

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Makes rows that share where they come from.

    Attributes
    ----------
    shared : Mapping
        What every row begins with: model, prompt, condition and so on, and None for every other column of the study.

    Examples
    --------
    >>> columns = {name: Column(dtype="float", meaning="an example") for name in ("layer", "value", "stderr")}
    >>> RowMaker.of({"measure": Column(dtype="str", meaning="what"), **columns}, layer=1).row("norm", 2)
    {'measure': 'norm', 'layer': 1, 'value': 2.0, 'stderr': None}
    """

    shared: Mapping[str, Any]

    @classmethod
    def of(cls, columns: Mapping[str, Column], **shared: Any) -> "RowMaker":
        """Return the maker of a study's rows from its `COLUMNS`."""
        return cls({**dict.fromkeys(columns), **shared})

    def having(self, **shared: Any) -> "RowMaker":
        """Return a maker whose rows share more."""
        return RowMaker({**self.shared, **shared})

    def row(self, measure: str, value: float | None, **columns: Any) -> Row:
        """Return one row: a measure, its value, and what else is known of it; parameters are written as JSON."""
        if isinstance(columns.get("params"), Mapping):
            columns["params"] = canonical_json(columns["params"]) if columns["params"] else None
        return {**self.shared, "measure": measure, "value": None if value is None else float(value), **columns}
