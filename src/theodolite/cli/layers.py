"""Commands that need a model to run: layers."""

from typing import Annotated

from theodolite.cli.options import Flat, How, Running, Speech
from theodolite.cli.output import Output
from theodolite.studies.layers.config import Config


def layers(
    config: Annotated[Config | None, Flat] = None,
    *,
    running: How = Running(),  # noqa: B008 - frozen
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Measure the token clouds of prompts, layer by layer: dimension at every scale, cosine, overlap, angles, loss."""
    from theodolite.cli.results import execute  # noqa: PLC0415 - torch and polars load here, not for --help

    return execute("layers", config or Config(), running, output)
