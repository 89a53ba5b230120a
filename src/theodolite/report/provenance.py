"""Where a run comes from: status, inputs, versions, how to make it again. From the manifest, whatever it holds."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from theodolite.core.number_format import counted, format_bytes, format_count, format_duration
from theodolite.runs.folder.location import Location

_INPUT_COLUMNS = {
    "reference": "reference",
    "revision": "revision",
    "which": "table",
    "tensor": "tensor",
    "dtype": "dtype",
    "shape": "shape",
    "tied": "tied",
    "n_bytes": "size",
    "sha256": "sha256",
}
_STATUS_SENTENCES = {
    "running": "This run is still working: the numbers below are those of the units that are done.",
    "partial": "This run finished with failed units: the numbers below leave them out.",
    "interrupted": "This run was interrupted: the numbers below are those of the units that are done.",
    "failed": "This run failed: the numbers below are those of the units that were done before.",
}
_OF_PROMPTS = ("layers", "probe")
"""Studies whose limit is of prompts, which every caption counts, and not of rows of a table."""
_HIDDEN = frozenset({"inputs", "warnings", "sessions", "config", "command", "environment", "table", "units", "columns"})


def banners(manifest: Mapping[str, Any], status: str) -> list[str]:
    """Say what stands in the way of quoting the numbers: an unfinished run, a limit.

    Parameters
    ----------
    manifest : mapping
        The run's manifest.
    status : str
        The run's status.

    Returns
    -------
    list of str
        Sentences; empty for a run that is complete.
    """
    found = []
    if status != "success":
        units = manifest.get("units") or {}
        done = (units.get("kept") or 0) + (units.get("done") or 0)
        count = f" {format_count(done)} of {counted(units.get('planned') or 0, 'unit')} done." if units else ""
        found.append(_STATUS_SENTENCES.get(status, f"Status of this run: {status}.") + count)
    limits = () if manifest.get("study") in _OF_PROMPTS else _limits(manifest.get("config"))
    for limit in dict.fromkeys(limits):
        found.append(
            f"Made with a limit of {counted(limit, 'row')} per table: for a quick look, not for a result. "
            "Dimensions depend on the number of rows."
        )
    return found


def reproduce(manifest: Mapping[str, Any], run_path: Location) -> dict[str, str]:
    """Return the commands and the file that make the run again.

    Parameters
    ----------
    manifest : mapping
        The run's manifest.
    run_path : pathlib.Path or UrlPath
        Its folder.

    Returns
    -------
    dict
        `command` as it was given (empty where unknown), `again` from the study file, `study` the file's text.
    """
    command = manifest.get("command")
    study_file = run_path / "study.yaml"
    try:
        study = study_file.read_text(encoding="utf-8", errors="backslashreplace")
    except OSError:
        study = ""
    given = shlex.join(map(str, command)) if isinstance(command, Sequence) and not isinstance(command, str) else command
    again = shlex.join(["theodolite", "run", str(study_file), "--out", f"{run_path}-again"])
    return {
        "command": str(given or ""),
        "again": again if study else "",
        "study": study,
    }


def input_table(manifest: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return headings and lines of the table of inputs; columns that no input has are left out.

    Parameters
    ----------
    manifest : mapping
        The run's manifest.

    Returns
    -------
    tuple of (list of str, list of list of str)
        Headings, lines.
    """
    inputs = [one for one in manifest.get("inputs") or [] if isinstance(one, Mapping)]
    columns = [key for key in _INPUT_COLUMNS if any(one.get(key) is not None for one in inputs)]
    lines = [[_input_text(key, one.get(key)) for key in columns] for one in inputs]
    return [_INPUT_COLUMNS[key] for key in columns], lines


def facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return everything else that the manifest knows, as names and values.

    Parameters
    ----------
    manifest : mapping
        The run's manifest.

    Returns
    -------
    list of (str, str)
        Nested names joined by a space.
    """
    found = [(name, value) for name, value in _flat({k: v for k, v in manifest.items() if k not in _HIDDEN})]
    found += [(f"units {name}", value) for name, value in _flat(manifest.get("units") or {})]
    found += [(name, value) for name, value in _flat(manifest.get("environment") or {})]
    return [(name, value) for name, value in found if value]


def settings(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the settings of the study, as names and values."""
    config = manifest.get("config")
    return list(_flat(config)) if isinstance(config, Mapping) else []


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        words = f"{prefix} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, words)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield words, ", ".join(map(_text, value))
        elif name.endswith("seconds") and isinstance(value, int | float):
            yield words.removesuffix("seconds").strip() + " time", format_duration(value)
        else:
            yield words, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _input_text(key: str, value: Any) -> str:
    if key == "shape" and isinstance(value, Sequence):
        return " × ".join(map(format_count, value))
    if key == "n_bytes":
        return format_bytes(value)
    return _text(value)


def _limits(config: Any) -> Iterator[int]:
    if isinstance(config, Mapping):
        for name, value in config.items():
            if name == "limit" and isinstance(value, int) and not isinstance(value, bool):
                yield value
            else:
                yield from _limits(value)
