"""Whether the page and the figures of a run are those that would be drawn now, so that none is drawn twice.

`.drawn.json` in the run's folder holds a hash of all that decides the drawing, and what a listing says of each file
that was drawn. A run without it, or with a file that is missing or was written since, is drawn.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import theodolite
from theodolite.core.hashing import canonical_json, hash_json
from theodolite.core.provenance import versions
from theodolite.report.figure_files import FOLDER, Format
from theodolite.report.html import FILE_NAME
from theodolite.runs import Run
from theodolite.runs.folder.atomic import write_atomically
from theodolite.runs.folder.location import Location, UrlPath

NAME = ".drawn.json"

_PASSING = ("sessions", "finished", "units", "command")
"""What the manifest says of the latest call, which may have changed nothing."""
_SOURCES = (".py", ".j2", ".js", ".css")
_LIBRARIES = ("matplotlib", "jinja2", "numpy", "polars", "scipy")


def is_drawn(run: Run, formats: Sequence[Format]) -> bool:
    """Say whether the page and the figures of a run are there as they would be drawn now.

    Parameters
    ----------
    run : Run
        The run.
    formats : sequence of {"svg", "png", "pdf"}
        Kinds of figure files that are wanted.

    Returns
    -------
    bool
        False where rows, settings, warnings, failures, this package, a library, the formats or the place of the run are
        other than when it was drawn, or a file is missing or was written since.
    """
    try:
        noted = json.loads((run.path / NAME).read_text(encoding="utf-8"))
        of, files = noted["of"], dict(noted["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return FILE_NAME in files and files.items() <= _files(run.path).items() and of == _decides(run, formats)


def note_drawn(run: Run, formats: Sequence[Format]) -> None:
    """Note that the page and the figures of a run were drawn just now.

    Parameters
    ----------
    run : Run
        The run.
    formats : sequence of {"svg", "png", "pdf"}
        Kinds of figure files that were written.

    Raises
    ------
    RunError
        If the system refuses to write.
    """
    noted = {"of": _decides(run, formats), "files": _files(run.path)}
    write_atomically(run.path / NAME, canonical_json(noted).encode(), forced=False)


def _decides(run: Run, formats: Sequence[Format]) -> str:
    """Return the hash of all that decides what the page and the figures look like."""
    manifest: dict[str, Any] = {name: value for name, value in run.manifest.items() if name not in _PASSING}
    return hash_json(
        {
            "manifest": manifest,
            "status": run.status,
            "failures": [(one.label, one.exception, one.message) for one in run.failures()],
            "path": str(run.path),
            "formats": list(formats),
            "package": _package_hash(),
            "libraries": versions(_LIBRARIES),
        }
    )


@cache
def _package_hash() -> str:
    """Return a hash of the sources of this package: they say what is drawn, whatever its version is called."""
    home, found = Path(theodolite.__file__).parent, hashlib.sha256()
    for path in sorted(one for one in home.rglob("*") if one.suffix in _SOURCES):
        found.update(path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def _files(run: Location) -> dict[str, str]:
    """Return what a listing says of the page and of the files of the figures; other once they are written anew."""
    page = {name: stamp for name, stamp in _listed(run).items() if name == FILE_NAME}
    return page | {f"{FOLDER}/{name}": stamp for name, stamp in _listed(run / FOLDER).items()}


def _listed(folder: Location) -> dict[str, str]:
    if isinstance(folder, UrlPath):
        return {name: note.stamp for name, note in folder.files().items()}
    if not folder.is_dir():
        return {}
    stats = {one.name: one.stat() for one in folder.iterdir() if one.is_file()}
    return {name: f"{about.st_size}/{about.st_mtime_ns}" for name, about in stats.items()}
