"""Files of the cache: written whole or not at all, and known by their hash."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from theodolite.core.errors import RemoteError, TheodoliteError
from theodolite.core.hashing import hash_file
from theodolite.tables.hub_settings import CACHE_VARIABLE


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make a folder of the cache, and say what to do where it cannot be written.

    Raises
    ------
    RemoteError
        In place of what the file system says.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except TheodoliteError:
        raise
    except OSError as error:
        raise RemoteError(
            f"The cache at {folder} cannot be written: {error.strerror or error}. Set {CACHE_VARIABLE} to a folder "
            "that can."
        ) from error


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of `path` when all went well, and is removed otherwise."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path.parent):
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a small object, whole or not at all."""
    with written(path) as temporary:
        temporary.write_text(json.dumps(value), "utf-8")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a small object of the cache; None where it is missing or damaged."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def git_identity(path: Path, *, lfs: bool) -> str:
    """Return what the Hub calls the content of a file: sha256 for large files, git's own sha1 for small ones."""
    if lfs:
        return hash_file(path)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
