"""A server on this machine that answers like the Hugging Face Hub, counts what it sends, and fails on request.

Two servers run: the Hub itself, and a store of blobs on another host name, to which large files are redirected with a
signed address, as the Hub does. Files are streamed from disk, so sparse files of gigabytes cost nothing.
"""

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import huggingface_hub
import pytest

from theodolite.tables import hub_patience, hub_repository, hub_request, hub_resolve

LARGE = 1 << 16
_CHUNK = 1 << 16
_PATIENT = 900.0
"""Seconds without a byte after which clients give up: on a busy machine a server in the same process may need some."""


@dataclass(kw_only=True)
class Repository:
    """A model or data set: its commits by revision, and who may read it."""

    commits: dict[str, str] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    private: bool = False
    gated: bool = False
    tells_sizes: bool = True


@dataclass(kw_only=True)
class Seen:
    """One request as it arrived."""

    host: str
    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0


Fault = Callable[["Answer"], bool]
"""Looks at a request; answers it itself and returns True, or changes it and returns False."""


class _Server(ThreadingHTTPServer):
    """A server that does not mind clients who hang up."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


class Hub:
    """Repositories, tokens, faults, and the requests that came.

    Attributes
    ----------
    repositories : dict of str to Repository
        By `owner/name`.
    token : str
        The one that is accepted.
    faults : list of Fault
        Asked before each answer.
    waits : list of float
        Seconds that the client would have waited.
    requests : list of Seen
        Every request, in order.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.token = "hf_" + "x" * 34
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.waits: list[float] = []
        self._hashes: dict[tuple[Path, int, int], str] = {}
        self._servers = [_Server(("127.0.0.1", 0), type("BoundAnswer", (Answer,), {"hub": self})) for _ in range(2)]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """The address of the Hub."""
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def blobs(self) -> str:
        """The address of the store of blobs: another host."""
        return f"http://localhost:{self._servers[1].server_port}"

    @property
    def sent(self) -> int:
        """Bytes of all bodies that were sent."""
        return sum(seen.sent for seen in self.requests)

    def add(self, name: str, folder: Path, *, revision: str = "main", **settings: Any) -> str:
        """Publish a folder as a revision of a model, or of a data set (`datasets/owner/name`); return its commit."""
        repository = self.repositories.setdefault(name, Repository())
        for key, value in settings.items():
            setattr(repository, key, value)
        commit = hashlib.sha1(f"{name}@{revision}:{folder}".encode()).hexdigest()
        repository.commits[revision] = commit
        repository.folders[commit] = folder
        return commit

    def forget(self) -> None:
        """Start counting anew."""
        self.requests.clear()

    def close(self) -> None:
        """Stop both servers."""
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def identity(self, path: Path) -> str:
        """Return the hash under which the Hub keeps a file; large sparse files are hashed by name and size."""
        status = path.stat()
        key = (path, status.st_size, status.st_mtime_ns)
        if key not in self._hashes:
            if status.st_size > 1 << 26:
                self._hashes[key] = hashlib.sha256(repr(key).encode()).hexdigest()
            elif status.st_size > LARGE:
                self._hashes[key] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = path.read_bytes()
                self._hashes[key] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return self._hashes[key]


