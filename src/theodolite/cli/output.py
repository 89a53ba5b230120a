"""One place for what the commands print: human, JSON or nothing."""

import errno
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.errors import LiveError
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from theodolite.core.progress import Progress as ProgressProtocol
from theodolite.core.progress import Silent
from theodolite.core.visible import visible

SCHEMA_VERSION = 1
_WIDTH_IN_FILES = 160
_WIDE = 110


@dataclass(frozen=True, slots=True)
class Output:
    """How a command speaks.

    Attributes
    ----------
    json : bool
        Print one JSON object on standard output and nothing else there.
    quiet : bool
        Print nothing but errors.
    debug : bool
        Show the traceback of an error.
    """

    json: bool = False
    quiet: bool = False
    debug: bool = False

    @property
    def human(self) -> bool:
        """Whether a person reads standard output."""
        return not (self.json or self.quiet)

    @property
    def wide(self) -> bool:
        """Whether a table of many columns fits."""
        return _console().width >= _WIDE

    def say(self, text: str) -> None:
        """Tell the person something that is no data, on standard error."""
        if not self.quiet:
            _console(stderr=True).print(Text(visible(text)), soft_wrap=True)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> None:
        """Print a table of strings; columns but the first, or the first `words`, are aligned right; title if any."""
        if not self.human:
            return
        table = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for position, name in enumerate(header):
            table.add_column(Text(name), justify="right" if position >= words else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(visible(cell)) for cell in row))
        _console().print(table)

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines of text on standard output."""
        if self.human:
            console = _console()
            for line in lines:
                console.print(Text(visible(line)), soft_wrap=True)

    def progress(self) -> ProgressProtocol:
        """Return a progress bar on a terminal, a line for each step in a log, silence when quiet."""
        if self.quiet:
            return Silent()
        return WhileHeard(Bar() if sys.stderr.isatty() else Lines())

    def downloads(self) -> ProgressProtocol:
        """Return a bar of bytes for what is fetched, on a terminal; silence elsewhere."""
        return Silent() if self.quiet or not sys.stderr.isatty() else WhileHeard(DownloadBar())


class WhileHeard:
    """Progress that falls silent when its terminal is gone: what was to be shown there is no reason to end a run.

    Parameters
    ----------
    progress : Progress
        What is told until then.
    """

    def __init__(self, progress: ProgressProtocol) -> None:
        self._told = progress

    def start(self, total: int, label: str) -> None:
        """Begin."""
        self._tell(lambda: self._told.start(total, label))

    def advance(self, steps: int, note: str = "") -> None:
        """Go on."""
        self._tell(lambda: self._told.advance(steps, note))

    def stop(self) -> None:
        """End."""
        self._tell(self._told.stop)

    def _tell(self, say: Callable[[], None]) -> None:
        try:
            say()
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._told = Silent()


class Bar:
    """A progress bar on standard error."""

    def start(self, total: int, label: str) -> None:
        """Show the bar."""
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=_console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(label, total=total, note="")
        self._bar.start()

    def advance(self, steps: int, note: str = "") -> None:
        """Move the bar."""
        self._bar.update(self._task, advance=steps, note=visible(note))

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class DownloadBar:
    """A bar of bytes on standard error; it stays away while another bar is drawn."""

    def start(self, total: int, label: str) -> None:
        """Show the bar."""
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=_console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(visible(label), total=total)
        with suppress(LiveError):
            self._bar.start()

    def advance(self, steps: int, note: str = "") -> None:  # noqa: ARG002 - bytes need no words
        """Move the bar."""
        self._bar.update(self._task, advance=steps)

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class Lines:
    """One line on standard error for each step, for logs."""

    def start(self, total: int, label: str) -> None:
        """Remember how much there is to do."""
        self._total, self._done, self._label = total, 0, label

    def advance(self, steps: int, note: str = "") -> None:
        """Print where the work is."""
        self._done += steps
        line = f"{self._label} {self._done}/{self._total} {note}".rstrip()
        print(visible(line), file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Do nothing: the last line was printed."""


def print_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object; numbers that JSON cannot hold become null."""
    print(json.dumps(_plain({"schema_version": SCHEMA_VERSION, **content}), ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence):
        return [_plain(one) for one in value]
    return value


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _WIDTH_IN_FILES, highlight=False)
