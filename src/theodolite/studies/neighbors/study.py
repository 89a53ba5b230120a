"""Exact neighbors of one table, cut into units by blocks of rows; the merged graph is that of the single search.

Each unit searches the points of one block among all points of the table, so that a table too large for one device's
time is spread over many, and what was done before a stop is kept.
"""

from functools import lru_cache
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import polars as pl
import torch

from theodolite.core.errors import FormatError, GeometryWarning, NotFoundError, ParameterError, PointsError
from theodolite.core.number_format import counted
from theodolite.core.points import CleanPoints
from theodolite.neighborhoods import BlockSearch, Metric, NeighborGraph, block_search
from theodolite.runs import Unit, UnitResult
from theodolite.runs.rows import schema_of
from theodolite.studies.dimension.config import MEASURED, Rows
from theodolite.studies.dimension.rows import maker_of
from theodolite.studies.neighbors.columns import COLUMNS
from theodolite.studies.neighbors.config import COUNT, NEIGHBORHOOD, Config
from theodolite.studies.neighbors.findings import find
from theodolite.studies.neighbors.summary import summarize, summary_frame
from theodolite.tables import Reference, Table, describe, load_table

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "run", "summarize", "summary_frame"]

NAME = "neighbors"
VERSION = 1
_OF_THE_TABLE = ("reference", "which", "content", "rows", "k", "metric", "device")


def plan(config: Config) -> list[Unit]:
    """List the units: the blocks of the table.

    Parameters
    ----------
    config : Config
        What to search.

    Returns
    -------
    list of Unit
        In the order of the rows; the content of the table is hashed into each.

    Raises
    ------
    PointsError
        If the table has too few rows for k.
    ParameterError
        If it has fewer rows than blocks were asked for.
    """
    _table.cache_clear()
    _search.cache_clear()
    reference = Reference.parse(config.reference)
    which = _which(reference, config.which)
    table = _table(config.reference, which, config.rows)
    if table.n_tokens <= config.k:
        raise PointsError(
            f"{reference} has {counted(table.n_stored, 'row')} of which {table.n_tokens} would be searched "
            f"(rows={table.rows}), but k={config.k} needs at least {config.k + 1}. Lower k."
        )
    n_blocks = config.blocks_of(table.n_tokens)
    shared = {
        "reference": config.reference,
        "which": which,
        "content": table.content,
        "rows": config.rows,
        "k": config.k,
        "metric": config.metric,
        "device": config.device,
        "n_blocks": n_blocks,
    }
    return [
        Unit(
            study=NAME,
            version=VERSION,
            params={**shared, "block": block},
            group=f"{config.reference} {which}".rstrip(),
            label=f"{config.reference} {which} block {block + 1} of {n_blocks}".replace("  ", " "),
        )
        for block in range(n_blocks)
    ]


def run(unit: Unit) -> UnitResult:
    """Search one block.

    Parameters
    ----------
    unit : Unit
        As `plan` made it.

    Returns
    -------
    UnitResult
        A frame with the columns of `COLUMNS`: a row for each point of the block, and the counts of the whole table.
        The notes hold the kernel and how many points were searched again.
    """
    params = unit.params
    table = _table(params["reference"], params["which"], params["rows"])
    search = _search(**{name: params[name] for name in _OF_THE_TABLE})
    graph = search.search(params["block"], params["n_blocks"])
    return UnitResult(
        rows=_frame(table, graph, params["block"]),
        inputs=[table.provenance],
        warnings=_warnings(table, search.clean),
        notes={"path": graph.path, "n_redone": graph.n_redone},
    )


def _frame(table: Table, graph: NeighborGraph, block: int) -> pl.DataFrame:
    """Return the rows of one block."""
    points = graph.rows if graph.queries is None else graph.rows[graph.queries]
    tokens = None if table.tokens is None else [_storable(table.tokens[row]) for row in points.tolist()]
    near = pl.Series(graph.rows[graph.indices].astype(np.int32)).cast(pl.List(pl.Int32))
    apart = pl.Series(graph.distances).cast(pl.List(pl.Float64))
    neighborhoods = pl.DataFrame(
        {
            "row": points,
            "token_id": table.token_ids[points],
            "token": pl.Series(tokens, dtype=pl.String) if tokens else None,
            "value": graph.distances[:, -1],
            "neighbors": near,
            "distances": apart,
        }
    ).with_columns(measure=pl.lit(NEIGHBORHOOD), scale=pl.lit(graph.k))
    counts = pl.DataFrame(
        {
            "method": ["given", "measured", "nonfinite", "duplicates", "zero"],
            "value": [graph.n_given, graph.n_points, graph.n_nonfinite, graph.n_duplicates, graph.n_zero],
        }
    ).with_columns(pl.col("value").cast(pl.Float64), measure=pl.lit(COUNT))
    known = maker_of(table, condition=MEASURED).shared
    shared: dict[str, Any] = {name: known[name] for name in ("model", "revision", "which", "rows", "extrinsic")}
    shared |= {"metric": graph.metric, "block": block}
    whole = pl.concat([neighborhoods, counts], how="diagonal").with_columns(**{k: pl.lit(v) for k, v in shared.items()})
    return whole.select([pl.col(name).cast(dtype) for name, dtype in schema_of(COLUMNS).items()])


def _storable(token: str) -> str:
    """Write lone surrogates, which no file of text can hold, as visible escapes."""
    return token.encode("utf-8", "backslashreplace").decode()


def _warnings(table: Table, clean: CleanPoints) -> list[str]:
    """Say in sentences what was left out."""
    name = table.provenance["reference"]
    left_out = {
        "rows that repeat an earlier row": clean.n_duplicates,
        "rows that hold NaN or infinite values": clean.n_nonfinite,
    }
    return [f"{name}: {what} were left out: {count}." for what, count in left_out.items() if count]


def _which(reference: Reference, wanted: str) -> str:
    """Return the embedding to load; nothing where the reference names the tensor or there are no embeddings."""
    if reference.selector is not None:
        return ""
    found = describe(reference)
    there = [which for which, name in (("input", found.input), ("output", found.output)) if name is not None]
    if there and wanted not in there:
        raise NotFoundError(f"{reference} has no {wanted} embedding, only {' and '.join(there)}.")
    return wanted if there else ""


@lru_cache(maxsize=1)
def _table(reference: str, which: str, rows: Rows) -> Table:
    """Load a table; those of the tokenizer are all rows where no tokenizer is known."""
    table = load_table(reference, which=which or None)
    return table if table.n_vocabulary is None and rows == "tokenizer" else table.select(rows)


@lru_cache(maxsize=1)
def _search(
    *, reference: str, which: str, content: str, rows: Rows, k: int, metric: Metric, device: str
) -> BlockSearch:
    """Make a table ready, once for all blocks that this process searches."""
    table = _table(reference, which, rows)
    if table.content != content:
        raise FormatError(f"{reference} changed after the run was planned. Run the study again.")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise ParameterError("device=cuda, but torch sees no GPU here. Take --device auto, or run where there is one.")
    place = "cuda" if there and device != "cpu" else "cpu"
    with catch_warnings():
        simplefilter("ignore", GeometryWarning)  # said by every block, whoever makes the table ready
        return block_search(table.points.to(place), k=k, metric=metric, nonfinite="drop")
