"""The main job: everything theodolite can say about the models given, planned as units of the studies.

Tables are measured as by the study `dimension`, the token clouds of prompts as by `layers`, and what models share as by
`similarity`. What a reference cannot give, such as the layers of a file of word vectors, is left out and said.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from theodolite import bundled
from theodolite.core.errors import ParameterError
from theodolite.runs import Unit, UnitResult
from theodolite.studies.dimension import config as table_config
from theodolite.studies.dimension import findings as table_findings
from theodolite.studies.dimension import study as dimension
from theodolite.studies.dimension import summary as table_summary
from theodolite.studies.families import family_references
from theodolite.studies.finding import Finding
from theodolite.studies.layers import findings as layer_findings
from theodolite.studies.layers import summary as layer_summary
from theodolite.studies.similarity import findings as similarity_findings
from theodolite.studies.similarity import summary as similarity_summary
from theodolite.studies.survey import parts as survey_parts
from theodolite.studies.survey.columns import COLUMNS, COLUMNS_OF, LAYERS, SIMILARITY, TABLES
from theodolite.studies.survey.config import Config

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "portion", "run", "summarize", "summary_frame"]

NAME = "survey"
VERSION = 3

_PARTS = {
    TABLES: (table_summary, table_findings),
    LAYERS: (layer_summary, layer_findings),
    SIMILARITY: (similarity_summary, similarity_findings),
}


def plan(config: Config) -> list[Unit]:
    """List the units of every study that the survey holds.

    Parameters
    ----------
    config : Config
        What to survey; without references, the bundled family.

    Returns
    -------
    list of Unit
        Units of the studies `dimension`, `layers` and `similarity`, then one that says what was left out and why.

    Raises
    ------
    ParameterError
        If nothing is left to do.
    """
    config = _with_references(config)
    units: list[Unit] = []
    notes: list[str] = []
    if "tables" in config.parts:
        units += dimension.plan(
            table_config.Config(
                references=config.references,
                checkpoints=config.checkpoints,
                which=config.which,
                rows=config.rows,
                k=config.k,
                nulls=config.nulls,
                null_draws=config.null_draws,
                seed=config.seed,
                limit=config.limit,
            )
        )
    for part, planned in (("layers", survey_parts.layers), ("similarity", survey_parts.similarity)):
        if part in config.parts:
            found = planned(config)
            units += found.units
            notes += found.notes
    if not units:
        raise ParameterError(
            f"There is nothing to survey in {', '.join(config.parts)} of {', '.join(config.references) or 'nothing'}. "
            f"{' '.join(notes) or 'Name models, or leave out --parts.'}"
        )
    if notes:
        units.append(Unit(study=NAME, version=VERSION, params={"notes": notes}, group="", label="what was left out"))
    return units


def _with_references(config: Config) -> Config:
    """Write out a family, or the bundled one where nothing is named."""
    if config.family is not None:
        return replace(config, references=(*config.references, *family_references(config.family)))
    if config.references or config.checkpoints:
        return config
    models = bundled.family().models
    return replace(
        config,
        references=tuple(f"bundled:{model.name}" for model in models),
        checkpoints=tuple(f"bundled:{model.name}@*" for model in models if len(model.revisions) > 1),
    )


def run(unit: Unit) -> UnitResult:
    """Say what was left out of the survey.

    Parameters
    ----------
    unit : Unit
        As `plan` made it.

    Returns
    -------
    UnitResult
        No rows, and a warning for each part that a reference cannot give.

    Raises
    ------
    ParameterError
        If the unit is not one of this study.
    """
    if unit.study != NAME:
        raise ParameterError(f"A unit of {unit.study!r} is no unit of the survey: it is run by its own study.")
    return UnitResult(rows=[], warnings=list(unit.params["notes"]))


def portion(frame: pl.DataFrame, study: str) -> pl.DataFrame:
    """Return the rows of one study, with its columns.

    Parameters
    ----------
    frame : polars.DataFrame
        The survey's table. One of an older survey has no column `study`: it holds tables only.
    study : {"dimension", "layers", "similarity"}
        Whose rows.

    Returns
    -------
    polars.DataFrame
        As the study alone would have written it.
    """
    columns = COLUMNS_OF[study]
    if "study" in frame.columns:
        frame = frame.filter(pl.col("study") == study)
    elif study != TABLES:
        frame = frame.clear()
    missing = [
        pl.lit(None, dtype=getattr(pl, column.polars_name)()).alias(name)
        for name, column in columns.items()
        if name not in frame.columns
    ]
    return frame.with_columns(missing).select(list(columns))


def summarize(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the summary rows that `--json` prints, the report shows and `summary.csv` holds.

    Parameters
    ----------
    frame : polars.DataFrame
        The survey's table.

    Returns
    -------
    list of dict
        Those of each study, with its name in `study`.
    """
    return [
        {"study": study, **row}
        for study, (summary, _) in _PARTS.items()
        for row in summary.summarize(portion(frame, study))
    ]


def summary_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the summary as a flat frame, for `summary.csv`.

    Parameters
    ----------
    frame : polars.DataFrame
        The survey's table.

    Returns
    -------
    polars.DataFrame
        One row for each number of each study; columns that a study does not have are null.
    """
    found = [
        (study, flat)
        for study, (summary, _) in _PARTS.items()
        if not (flat := summary.summary_frame(portion(frame, study))).is_empty()
    ]
    columns = [flat.select(pl.lit(study).alias("study"), pl.all()) for study, flat in found]
    return pl.concat(columns, how="diagonal_relaxed") if columns else pl.DataFrame()


def find(frame: pl.DataFrame) -> Sequence[Finding]:
    """Return what the numbers say, study by study.

    Parameters
    ----------
    frame : polars.DataFrame
        The survey's table.

    Returns
    -------
    list of Finding
        Each names its study.
    """
    return [
        replace(finding, study=study)
        for study, (_, findings) in _PARTS.items()
        for finding in findings.find(portion(frame, study))
    ]
