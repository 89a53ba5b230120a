"""A repository on the Hub at one commit: small files are brought here, large ones are read in parts."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

from theodolite.core.errors import FormatError, RemoteError
from theodolite.tables.hub_disk import git_identity, written
from theodolite.tables.hub_errors import Asked, Kind, offline
from theodolite.tables.hub_file import RemoteFile
from theodolite.tables.hub_patience import TIMEOUT, ask
from theodolite.tables.hub_request import WHOLE_FILE, Stretch
from theodolite.tables.hub_settings import host, is_offline

COMMIT = re.compile(r"^[0-9a-f]{40}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file as the Hub lists it.

    Attributes
    ----------
    size : int or None
        Its bytes; None where the server does not say.
    identity : str or None
        sha256 of large files, git's sha1 of small ones.
    is_large : bool
        Whether it is stored apart from git.
    """

    size: int | None
    identity: str | None
    is_large: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRepository:
    """A repository at a commit.

    Attributes
    ----------
    endpoint, repository : str
        Address of the Hub, and `owner/name`.
    commit : str
        Full hash: whatever is read is of this commit.
    files : mapping of str to HubFile
        Its files: those at its root; of a data set all of them, with their folders.
    home : pathlib.Path
        Where files and parts of this repository are kept.
    kind : {"model", "dataset"}
        What the Hub has it under.
    """

    endpoint: str
    repository: str
    commit: str
    files: Mapping[str, HubFile]
    home: Path
    kind: Kind = "model"

    @property
    def place(self) -> Path:
        """The repository and commit as messages name them."""
        return Path(str(self.asked()))

    @property
    def endpoint_host(self) -> str:
        """The server it is on."""
        return host(self.endpoint)

    @property
    def folder(self) -> Path:
        """Where the small files of this commit are."""
        return self.home / self.commit / "files"

    def asked(self, file: str | None = None) -> Asked:
        """Return what is asked for, for messages."""
        return Asked(
            endpoint=self.endpoint, repository=self.repository, revision=self.commit, file=file, kind=self.kind
        )

    def bring(self, name: str) -> Path:
        """Return a small file on this machine, fetched and compared with its hash if it is not here."""
        path = self.folder / name
        if path.is_file():
            return path
        file, asked = self.files[name], self.asked(name)
        size = self._size(name)
        if size > WHOLE_FILE:
            raise FormatError(
                f"{asked} has {size:,} bytes; a {name} has at most {WHOLE_FILE:,}. Is it another file under this name?"
            )
        blob = self.home / "blobs" / file.identity if file.identity else None
        if blob is None or not blob.is_file():
            with written(blob or path) as temporary:
                self._download(name, size, temporary)
        if blob is not None:
            with written(path) as temporary:
                _link(blob, temporary)
        return path

    def whole(self, name: str) -> Path | None:
        """Return a file that huggingface_hub has downloaded whole, None where it has not."""
        found = try_to_load_from_cache(self.repository, name, revision=self.commit, repo_type=self.kind)
        path = Path(found) if isinstance(found, str) else None
        listed = self.files[name].size
        return path if path is not None and listed in (None, path.stat().st_size) else None

    def remote(self, name: str) -> RemoteFile:
        """Return a file to be read in parts."""
        return RemoteFile(
            self.asked(name),
            self._url(name),
            size=self._size(name),
            commit=self.commit,
            folder=self.home / self.commit / "parts" / quote(name, safe=""),
        )

    def _download(self, name: str, size: int, target: Path) -> None:
        """Bring a whole file from huggingface_hub's own cache, or from the Hub."""
        file, asked = self.files[name], self.asked(name)
        there = self.whole(name)
        if there is not None:
            shutil.copyfile(there, target)
        elif is_offline():
            raise offline(asked, f"{name} is not there")
        else:
            stretch = Stretch(asked, self._url(name), 0, size, size=size, etag=None, commit=self.commit)
            with target.open("wb") as out:
                stretch.receive(out.write)
        if file.identity and git_identity(target, lfs=file.is_large) != file.identity:
            raise RemoteError(
                f"{asked} is not what the Hub lists: its content has another hash. Try again; if that stays, "
                "the server or something between is not to be trusted."
            )

    def _size(self, name: str) -> int:
        """Return the bytes of a file; asks for them where the list of files does not say."""
        size = self.files[name].size
        if size is None:
            if is_offline():
                raise offline(self.asked(name), "its size is not known")
            url, asked = self._url(name), self.asked(name)
            size = ask(
                lambda: get_hf_file_metadata(url, token=None, timeout=TIMEOUT, endpoint=self.endpoint), asked
            ).size
        if size is None:
            raise RemoteError(
                f"The server does not say how many bytes {self.asked(name)} has. Set HF_ENDPOINT to another server."
            )
        return size

    def _url(self, name: str) -> str:
        return hf_hub_url(self.repository, name, revision=self.commit, repo_type=self.kind, endpoint=self.endpoint)


def is_plain(name: str) -> bool:
    """Say whether the name of a file is that of one at the root, and nothing a file system could misread."""
    return name not in ("", ".", "..") and not re.search(r"[/\\\x00-\x1f]", name) and len(name) <= 200


def is_path(name: str) -> bool:
    """Say whether the name of a file is that of one inside its repository, in folders or not."""
    return all(is_plain(part) for part in name.split("/")) and len(name) <= 1000


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
