"""Command that prints the completion of commands and options for a shell."""

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print a script that completes commands, options and their values.

    Parameters
    ----------
    shell
        bash: eval "$(theodolite completion bash)" in ~/.bashrc. zsh: save it as _theodolite in a folder of $fpath.
        fish: save it as ~/.config/fish/completions/theodolite.fish.
    """
    from theodolite.cli.main import app  # noqa: PLC0415 - the table of commands names this one

    print(app.generate_completion(shell=shell), end="")
    return 0
