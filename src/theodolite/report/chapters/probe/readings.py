"""What the chapter of a probe study shows, taken from its evaluation."""

import polars as pl

from theodolite.report.selection import short_names
from theodolite.studies.probe.evaluation import evaluate
from theodolite.studies.probe.names import name_of
from theodolite.studies.revisions import model_name


def results(frame: pl.DataFrame, *evaluations: str) -> pl.DataFrame:
    """Return the accuracies of some evaluations, with the columns `label` (the model) and `classifier`.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a probe study.
    *evaluations : str
        Which.

    Returns
    -------
    polars.DataFrame
        Rows with a finite number, probes on layers first, then baselines, then guards.
    """
    found = evaluate(frame).filter(
        pl.col("evaluation").is_in(evaluations) & (pl.col("statistic") == "accuracy") & pl.col("value").is_finite()
    )
    models = {
        (model, revision): model_name(model, revision)
        for model, revision in found.select("model", "revision").unique().iter_rows()
    }
    names = short_names(models.values())
    labels = [names[models[row]] for row in found.select("model", "revision").iter_rows()]
    return found.with_columns(
        pl.Series("label", labels, dtype=pl.String),
        pl.Series("classifier", [name_of(one) for one in found["features"]], dtype=pl.String),
    )
