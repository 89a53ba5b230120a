"""How words of a command line become values."""

from collections.abc import Sequence
from typing import Any, get_args

import cyclopts
from cyclopts import Token


def converted(type_: Any, tokens: Sequence[Token]) -> Any:
    """Convert as cyclopts does, but refuse 2.5 for a whole number, which it would round.

    Parameters
    ----------
    type_ : type
        What an option takes.
    tokens : sequence of cyclopts.Token
        What was given.

    Returns
    -------
    object
        Of that type.

    Raises
    ------
    ValueError
        If a whole number is wanted and another was given.
    """
    wanted = _leaves(type_)
    if int in wanted and not wanted & {float, str}:
        for token in tokens:
            if "." in token.value and not float(token.value).is_integer():
                raise ValueError(f"a whole number is needed, not {token.value}.")
    return cyclopts.convert(type_, tokens)


def _leaves(type_: Any) -> set[Any]:
    """Return the plain types that a type is made of."""
    parts = get_args(type_)
    return set().union(*map(_leaves, parts)) if parts else {type_}