class Answer(BaseHTTPRequestHandler):
    """One connection; `hub` and `seen` are there for faults."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: Hub
    is_blobs: bool
    seen: Seen
    ignore_range = False
    etag_suffix = ""
    most: int | None = None
    holds: Callable[[], bool] | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def refuse(self, status: int, code: str = "", message: str = "", **headers: str) -> bool:
        """Answer with an error as the Hub writes it."""
        body = json.dumps({"error": message or code}).encode()
        told = {
            "X-Error-Code": code,
            "X-Error-Message": message,
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        self._send(status, body, {name: value for name, value in told.items() if value})
        return True

    def send_nothing(self) -> bool:
        """Answer well, and tell neither size nor identity."""
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        return True

    def _answer(self) -> None:
        self.is_blobs = self.server is self.hub._servers[1]
        self.ignore_range, self.etag_suffix, self.most, self.holds = False, "", None, None
        self.seen = Seen(
            host="blobs" if self.is_blobs else "hub",
            method=self.command,
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        self.hub.requests.append(self.seen)
        try:
            if any(fault(self) for fault in list(self.hub.faults)):
                return
            parts = urlsplit(self.path)
            if self.is_blobs:
                self._blob(Path(unquote(parts.path)), parse_qs(parts.query))
            elif parts.path.startswith(("/api/models/", "/api/datasets/")):
                self._api(parts.path.removeprefix("/api/models/").removeprefix("/api/"))
            else:
                self._resolve(parts.path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _repository(self, name: str) -> Repository | None:
        """Return a model that the asker may see, or answer that there is none."""
        repository = self.hub.repositories.get(name)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token != self.hub.token:
            self.refuse(401, "", "Invalid credentials in Authorization header")
        elif repository is None or (repository.private and not token):
            self.refuse(401 if not token else 404, "RepoNotFound", "Repository not found")
        else:
            return repository
        return None

    def _commit(self, repository: Repository, revision: str) -> str | None:
        commit = revision if revision in repository.folders else repository.commits.get(revision)
        if commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _api(self, path: str) -> None:
        """Answer what `model_info`, `list_repo_refs` and `list_repo_tree` ask."""
        found = re.fullmatch(r"((?:datasets/)?(?:[^/]+/[^/]+|[^/]+))(?:/(revision|refs|tree)(?:/([^/]+))?)?/?", path)
        if found is None:
            self.refuse(404)
            return
        repository = self._repository(found[1])
        if repository is None:
            return
        if found[2] == "refs":
            kinds = {name: name in repository.tags for name in repository.commits}
            refs = {
                kind: [
                    {"name": name, "ref": f"refs/{of}/{name}", "targetCommit": repository.commits[name]}
                    for name, is_tag in kinds.items()
                    if is_tag == (of == "tags")
                ]
                for kind, of in (("branches", "heads"), ("tags", "tags"))
            }
            self._json({**refs, "converts": []})
            return
        commit = self._commit(repository, unquote(found[3] or "main"))
        if commit is None:
            return
        folder = repository.folders[commit]
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if found[2] == "tree":
            self._json(
                [
                    {
                        "type": "file",
                        "path": path.relative_to(folder).as_posix(),
                        "size": path.stat().st_size,
                        **self._oid(path),
                    }
                    for path in files
                ]
            )
            return
        blobs = "blobs=" in self.path and repository.tells_sizes
        siblings = [
            {"rfilename": path.relative_to(folder).as_posix(), **(self._listed(path) if blobs else {})}
            for path in files
        ]
        self._json({"id": found[1], "sha": commit, "private": repository.private, "siblings": siblings})

    def _listed(self, path: Path) -> dict[str, Any]:
        size, identity = path.stat().st_size, self.hub.identity(path)
        if size > LARGE:
            return {"size": size, "blobId": "0" * 40, "lfs": {"sha256": identity, "size": size, "pointerSize": 134}}
        return {"size": size, "blobId": identity}

    def _oid(self, path: Path) -> dict[str, Any]:
        size, identity = path.stat().st_size, self.hub.identity(path)
        if size > LARGE:
            return {"oid": "0" * 40, "lfs": {"oid": identity, "size": size, "pointerSize": 134}}
        return {"oid": identity}

    def _resolve(self, path: str) -> None:
        """Answer a file, or where its blob is."""
        found = re.fullmatch(r"/((?:datasets/)?(?:[^/]+/[^/]+|[^/]+))/resolve/([^/]+)/(.+)", path)
        repository = self._repository(found[1]) if found else None
        if found is None or repository is None:
            if found is None:
                self.refuse(404)
            return
        if repository.gated and not self.headers.get("Authorization"):
            self.refuse(401, "GatedRepo", f"Access to model {found[1]} is restricted.")
            return
        if repository.gated:
            self.refuse(403, "GatedRepo", f"Access to model {found[1]} is restricted and you are not in the list.")
            return
        commit = self._commit(repository, unquote(found[2]))
        if commit is None:
            return
        file = repository.folders[commit] / unquote(found[3])
        told = {"X-Repo-Commit": commit}
        if not file.is_file():
            self.refuse(404, "EntryNotFound", "Entry not found", X_Repo_Commit=commit)
            return
        etag = f'"{self.hub.identity(file)}{self.etag_suffix}"'
        if file.stat().st_size > LARGE:
            told |= {
                "X-Linked-Size": str(file.stat().st_size),
                "X-Linked-ETag": etag,
                "Location": f"{self.hub.blobs}{file}?Signature=SECRET-SIGNATURE",
            }
            self._send(302, b"Found. Redirecting", told)
            return
        self._file(file, told | {"ETag": etag})

    def _blob(self, path: Path, query: dict[str, list[str]]) -> None:
        if query.get("Signature") != ["SECRET-SIGNATURE"] or self.headers.get("Authorization"):
            self.refuse(400, "", "Only one auth mechanism allowed")
            return
        self._file(path, {"ETag": f'"store-{path.name}"'})

    def _file(self, path: Path, told: dict[str, str]) -> None:
        """Send a file or the part of it that is asked for."""
        size = path.stat().st_size
        begin, end, status = 0, size, 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and not self.ignore_range:
            begin, end = int(asked[1]), min(size, int(asked[2] or size - 1) + 1)
            if begin >= size or end <= begin:
                self._send(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            status = 206
            told = told | {"Content-Range": f"bytes {begin}-{end - 1}/{size}"}
        self.send_response(status)
        for name, value in {**told, "Accept-Ranges": "bytes", "Content-Length": str(end - begin)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._stream(path, begin, end)

    def _stream(self, path: Path, begin: int, end: int) -> None:
        left = end - begin if self.most is None else min(self.most, end - begin)
        cut = left < end - begin
        with path.open("rb") as file:
            file.seek(begin)
            while left > 0:
                chunk = file.read(min(_CHUNK, left))
                self.wfile.write(chunk)
                self.seen.sent += len(chunk)
                left -= len(chunk)
                while self.holds is not None and self.holds():
                    time.sleep(0.01)
        if cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
            self.seen.sent += len(body)


def times(n: int, fault: Fault) -> Fault:
    """Return a fault that happens the first `n` times only."""
    left = [n]
    lock = threading.Lock()  # the client may be back before this returns

    def limited(answer: Answer) -> bool:
        with lock:
            if left[0] <= 0:
                return False
            before = dict(vars(answer))
            done = fault(answer)
            if done or vars(answer) != before:
                left[0] -= 1
            return done

    return limited


def only(part: str, fault: Fault) -> Fault:
    """Return a fault for requests whose path holds a text."""
    return lambda answer: part in answer.path and fault(answer)


def setting(**values: Any) -> Fault:
    """Return a fault that changes how an answer is given."""

    def change(answer: Answer) -> bool:
        for name, value in values.items():
            setattr(answer, name, value)
        return False

    return change


def refusing(status: int, code: str = "", **headers: str) -> Fault:
    """Return a fault that refuses."""
    return lambda answer: answer.refuse(status, code, **headers)


@contextmanager
def serving(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Run a Hub, and let this process take it for the real one, with empty caches, no token and no patience."""
    hub = Hub()
    patch.setenv("HF_ENDPOINT", hub.endpoint)
    patch.setenv("THEODOLITE_CACHE", str(folder / "cache"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        patch.delenv(name, raising=False)
    patch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "huggingface"))
    patch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(folder / "token"))
    patch.setattr(hub_patience, "pause", hub.waits.append)
    for module in (hub_patience, hub_repository, hub_request, hub_resolve):
        patch.setattr(module, "TIMEOUT", _PATIENT)
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        patch.setattr(huggingface_hub.constants, name, int(_PATIENT))
    patch.setattr(hub_resolve, "_REMEMBERED", 10**9)  # no five minutes end in the middle of a test
    hub_resolve._resolve.cache_clear()
    try:
        yield hub
    finally:
        huggingface_hub.close_session()
        hub.close()
        hub_resolve._resolve.cache_clear()
