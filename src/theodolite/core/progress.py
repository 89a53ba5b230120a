"""How long work reports progress without knowing who listens."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Something that is told how far a piece of work has come."""

    def start(self, total: int, label: str) -> None:
        """Begin a piece of work of `total` steps."""

    def advance(self, steps: int, note: str = "") -> None:
        """Report that `steps` more steps are done; `note` names what was done."""

    def stop(self) -> None:
        """End the piece of work, finished or not."""


class Silent:
    """A `Progress` that says nothing."""

    def start(self, total: int, label: str) -> None:
        """Ignore the start."""

    def advance(self, steps: int, note: str = "") -> None:
        """Ignore the step."""

    def stop(self) -> None:
        """Ignore the end."""


@contextmanager
def tracked(progress: Progress, total: int, label: str) -> Iterator[Progress]:
    """Start `progress`, and stop it whatever happens.

    Examples
    --------
    >>> with tracked(Silent(), 3, "rows") as progress:
    ...     progress.advance(3)
    """
    progress.start(total, label)
    try:
        yield progress
    finally:
        progress.stop()
