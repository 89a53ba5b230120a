"""Who is told how many bytes have come: whoever asked for it around the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from theodolite.core.progress import Progress, Silent

_LISTENER: ContextVar[Progress] = ContextVar("theodolite_tables_listener")
_STEPS = 100
_SMALLEST_STEP = 1 << 20


@contextmanager
def reporting_to(progress: Progress) -> Iterator[None]:
    """Tell `progress` of every stretch of bytes that is fetched inside the `with` block, in this thread.

    Parameters
    ----------
    progress : Progress
        `start` is told the bytes to come and what they are, `advance` how many came since.

    Examples
    --------
    >>> from theodolite.core.progress import Silent
    >>> with reporting_to(Silent()):
    ...     pass
    """
    token = _LISTENER.set(progress)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def counted(total: int, label: str) -> Iterator["Counter"]:
    """Give a counter of bytes that tells the listener; headers and other small things are not worth a word."""
    listener = _LISTENER.get(None) if total >= _SMALLEST_STEP else None
    counter = Counter(listener or Silent(), max(_SMALLEST_STEP, total // _STEPS))
    counter.progress.start(total, label)
    try:
        yield counter
        counter.tell()
    finally:
        counter.progress.stop()


class Counter:
    """Counts bytes and reports them about a hundred times, however small the pieces.

    Parameters
    ----------
    progress : Progress
        Who is told.
    step : int
        Bytes between two reports.
    """

    def __init__(self, progress: Progress, step: int) -> None:
        self.progress = progress
        self._step = step
        self._untold = 0

    def add(self, n_bytes: int) -> None:
        """Count bytes that came."""
        self._untold += n_bytes
        if self._untold >= self._step:
            self.tell()

    def tell(self) -> None:
        """Report what was not reported yet."""
        if self._untold:
            self.progress.advance(self._untold)
            self._untold = 0
