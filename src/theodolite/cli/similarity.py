"""The command that compares the geometry of models."""

from typing import Annotated

from theodolite.cli.options import Flat, How, Running, Speech
from theodolite.cli.output import Output
from theodolite.studies.similarity.config import Config


def similarity(
    config: Annotated[Config, Flat] = Config(),  # noqa: B008 - frozen
    *,
    running: How = Running(),  # noqa: B008 - frozen
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Compare the geometry that models share: all cosines, neighbors, local dimension, hidden states.

    Without references, the bundled pocket models are compared.
    """
    from theodolite.cli.results import execute  # noqa: PLC0415 - torch and polars load here, not for --help

    return execute("similarity", config, running, output)
