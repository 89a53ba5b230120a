"""How fast units get done, from the times of their files; clocks that jump and pauses between sessions do no harm."""

from collections.abc import Callable, Mapping
from heapq import nlargest
from itertools import pairwise
from statistics import median

_WINDOW = 100
_LONG = 10.0  # seconds: a pause worth looking into
_UNUSUAL = 5.0
_SLACK = 0.1


def recent_rate(finished: Mapping[str, float], seconds_of: Callable[[str], float | None]) -> float | None:
    """Return the units per second of the last while: of the 100 units that were finished last.

    Parameters
    ----------
    finished : mapping of str to float
        When each unit was finished, in seconds of any clock.
    seconds_of : callable
        How long one unit took by a clock that does not jump; None where that is not known. Asked only of units that
        follow a long pause.

    Returns
    -------
    float or None
        None where nothing is finished, or all at one moment.

    Notes
    -----
    While work goes on, the time between two units that end one after the other is at most the time that the second
    took. A longer pause is one between two sessions, or a clock that was set forward, and counts no more than that.

    Examples
    --------
    >>> round(recent_rate({"a": 10.0, "b": 12.0, "c": 14.0, "d": 86400.0}, lambda key: 2.0), 3)
    0.484
    """
    newest = sorted(nlargest(_WINDOW + 1, finished.items(), key=lambda one: one[1]), key=lambda one: one[1])
    if len(newest) == 1:
        took = seconds_of(newest[0][0])
        return 1 / took if took else None
    pauses = [(key, end - begin) for (_, begin), (key, end) in pairwise(newest)]
    usual = median(pause for _, pause in pauses) if pauses else 0.0
    total = 0.0
    for key, pause in pauses:
        suspicious = pause > _LONG and (pause > _UNUSUAL * usual or len(pauses) == 1)
        took = seconds_of(key) if suspicious else None
        total += pause if took is None else min(pause, took * (1 + _SLACK))
    return len(pauses) / total if total > 0 else None
