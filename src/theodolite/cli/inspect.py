"""Command that shows what a reference holds."""

from typing import Annotated

from cyclopts import Parameter

from theodolite.cli.output import Output, print_json

_UNITS = ("B", "kB", "MB", "GB", "TB")


def inspect(
    reference: str,
    *,
    output: Annotated[Output, Parameter(name="*", group="Output")] = Output(),  # noqa: B008 - frozen
) -> int:
    """Show the tensors of a reference, which are embeddings, and how much would be read.

    Parameters
    ----------
    reference
        A model folder, a file, or bundled:NAME.
    """
    from theodolite.tables import describe  # noqa: PLC0415 - keeps --help fast

    found = describe(reference)
    if output.json:
        print_json({"command": "inspect", "status": "success", **found.as_dict()})
    return 0
