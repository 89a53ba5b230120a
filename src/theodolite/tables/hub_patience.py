"""How often and how long to try again when the Hub is busy or a connection breaks: never for ever."""

import importlib
import time
from collections.abc import Callable
from typing import TypeVar

from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from theodolite.tables.hub_errors import Asked, explain

_httpx = importlib.import_module(HfHubHTTPError.__bases__[0].__module__.partition(".")[0])  # httpx or httpx2


class BrokenError(Exception):
    """A connection ended early or gives next to nothing: worth another try."""


HTTP_ERRORS: tuple[type[Exception], ...] = (_httpx.HTTPError, OfflineModeIsEnabled, BrokenError)
"""What huggingface_hub and its HTTP client raise when a request fails."""

TIMEOUT = 10.0
"""Seconds without a byte before a connection counts as dropped."""

_PASSING = {408, 429, 500, 502, 503, 504}
_MOST_FAILURES = 5
_LONGEST_WAIT = 330.0  # seconds, all together; the Hub counts requests in windows of 300
_FIRST_WAIT = 0.5

T = TypeVar("T")

pause = time.sleep
"""Waits; tests put something faster here."""


class Patience:
    """Counts failures, and waits between them.

    Parameters
    ----------
    asked : Asked
        What is being asked for, for messages.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._failures = 0
        self._waited = 0.0

    def renew(self) -> None:
        """Forget failures: something was received."""
        self._failures = 0

    def wait(self, error: Exception) -> None:
        """Wait before another try, or raise what the error means if there should be none.

        Raises
        ------
        NotFoundError, RemoteError
            If the error will not pass, it came too often, or the server asks for more than five minutes.
        """
        self._failures += 1
        seconds = _asked_to_wait(error)
        if seconds is None:
            seconds = _FIRST_WAIT * 2 ** (self._failures - 1)
        spent = self._failures >= _MOST_FAILURES or self._waited + seconds > _LONGEST_WAIT
        if spent or not _may_pass(error):
            raise explain(error, self._asked) from None
        self._waited += seconds
        pause(seconds)


def ask(action: Callable[[], T], asked: Asked) -> T:
    """Do what asks the Hub something, again where the failure may pass.

    Raises
    ------
    NotFoundError, RemoteError
        In place of what huggingface_hub raises.
    """
    patience = Patience(asked)
    while True:
        try:
            return action()
        except HTTP_ERRORS as error:
            patience.wait(error)


def _may_pass(error: Exception) -> bool:
    """Say whether it is worth trying again: the server is busy, or the connection broke."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _PASSING
    hopeless = isinstance(error, _httpx.UnsupportedProtocol | _httpx.ProxyError)
    return isinstance(error, BrokenError | _httpx.TransportError) and not hopeless


def _asked_to_wait(error: Exception) -> float | None:
    """Return the seconds that the server asks to wait, None where it does not."""
    if not isinstance(error, HfHubHTTPError):
        return None
    stated = error.response.headers.get("Retry-After", "").strip()
    return float(stated) if stated.isascii() and stated.isdecimal() and len(stated) < 10 else None
