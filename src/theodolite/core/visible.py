"""Text from outside made visible: nothing hidden, nothing that steers a terminal or turns the line around."""

import unicodedata

_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    r"""Return text with every hidden character but line ends and tabs written as an escape.

    Parameters
    ----------
    text : str
        Any text, also one that cannot be encoded.

    Returns
    -------
    str
        Text that can be encoded, reads from left to right as stored, and holds no command for a terminal.

    Examples
    --------
    >>> visible("model\u202egpj.exe"), visible("\x1b[31m")
    ('model\\u202egpj.exe', '\\x1b[31m')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not is_hidden(c) else escaped(c) for c in text)


def is_hidden(character: str) -> bool:
    """Say whether a character shows nothing of itself: control, format, surrogate, private, unassigned, line end.

    Parameters
    ----------
    character : str
        One character.

    Returns
    -------
    bool
        False for letters, signs, marks and blanks.

    Examples
    --------
    >>> is_hidden("\u200b"), is_hidden("é"), is_hidden(" ")
    (True, False, False)
    """
    return unicodedata.category(character) in _HIDDEN


def escaped(character: str) -> str:
    r"""Return a character as an escape that a reader can look up.

    Parameters
    ----------
    character : str
        One character.

    Returns
    -------
    str
        Such as `\n`, `\x1b`, `\u202e`.

    Examples
    --------
    >>> escaped("\n"), escaped("\x1b"), escaped("\u202e"), escaped("\U000e0001")
    ('\\n', '\\x1b', '\\u202e', '\\U000e0001')
    """
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
