"""One stretch of bytes of a file on the Hub: asked for by range, checked, and gone on with where a connection broke."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status  # type: ignore[attr-defined]

from theodolite.core.errors import RemoteError
from theodolite.core.provenance import versions
from theodolite.tables.hub_errors import Asked
from theodolite.tables.hub_patience import HTTP_ERRORS, TIMEOUT, BrokenError, Patience

WHOLE_FILE = 64_000_000
"""Most bytes of a file that is taken whole where a server ignores ranges."""

_MUCH = 1 << 16  # bytes after which a connection that breaks has been of use
_SLOWEST = 1024  # bytes a second, over the time of `TIMEOUT`
_CONTENT_RANGE = re.compile(r"^bytes (\d+)-(\d+)/(\d+)$")
_EXPLAINS = ("x-error-", "retry-after", "ratelimit", "x-request-id")


class ChangedError(RemoteError):
    """The server gives other content than a moment ago: what is there of the file is worth nothing."""


class Stretch:
    """Bytes `begin` to `end` of a file, received in one or more connections.

    Parameters
    ----------
    asked : Asked
        What is asked for, for messages.
    url : str
        Address of the file at a commit.
    begin, end : int
        First byte, and the one after the last.
    size : int
        Size of the whole file, as the Hub lists it.
    etag : str or None
        The identity of its content, where an earlier request told it.
    commit : str
        The commit that is meant.

    Attributes
    ----------
    etag : str or None
        As the server told it.
    at : int
        The next byte to come.
    """

    def __init__(
        self, asked: Asked, url: str, begin: int, end: int, *, size: int, etag: str | None, commit: str
    ) -> None:
        self.etag = etag
        self.at = begin
        self._asked = asked
        self._url = url
        self._end = end
        self._size = size
        self._commit = commit

    def receive(self, write: Callable[[bytes], Any]) -> None:
        """Hand the bytes to `write`, piece by piece.

        Raises
        ------
        RemoteError
            If the server ignores ranges, changes the file meanwhile, sends something else than it was asked for, or
            keeps failing. What was written before is right.
        NotFoundError
            If the file does not exist.
        """
        patience = Patience(self._asked)
        while self.at < self._end:
            before = self.at
            try:
                for chunk in self._connection():
                    write(chunk)
                    self.at += len(chunk)
                if self.at < self._end:
                    raise BrokenError("the connection ended early")
            except HTTP_ERRORS as error:
                if self.at - before >= _MUCH:
                    patience.renew()
                patience.wait(error)

    def _connection(self) -> Iterator[bytes]:
        """Yield what one connection gives, no more than was asked for."""
        headers = build_hf_headers(library_name="theodolite", library_version=versions(("theodolite",))["theodolite"])
        headers |= {"Accept-Encoding": "identity", "Range": f"bytes={self.at}-{self._end - 1}"}
        with get_session().stream("GET", self._url, headers=headers, timeout=TIMEOUT) as response:
            if response.status_code >= 400:
                hf_raise_for_status(_without_body(response))
            self._check(response)
            left, since, received = self._end - self.at, time.monotonic(), 0
            for chunk in response.iter_raw():
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return
                received += len(chunk)
                elapsed = time.monotonic() - since
                if elapsed > TIMEOUT:
                    if received < _SLOWEST * elapsed:
                        raise BrokenError("the connection gives next to nothing")
                    since, received = time.monotonic(), 0

    def _check(self, response: Any) -> None:
        """Refuse an answer that is not the stretch that was asked for."""
        answers = [one.headers for one in (*response.history, response)]
        told = next((one for one in answers if "X-Repo-Commit" in one), answers[0])  # the Hub's own, not a blob store's
        etag = told.get("X-Linked-Etag") or told.get("ETag")
        etag = etag.strip().removeprefix("W/").strip('"') if etag else None
        commit = told.get("X-Repo-Commit")
        if (self.etag and etag and etag != self.etag) or (commit and commit != self._commit):
            raise ChangedError(
                f"{self._asked} changed while it was read: the server gives other content than a moment ago for the "
                "same commit. Nothing of it is kept; try again."
            )
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise RemoteError(
                f"The server sends {self._asked} compressed although that was declined, so a part of it cannot be "
                "read. Set HF_ENDPOINT to another mirror, or download the file and give its path."
            )
        if response.status_code == 206:
            self._check_range(response.headers.get("Content-Range", ""))
        elif response.status_code != 200 or self.at != 0 or self._size > WHOLE_FILE:
            raise RemoteError(
                f"The server ignores that only a part of {self._asked} is asked for (status {response.status_code}), "
                f"and would send all {self._size} bytes. Set HF_ENDPOINT to a server that knows ranges, or download "
                "the file and give its path."
            )
        self.etag = self.etag or etag

    def _check_range(self, stated: str) -> None:
        """Compare the range that the server says it sends with the one asked for."""
        found = _CONTENT_RANGE.match(stated)
        if found is None or int(found[1]) != self.at or not self.at <= int(found[2]) < self._end:
            raise RemoteError(
                f"The server sends another part of {self._asked} than bytes {self.at} to {self._end - 1}. "
                "Try again, or set HF_ENDPOINT to another server."
            )
        if int(found[3]) != self._size:
            raise RemoteError(
                f"{self._asked} has {found[3]} bytes where it is stored, but the Hub lists {self._size}. "
                "Try again later; if that stays, the repository is damaged."
            )


def _without_body(response: Any) -> Any:
    """Return the answer with the headers that explain a refusal and nothing else, so that no endless text is read."""
    headers = {name: value for name, value in response.headers.items() if name.lower().startswith(_EXPLAINS)}
    return type(response)(response.status_code, headers=headers, request=response.request)
