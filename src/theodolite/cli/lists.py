"""Lists on the command line: `--shuffles 0,2,4` says the same as `--shuffles 0 --shuffles 2 --shuffles 4`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib import import_module

_CONFIGS = {
    "survey": "theodolite.studies.survey.config",
    "dimension": "theodolite.studies.dimension.config",
    "training": "theodolite.studies.training.config",
    "layers": "theodolite.studies.layers.config",
    "rank": "theodolite.studies.rank.config",
    "similarity": "theodolite.studies.similarity.config",
    "probe": "theodolite.studies.probe.config",
    "reproduce": "theodolite.studies.reproduce.config",
}
"""Where each command's settings are; those that hold several values may be given with commas."""
_TRANSFER = ("source", "target", "contrasts", "maps", "controls", "tokens", "layers", "strengths")
_OTHERS = {"report": {"--figures"}, "transfer": {f"--{name}" for name in _TRANSFER}}
_LIST = re.compile(r"[^\s,\[\]{}()/\\]+(,[^\s,\[\]{}()/\\]+)+")
"""Plain values between commas: neither a pattern nor a path, which may hold commas of their own."""


def spread(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with every list written out, one option for each value.

    Parameters
    ----------
    arguments : sequence of str
        Words of the command line, the command first.

    Returns
    -------
    list of str
        Other arguments as they are.

    Examples
    --------
    >>> spread(["layers", "ref", "--shuffles", "0,2", "--prompts", "a,b.txt"])
    ['layers', 'ref', '--shuffles', '0', '--shuffles', '2', '--prompts', 'a,b.txt']
    """
    lists = _list_options(arguments[0]) if arguments else set()
    return list(_written_out(arguments, lists)) if lists else list(arguments)


def _written_out(arguments: Sequence[str], lists: set[str]) -> Iterator[str]:
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if name not in lists:
            yield word
            continue
        if not equals:
            value = next(words, "")
        for one in value.split(",") if _LIST.fullmatch(value) else [value]:
            yield from (name, one) if one else (name,)


def _list_options(command: str) -> set[str]:
    """Return the options of a command that take several values."""
    if command not in _CONFIGS:
        return _OTHERS.get(command, set())
    config = import_module(_CONFIGS[command]).Config
    return {f"--{one.name.replace('_', '-')}" for one in fields(config) if str(one.type).startswith("tuple")}
