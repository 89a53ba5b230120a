"""The command that finds the rank an input embedding needs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from theodolite.cli.help_text import EXPORT
from theodolite.cli.options import Flat, How, Running, Speech
from theodolite.cli.output import Output
from theodolite.studies.rank.config import Config


def rank(
    config: Annotated[Config | None, Flat] = None,
    *,
    running: How = Running(),  # noqa: B008 - frozen
    export: Annotated[Path | None, Parameter(group=EXPORT)] = None,
    tolerance: Annotated[float, Parameter(group=EXPORT)] = 0.05,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Find the rank an input embedding needs: adapters of every rank, tables cut to it, and the dimension.

    Parameters
    ----------
    export
        Folder for the smallest table and adapter that keep within the tolerance, with a page that says how to load
        them.
    tolerance
        Loss in nats per token that the export may cost.
    """
    from theodolite.cli.results import execute, has_table  # noqa: PLC0415 - torch and polars load here, not for --help
    from theodolite.studies import default_folder  # noqa: PLC0415

    chosen = config or Config()
    folder = running.out or default_folder("rank", chosen)
    code = execute("rank", chosen, replace(running, out=folder), output)
    if export is not None and has_table(folder):
        from theodolite.runs import open_run  # noqa: PLC0415
        from theodolite.studies.rank.export import export_recommended  # noqa: PLC0415

        for one in export_recommended(open_run(folder).table(), chosen, export, tolerance=tolerance):
            kept = [("table", one.table_rank), ("adapter", one.adapter_rank)]
            ranks = ", ".join(f"{what} of rank {found}" for what, found in kept if found is not None)
            output.say(f"Export: {one.folder} ({ranks})")
    return code
