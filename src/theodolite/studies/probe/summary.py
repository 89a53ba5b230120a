"""The summary of a probe study: accuracies of probe and baselines with their intervals."""

from typing import Any

import polars as pl

from theodolite.studies.probe.evaluation import evaluate


def summarize(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the summary rows that `--json` prints, the report shows and `summary.csv` holds.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of dict
        The rows of `theodolite.studies.probe.evaluation.evaluate`.
    """
    return evaluate(frame).to_dicts()


def summary_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the same rows as a frame.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        As many rows as `summarize` returns.
    """
    return evaluate(frame)
