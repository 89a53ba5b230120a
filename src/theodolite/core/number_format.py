"""How numbers are written for people: value ± standard error with no more digits than the error allows."""

import math
from datetime import datetime, timedelta

ABSENT = "–"
_MINUS = "\u2212"
_PLAIN_DIGITS = 3
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_SMALLEST_PLAIN = 1e-3
_LARGEST_PLAIN = 1e7
_SMALLEST_ROUNDED = 1e-6


def format_value(value: float | None, stderr: float | None = None) -> str:
    """Write a number with its standard error, rounded to what the error supports.

    Parameters
    ----------
    value : float or None
        The number.
    stderr : float or None
        Its standard error, in the same units.

    Returns
    -------
    str
        `value ± stderr`; the value alone, with three significant digits, where there is no error; a dash where there is
        no value.

    Notes
    -----
    The error keeps one significant digit, two where the first is 1, and the value is rounded at the same place.

    Examples
    --------
    >>> format_value(17.1234, 0.2871)
    '17.1 ± 0.3'
    >>> format_value(1341.7, 118.0)
    '1,340 ± 120'
    >>> format_value(59.71)
    '59.7'
    >>> format_value(None)
    '–'
    """
    if value is None or math.isnan(value):
        return ABSENT
    if stderr is None or not math.isfinite(stderr) or stderr < 0 or not math.isfinite(value):
        return _plain(value)
    if stderr == 0:
        return f"{_plain(value)} ± 0"
    if stderr < _SMALLEST_ROUNDED or max(abs(value), stderr) >= _LARGEST_PLAIN:
        return f"{_plain(value)} ± {_plain(stderr)}"
    decimals = _decimals_of_error(stderr)
    return f"{_fixed(value, decimals)} ± {_fixed(stderr, decimals)}"


def format_interval(low: float, high: float, stderr: float | None) -> str:
    """Write an interval rounded as the number that it is of.

    Parameters
    ----------
    low, high : float
        The ends.
    stderr : float or None
        Standard error of the number; three significant digits where there is none.

    Returns
    -------
    str
        Such as `2.75 to 3.27`.

    Examples
    --------
    >>> format_interval(-4.338, 10.271, 0.59)
    '−4.3 to 10.3'
    """
    first, last = (format_value(end, stderr).partition(" ± ")[0] for end in (low, high))
    return f"{first} to {last}"


def format_percent(fraction: float | None, stderr: float | None = None) -> str:
    r"""Write a fraction as a percentage, with its standard error where there is one.

    Parameters
    ----------
    fraction : float or None
        A number of which 1 means all.
    stderr : float or None
        Its standard error, as a fraction.

    Returns
    -------
    str
        Such as `86.6 %` or `86.6 ± 0.2 %`.

    Examples
    --------
    >>> format_percent(0.8662, 0.0022)
    '86.6 ± 0.2\xa0%'
    >>> format_percent(0.8662)
    '86.6\xa0%'
    """
    if fraction is None or not math.isfinite(fraction):
        return ABSENT
    percent = 100 * fraction
    if stderr is None or not math.isfinite(stderr) or stderr <= 0:
        return f"{_fixed(percent, 1)}\u00a0%"
    return f"{format_value(percent, 100 * stderr)}\u00a0%"


def format_count(count: float | None) -> str:
    """Write a whole number with separators between thousands.

    Parameters
    ----------
    count : int, float or None
        The number; a float is rounded to a whole number.

    Returns
    -------
    str
        Such as `50,304`; a dash where there is no number.

    Examples
    --------
    >>> format_count(50304)
    '50,304'
    """
    if count is None or not math.isfinite(count):
        return ABSENT
    return _fixed(count, 0)


def counted(count: int, noun: str, many: str | None = None) -> str:
    """Write how many there are of something.

    Parameters
    ----------
    count : int
        How many.
    noun : str
        What one is called.
    many : str, optional
        What several are called, where that is not the noun with an s.

    Returns
    -------
    str
        Such as `1 row` or `4,096 rows`.

    Examples
    --------
    >>> counted(1, "shared token"), counted(4096, "row"), counted(0, "copy", "copies")
    ('1 shared token', '4,096 rows', '0 copies')
    """
    return f"{format_count(count)} {noun if count == 1 else many or f'{noun}s'}"


