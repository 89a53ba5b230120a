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

    By each estimator, GRIDE at the scale of the headline. `layer` is that of the dimension. Empty without a lens, or
    with fewer than three prompts.
    """
    shown = (pl.col("method") != "gride") | (pl.col("scale") == HEADLINE_SCALE)
    rows = correlations_named(frame).filter(pl.col("quantity").is_in(_LENSES) & shown)
    words = pl.col("lag").replace_strict(_LAGS, return_dtype=pl.String).alias("paired")
    return rows.select(
        *("name", "layer", "estimator", "scale", "lag", words, pl.col("quantity").alias("lens")),
        *("value", "low", "high", "n_prompts"),
    ).sort("estimator", "scale", "name", "lag", "layer")


def _lens(names: pl.Series) -> str:
    return "through the output head" if "logit_lens" in names else "through a tuned lens"


def _correlated_words(data: pl.DataFrame) -> str:
    estimators = data["estimator"].unique(maintain_order=True).to_list()
    by = f" by {estimators[0]}" if len(estimators) == 1 else ""
    return (
        f"Pearson correlation over prompts between the logarithm of the dimension after a layer{by} "
        f"and the mean entropy of a layer {_lens(data['lens'])}."
    )


FAMILIES = (
    profile(
        name="lens_entropy_over_layers",
        title="How certain each layer is",
        data=entropy_data,
        series="condition",
        ylabel="entropy (nats)",
        words=lambda data: f"Mean entropy of the prediction that each layer's states give {_lens(data['method'])}.",
        after="Layer 0 is the embedding output.",
    ),
    correlated(
        name="lens_correlation_over_layers",
        title="Does a higher dimension go with a less certain layer?",
        data=lag_data,
        series="paired",
        ylabel="correlation of ln dimension and entropy",
        words=_correlated_words,
        after="The authors' figure pairs a layer's dimension with the entropy before it.",
    ),
)
