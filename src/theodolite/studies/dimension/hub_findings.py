"""Whether short rows make the readings at wider scales, which need more of them than TwoNN does."""

from collections.abc import Iterator

import polars as pl

from theodolite.core.number_format import format_count, format_percent
from theodolite.studies.dimension.config import MEASURED, WITHOUT_SHORTEST
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.reading import HUB_CHANGE, SURE, Reading
from theodolite.studies.revisions import model_name

ID = "hub-of-short-rows"
"""Of TwoNN; the findings of the other estimators have its name behind a dash."""
_WIDE = {"mle": ("MLE", "k"), "gride": ("GRIDE", "n2")}
_TENTH = 0.1005
"""Share of the rows that may be removed: a tenth, rounded to a whole row."""


def wide_hubs(dimensions: pl.DataFrame) -> Iterator[Finding]:
    """Test for each table and each estimator of a wider scale whether its shortest rows make the reading.

    Parameters
    ----------
    dimensions : polars.DataFrame
        Rows of the measure `dimension`.

    Yields
    ------
    Finding
        Where the sweep was measured at that scale.
    """
    swept = dimensions.filter((pl.col("condition") == WITHOUT_SHORTEST) & pl.col("method").is_in(list(_WIDE)))
    for (model, revision, which, method), rows in swept.group_by(
        "model", "revision", "which", "method", maintain_order=True
    ):
        scale = rows["scale"][0]
        whole = dimensions.filter(
            (pl.col("condition") == MEASURED)
            & (pl.col("model") == model)
            & (pl.col("revision") == revision)
            & (pl.col("which") == which)
            & (pl.col("method") == method)
            & (pl.col("scale") == scale)
        )
        if whole.is_empty():
            continue
        n_rows = whole["n_used"][0] + (whole["n_dropped"][0] or 0)
        measured = Reading(whole["value"][0], whole["stderr"][0])
        few = rows.filter(pl.col("x") <= _TENTH * n_rows).sort("x").select("x", "value", "stderr").rows()
        sweep = [(removed, Reading(value, stderr)) for removed, value, stderr in few]
        if not sweep:
            continue
        healed = [
            (removed, one)
            for removed, one in sweep
            if one.below(measured) and one.value < (1 - HUB_CHANGE) * measured.value
        ]
        removed, remaining = healed[0] if healed else sweep[-1]
        unsure = SURE * measured.stderr > HUB_CHANGE * measured.value
        verdict: Verdict = "supported" if healed else "undecided" if unsure else "not supported"
        name, symbol = _WIDE[str(method)]
        yield Finding(
            id=f"{ID}-{method}",
            claim=f"The shortest tenth of the rows makes the {name} reading.",
            source="theodolite",
            verdict=verdict,
            evidence=f"{name} ({symbol} = {scale}) reads {measured}, and {remaining} without the "
            f"{format_count(removed)} shortest rows ({format_percent(removed / n_rows)}).",
            subject=f"{model_name(model, revision)} {which}",
        )