def format_decimals(value: float, decimals: int, *, signed: bool = False) -> str:
    """Write a number with so many decimals, whatever its size.

    Parameters
    ----------
    value : float
        The number.
    decimals : int
        Digits behind the point.
    signed : bool
        Whether to write a plus before what is positive, as for a difference.

    Returns
    -------
    str
        Such as `−0.26`, with a true minus sign.

    Examples
    --------
    >>> format_decimals(-0.263, 2)
    '−0.26'
    >>> format_decimals(2.04, 1, signed=True)
    '+2.0'
    """
    written = _fixed(value, decimals)
    return f"+{written}" if signed and value > 0 else written


def format_range(low: float, high: float, *, whole: bool = False) -> str:
    """Write the two ends of a range, or the one number where they read the same.

    Parameters
    ----------
    low, high : float
        The ends.
    whole : bool
        Whether these are counts.

    Returns
    -------
    str
        Such as `12.4 to 25.1`.

    Examples
    --------
    >>> format_range(3820, 4096, whole=True)
    '3,820 to 4,096'
    >>> format_range(7.0, 7.0)
    '7.00'
    """
    write = format_count if whole else _plain
    first, last = write(low), write(high)
    return first if first == last else f"{first} to {last}"


def format_duration(seconds: float | None) -> str:
    r"""Write a length of time in the unit that fits it.

    Parameters
    ----------
    seconds : float or None
        Length in seconds.

    Returns
    -------
    str
        Such as `4.2 s`, `3 min 20 s` or `2 h 5 min`.

    Examples
    --------
    >>> format_duration(200.4)
    '3\xa0min 20\xa0s'
    """
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    if seconds < 60:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}\u00a0h {minutes}\u00a0min"


def format_moment(stamp: str | None) -> str:
    """Write a time stamp as a person would.

    Parameters
    ----------
    stamp : str or None
        ISO 8601; what is none stays as it is.

    Returns
    -------
    str
        Such as `21 November 2026, 00:43 UTC`.

    Examples
    --------
    >>> format_moment("2026-11-21T00:43:20Z")
    '21 November 2026, 00:43 UTC'
    """
    try:
        moment = datetime.fromisoformat(stamp or "")
    except ValueError:
        return stamp or ""
    zone = " UTC" if moment.utcoffset() == timedelta(0) else ""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M}{zone}"


def format_bytes(size: int | None) -> str:
    r"""Write a number of bytes in a decimal unit.

    Parameters
    ----------
    size : int or None
        Bytes.

    Returns
    -------
    str
        Such as `4.2 MB`.

    Examples
    --------
    >>> format_bytes(4_200_000)
    '4.2\xa0MB'
    """
    if size is None:
        return ABSENT
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f}\u00a0{unit}" if unit == "bytes" else f"{amount:.1f}\u00a0{unit}"
        amount /= 1000
    return f"{amount:.1f}\u00a0TB"


def _plain(value: float) -> str:
    """Write a number that has no error: three significant digits, all digits of a larger whole number."""
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    size = abs(value)
    if size == 0:
        return "0"
    if size < _SMALLEST_PLAIN or size >= _LARGEST_PLAIN:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.replace('-', _MINUS)} × 10{_superscript(int(exponent))}"
    decimals = max(0, _PLAIN_DIGITS - 1 - math.floor(math.log10(size)))
    return _fixed(value, decimals)


def _decimals_of_error(stderr: float) -> int:
    """Return the decimal place at which an error is rounded; negative for tens and hundreds."""
    exponent = math.floor(math.log10(stderr))
    digits = 2 if stderr / 10.0**exponent < 1.95 else 1
    if digits == 1 and round(stderr / 10.0**exponent) == 10:
        exponent += 1
        digits = 2
    return digits - 1 - exponent


def _fixed(value: float, decimals: int) -> str:
    """Write a number with a fixed number of decimals, a true minus sign and separators between thousands."""
    rounded = round(value, decimals)
    if rounded == 0:
        rounded = 0.0
    return f"{rounded:,.{max(decimals, 0)}f}".replace("-", _MINUS)


def _superscript(exponent: int) -> str:
    """Write an exponent with superscript digits."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
