"""The summary of a transfer study: what was found at the chosen layer, and what is known of the maps."""

from typing import Any

import polars as pl

_OF_A_MAP = ("r2_held_out", "retrieval_1", "retrieval_10", "condition_number", "norm_change")
_AT_THE_CHOSEN_LAYER = (
    "working_strength",
    "effect",
    "monotone",
    "effect_retained",
    "beyond_control",
    "draws_as_good",
    "draws_keep",
    "cosine",
    "preference",
    "perplexity",
    "kl",
    "distinct_2",
)
_KEPT = (
    "source",
    "target",
    "contrast",
    "measure",
    "role",
    "condition",
    "draw",
    "tokens",
    "layer",
    "source_layer",
    "strength",
    "value",
    "stderr",
    "low",
    "high",
    "n_used",
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
        One for each number at the chosen layer and token rule, and for each number that belongs to a map; of a random
        control, the first draw and what all draws say together.
    """
    return summary_frame(frame).to_dicts()


def summary_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the same rows as a frame.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        In the order of the table.
    """
    chosen = pl.col("measure").is_in(_AT_THE_CHOSEN_LAYER) & (
        pl.col("chosen").fill_null(False) | (pl.col("role") == "none")
    )
    first = pl.col("draw").fill_null(0) == 0
    return frame.filter((chosen & first) | pl.col("measure").is_in(_OF_A_MAP)).select(_KEPT)
