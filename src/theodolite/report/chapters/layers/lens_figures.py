"""What each layer would predict, read through a lens, and how the dimension goes with it."""

import polars as pl

from theodolite.report.chapters.layers.profile import correlated, in_order_of_conditions, profile
from theodolite.report.chapters.layers.rows import averaged, correlations_named
from theodolite.studies.layers.findings import HEADLINE_SCALE

_LENSES = ("logit_lens", "tuned_lens")
_LAGS = {0: "entropy after the same layer", 1: "entropy before it"}


def entropy_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the mean entropy of each layer read through a lens, as written and disturbed; empty without a lens."""
    rows = averaged(frame, "entropy").filter(pl.col("method").is_in(_LENSES))
    rows = rows.select(
        "name", "layer", "condition", "control", "level", "method", "value", "sd", "stderr", "n_prompts", "n_used"
    )
    return in_order_of_conditions(rows)


def lag_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the Pearson correlation over prompts of ln dimension with the entropy of a layer, at both lags.

    `layer` is that of the dimension. Empty without a lens, or with fewer than three prompts.
    """
    rows = correlations_named(frame).filter(
        pl.col("quantity").is_in(_LENSES) & (pl.col("scale") == HEADLINE_SCALE) & (pl.col("layer") > 0)
    )
    words = pl.col("lag").replace_strict(_LAGS, return_dtype=pl.String).alias("paired")
    return rows.select(
        "name", "layer", "lag", words, pl.col("quantity").alias("method"), "value", "low", "high", "n_prompts"
    ).sort("name", "lag", "layer")


def _lens(data: pl.DataFrame) -> str:
    return "through the output head" if "logit_lens" in data["method"] else "through a tuned lens"


FAMILIES = (
    profile(
        name="lens_entropy_over_layers",
        title="How certain each layer is",
        data=entropy_data,
        series="condition",
        ylabel="entropy (nats)",
        words=lambda data: f"Mean entropy of the prediction that each layer's states give {_lens(data)}.",
        after="Layer 0 is the embedding output.",
    ),
    correlated(
        name="lens_correlation_over_layers",
        title="Does a higher dimension go with a less certain layer?",
        data=lag_data,
        series="paired",
        ylabel="correlation of ln dimension and entropy",
        words=lambda data: (
            "Pearson correlation over prompts between the logarithm of the dimension after a layer (GRIDE, 2 and 4) "
            f"and the mean entropy of a layer {_lens(data)}."
        ),
        after="The authors' figure pairs a layer's dimension with the entropy before it.",
    ),
)
