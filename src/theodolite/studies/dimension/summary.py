"""The summary of a table study: one object for each measured number, with its nulls beside it."""

import json
from typing import Any

import polars as pl

from theodolite.studies.dimension.config import MEASURED, NULLS, UNIT_NORM
from theodolite.studies.dimension.size_trends import trend_rows
from theodolite.studies.flat_summary import flat_summary

_IDENTITY = ("model", "revision", "which", "measure", "method", "params", "scale")
_UNREAD = (None, None)
_SUMMARISED = ("dimension", "participation_ratio", "low_cosine_share", "hubness", "count")


def summarize(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the summary rows that `--json` prints, the report shows and `summary.csv` holds.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of dict
        The trends over the sizes of the models (`size_trends.trend_rows`) where there are three; then one for each
        measured dimension, participation ratio, share and count. `null` maps each null to its value, the mean of its
        draws, and `null_stderr` to the standard error of that mean. `unit_norm` and `unit_norm_stderr` are the same
        estimate on rows of unit length, `redundancy` is 1 - value / extrinsic.
    """
    beside = {condition: _values(frame.filter(pl.col("condition") == condition)) for condition in (*NULLS, UNIT_NORM)}
    summary = trend_rows(frame)
    shown = frame.filter(
        pl.col("measure").is_in(_SUMMARISED)
        & ((pl.col("condition") == MEASURED) | (pl.col("measure") == "low_cosine_share"))
    )
    for row in shown.iter_rows(named=True):
        key = tuple(row[name] for name in _IDENTITY)
        entry = {
            "model": row["model"],
            "revision": row["revision"],
            "step": row["step"],
            "which": row["which"],
            "layer": None,
            "measure": row["measure"],
            "method": row["method"],
            "params": json.loads(row["params"]) if row["params"] else {},
            "scale": row["scale"],
            "value": row["value"],
            "stderr": row["stderr"],
            "n_used": row["n_used"],
            "n_dropped": row["n_dropped"],
            "extrinsic": row["extrinsic"],
        }
        if row["measure"] == "dimension":
            entry["redundancy"] = 1 - row["value"] / row["extrinsic"]
            entry["unit_norm"], entry["unit_norm_stderr"] = beside[UNIT_NORM].get(key, _UNREAD)
        if row["measure"] in ("dimension", "participation_ratio", "hubness"):
            nulls = {kind: beside[kind][key] for kind in NULLS if key in beside[kind]}
            entry["null"] = {kind: value for kind, (value, _) in nulls.items()}
            entry["null_stderr"] = {kind: stderr for kind, (_, stderr) in nulls.items()}
        summary.append(entry)
    return summary


def summary_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the summary as a flat frame, for `summary.csv`: two columns for each null, parameters as JSON.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        As many rows as `summarize` returns.
    """
    flat = []
    for row in summarize(frame):
        nulls, errors, params = row.pop("null", {}), row.pop("null_stderr", {}), row.pop("params")
        beside = {f"null_{kind}": nulls.get(kind) for kind in NULLS}
        beside |= {f"null_{kind}_stderr": errors.get(kind) for kind in NULLS}
        flat.append(
            {"redundancy": None, "unit_norm": None, "unit_norm_stderr": None, **row, "params": params, **beside}
        )
    return flat_summary(flat)


def _values(frame: pl.DataFrame) -> dict[tuple[Any, ...], tuple[float | None, float | None]]:
    """Return value and standard error by what was measured."""
    return {
        tuple(row[name] for name in _IDENTITY): (row["value"], row["stderr"]) for row in frame.iter_rows(named=True)
    }
