"""How results show themselves at a prompt and in a notebook: every field by name, arrays by type and shape.

And when they are equal, which the comparison of dataclasses cannot say of arrays.
"""

import html
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from theodolite.core.number_format import format_value
from theodolite.core.visible import visible

T = TypeVar("T")

_ENTRIES = 6
_CHARACTERS = 120


class Displayed:
    """Base of result dataclasses that hold arrays: a representation of one line, and a small table for notebooks.

    A class derives from it and is made with ``@dataclass(repr=False)``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> @dataclass(frozen=True, repr=False)
    ... class Reading(Displayed):
    ...     value: float
    ...     pointwise: np.ndarray
    >>> Reading(17.1, np.zeros((4096, 3)))
    Reading(value=17.1, pointwise=<float64 (4096, 3)>)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={_short(value)}' for name, value in self._shown())})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the value with its standard error first, then the other fields that are set."""
        named = dict(self._shown())
        measured = isinstance(named.get("value"), float) and isinstance(named.get("stderr"), float)
        headline = {"value": format_value(named.pop("value"), named.pop("stderr"))} if measured else {}
        return card(
            type(self).__name__, headline | {n: _cell(value) for n, value in named.items() if value is not None}
        )

    def _shown(self) -> list[tuple[str, Any]]:
        return [(one.name, getattr(self, one.name)) for one in fields(self) if one.repr]  # type: ignore[arg-type]


def equal_by_entries(cls: type[T]) -> type[T]:
    """Make results of a dataclass equal where all fields are, arrays entry by entry; NaN equals NaN.

    The comparison that `dataclass` makes asks an array of several entries whether it is true.

    Parameters
    ----------
    cls : type
        A dataclass.

    Returns
    -------
    type
        The same.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> @equal_by_entries
    ... @dataclass(frozen=True, repr=False)
    ... class Reading(Displayed):
    ...     pointwise: np.ndarray
    >>> Reading(np.ones(3)) == Reading(np.ones(3)), Reading(np.ones(3)) == Reading(np.ones(2))
    (True, False)
    """
    names = [one.name for one in fields(cls) if one.compare]  # type: ignore[arg-type]

    def equal(one: object, other: object) -> bool:
        if type(one) is not type(other):
            return False
        return all(_same(getattr(one, name), getattr(other, name)) for name in names)

    cls.__eq__ = equal  # type: ignore[method-assign]
    return cls


def _same(one: Any, other: Any) -> bool:
    """Say whether two fields hold the same: arrays of one type and shape entry by entry, what holds others likewise."""
    if one is other:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list) and type(one) is type(other):
        return len(one) == len(other) and all(map(_same, one, other))
    if getattr(one, "shape", ()) or getattr(other, "shape", ()):
        alike = all(getattr(one, name, None) == getattr(other, name, 0) for name in ("dtype", "shape", "device"))
        if type(one) is not type(other) or not alike:
            return False
    equal = (one == other) | ((one != one) & (other != other))  # noqa: PLR0124 (NaN)
    return bool(equal.all() if hasattr(equal, "all") else equal)


def card(title: str, facts: Mapping[str, str]) -> str:
    """Return facts as a small HTML table, every text escaped.

    Parameters
    ----------
    title : str
        The caption.
    facts : mapping of str to str
        Name to text.

    Returns
    -------
    str
        HTML that a notebook shows in its own style.

    Examples
    --------
    >>> card("Run", {"status": "<b>success</b>"})
    '<table><caption>Run</caption><tr><th scope="row">status</th><td>&lt;b&gt;success&lt;/b&gt;</td></tr></table>'
    """
    rows = "".join(
        f'<tr><th scope="row">{_escaped(name)}</th><td>{_escaped(text)}</td></tr>' for name, text in facts.items()
    )
    return f"<table><caption>{_escaped(title)}</caption>{rows}</table>"


def _escaped(text: str) -> str:
    return html.escape(visible(text))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else _short(value)


def _short(value: Any) -> str:
    """Return the representation of a field on one line, whatever it holds."""
    if hasattr(value, "dtype") and hasattr(value, "shape") and len(value.shape):
        where = f" on {value.device}" if str(getattr(value, "device", "cpu")) != "cpu" else ""
        return f"<{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}{where}>"
    if isinstance(value, Mapping) and len(value) > 0:
        entries = [f"{name!r}: {_short(one)}" for name, one in list(value.items())[:_ENTRIES]]
        return "{" + ", ".join(entries + ["..."] * (len(value) > _ENTRIES)) + "}"
    if isinstance(value, tuple | list) and len(value) > _ENTRIES:
        return f"<{len(value):,} entries: {_short(value[0])} ... {_short(value[-1])}>"
    text = repr(value)
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 3]}..."
