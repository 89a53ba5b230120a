"""What each shard says of itself in the run folder: files that only one process writes, so that none waits for another.

`shards/2-of-4.json` holds the sessions of shard 2/4, `shards/2-of-4.failures.jsonl` the units it could not do. Readers
of the manifest and of the failures see them; a driver of the whole run takes them over and deletes them.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

from theodolite.runs.folder.atomic import write_atomically
from theodolite.runs.folder.location import Location
from theodolite.runs.folder.manifest import Manifest, Session, is_time
from theodolite.runs.shards.shard import Shard

SHARDS = "shards"
_FAILURES = ".failures.jsonl"


def failures_path(folder: Location, shard: Shard) -> Location:
    """Return where a shard lists the units it could not do."""
    return folder / SHARDS / f"{shard.name}{_FAILURES}"


def all_failures_paths(folder: Location) -> list[Location]:
    """Return the lists of all shards."""
    return sorted((folder / SHARDS).glob(f"*-of-*{_FAILURES}"), key=str)


def write_shard(folder: Location, shard: Shard, *, plan_sha256: str, sessions: Sequence[Session]) -> None:
    """Write what a shard says of itself.

    Raises
    ------
    RunError
        If the system refuses.
    """
    content = {"plan_sha256": plan_sha256, "sessions": list(sessions)}
    write_atomically(_path(folder, shard), (json.dumps(content, indent=2) + "\n").encode())


def read_shard(folder: Location, shard: Shard) -> tuple[str | None, list[Session]]:
    """Return the plan that a shard works on, and its sessions; None and nothing where it never began."""
    return _content(_path(folder, shard))


def with_shards(folder: Location, manifest: Manifest) -> Manifest:
    """Return a manifest with the sessions of all shards, as they say themselves, in the order in which they began."""
    files: Iterable[Location] = (folder / SHARDS).glob("*-of-*.json")
    said = {_identity(one): one for path in sorted(files, key=str) for one in _content(path)[1]}
    known = [said.pop(_identity(one), one) for one in manifest["sessions"]]
    if not said:
        return {**manifest, "sessions": known}
    return {**manifest, "sessions": sorted([*known, *said.values()], key=lambda one: one["started"])}


def remove_shards(folder: Location) -> None:
    """Delete what shards said. Call it only once it is written elsewhere, holding the whole folder."""
    for path in [*(folder / SHARDS).glob("*"), *folder.glob(".shard-*-of-*.lock")]:
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):
        (folder / SHARDS).rmdir()


def _path(folder: Location, shard: Shard) -> Location:
    return folder / SHARDS / f"{shard.name}.json"


def _content(path: Location) -> tuple[str | None, list[Session]]:
    """Read a shard's file; what is damaged says nothing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return str(content["plan_sha256"]), list(_sessions(content["sessions"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None, []


def _sessions(content: Any) -> Iterator[Session]:
    for one in content:
        if isinstance(one, dict) and is_time(one.get("started")):
            yield cast(Session, one)


def _identity(session: Session) -> tuple[str | None, str]:
    """Tell sessions of shards apart; those of before have no id, but a shard is held by one process at a time."""
    return session.get("shard"), session.get("id") or session["started"]
