"""Dimension of embedding tables: estimators, redundancy, nulls, and the hub of short rows (kataiwa2025).

One unit measures one table under one condition, as it is or with rows of unit length, or a null for all tables that
share it. The sweeps over model size and over training are this study on several references.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from theodolite.core.errors import FormatError, NotFoundError, PointsError
from theodolite.core.number_format import counted
from theodolite.core.points import as_points
from theodolite.core.seeds import generator_from
from theodolite.dimension import gride, mle, participation_ratio, twonn
from theodolite.neighborhoods import NeighborGraph, hubness, neighbors
from theodolite.runs import Unit, UnitResult
from theodolite.studies.dimension import bands as table_bands
from theodolite.studies.dimension import counts as table_counts
from theodolite.studies.dimension import explorer as table_explorer
from theodolite.studies.dimension import facts as table_facts
from theodolite.studies.dimension import marks as row_marks
from theodolite.studies.dimension import nulls
from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.dimension.config import (
    COVARIANCE,
    GAUSSIAN,
    MEASURED,
    NULLS,
    UNIT_NORM,
    WITHOUT_SHORTEST,
    Config,
    Rows,
)
from theodolite.studies.dimension.findings import find
from theodolite.studies.dimension.rows import Readings, estimate_row, maker_of, spectrum_row
from theodolite.studies.dimension.summary import summarize, summary_frame
from theodolite.studies.hub import removal_sweep, row_norms
from theodolite.studies.rows import Row, RowMaker
from theodolite.tables import Reference, Table, describe, expand, load_table

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "run", "summarize", "summary_frame"]

NAME = "dimension"
VERSION = 3


def plan(config: Config) -> list[Unit]:
    """List the units: each table under each condition, and each null once.

    The content of each table is hashed into its units, so a changed file is measured anew and an equal one is not.

    Parameters
    ----------
    config : Config
        What to measure.

    Returns
    -------
    list of Unit
        In the order of the references; Gaussian nulls, which many tables share, at the end.
    """
    _table.cache_clear()
    wanted = nulls.Wanted(NAME, VERSION)
    units: list[Unit | str] = []
    planned: set[tuple[str, str]] = set()
    for references, hub in ((config.references, True), (config.checkpoints, False)):
        for reference in (one for pattern in references for one in expand(pattern)):
            for which in _which(reference, config.which):
                if (str(reference), which) not in planned:
                    planned.add((str(reference), which))
                    units += _units(config, reference, which, wanted, hub=hub)
    listed = [wanted.unit(unit) if isinstance(unit, str) else unit for unit in units]
    return sorted(listed, key=lambda unit: unit.params["condition"] == GAUSSIAN)


def _which(reference: Reference, wanted: Sequence[str]) -> Sequence[str]:
    """Return which tables of a reference to measure: one of a tied pair, and what is there of the others."""
    if reference.selector is not None:
        return (reference.selector,)
    found = describe(reference)
    there = [which for which, name in (("input", found.input), ("output", found.output)) if name is not None]
    if not there:
        return ("",)
    chosen = [which for which in wanted if which in there]
    if not chosen:
        raise NotFoundError(f"{reference} has no {' or '.join(wanted)} embedding, only {' and '.join(there)}.")
    return chosen[:1] if found.tied else chosen


def _units(config: Config, reference: Reference, which: str, wanted: nulls.Wanted, *, hub: bool) -> list[Unit | str]:
    """Return the units of one table, one for each condition, and the names of nulls that no earlier table has."""
    table = _table(str(reference), which, config.rows, config.counts)
    n_rows = min(table.n_tokens, config.limit or table.n_tokens)
    if n_rows <= config.k:
        raise PointsError(
            f"{reference} has {counted(table.n_stored, 'row')} of which {n_rows} would be measured "
            f"(rows={table.rows}), but k={config.k} needs at least {config.k + 1}. "
            f"{'Lower k.' if n_rows > 2 else 'Give a longer table.'}"
        )
    params = {
        "reference": str(reference),
        "which": which,
        "content": table.content,
        "rows": config.rows,
        "k": config.k,
        "mle_k": config.mle_k,
        "discard": config.discard,
        "shortest": config.shortest if hub else (),
        "shares": config.shares if hub else (),
        "counts": config.counts,
        "full": hub,
        "seed": config.seed,
        "limit": config.limit,
    }
    units: list[Unit | str] = [
        Unit(
            study=NAME,
            version=VERSION,
            params={
                **params,
                "condition": condition,
                **({"explored": config.explored} if condition == UNIT_NORM else {}),
            },
            group=str(reference),
            label=" ".join(filter(None, (str(reference), which, condition))),
        )
        for condition in ((MEASURED, UNIT_NORM) if hub else (MEASURED,))
    ]
    measured = _subset(table, config.limit, config.seed)
    make = maker_of(table, condition=MEASURED)
    for kind in config.nulls:
        if hub or kind != COVARIANCE:
            draws = config.null_draws if hub or kind == GAUSSIAN else 1
            units += wanted.add(kind, measured, make, params, draws=draws)
    return units


def run(unit: Unit) -> UnitResult:
    """Measure one table under one condition.

    Parameters
    ----------
    unit : Unit
        As `plan` made it.

    Returns
    -------
    UnitResult
        Rows with the columns of `COLUMNS`, the table's provenance, and warnings about its rows.
    """
    params = unit.params
    if params["condition"] == GAUSSIAN:
        return _null(params, None)
    table = _table(params["reference"], params["which"], params["rows"], params["counts"])
    if table.content != params["content"]:
        raise FormatError(f"{params['reference']} changed after the run was planned. Run the study again.")
    table = _subset(table, params["limit"], params["seed"])
    if params["condition"] in NULLS:
        return _null(params, table)
    return _measured(params, table) if params["condition"] == MEASURED else _unit_norm(params, table)


def _measured(params: Mapping[str, Any], table: Table) -> UnitResult:
    """Measure the table as it is, and again without its shortest rows."""
    readings = Readings(maker_of(table, condition=MEASURED))
    graph = neighbors(table.points, k=params["k"], nonfinite="drop")
    norms = row_norms(table.points)
    make, discard = readings.make, params["discard"]
    _read_estimates(readings, graph, params)
    readings.take(partial(_spectrum, make, as_points(table.points)[graph.rows]))
    readings.rows += table_facts.count_rows(make, table, graph)
    readings.rows += table_facts.describe_norms(make, table, norms)
    hubs = hubness(graph)
    readings.rows += table_facts.describe_hubs(make, graph, hubs, norms)
    readings.rows += table_facts.name_hubs(make, table, graph, hubs)
    readings.take(lambda: table_facts.local_dimensions(make, mle(graph, k=min(_LOCAL_K, graph.k))))
    trimmed = maker_of(table, condition=WITHOUT_SHORTEST)
    shortest = params["shortest"]
    for removed, remaining in removal_sweep(table.points, graph, norms=norms, removed=shortest):
        readings.take(partial(_trimmed, trimmed, remaining, removed, discard))
    by_share = dict.fromkeys(max(1, round(share * graph.n_points)) for share in params["shares"])
    for removed, remaining in removal_sweep(table.points, graph, norms=norms, removed=tuple(by_share), k=graph.k):
        if removed not in shortest:
            readings.take(partial(_trimmed, trimmed, remaining, removed, discard))
        readings.take(partial(_trimmed_at_headline_scales, trimmed, remaining, removed, params["mle_k"]))
    if params["full"]:
        readings.rows += row_marks.mark_rows(make, table, graph, norms)
        readings.rows += table_facts.count_parameters(make, table)
        readings.take(partial(table_bands.frequency_bands, table, graph, seed=params["seed"], discard=discard))
    said = [*_warnings(table, graph), *readings.refusals]
    return UnitResult(rows=readings.rows, inputs=[table.provenance], warnings=said)


def _trimmed(make: RowMaker, graph: NeighborGraph, removed: int, discard: float) -> list[Row]:
    return [estimate_row(make, twonn(graph, discard=discard), x=float(removed))]


def _trimmed_at_headline_scales(make: RowMaker, graph: NeighborGraph, removed: int, mle_k: Sequence[int]) -> list[Row]:
    """Read MLE and GRIDE at the scales that the headline shows."""
    known = [k for k in mle_k if k <= graph.k]
    rows = [estimate_row(make, gride(graph)[-1], x=float(removed))]
    if known:
        near = min(known, key=lambda k: abs(k - _LOCAL_K))
        rows.append(estimate_row(make, mle(graph, k=near), x=float(removed)))
    return rows


def _unit_norm(params: Mapping[str, Any], table: Table) -> UnitResult:
    """Measure the directions of the rows alone: immune to the hub of short rows."""
    readings = Readings(maker_of(table, condition=UNIT_NORM))
    graph = neighbors(table.points, k=params["k"], metric="cosine", nonfinite="drop")
    _read_estimates(readings, graph, params)
    readings.rows.append(table_facts.low_cosine_share(readings.make, graph))
    readings.take(partial(table_explorer.explored_rows, readings.make, table, graph, most=params["explored"]))
    return UnitResult(rows=readings.rows, warnings=readings.refusals)


def _null(params: Mapping[str, Any], table: Table | None) -> UnitResult:
    """Measure random tables of the same size and take the means."""
    drawn, refusals = [], []
    for points in nulls.draws_of(params, table):
        readings = Readings(nulls.maker_of_null(params, points.shape[1]))
        graph = neighbors(points, k=params["k"], queries=nulls.n_queries(points, params["draws"]))
        _read_estimates(readings, graph, params)
        readings.take(partial(_spectrum, readings.make, points))
        hubs = table_facts.describe_hubs(readings.make, graph, hubness(graph), row_norms(points))
        readings.rows += [row for row in hubs if graph.queries is None or row["method"] == "short_share"]
        drawn.append(readings.rows)
        refusals += readings.refusals
    return UnitResult(rows=nulls.at_places(nulls.mean_of_draws(drawn), params), warnings=list(dict.fromkeys(refusals)))


def _spectrum(make: RowMaker, points: torch.Tensor) -> list[Row]:
    return [spectrum_row(make, participation_ratio(points))]


def _read_estimates(readings: Readings, graph: NeighborGraph, params: Mapping[str, Any]) -> None:
    """Measure one graph by every estimator of the study."""
    make = readings.make
    readings.take(lambda: [estimate_row(make, twonn(graph, discard=params["discard"]))])
    readings.take(lambda: [estimate_row(make, twonn(graph, method="ml"))])
    for k in params["mle_k"]:
        if k <= graph.k:
            readings.take(partial(_by_likelihood, make, graph, k))
    readings.take(lambda: [estimate_row(make, estimate) for estimate in gride(graph)])


def _by_likelihood(make: RowMaker, graph: NeighborGraph, k: int) -> list[Row]:
    return [estimate_row(make, mle(graph, k=k))]


def _warnings(table: Table, graph: NeighborGraph) -> list[str]:
    """Say in sentences what a reader of the table's numbers should know."""
    reference = Reference.parse(table.provenance["reference"])
    name = f"{replace(reference, selector=None)} {table.which}"
    n_kept = table.n_stored - sum(table.left_out.values())
    said = []
    if table.n_tokens < n_kept:
        said.append(
            f"{name}: only {table.n_tokens} random rows of {n_kept} were measured (limit), so these are not the "
            "table's numbers."
        )
    if table.tied and table.which == "input":
        said.append(f"{name}: the output embedding is tied to the input embedding, so one measurement stands for both.")
    if graph.n_duplicates:
        said.append(f"{name}: rows that repeat an earlier row were left out: {graph.n_duplicates}.")
    if graph.n_zero:
        said.append(f"{name}: rows that are zero: {graph.n_zero}.")
    return said


def _subset(table: Table, limit: int | None, seed: int) -> Table:
    """Return the table, or a random subset of its rows in their order."""
    if limit is None or limit >= table.n_tokens:
        return table
    return table.take(np.sort(generator_from("limit", seed).choice(table.n_tokens, size=limit, replace=False)))


@lru_cache(maxsize=1)
def _table(reference: str, which: str, rows: Rows, counts: str | None) -> Table:
    """Load a table; those of the tokenizer are all rows where no tokenizer is known."""
    table = load_table(reference, which=which or None)
    if counts is not None:
        table = table_counts.with_counts(table, Path(counts))
    return table if table.n_vocabulary is None and rows == "tokenizer" else table.select(rows)


_LOCAL_K = 20
