"""One file of a Hub repository, read here and there: what was read is kept, and read again without the network."""

import io
from pathlib import Path, PurePosixPath

from theodolite.core.errors import FormatError
from theodolite.tables.hub_errors import Asked, offline
from theodolite.tables.hub_request import Stretch
from theodolite.tables.hub_settings import is_offline
from theodolite.tables.hub_stretches import Kept, Stretches

MOST_HEADER = 25_000_000
"""Most bytes of a header that are fetched, and of all small reads of one file together."""

_BLOCK = 1 << 16  # headers of common models fit into one or two


class RemoteFile:
    """A file of a repository at a commit.

    Parameters
    ----------
    asked : Asked
        Repository, commit and name of the file, for messages.
    url : str
        Where it is read.
    size : int
        Its bytes, as the Hub lists them.
    commit : str
        The commit.
    folder : pathlib.Path
        Where stretches of it are kept.
    """

    def __init__(self, asked: Asked, url: str, *, size: int, commit: str, folder: Path) -> None:
        self.asked = asked
        self.size = size
        self.place = Path(str(asked))
        self._url = url
        self._commit = commit
        self._stretches = Stretches(folder)
        self._etag: str | None = None
        self._blocks: list[tuple[int, bytes]] = []

    @property
    def name(self) -> str:
        """Its name in the repository, without folders."""
        return PurePosixPath(self.asked.file or "").name

    def read_at(self, offset: int, length: int) -> bytes:
        """Return a few bytes; whole blocks around them are fetched and kept.

        Raises
        ------
        FormatError
            If they lie outside the file, or small reads add up to more than any header needs.
        NotFoundError, RemoteError
            If they cannot be fetched.
        """
        self._check_inside(offset, offset + length)
        known = self._known(offset, offset + length)
        if known is not None:
            return known
        begin = offset // _BLOCK * _BLOCK
        end = min(self.size, -(-(offset + length) // _BLOCK) * _BLOCK)
        if end - begin + sum(len(block) for _, block in self._blocks) > MOST_HEADER:
            raise FormatError(
                f"{self.asked} claims a header of more than {MOST_HEADER} bytes, far more than names and shapes take. "
                "The file is damaged or made by hand; if it is neither, download it and give its path."
            )
        block = self.read_exactly(begin, end, what="header")
        self._blocks.append((begin, block))
        return block[offset - begin : offset - begin + length]

    def read_exactly(self, begin: int, end: int, *, what: str) -> bytes:
        """Return bytes `begin` to `end`, fetching no more than these; otherwise as `read_at`."""
        self._check_inside(begin, end)
        known = self._known(begin, end)
        if known is not None:
            return known
        kept = self.fetch(begin, end, what=what)
        with kept.path.open("rb") as file:
            file.seek(begin - kept.begin)
            return file.read(end - begin)

    def _check_inside(self, begin: int, end: int) -> None:
        """Refuse to look for bytes where the file has none."""
        if not 0 <= begin <= end <= self.size:
            raise FormatError(
                f"{self.asked} has {self.size} bytes, but its header points to bytes {begin} to {end}. "
                "The file is damaged or made by hand."
            )

    def _known(self, begin: int, end: int) -> bytes | None:
        """Return bytes that were read with a header."""
        for start, block in self._blocks:
            if start <= begin and end <= start + len(block):
                return block[begin - start : end - start]
        return None

    def fetch(self, begin: int, end: int, *, what: str) -> Kept:
        """Bring bytes `begin` to `end` to this machine, unless they are here.

        Raises
        ------
        NotFoundError
            If offline mode is on and they are not here.
        RemoteError
            If they cannot be fetched; what was received is gone on with next time.
        """
        kept = self._stretches.find(begin, end)
        if kept is None and is_offline():
            raise offline(self.asked, f"its {what} ({end - begin:,} bytes) is not there")
        if kept is None:
            stretch = Stretch(self.asked, self._url, begin, end, size=self.size, etag=self._etag, commit=self._commit)
            kept = self._stretches.fetch(stretch, end, what=what, label=f"{what} of {self.asked.repository}")
        self._etag = self._etag or kept.etag
        return kept

    def n_missing(self, begin: int, end: int) -> int:
        """Return how many of bytes `begin` to `end` a `fetch` would bring: all, or none where they are here."""
        there = self._known(begin, end) is not None or self._stretches.find(begin, end) is not None
        return 0 if there else end - begin

    def forget(self) -> None:
        """Remove what is kept of the file: it turned out to be damaged, and the next answer may be better."""
        self._blocks.clear()
        self._stretches.clear()

    def open(self) -> io.BufferedIOBase:
        """Return a view of the file for readers that seek and read."""
        return _View(self)


class _View(io.BufferedIOBase):
    """A remote file as readers of headers expect one."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if start + offset < 0:
            raise OSError("before the beginning of the file")
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._file.size - self._at)
        length = left if size is None or size < 0 else min(size, left)
        content = self._file.read_at(self._at, length) if length else b""
        self._at += length
        return content
