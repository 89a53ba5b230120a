"""Rows of a table study: where they come from, and how an estimate is written down."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from theodolite.core.errors import PointsError
from theodolite.dimension import DimensionEstimate
from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.revisions import model_and_revision
from theodolite.studies.rows import Row, RowMaker
from theodolite.tables import Reference, Table, training_step


def maker_of(table: Table, *, condition: str) -> RowMaker:
    """Return the maker of rows of one table under one condition."""
    reference = Reference.parse(table.provenance["reference"])
    model, revision = model_and_revision(reference)
    return RowMaker.of(
        COLUMNS,
        model=model,
        revision=revision,
        step=training_step(reference, Path(table.provenance["folder"])),
        which=table.which,
        rows=table.rows,
        condition=condition,
        extrinsic=table.n_dims,
    )


def estimate_row(make: RowMaker, estimate: DimensionEstimate, **columns: Any) -> Row:
    """Return the row of one estimate."""
    return make.row(
        "dimension",
        estimate.value,
        stderr=estimate.stderr,
        method=method_name(estimate),
        params=estimate.params,
        n1=estimate.n1,
        scale=estimate.n2,
        radius=estimate.radius,
        n_used=estimate.n_used,
        n_dropped=estimate.n_dropped,
        **columns,
    )


def spectrum_row(make: RowMaker, estimate: DimensionEstimate) -> Row:
    """Return the row of a participation ratio."""
    return make.row(
        "participation_ratio",
        estimate.value,
        stderr=estimate.stderr,
        method="covariance",
        n_used=estimate.n_used,
    )


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
        self.rows: list[Row] = []
        self.refusals: list[str] = []

    def take(self, read: Callable[[], list[Row]]) -> None:
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
