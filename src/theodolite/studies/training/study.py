"""Dimension of embedding tables along training, beside random tables and the loss (kataiwa2025).

The tables of each checkpoint are units of the dimension study; the losses that are known make one unit for each model.
"""

from dataclasses import replace
from typing import Any

import polars as pl

from theodolite.core.errors import NotFoundError, ParameterError
from theodolite.core.number_format import counted
from theodolite.runs import Unit, UnitResult
from theodolite.studies.dimension import config as table_config
from theodolite.studies.dimension import study as dimension
from theodolite.studies.dimension import summary as table_summary
from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.rows import RowMaker
from theodolite.studies.training.config import EVERY, Config
from theodolite.studies.training.drops import drops, find
from theodolite.studies.training.losses import known_losses
from theodolite.tables import Reference, expand

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "run", "summarize", "summary_frame"]

NAME = "training"
VERSION = 2


def plan(config: Config) -> list[Unit]:
    """List the units: each table of each checkpoint under each condition, and the losses of each model.

    Parameters
    ----------
    config : Config
        What to follow.

    Returns
    -------
    list of Unit
        Units of the study `dimension`, then the losses of each model.
    """
    found = {name: checkpoints(name, config) for name in config.references}
    models = {name: replace(Reference.parse(name), revision=None) for name in found}
    known = {model: known_losses(model, config.losses) for model in models.values()}
    units = dimension.plan(
        table_config.Config(
            checkpoints=tuple(str(one) for some in found.values() for one in some),
            which=config.which,
            rows=config.rows,
            k=config.k,
            mle_k=config.mle_k,
            nulls=config.nulls,
            null_draws=config.null_draws,
            seed=config.seed,
            limit=config.limit,
        )
    )
    for model, losses in known.items():
        if losses:
            params = {"reference": str(model), "losses": sorted(losses.items())}
            units.append(Unit(study=NAME, version=VERSION, params=params, group=str(model), label=f"{model} losses"))
    return units


def checkpoints(name: str, config: Config) -> tuple[Reference, ...]:
    """Return the checkpoints of a model that the patterns name, in the order of their steps."""
    parsed = Reference.parse(name)
    own = parsed.revision is not None and config.revisions == EVERY
    revisions = (parsed.revision or "",) if own else config.revisions
    found = expand(replace(parsed, revision=None) if own else parsed, revisions=revisions, points=config.points)
    if len(found) < _FEWEST:
        raise NotFoundError(
            f"{name} has {counted(len(found), 'checkpoint')} among {', '.join(revisions)}, but a curve needs at least "
            f"{_FEWEST}. Name more of them with --revisions."
        )
    return found


def run(unit: Unit) -> UnitResult:
    """Return the losses of a model as rows.

    Parameters
    ----------
    unit : Unit
        As `plan` made it.

    Returns
    -------
    UnitResult
        One row for each step.

    Raises
    ------
    ParameterError
        If the unit is not one of this study.
    """
    if unit.study != NAME:
        raise ParameterError(f"A unit of {unit.study!r} is no unit of the training study.")
    params = unit.params
    make = RowMaker.of(COLUMNS, model=params["reference"], condition=table_config.MEASURED)
    return UnitResult(
        rows=[
            make.row("loss", loss, method="validation", step=step, revision=f"step{step}")
            for step, loss in params["losses"]
        ]
    )


def summarize(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the summary rows that `--json` prints, the report shows and `summary.csv` holds.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of dict
        The fall of each measure along training (`measure` is `drop`, `method` what falls, `params` where and how), then
        the losses, then the rows of the dimension study.
    """
    losses = [
        {name: row[name] for name in ("model", "revision", "step", "measure", "method", "value", "stderr")}
        | {"which": None, "layer": None, "params": {}, "scale": None, "n_used": None}
        for row in frame.filter(pl.col("measure") == "loss").iter_rows(named=True)
    ]
    return [*drops(frame), *losses, *table_summary.summarize(frame)]


def summary_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the readings at each step as a flat frame, for `summary.csv`.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        As the dimension study's, with one row for each loss.
    """
    losses = frame.filter(pl.col("measure") == "loss").select(
        "model", "revision", "step", "measure", "method", "value", "stderr"
    )
    return pl.concat([table_summary.summary_frame(frame), losses], how="diagonal_relaxed")


_FEWEST = 3
