"""The command that compares the geometry of models."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from theodolite.cli.output import Output
from theodolite.studies.similarity_config import Config

Out = Annotated[Path | None, Parameter(name="--out", group="Run")]
Flat = Parameter(name="*", group="Settings")
Speech = Annotated[Output, Parameter(name="*", group="Output")]


def similarity(
    config: Annotated[Config, Flat] = Config(),  # noqa: B008 - frozen
    *,
    out: Out = None,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Compare the geometry that models share: all cosines, neighbors, local dimension, hidden states.

    Without references, the bundled pocket models are compared.

    Parameters
    ----------
    out
        Run folder; by default a folder in ./runs named after the settings.
    """
    from theodolite.cli.results import execute  # noqa: PLC0415 - torch and polars load here, not for --help

    return execute("similarity", config, out, output)
