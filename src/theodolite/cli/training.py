"""The command that follows a model along training."""

from typing import Annotated

from theodolite.cli.options import Flat, How, Running, Speech
from theodolite.cli.output import Output
from theodolite.studies.training.config import Config


def training(
    config: Annotated[Config | None, Flat] = None,
    *,
    running: How = Running(),  # noqa: B008 - frozen
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Follow the dimension of a model's embedding tables along training, beside random tables and the loss."""
    from theodolite.cli.results import execute  # noqa: PLC0415 - torch and polars load here, not for --help

    return execute("training", config or Config(), running, output)
