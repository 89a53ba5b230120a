"""The manifest: what a run is, what it was computed from and with, and how far it has come."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict, cast

from theodolite.core.errors import RunError
from theodolite.core.hashing import canonical_json, hash_json
from theodolite.runs.columns import is_type
from theodolite.runs.folder.location import Location

SCHEMA_VERSION = 1

Status = Literal["running", "success", "partial", "interrupted", "failed"]

SEEDS = "derived from the unit key and the study's seed (theodolite.core.seeds); order and runner cannot matter"


class UnitCounts(TypedDict):
    """How many units: planned in all; kept from before; done and failed in the latest session."""

    planned: int
    kept: int
    done: int
    failed: int


class Session(TypedDict):
    """One call of the driver on the folder. `finished` is None while it works, and after it was killed.

    `id` tells sessions apart; those of before lack it. `host` tells machines apart without naming them. `shard` is
    the share of the units ("2/4") where it did only that.
    """

    id: str
    started: str
    finished: str | None
    seconds: float | None
    status: Status
    runner: str
    workers: int
    host: str
    shard: str | None
    kept: int
    done: int
    failed: int
    command: list[str] | None
    error: str | None


class TableNote(TypedDict):
    """Size and sha256 of `table.parquet`."""

    rows: int
    sha256: str


class Manifest(TypedDict):
    """The content of `manifest.json`, schema version 1.

    Timestamps are ISO 8601 in UTC, seconds come from a clock that does not jump. `config_sha256` covers study, version
    and config: a folder continues only under the same one. `part_seconds` says how much of `unit_seconds` went to which
    part of the work, where a study says so. `columns` are names and types of the table; manifests of before lack them.
    """

    schema_version: int
    status: Status
    study: str
    study_version: int
    config: dict[str, Any]
    config_sha256: str
    plan_sha256: str
    created: str
    finished: str | None
    units: UnitCounts
    unit_seconds: float | None
    part_seconds: dict[str, float]
    columns: dict[str, str]
    table: TableNote | None
    inputs: list[dict[str, Any]]
    warnings: list[str]
    seeds: str
    environment: dict[str, Any]
    git: str | None
    command: list[str] | None
    sessions: list[Session]


_SHAPE: dict[str, type | tuple[type, ...]] = {
    "status": str,
    "study": str,
    "study_version": int,
    "config": dict,
    "config_sha256": str,
    "plan_sha256": str,
    "created": str,
    "units": dict,
    "table": (dict, type(None)),
    "inputs": list,
    "warnings": list,
    "environment": dict,
    "sessions": list,
}
_COUNTS = ("planned", "kept", "done", "failed")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_SHOWN_LENGTH = 200


def config_hash(study: str, version: int, config: Mapping[str, Any]) -> str:
    """Return the hash that decides whether a folder may be continued."""
    return hash_json({"study": study, "version": version, "config": config})


def now() -> str:
    """Return the time in UTC, to the second.

    Examples
    --------
    >>> len(now())
    20
    """
    return datetime.now(UTC).strftime(_TIME)


def seconds_of(time: str) -> float:
    """Return a time of the manifest as seconds since 1970.

    Examples
    --------
    >>> seconds_of("1970-01-02T00:00:00Z")
    86400.0
    """
    return datetime.strptime(time, _TIME).replace(tzinfo=UTC).timestamp()


def is_time(value: Any) -> bool:
    """Say whether a value is a time as the manifest writes it.

    Examples
    --------
    >>> is_time("1970-01-02T00:00:00Z"), is_time("yesterday")
    (True, False)
    """
    try:
        seconds_of(value)
    except (TypeError, ValueError):
        return False
    return True


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as indented JSON; lone surrogates are written as JSON escapes."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", "backslashreplace")


def parse_manifest(path: Location) -> Manifest:
    """Read and check a manifest.

    Parameters
    ----------
    path : pathlib.Path or UrlPath
        An existing `manifest.json`.

    Returns
    -------
    Manifest
        Its content.

    Raises
    ------
    RunError
        If it cannot be read, is no JSON, lacks what every manifest has, or is of a newer schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged: it is not valid JSON ({error}). Restore it, or delete the folder."
        ) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise RunError(f"{path} is not the manifest of a run: it states no schema_version.")
    if version > SCHEMA_VERSION:
        raise RunError(
            f"{path} has schema version {version}, but this theodolite reads up to {SCHEMA_VERSION}. Update theodolite."
        )
    wrong = [name for name, kind in _SHAPE.items() if not isinstance(content.get(name, _ABSENT), kind)]
    if not wrong:
        wrong = [f"units.{name}" for name in _COUNTS if not isinstance(content["units"].get(name), int)]
    if not wrong and not all(isinstance(one, dict) and is_time(one.get("started")) for one in content["sessions"]):
        wrong = ["sessions.started"]
    if not wrong and not _are_types(content.get("columns", {})):
        wrong = ["columns"]
    if wrong:
        raise RunError(
            f"{path} is damaged: {', '.join(wrong)} missing or of the wrong type. Restore it, or delete the folder."
        )
    return cast(Manifest, content)


def _are_types(columns: Any) -> bool:
    return isinstance(columns, dict) and all(is_type(one) for one in columns.values())


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Name the settings that differ, one `field: old -> new` each.

    Examples
    --------
    >>> differences({"k": 20, "rows": "all"}, {"k": 64, "rows": "all", "seed": 1})
    ['k: 20 -> 64', 'seed: not set -> 1']
    """
    lines = []
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name, _ABSENT), new.get(name, _ABSENT)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, f"{prefix}{name}.")
        elif _shown(before) != _shown(after):
            lines.append(f"{prefix}{name}: {_shortened(before)} -> {_shortened(after)}")
    return lines


_ABSENT = object()


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "not set"
    return canonical_json(value)


def _shortened(value: Any) -> str:
    text = _shown(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}... ({len(text)} characters)"


def distinct(values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each mapping once, in order of first occurrence."""
    return list({canonical_json(value): dict(value) for value in values}.values())
