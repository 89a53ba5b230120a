"""The command that follows a model along training."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from theodolite.cli.output import Output
from theodolite.studies.training_config import Config

Out = Annotated[Path | None, Parameter(name="--out", group="Run")]
Flat = Parameter(name="*", group="Settings")
Speech = Annotated[Output, Parameter(name="*", group="Output")]


def training(
    config: Annotated[Config | None, Flat] = None,
    *,
    out: Out = None,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Follow the dimension of a model's embedding tables along training, beside random tables and the loss.

    Parameters
    ----------
    out
        Run folder; by default a folder in ./runs named after the settings.
    """
    from theodolite.cli.results import execute  # noqa: PLC0415 - torch and polars load here, not for --help

    return execute("training", config or Config(), out, output)
