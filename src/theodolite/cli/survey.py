"""Commands that run a study: survey, dimension, run."""

from pathlib import Path
from typing import Annotated, Any

from theodolite.cli.options import Flat, How, Running, Speech
from theodolite.cli.output import Output
from theodolite.studies.dimension.config import Config as DimensionConfig
from theodolite.studies.survey.config import Config as SurveyConfig


def survey(
    config: Annotated[SurveyConfig, Flat] = SurveyConfig(),  # noqa: B008 - frozen
    *,
    running: How = Running(),  # noqa: B008 - frozen
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Survey models: measure their embedding tables against random ones, and write a run with its report.

    Without references, the bundled pocket models are surveyed. The same command again goes on where it stopped.
    """
    return _execute("survey", config, running, output)


def dimension(
    config: Annotated[DimensionConfig | None, Flat] = None,
    *,
    running: How = Running(),  # noqa: B008 - frozen
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Measure the dimension of embedding tables: all estimators, redundancy, nulls and the hub of short rows."""
    return _execute("dimension", config or DimensionConfig(), running, output)


def run(
    study: Path,
    *,
    running: How = Running(),  # noqa: B008 - frozen
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Run a study from a file.

    Parameters
    ----------
    study
        A YAML file with `study` and `config`, such as the study.yaml of a run.
    """
    from theodolite.runs import config_from_mapping, read_study_file  # noqa: PLC0415 - keeps --help fast
    from theodolite.studies import resolve  # noqa: PLC0415

    name, version, mapping = read_study_file(study)
    found = resolve(name)
    if version not in (None, found.VERSION):
        output.say(
            f"warning: {study} was written by version {version} of the study {name}, but this is version "
            f"{found.VERSION}: the numbers may differ."
        )
    return _execute(name, config_from_mapping(found.Config, mapping), running, output)


def _execute(name: str, config: Any, running: Running, output: Output) -> int:
    from theodolite.cli.results import execute  # noqa: PLC0415 - torch and polars load here, not for --help

    return execute(name, config, running, output)
