"""Ctrl-C that stays one: libraries may turn a `KeyboardInterrupt` into an error of their own, or lose it."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import FrameType, ModuleType


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


@contextmanager
def importing_whole(package: str) -> Iterator[None]:
    """Let a Ctrl-C that comes while a package is imported wait until it is.

    Compiled code of torch takes an exception raised by a handler of signals, while it makes its types, for the end of
    the process: `std::terminate`, a dump of memory and exit code 134. No handler can catch that, so none may raise.

    Parameters
    ----------
    package : str
        A package written in Python that is not imported yet, wherever in the block its import may stand. What is
        imported already is left alone.

    Notes
    -----
    Only the main thread is told of signals, and only its imports are watched.

    Examples
    --------
    >>> with importing_whole("wave"):
    ...     import wave
    """
    finder = _WholeFinder(package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _WholeFinder(MetaPathFinder):
    """Finds one package as it would be found, and has it loaded without interrupts."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.package:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _WholeLoader(spec.loader.name, spec.loader.path)
        return spec


class _WholeLoader(SourceFileLoader):
    """Runs a module's code to its end before a Ctrl-C is heard."""

    def exec_module(self, module: ModuleType) -> None:
        with _held():
            super().exec_module(module)


@contextmanager
def _held() -> Iterator[None]:
    """Let a Ctrl-C wait for the end of the block."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if waiting:
            before(*waiting[0])
