"""Histogram rows of a frame as bins with two edges."""

import polars as pl

from theodolite.report.selection import is_measured, last_revisions, parameters, prepared


def histogram_data(frame: pl.DataFrame, measure: str) -> pl.DataFrame:
    """Return the bins of a histogram measure, for the last revision of each model.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    measure : str
        `norm_histogram` or `lid_histogram`.

    Returns
    -------
    polars.DataFrame
        The edges `left` and `right`, the count `value`; bins of no finite width are left out.
    """
    chosen = last_revisions(prepared(frame)).filter(
        (pl.col("measure") == measure) & is_measured() & pl.col("x").is_finite()
    )
    widths = pl.Series("width", [parameters(text).get("width") for text in chosen["params"]], dtype=pl.Float64)
    chosen = chosen.with_columns(widths).filter(pl.col("width").is_finite() & (pl.col("width") > 0))
    return chosen.select(
        "label",
        "which",
        pl.col("x").alias("left"),
        (pl.col("x") + pl.col("width")).alias("right"),
        "value",
        "scale",
        "n_used",
        "extrinsic",
    ).sort("label", "which", "left")
