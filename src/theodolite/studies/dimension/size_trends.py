"""How dimension and redundancy change with the size of the model, with and without short rows."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from theodolite.core.number_format import format_interval, format_value
from theodolite.statistics import Trend, trend
from theodolite.studies.dimension.config import GAUSSIAN, MEASURED, NULLS, UNIT_NORM, WITHOUT_SHORTEST
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.revisions import MAIN

REDUNDANCY = "redundancy"
SHARE = "share_of_null"
_NAMES = {MEASURED: "dimension", UNIT_NORM: UNIT_NORM, WITHOUT_SHORTEST: WITHOUT_SHORTEST}
_TENTH = 0.1005
_SIZES = 3
"""Distinct sizes that a trend needs."""
_QUEMY = "Quemy 2026 (arXiv 2608.29702)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeTrend:
    """The trend of one quantity over the models of a run.

    Attributes
    ----------
    which : str
        Input or output embedding.
    quantity : str
        `dimension`, `redundancy`, `share_of_null` (of the dimension of a Gaussian table of the same shape), or the
        dimension under another condition: `unit_norm`, `without_shortest`.
    size : {"parameters", "columns"}
        What the models are ordered by: parameters where they are known of every model.
    found : Trend
        Slope per doubling of the size.
    """

    which: str
    quantity: str
    size: str
    found: Trend


def size_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return TwoNN of each model by its size, as it is, without short rows, and of random tables.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.

    Returns
    -------
    polars.DataFrame
        `model`, `which`, `condition`, `size` (the number), `size_name` (parameters or columns), `extrinsic`, `value`,
        `stderr`, `n_used`. Of the removal sweep, the reading nearest to a tenth of the rows. Empty unless a kind of
        table has three sizes.
    """
    main = frame.filter((pl.col("revision") == MAIN) & pl.col("which").is_in(["input", "output"]))
    twonn = main.filter((pl.col("measure") == "dimension") & (pl.col("method") == "twonn"))
    n_rows = twonn.filter(pl.col("condition") == MEASURED).select(
        "model", "which", (pl.col("n_used") + pl.col("n_dropped").fill_null(0)).alias("n_rows")
    )
    swept = twonn.filter(pl.col("condition") == WITHOUT_SHORTEST).join(
        n_rows.unique(["model", "which"]), on=["model", "which"]
    )
    swept = swept.filter(pl.col("x") <= _TENTH * pl.col("n_rows")).sort("x").unique(["model", "which"], keep="last")
    others = twonn.filter(pl.col("condition").is_in([MEASURED, UNIT_NORM, *NULLS]))
    chosen = pl.concat([others, swept.drop("n_rows")]).unique(["model", "which", "condition"], keep="first")
    parameters = main.filter(pl.col("measure") == "parameters").select("model", pl.col("value").alias("parameters"))
    chosen = chosen.join(parameters.unique("model"), on="model", how="left")
    known = chosen["parameters"].null_count() == 0
    size = pl.col("parameters") if known else pl.col("extrinsic").cast(pl.Float64)
    chosen = chosen.with_columns(
        size.alias("size"), pl.lit("parameters" if known else "columns").alias("size_name")
    ).filter(pl.col("size").n_unique().over("which") >= _SIZES)
    columns = ("model", "which", "condition", "size", "size_name", "extrinsic", "value", "stderr", "n_used")
    return chosen.select(columns).sort("which", "condition", "size", "model")


