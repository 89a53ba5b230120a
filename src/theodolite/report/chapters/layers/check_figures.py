"""Checks of what the estimators take a cloud for: over how many neighbors density is constant."""

import polars as pl

from theodolite.report.chapters.layers.profile import profile
from theodolite.report.chapters.layers.rows import POSITIONS, averaged, structured
from theodolite.report.figures.wording import joined


def density_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the mean k* of each layer, for each choice of positions.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        Means over prompts as they are; `limit` is where the search for k* ended, `at_limit` the share of tokens that
        reach it. Empty where homogeneity was not checked.
    """
    rows = structured(averaged(frame, "constant_density"))
    keys = ["name", "layer", "positions"]
    shares = rows.filter(pl.col("method") == "at_limit").select(*keys, pl.col("value").alias("at_limit"))
    words = pl.col("positions").replace_strict(POSITIONS, default=None, return_dtype=pl.String).alias("tokens")
    return (
        rows.filter(pl.col("method") == "mean")
        .join(shares, on=keys, how="left")
        .select(
            *("name", "layer", words, pl.col("scale").alias("limit")),
            *("value", "sd", "stderr", "at_limit", "n_prompts", "n_used"),
        )
        .sort("name", "tokens", "layer")
    )


def _density_words(data: pl.DataFrame) -> str:
    limit, shares = max(data["limit"].to_list()), data["at_limit"].drop_nulls().to_list()
    reached = f", which {100 * min(shares):.0f} to {100 * max(shares):.0f} % of the tokens reach" if shares else ""
    return joined(
        "Mean over tokens of k*, the neighbors over which density is compatible with that at the token (a likelihood "
        "ratio at a probability of one in a million).",
        f"The search ends at {limit}{reached}; the dimension at neighbors 2 and 4 takes density to be constant over 4.",
    )


FAMILIES = (
    profile(
        name="constant_density_over_layers",
        title="Over how many neighbors density is constant",
        data=density_data,
        series="tokens",
        ylabel="neighbors of constant density",
        words=_density_words,
        sources=("viswanathan2025", "rodriguez2018"),
    ),
)
