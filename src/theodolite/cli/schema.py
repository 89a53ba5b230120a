"""Command that prints the JSON Schema of what other programs read."""

from pathlib import Path
from typing import Literal

_FOLDER = Path(__file__).with_name("schemas")


def schema(name: Literal["output", "manifest"] = "output") -> int:
    """Print the JSON Schema (draft 2020-12) of what other programs read.

    Parameters
    ----------
    name
        output: what every command prints with --json. manifest: the manifest.json of a run.
    """
    print((_FOLDER / f"{name}.json").read_text(encoding="utf-8"), end="")
    return 0
