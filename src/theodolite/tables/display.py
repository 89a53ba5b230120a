"""Token strings as a person may safely see them: hostile text made visible, ordinary Unicode left alone."""

import unicodedata

from theodolite.core.visible import escaped, is_hidden

_JOINERS = {"\u200c", "\u200d"}  # needed by Persian, Indic scripts and emoji; shown only where nothing is joined


def display_token(text: str | bytes) -> str:
    r"""Return a token's text with everything invisible or misleading written as an escape.

    Control characters, bidirectional overrides, zero-width marks, unassigned and private characters, lone surrogates
    and half UTF-8 become `\n`, `\x1b`, `\u202e`, `\xe2`; letters of every script, emoji and the ordinary blank stay
    as they are, so ' dog' is shown as ' dog'. The result is plain text, not HTML: whoever puts it on a page escapes it.

    Parameters
    ----------
    text : str or bytes
        A token; bytes are read as UTF-8, and bytes that are no UTF-8 are shown one by one.

    Returns
    -------
    str
        Printable text on one line. Two different tokens may look alike only if one of them holds a backslash.

    Examples
    --------
    >>> display_token(" dog"), display_token("a\nb"), display_token(b"caf\xc3")
    (' dog', 'a\\nb', 'caf\\xc3')
    >>> display_token("\u202egnp.exe")
    '\\u202egnp.exe'
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="surrogateescape")
    if text.isprintable():
        return text
    return "".join(_visible(char, text, i) for i, char in enumerate(text))


def _visible(char: str, text: str, i: int) -> str:
    """Return a character as it is shown at place `i` of `text`."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    joins = char in _JOINERS and 0 < i < len(text) - 1 and ord(text[i - 1]) > 0x7F
    misleading = is_hidden(char) or unicodedata.category(char) == "Zs"
    return escaped(char) if misleading and char != " " and not joins else char
