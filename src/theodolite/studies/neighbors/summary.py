"""The summary of a neighbors study: dimensions, hubness, typical distances and counts, read off the merged graph."""

from typing import Any

import numpy as np
import polars as pl

from theodolite.studies.dimension.rows import method_name
from theodolite.studies.flat_summary import flat_summary
from theodolite.studies.neighbors.readings import QUANTILES, GraphReadings, readings_of

_MEDIAN = QUANTILES.index(0.5)


def summarize(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the summary rows that `--json` prints, the report shows and `summary.csv` holds.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of dict
        One for each dimension estimate (with `redundancy`), for the hubness, for the median distance to neighbors 1, 2,
        4, ..., and for each count; none while blocks are missing.
    """
    readings = readings_of(frame)
    return [] if readings is None else list(_rows(readings))


def summary_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the summary as a flat frame, for `summary.csv`: parameters as JSON.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        As many rows as `summarize` returns.
    """
    return flat_summary(summarize(frame))


def _rows(readings: GraphReadings) -> list[dict[str, Any]]:
    account, hubs = readings.account, readings.hubs
    blank: dict[str, Any] = {
        "model": readings.model,
        "revision": readings.revision,
        "which": readings.which,
        "layer": None,
        "measure": None,
        "method": None,
        "params": {},
        "n1": None,
        "scale": None,
        "radius": None,
        "value": None,
        "stderr": None,
        "n_used": account.counts["measured"],
        "n_dropped": None,
        "extrinsic": account.n_dims,
        "redundancy": None,
        "metric": account.metric,
    }
    rows = [
        {
            **blank,
            "measure": "dimension",
            "method": method_name(estimate),
            "params": dict(estimate.params),
            "n1": estimate.n1,
            "scale": estimate.n2,
            "radius": estimate.radius,
            "value": estimate.value,
            "stderr": estimate.stderr,
            "n_used": estimate.n_used,
            "n_dropped": estimate.n_dropped,
            "redundancy": estimate.redundancy,
        }
        for estimate in readings.estimates
    ]
    for method, value in (
        ("max", hubs.maximum / hubs.k),
        ("skewness", hubs.skewness),
        ("nobody", hubs.n_antihubs / len(hubs.counts)),
        ("top_share", top_share(readings)),
    ):
        rows.append({**blank, "measure": "hubness", "method": method, "scale": hubs.k, "value": value})
    for rank in dict.fromkeys([*(2**power for power in range(account.k.bit_length())), account.k]):
        median = float(readings.quantiles[rank - 1, _MEDIAN])
        rows.append({**blank, "measure": "distance", "method": "median", "scale": rank, "value": median})
    for kind, count in sorted(account.counts.items()):
        rows.append({**blank, "measure": "count", "method": kind, "value": float(count), "n_used": None})
    return rows


def top_share(readings: GraphReadings) -> float:
    """Return the share of all neighbor places that the most popular hundredth of the points takes.

    Parameters
    ----------
    readings : GraphReadings
        Of one graph.

    Returns
    -------
    float
        In (0, 1]; about 0.01 where all points are equally popular.
    """
    counts = np.sort(readings.hubs.counts)[::-1]
    return float(counts[: max(1, len(counts) // 100)].sum() / counts.sum())
