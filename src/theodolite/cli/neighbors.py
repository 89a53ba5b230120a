"""The command that finds the exact neighbors of one table, block by block."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from theodolite.cli.help_text import EXPORT
from theodolite.cli.options import Flat, How, Running, Speech
from theodolite.cli.output import Output
from theodolite.studies.neighbors.config import Config


def neighbors(
    config: Annotated[Config | None, Flat] = None,
    *,
    running: How = Running(),  # noqa: B008 - frozen
    save: Annotated[Path | None, Parameter(group=EXPORT)] = None,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Find the exact neighbors of one table in units of rows, and read the merged graph.

    Parameters
    ----------
    save
        New file for the merged graph, which `td.load_graph` reads; the run folder itself will do as well.
    """
    from theodolite.cli.results import execute, has_table  # noqa: PLC0415 - torch and polars load here, not for --help
    from theodolite.core.tensor_file import new_file  # noqa: PLC0415
    from theodolite.neighborhoods.stored import save_graph  # noqa: PLC0415
    from theodolite.studies import default_folder  # noqa: PLC0415
    from theodolite.studies.neighbors.graphs import load_graph  # noqa: PLC0415

    if save is not None:
        new_file(save)  # before hours of work, not after
    chosen = config or Config()
    folder = running.out or default_folder("neighbors", chosen)
    code = execute("neighbors", chosen, replace(running, out=folder), output)
    if save is not None and has_table(folder):
        save_graph(load_graph(folder), save)
        output.say(f"Graph: {save}")
    return code
