"""Signals that ask a program to end: libraries may turn what they raise into an error of their own, or lose it."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import FrameType, ModuleType
from typing import TypeAlias

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C; what schedulers and `kill` send; a terminal that was closed."""

_Handler: TypeAlias = Callable[[int, FrameType | None], object]


class TerminationError(KeyboardInterrupt):
    """Another signal than that of Ctrl-C asks the program to end; what hears a Ctrl-C hears it too.

    Parameters
    ----------
    number : int
        Of the signal.

    Examples
    --------
    >>> print(TerminationError(signal.SIGTERM))
    SIGTERM
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return signal.Signals(self.number).name


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a program as a Ctrl-C does, which else end it on the spot.

    The first of these signals raises; from then on the program is taken to end. A second Ctrl-C ends it on the spot.
    SIGTERM and SIGHUP are ignored then, because they often come twice: from a shell and the system, or from a
    scheduler that tells the process and its group.

    Raises
    ------
    KeyboardInterrupt
        After a Ctrl-C.
    TerminationError
        After another signal.

    Notes
    -----
    For programs, not for libraries: the handlers stay after a signal came. Signals that are ignored or handled
    otherwise when the block begins, as under `nohup`, are left alone, and so is everything in other threads.

    Examples
    --------
    >>> before = [signal.getsignal(number) for number in ENDINGS]
    >>> with ending_in_order():
    ...     pass
    >>> before == [signal.getsignal(number) for number in ENDINGS]
    True
    """
    asked: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        if not asked:
            asked.append(number)
            raise KeyboardInterrupt if number == signal.SIGINT else TerminationError(number)
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    usual = {number: signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL for number in ENDINGS}
    mine = {number: usual[number] for number in ENDINGS if _is_main() and signal.getsignal(number) == usual[number]}
    for number in mine:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, before in mine.items():  # after a signal it is the system that says so: Python ends in seconds
            after = signal.SIG_DFL if number == signal.SIGINT else signal.SIG_IGN
            signal.signal(number, after if asked else before)


@contextmanager
def heeding_interrupts() -> Iterator[Callable[[], bool]]:
    """Let whatever ends the block after a Ctrl-C be a `KeyboardInterrupt`.

    An extension module that is interrupted while it is imported raises `ImportError`, and a query that is interrupted
    in compiled code an error of its library's. What follows a Ctrl-C is no fault of the program. The same holds for
    any signal whose handler raises a `KeyboardInterrupt`.

    Yields
    ------
    callable
        Says whether a Ctrl-C came since the block began, for those who keep errors instead of letting them out.

    Raises
    ------
    KeyboardInterrupt
        In place of any other error, once one was raised by a handler: the same again.

    Notes
    -----
    Only the main thread is told of signals. Elsewhere, and where Ctrl-C is ignored, the block is left alone.

    Examples
    --------
    >>> with heeding_interrupts() as interrupted:
    ...     interrupted()
    False
    """
    came: list[KeyboardInterrupt] = []

    def noting(before: _Handler) -> _Handler:
        def note(number: int, frame: FrameType | None) -> None:
            try:
                before(number, frame)
            except KeyboardInterrupt as interrupt:
                came.append(interrupt)
                raise

        return note

    try:
        with _handled(noting):
            yield lambda: bool(came)
    except BaseException as error:
        if came and not isinstance(error, type(came[0])):
            raise type(came[0])(*came[0].args) from error
        raise


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _handled(anew: Callable[[_Handler], _Handler]) -> Iterator[None]:
    """Handle signals that have a handler anew; `anew` makes the handler from the one before."""
    with ExitStack() as undo:
        for number in ENDINGS if _is_main() else ():
            before = signal.getsignal(number)
            if before is not None:  # else it was not set from Python, and cannot be set again
                undo.callback(signal.signal, number, before)
            if callable(before):
                signal.signal(number, anew(before))
        yield


@contextmanager
def keeping_handlers() -> Iterator[None]:
    """Undo what a library makes of the handlers of signals, at the end of the block.

    Ray takes SIGTERM for itself when it is started, and never gives it back.

    Examples
    --------
    >>> with keeping_handlers():
    ...     before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    >>> signal.getsignal(signal.SIGTERM) == before
    True
    """
    with _handled(lambda before: before):
        yield


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
    """Let the first signal wait for the end of the block; others that come meanwhile say the same."""
    waiting: list[Callable[[], object]] = []

    def holding(before: _Handler) -> _Handler:
        return lambda number, frame: waiting.append(lambda: before(number, frame))

    try:
        with _handled(holding):
            yield
    finally:
        if waiting:
            waiting[0]()
