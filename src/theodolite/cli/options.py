"""Options that several commands share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from theodolite.cli.help_text import OUTPUT, RUN, SETTINGS
from theodolite.cli.output import Output
from theodolite.runs.runners import OnError, RunnerName


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """How a study is run; it changes no number.

    Attributes
    ----------
    out : pathlib.Path or None
        Run folder; by default a folder in ./runs named after the settings.
    runner : {"serial", "processes", "ray"}
        Who does the units of work: this process; processes of this machine, one for each GPU; Ray, on this machine or
        a cluster.
    workers : int or None
        Units at a time; by default one for each GPU.
    address : str or None
        Of an existing Ray cluster, such as `auto` or ray://host:10001.
    shard : str or None
        Do only a share of the units, such as 2/4, beside other jobs on the same folder; the last one writes the table.
    on_error : {"continue", "stop"}
        What to do when a unit fails.
    """

    out: Path | None = None
    runner: RunnerName = "serial"
    workers: int | None = None
    address: str | None = None
    shard: str | None = None
    on_error: OnError = "continue"


Flat = Parameter(name="*", group=SETTINGS)
How = Annotated[Running, Parameter(name="*", group=RUN)]
Speech = Annotated[Output, Parameter(name="*", group=OUTPUT)]
