"""Stretches of a remote file that are kept on this machine: each with its checksum, whole or not there.

A finished stretch is `<begin>-<end>.bin` beside `<begin>-<end>.json` (checksum, identity of the file, what it is).
While it is fetched it is `<begin>-<end>.part`, which a later try goes on with if the file is still the same.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

from theodolite.core.errors import RemoteError
from theodolite.core.hashing import hash_file
from theodolite.tables.hub_disk import read_json, write_json, writing
from theodolite.tables.hub_progress import Counter, counted
from theodolite.tables.hub_request import ChangedError, Stretch
from theodolite.tables.hub_settings import CACHE_VARIABLE

_NAME = re.compile(r"^(\d+)-(\d+)\.bin$")
_MUST_REMAIN = 64_000_000  # bytes of disk that are left free


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A stretch that is there whole.

    Attributes
    ----------
    begin, end : int
        First byte in the remote file, and the one after the last.
    path : pathlib.Path
        Where its bytes are.
    etag : str or None
        Identity of the remote file they are from.
    """

    begin: int
    end: int
    path: Path
    etag: str | None


class Stretches:
    """What is kept of one remote file.

    Parameters
    ----------
    folder : pathlib.Path
        A folder of this file alone; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._checked: set[Path] = set()

    def find(self, begin: int, end: int) -> Kept | None:
        """Return a stretch that covers these bytes and is as it was written, or None; a damaged one is removed."""
        for path in sorted(self.folder.glob("*.bin")):
            named = _NAME.match(path.name)
            if named and int(named[1]) <= begin and end <= int(named[2]):
                kept = self._verified(path, int(named[1]), int(named[2]))
                if kept:
                    return kept
        return None

    def fetch(self, stretch: Stretch, end: int, *, what: str, label: str) -> Kept:
        """Bring a stretch here, going on with what an earlier try left; `what` is noted, `label` said while it comes.

        Raises
        ------
        RemoteError
            As `Stretch.receive`, or if the disk is too full. What was received stays for a later try, unless the file
            changed meanwhile.
        """
        begin = stretch.at
        path = self.folder / f"{begin}-{end}.bin"
        with writing(self.folder), WeakFileLock(path.with_suffix(".lock")):
            there = self._verified(path, begin, end)
            if there:
                return there
            with counted(end - begin, label) as counter:
                part = self._receive(stretch, path.with_suffix(".part"), end, counter)
            stated = {"begin": begin, "end": end, "sha256": hash_file(part), "etag": stretch.etag, "what": what}
            write_json(path.with_suffix(".json"), stated)
            part.replace(path)
            _remove(part.with_suffix(".tag"))
        return Kept(begin=begin, end=end, path=path, etag=stretch.etag)

    def clear(self) -> None:
        """Remove everything that is kept of the file."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _receive(self, stretch: Stretch, part: Path, end: int, counter: Counter) -> Path:
        """Write the stretch to `part`, beginning where an earlier try stopped."""
        tag = part.with_suffix(".tag")
        had = part.stat().st_size if part.exists() else 0
        said = tag.read_text("utf-8") if tag.exists() else ""
        if not 0 < had <= end - stretch.at or not said or stretch.etag not in (None, said):
            had = 0
        _check_space(self.folder, end - stretch.at - had)
        try:
            with part.open("r+b" if had else "wb") as file:
                file.seek(had)
                counter.add(had)
                if had:
                    stretch.etag = said
                    stretch.at += had

                def write(chunk: bytes) -> None:
                    if file.tell() == 0:
                        tag.write_text(stretch.etag or "", "utf-8")
                    file.write(chunk)
                    counter.add(len(chunk))

                stretch.receive(write)
        except ChangedError:
            _remove(part, tag)
            raise
        except RemoteError:
            raise
        except OSError:
            _remove(part, tag)
            raise
        return part

    def _verified(self, path: Path, begin: int, end: int) -> Kept | None:
        """Return the stretch of a path if its bytes are those that were written."""
        stated = read_json(path.with_suffix(".json"))
        if stated is None or not path.exists():
            return None
        same_size = path.stat().st_size == end - begin
        if same_size and (path in self._checked or stated.get("sha256") == hash_file(path)):
            self._checked.add(path)
            etag = stated.get("etag")
            return Kept(begin=begin, end=end, path=path, etag=etag if isinstance(etag, str) else None)
        _remove(path, path.with_suffix(".json"))
        return None


def _check_space(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk cannot hold."""
    free = shutil.disk_usage(folder).free
    if needed > free - _MUST_REMAIN:
        raise RemoteError(
            f"{needed:,} bytes are to be fetched, but the disk of {folder} has {free:,} left. Free some, or set "
            f"{CACHE_VARIABLE} to a folder on another disk."
        )


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
