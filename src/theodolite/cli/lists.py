"""Lists on the command line: `--shuffles 0,2,4` says the same as `--shuffles 0 --shuffles 2 --shuffles 4`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path

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
_PLAIN = re.compile(r"[^\s,\[\]{}()/\\]+")
"""A value that is neither a pattern nor a path, which may hold commas of their own."""
_REFERENCE = re.compile(r"(hub|bundled):[^\s,\[\]{}()\\]+")


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
    >>> spread(["reproduce", "lee2025", "--models", "hub:a/b,hub:a/c"])
    ['reproduce', 'lee2025', '--models', 'hub:a/b', '--models', 'hub:a/c']
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
        for one in value.split(",") if _is_list(value) else [value]:
            yield from (name, one) if one else (name,)


def _is_list(value: str) -> bool:
    """Say whether commas part values: plain ones, references that name their scheme, and paths that are there."""
    parts = value.split(",")
    return (
        len(parts) > 1
        and all(_PLAIN.fullmatch(one) or _REFERENCE.fullmatch(one) or _exists(one) for one in parts)
        and not _exists(value)
    )


def _exists(name: str) -> bool:
    try:
        return bool(name) and Path(name).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # no name that a file could have
        return False


def _list_options(command: str) -> set[str]:
    """Return the options of a command that take several values."""
    if command not in _CONFIGS:
        return _OTHERS.get(command, set())
    config = import_module(_CONFIGS[command]).Config
    return {f"--{one.name.replace('_', '-')}" for one in fields(config) if str(one.type).startswith("tuple")}
