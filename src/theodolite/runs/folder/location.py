"""Where a run lies: a folder of this machine, or a URL of an object store that fsspec reaches."""

import errno
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, TypeVar

from theodolite.core.errors import NotFoundError, RunError

T = TypeVar("T")

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"})
"""File systems on which a file appears complete or not at all."""
_TOLD = ("size", "ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNote:
    """What a listing says of a file.

    Attributes
    ----------
    stamp : str
        Other once the file was written anew.
    written : float
        When it was written, in seconds since 1970; 0 where the listing does not tell.
    """

    stamp: str
    written: float


@dataclass(frozen=True, slots=True)
class UrlPath:
    """A place behind a URL, with what the store asks of a path. Each call goes to the file system behind it.

    Attributes
    ----------
    url : str
        Such as `s3://bucket/run`; without a slash at the end.

    Raises
    ------
    OSError
        From every method that reads or writes, whatever the file system itself raises.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "UrlPath":
        return UrlPath(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """Last part of the URL."""
        return PurePosixPath(self.url.partition("://")[2]).name

    @property
    def parent(self) -> "UrlPath":
        """The folder above."""
        return UrlPath(self.url.rpartition("/")[0])

    def is_file(self) -> bool:
        """Say whether there is a file."""
        return self._ask(lambda fs, path: bool(fs.isfile(path)))

    def exists(self) -> bool:
        """Say whether there is a file, or anything below."""
        return self._ask(lambda fs, path: bool(fs.exists(path)))

    def is_dir(self) -> bool:
        """Say whether there is anything below."""
        return self._ask(lambda fs, path: bool(fs.isdir(path)))

    def read_bytes(self) -> bytes:
        """Return the content."""
        return self._ask(lambda fs, path: bytes(fs.cat_file(path)))

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the content as text."""
        return self.read_bytes().decode(encoding, errors)

    def write_bytes(self, data: bytes) -> None:
        """Put the whole content in place in one step."""

        def put(fs: Any, path: str) -> None:
            if _protocols(fs) & _WHOLE:
                fs.pipe_file(path, data)
                return
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            fs.pipe_file(f"{path}.part", data)
            fs.mv(f"{path}.part", path)

        self._ask(put)

    def create_bytes(self, data: bytes) -> None:
        """Write the content; `FileExistsError` where there is a file, if the file system can tell."""

        def create(fs: Any, path: str) -> None:
            if not _protocols(fs) & _WHOLE:
                fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            fs.pipe_file(path, data, mode="create")

        self._ask(create)

    def upload(self, local: Path) -> None:
        """Put the content of a local file in place."""

        def put(fs: Any, path: str) -> None:
            if _protocols(fs) & _WHOLE:
                fs.put_file(str(local), path)
                return
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            fs.put_file(str(local), f"{path}.part")
            fs.mv(f"{path}.part", path)

        self._ask(put)

    def download(self, local: Path) -> None:
        """Copy the content to a local file."""
        self._ask(lambda fs, path: fs.get_file(path, str(local)))

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete the file."""
        try:
            self._ask(lambda fs, path: fs.rm_file(path))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def mkdir(self, **_: object) -> None:
        """Do nothing: folders are there as soon as something lies in them."""

    def rmdir(self) -> None:
        """Do nothing: folders are gone with the last file in them."""

    def absolute(self) -> "UrlPath":
        """Return itself."""
        return self

    def glob(self, pattern: str) -> Iterator["UrlPath"]:
        """Yield the files directly below whose names match."""
        yield from (self / name for name in sorted(self.files()) if fnmatchcase(name, pattern))

    def iterdir(self) -> Iterator["UrlPath"]:
        """Yield what lies directly below."""
        for name in self._ask(lambda fs, path: [str(one).rstrip("/") for one in fs.ls(path, detail=False)]):
            yield self / name.rpartition("/")[2]

    def files(self) -> dict[str, "FileNote"]:
        """Return what a listing says of each file directly below, by name; nothing where there is none."""

        def listed(fs: Any, path: str) -> dict[str, FileNote]:
            fs.invalidate_cache(path)
            found = fs.find(path, maxdepth=1, detail=True)
            return {name.rpartition("/")[2]: _note(about) for name, about in found.items()}

        try:
            return self._ask(listed)
        except FileNotFoundError:
            return {}

    def _ask(self, question: Callable[[Any, str], T]) -> T:
        """Put a question to the file system, and let every refusal be an `OSError`."""
        fs, path = _file_system(self.url)
        try:
            return question(fs, path)
        except OSError:
            raise
        except Exception as error:  # each file system has errors of its own
            raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error


Location: TypeAlias = Path | UrlPath


def locate(place: Location | str) -> Location:
    """Return a path for a folder of this machine, and a `UrlPath` for anything else that fsspec knows.

    Parameters
    ----------
    place : path or str
        A path or a URL. `file://` is a folder of this machine. A URL that went through `pathlib`, which writes
        `s3:/bucket`, is understood.

    Returns
    -------
    Path or UrlPath
        Where to read and write.

    Raises
    ------
    RunError
        If the URL holds a password, or a package to reach it is missing.

    Examples
    --------
    >>> locate(Path("memory://bucket/runs/demo"))
    UrlPath(url='memory://bucket/runs/demo')
    >>> locate("file:///data/run") == Path("/data/run")
    True
    """
    if isinstance(place, UrlPath):
        return place
    found = _URL.fullmatch(str(place))
    if found is None or found["scheme"] not in _schemes():
        return Path(place)
    scheme, rest = found["scheme"], found["rest"].rstrip("/")
    if scheme in ("file", "local"):
        return Path("/" + rest)
    url = f"{scheme}://{rest}"
    if ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise RunError(
            f"The {scheme} URL of the run holds a password, which every log would repeat. "
            "Leave it out, and configure it where fsspec looks: the environment or ~/.config/fsspec."
        )
    _file_system(url)
    return UrlPath(url)


@contextmanager
def local_copy(path: Location) -> Iterator[Path]:
    """Give a file of this machine with the content of `path`: itself, or a copy that is deleted afterwards.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if isinstance(path, Path):
        yield path
        return
    with scratch_file(path.name) as local:
        path.download(local)
        yield local


@contextmanager
def scratch_file(name: str) -> Iterator[Path]:
    """Give the path of a file that is not there yet, in a folder that is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="theodolite-") as folder:
        yield Path(folder) / name


def _file_system(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # noqa: PLC0415 - only runs behind a URL need it

    try:
        fs, path = url_to_fs(url)
    except ImportError as error:
        raise RunError(f"Cannot reach {url}: {error}. Install the package, or choose a local folder.") from error
    except Exception as error:  # each file system has errors of its own
        raise NotFoundError(f"Cannot reach {url}: {type(error).__name__}: {error}.") from error
    return fs, path


def _schemes() -> frozenset[str]:
    from fsspec import available_protocols, registry  # noqa: PLC0415 - only paths that look like a URL need it

    return frozenset((*available_protocols(), *registry))


def _protocols(fs: Any) -> frozenset[str]:
    return frozenset({fs.protocol} if isinstance(fs.protocol, str) else fs.protocol)


def _note(about: dict[str, Any]) -> FileNote:
    told = [about[name] for name in _TOLD if about.get(name) is not None]
    return FileNote(stamp="/".join(map(str, told)), written=next(filter(None, map(_seconds, told)), 0.0))


def _seconds(told: Any) -> float:
    """Return a time that a file system tells as seconds since 1970, and 0 for what is no time."""
    if isinstance(told, str):
        try:
            told = datetime.fromisoformat(told)
        except ValueError:
            return 0.0
    return told.timestamp() if isinstance(told, datetime) else 0.0
