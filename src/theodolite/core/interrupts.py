"""Ctrl-C that stays one: libraries may turn a `KeyboardInterrupt` into an error of their own, or lose it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heeding_interrupts() -> Iterator[Callable[[], bool]]:
    """Let whatever ends the block after a Ctrl-C be a `KeyboardInterrupt`.

    An extension module that is interrupted while it is imported raises `ImportError`, and a query that is interrupted
    in compiled code an error of its library's. What follows a Ctrl-C is no fault of the program.

    Yields
    ------
    callable
        Says whether a Ctrl-C came since the block began, for those who keep errors instead of letting them out.

    Raises
    ------
    KeyboardInterrupt
        In place of any other error, once a Ctrl-C came.

    Notes
    -----
    Only the main thread is told of signals. Elsewhere, and where Ctrl-C is ignored, the block is left alone.

    Examples
    --------
    >>> with heeding_interrupts() as interrupted:
    ...     interrupted()
    False
    """
    came: list[int] = []
    try:
        with _noted(came):
            yield lambda: bool(came)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if came:
            raise KeyboardInterrupt from error
        raise


@contextmanager
def _noted(came: list[int]) -> Iterator[None]:
    """Take down each Ctrl-C before it is handled as it was."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
