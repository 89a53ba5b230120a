"""The summary of a rank study: perplexity at each rank, the knee of each curve, and the rank to take."""

from typing import Any

import polars as pl

from theodolite.studies.flat_summary import flat_summary
from theodolite.studies.rank.curves import TOLERANCES, Interval, ModelRanks, RankCurve, read_models

_BLANK: dict[str, Any] = {
    "model": None,
    "revision": None,
    "which": "input",
    "layer": None,
    "condition": None,
    "method": None,
    "side": None,
    "measure": None,
    "params": {},
    "rank": None,
    "scale": None,
    "value": None,
    "low": None,
    "high": None,
    "n_used": None,
    "extrinsic": None,
}


def summarize(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the summary rows that `--json` prints, the report shows and `summary.csv` holds.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of dict
        For each model: its dimension at every scale, the perplexity without training and with the whole table trained;
        for each curve: perplexity and loss increase (over its ceiling, nats per token) at each rank, `low` and `high`
        being 95 % intervals, the knee (`params` says how sharp it is), and the recommended rank at several tolerances.
    """
    rows = []
    for model in read_models(frame):
        shared = {**_BLANK, "model": model.model, "revision": model.revision, "extrinsic": model.extrinsic}
        rows += _of_model(model, shared)
        for curve in model.curves:
            place = {"condition": curve.condition, "method": curve.method, "side": curve.side}
            rows += _of_curve(curve, {**shared, **place})
    return rows


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


def recommended(curve: RankCurve, tolerance: float) -> dict[str, Any]:
    """Return the rank to take for a tolerated loss increase, and what it saves.

    Parameters
    ----------
    curve : RankCurve
        Of one condition.
    tolerance : float
        Nats per token that the loss may lie above the ceiling.

    Returns
    -------
    dict
        `rank` (None where no rank that saves anything is surely good enough), `parameters` that it holds or trains,
        `saved`, the share of the whole table's parameters that this is less by.
    """
    rank = curve.sufficient(tolerance)
    parameters = None if rank is None else int(curve.parameters[curve.ranks == rank][0])
    if parameters is None or parameters >= curve.n_full:
        return {"tolerance": tolerance, "rank": None, "parameters": None, "saved": None}
    return {"tolerance": tolerance, "rank": rank, "parameters": parameters, "saved": 1 - parameters / curve.n_full}


def _of_model(model: ModelRanks, shared: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    if model.dimension is not None:
        rows.append({**shared, "measure": "dimension", "method": "twonn", "scale": 2, **_interval(model.dimension)})
    rows += [
        {**shared, "measure": "dimension", "method": "gride", "scale": scale, "value": value}
        for scale, value in model.scales
    ]
    for condition, loss in (("base", model.base), ("full", model.full)):
        if loss is not None:
            rows.append({**shared, "condition": condition, "measure": "perplexity", **_interval(loss.exp())})
    return rows


def _of_curve(curve: RankCurve, shared: dict[str, Any]) -> list[dict[str, Any]]:
    n_used = curve.losses.shape[1]
    rows = []
    for rank, loss, increase in zip(curve.ranks.tolist(), curve.loss(), curve.increase(), strict=True):
        at = {**shared, "rank": rank, "n_used": n_used}
        rows.append({**at, "measure": "perplexity", **_interval(loss.exp())})
        rows.append({**at, "measure": "loss_increase", **_interval(increase)})
    found = curve.knee()
    if not found.reason:
        params = {
            "between_ranks": list(curve.placed(found)),
            "slope_before": found.slope_before,
            "slope_after": found.slope_after,
            "p_value": found.p_value,
            "bic_gain": _json(found.bic_gain),
            "bic_gain_over_curve": _json(found.bic_gain_over_curve),
            "supported": found.supported,
        }
        interval = Interval(value=found.value, low=found.low, high=found.high)
        rows.append({**shared, "measure": "knee", "params": params, "n_used": n_used, **_interval(interval)})
    for tolerance in TOLERANCES:
        params = recommended(curve, tolerance)
        rows.append(
            {**shared, "measure": "recommended_rank", "value": params.pop("rank"), "params": params, "n_used": n_used}
        )
    return rows


def _interval(found: Interval) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _json(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
