"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from theodolite.cli.output import Output

Out = Annotated[Path | None, Parameter(name="--out", group="Run")]
Flat = Parameter(name="*", group="Settings")
Speech = Annotated[Output, Parameter(name="*", group="Output")]
