"""Time and bytes as people say them, and spans of time as they type them."""

import re

from theodolite.core.errors import ParameterError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TYPED = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def duration(seconds: float) -> str:
    """Return a span of time with the two units that matter.

    Examples
    --------
    >>> duration(0.25), duration(61), duration(7300), duration(200_000)
    ('0.25 s', '1 min 1 s', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    for size, name, below, lower in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name}" + (f" {rest} {lower}" if rest else "")
    return f"{whole} s"


def parse_duration(text: str) -> float:
    """Return the seconds of a span such as `90s`, `5m` or `1.5h`.

    Raises
    ------
    ParameterError
        If it is none.

    Examples
    --------
    >>> parse_duration("90s"), parse_duration("1.5h")
    (90.0, 5400.0)
    """
    found = _TYPED.fullmatch(text)
    if found is None:
        raise ParameterError(f"{text!r} is no span of time. Write a number and s, m, h or d, such as 90s or 5m.")
    return float(found[1]) * _UNITS[found[2]]


def size(n_bytes: float) -> str:
    """Return a number of bytes as people say it.

    Examples
    --------
    >>> size(999), size(25_600_000)
    ('999 B', '25.6 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"
