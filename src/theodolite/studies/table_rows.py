"""Rows of a table study, made in one place so that every column is always there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from theodolite.core.errors import PointsError
from theodolite.core.hashing import canonical_json
from theodolite.dimension import DimensionEstimate
from theodolite.studies.table_columns import COLUMNS
from theodolite.tables import Reference, Table, training_step

_BLANK: dict[str, Any] = dict.fromkeys(COLUMNS)


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Makes rows that share where they come from.

    Attributes
    ----------
    shared : Mapping
        Columns that every row repeats: model, revision, which, condition and so on.
    """

    shared: Mapping[str, Any]

    @classmethod
    def of(cls, table: Table, *, condition: str) -> "RowMaker":
        """Return the maker for one table under one condition."""
        reference = Reference.parse(table.provenance["reference"])
        return cls(
            {
                "model": str(replace(reference, revision=None, selector=None)),
                "revision": reference.revision or "main",
                "step": training_step(reference, Path(table.provenance["folder"])),
                "which": table.which,
                "rows": table.rows,
                "condition": condition,
                "extrinsic": table.n_dims,
            }
        )

    def row(self, measure: str, value: float, **columns: Any) -> dict[str, Any]:
        """Return one row: a measure, its value, and what else is known of it."""
        params = columns.pop("params", None)
        if params:
            columns["params"] = canonical_json(params)
        return {**_BLANK, **self.shared, "measure": measure, "value": float(value), **columns}

    def estimate(self, estimate: DimensionEstimate, **columns: Any) -> list[dict[str, Any]]:
        """Return the row of one estimate."""
        return [
            self.row(
                "dimension",
                estimate.value,
                stderr=estimate.stderr,
                method=method_name(estimate),
                params=dict(estimate.params),
                n1=estimate.n1,
                scale=estimate.n2,
                radius=estimate.radius,
                n_used=estimate.n_used,
                n_dropped=estimate.n_dropped,
                **columns,
            )
        ]

    def spectrum(self, estimate: DimensionEstimate) -> list[dict[str, Any]]:
        """Return the row of a participation ratio."""
        return [
            self.row(
                "participation_ratio",
                estimate.value,
                stderr=estimate.stderr,
                method="covariance",
                n_used=estimate.n_used,
            )
        ]


class Readings:
    """Rows as they are read, and what could not be read: one estimator's refusal must not cost the others.

    Attributes
    ----------
    make : RowMaker
        Makes the rows.
    rows : list of dict
        What was read so far.
    refusals : list of str
        Why something could not be read, each once.
    """

    def __init__(self, make: RowMaker) -> None:
        self.make = make
        self.rows: list[dict[str, Any]] = []
        self.refusals: list[str] = []

    def take(self, read: Callable[[], list[dict[str, Any]]]) -> None:
        """Add the rows of one reading, or note why these points refuse it."""
        try:
            self.rows += read()
        except PointsError as error:
            place = f"{self.make.shared['model']} {self.make.shared['which']} {self.make.shared['condition']}"
            refusal = f"{place}: {error}"
            if refusal not in self.refusals:
                self.refusals.append(refusal)


def method_name(estimate: DimensionEstimate) -> str:
    """Name the estimator; TwoNN by maximum likelihood is not the headline and has a name of its own."""
    return "twonn_ml" if estimate.method == "twonn" and estimate.params["method"] == "ml" else estimate.method
