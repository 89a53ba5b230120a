"""A neighbors study whose neighbors are drawn instead of searched: a graph of any size."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from theodolite.core.seeds import generator_from
from theodolite.runs import Unit, UnitResult
from theodolite.runs.rows import schema_of
from theodolite.studies.neighbors import study as neighbors

NAME = "neighbors"
VERSION = neighbors.VERSION
COLUMNS = neighbors.COLUMNS
BLOCK = 50_000


@dataclass(frozen=True, kw_only=True)
class Config:
    n_points: int = 100_000
    k: int = 64


def plan(config):
    return [
        Unit(
            study=NAME,
            version=VERSION,
            params={"start": start, "n_points": config.n_points, "k": config.k},
            group="drawn",
            label=f"drawn block {start // BLOCK + 1}",
        )
        for start in range(0, config.n_points, BLOCK)
    ]


def run(unit):
    start, n_points, k = (unit.params[name] for name in ("start", "n_points", "k"))
    draw = generator_from(unit.key)
    rows = np.arange(start, min(start + BLOCK, n_points))
    near = (
        rows[:, None] + 1 + np.sort(draw.integers(0, n_points - k, (len(rows), k)), axis=1) + np.arange(k)
    ) % n_points
    apart = np.cumsum(draw.exponential(size=(len(rows), k)), axis=1) ** 0.1
    points = pl.DataFrame(
        {
            "row": rows,
            "token_id": rows,
            "token": rows.astype(str),
            "value": apart[:, -1],
            "neighbors": pl.Series(near.astype(np.int32)).cast(pl.List(pl.Int32)),
            "distances": pl.Series(apart).cast(pl.List(pl.Float64)),
        }
    ).with_columns(measure=pl.lit("neighborhood"), scale=pl.lit(k))
    counts = {"given": n_points, "measured": n_points, "nonfinite": 0, "duplicates": 0, "zero": 0}
    counted = pl.DataFrame({"method": list(counts), "value": list(counts.values())}).with_columns(
        pl.col("value").cast(pl.Float64), measure=pl.lit("count")
    )
    shared = {
        "model": "drawn",
        "revision": "main",
        "which": "input",
        "rows": "all",
        "metric": "euclidean",
        "extrinsic": 64,
    }
    whole = pl.concat([points, counted], how="diagonal").with_columns(**{k: pl.lit(v) for k, v in shared.items()})
    frame = whole.with_columns(block=pl.lit(start // BLOCK))
    return UnitResult(rows=frame.select([pl.col(name).cast(dtype) for name, dtype in schema_of(COLUMNS).items()]))