def size_trends(frame: pl.DataFrame) -> list[SizeTrend]:
    """Return the trends of dimension and redundancy over the models of a run.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.

    Returns
    -------
    list of SizeTrend
        Empty with fewer than three sizes.
    """
    data = size_data(frame).filter(pl.col("stderr") > 0)
    found = []
    for (which, condition), rows in data.group_by("which", "condition", maintain_order=True):
        if condition in NULLS or rows["size"].n_unique() < _SIZES:
            continue
        size, value, stderr = (rows[name].to_numpy() for name in ("size", "value", "stderr"))
        place: dict[str, Any] = {"which": str(which), "size": rows["size_name"][0]}
        quantity = _NAMES[str(condition)]
        found.append(SizeTrend(quantity=quantity, found=trend(size, value, stderr=stderr, axis="log2"), **place))
        if condition == MEASURED:
            width = rows["extrinsic"].to_numpy()
            redundancy = trend(size, 1 - value / width, stderr=stderr / width, axis="log2")
            found.append(SizeTrend(quantity=REDUNDANCY, found=redundancy, **place))
            found += _shares(rows, data.filter((pl.col("which") == which) & (pl.col("condition") == GAUSSIAN)), place)
    return found


def _shares(measured: pl.DataFrame, nulls: pl.DataFrame, place: dict[str, Any]) -> list[SizeTrend]:
    """Return the trend of the share of its null that each table reaches."""
    both = measured.join(nulls.select("model", null="value", null_stderr="stderr"), on="model")
    if both["size"].n_unique() < _SIZES:
        return []
    size, value, stderr, null, null_stderr = (
        both[name].to_numpy() for name in ("size", "value", "stderr", "null", "null_stderr")
    )
    share = value / null
    error = share * np.hypot(stderr / value, null_stderr / null)
    return [SizeTrend(quantity=SHARE, found=trend(size, share, stderr=error, axis="log2"), **place)]


def trend_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the trends as summary rows: `value` is the slope per doubling of what `params["per_doubling_of"]` names.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.

    Returns
    -------
    list of dict
        `measure` is `trend`, `method` the quantity.
    """
    rows = []
    for one in size_trends(frame):
        params = {name: value for name, value in asdict(one.found).items() if name not in ("slope", "stderr", "n")}
        blank = dict.fromkeys(("model", "revision", "step", "layer", "scale"))
        rows.append(
            {
                **blank,
                "which": one.which,
                "measure": "trend",
                "method": one.quantity,
                "params": {"per_doubling_of": one.size, **params},
                "value": one.found.slope,
                "stderr": one.found.stderr,
                "n_used": one.found.n,
            }
        )
    return rows


def trend_sentence(one: SizeTrend | None) -> str:
    """Say a trend in a sentence that can follow another; empty where there is none."""
    if one is None:
        return ""
    found = one.found
    least = ", the least that so few can have" if found.order_p_value <= found.least_p_value else ""
    return (
        f" Trend: {format_value(found.slope, found.stderr)} for each doubling of the {one.size} (95 % interval of a "
        f"straight line {format_interval(found.low, found.high, found.stderr)}, {found.n} models; by their order alone "
        f"p = {found.order_p_value:.2g}{least})."
    )


def without_hub(frame: pl.DataFrame) -> Iterator[Finding]:
    """Test whether the dimension stops growing with size once short rows have no say.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.

    Yields
    ------
    Finding
        For each kind of table with three sizes that was measured on rows of unit length and without its shortest rows.
    """
    found = size_trends(frame)
    for which in dict.fromkeys(one.which for one in found):
        by_name = {one.quantity: one for one in found if one.which == which}
        if not {"dimension", UNIT_NORM, WITHOUT_SHORTEST} <= set(by_name):
            continue
        every = by_name["dimension"].found
        healed = [by_name[UNIT_NORM].found, by_name[WITHOUT_SHORTEST].found]
        verdict: Verdict = "undecided"
        if all(one.low > 0 for one in healed):
            verdict = "not supported"
        elif every.low > 0 and all(one.low <= 0 and one.high < every.low for one in healed):
            verdict = "supported"
        yield Finding(
            id="size-without-hub",
            claim="Without its short rows, the dimension does not grow with the size of the model.",
            source=_QUEMY,
            verdict=verdict,
            evidence=f"All rows.{trend_sentence(by_name['dimension'])} Rows of unit length."
            f"{trend_sentence(by_name[UNIT_NORM])} Without the shortest tenth of the rows."
            f"{trend_sentence(by_name[WITHOUT_SHORTEST])}",
            subject=which,
        )
