"""Commands that need a model to run: layers."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from theodolite.cli.output import Output
from theodolite.studies.layers_config import Config

Out = Annotated[Path | None, Parameter(name="--out", group="Run")]
Flat = Parameter(name="*", group="Settings")
Speech = Annotated[Output, Parameter(name="*", group="Output")]


def layers(
    config: Annotated[Config | None, Flat] = None,
    *,
    out: Out = None,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Measure the token clouds of prompts, layer by layer: dimension at every scale, cosine, overlap, angles, loss.

    Parameters
    ----------
    out
        Run folder; by default a folder in ./runs named after the settings.
    """
    from theodolite.cli.results import execute  # noqa: PLC0415 - torch and polars load here, not for --help

    return execute("layers", config or Config(), out, output)
