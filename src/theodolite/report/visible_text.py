"""Text from outside made visible: nothing hidden, nothing that turns the line around, nothing that cannot be saved.

Token strings are hostile: control characters, bidirectional overrides, halves of surrogate pairs, text thousands of
characters long. Escaping for HTML is the template's work; this is about what the reader sees.
"""

import unicodedata
from dataclasses import dataclass

_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_MARKS_IN_A_ROW = 2
LONGEST_TOKEN = 48


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a token.

    Attributes
    ----------
    text : str
        What to show.
    escaped : bool
        Whether it stands for characters that cannot be seen.
    """

    text: str
    escaped: bool


def token_pieces(token: str, *, longest: int = LONGEST_TOKEN) -> list[Piece]:
    r"""Split a token into stretches to show as they are and stretches to show as escapes.

    Parameters
    ----------
    token : str
        The token's display string.
    longest : int
        How many characters to show; the middle of a longer token is replaced by the number left out.

    Returns
    -------
    list of Piece
        Spaces count as hidden and are shown as open boxes; an empty token gives one escaped piece that says so.

    Examples
    --------
    >>> [piece.text for piece in token_pieces(" dog\n")]
    ['␣', 'dog', '\\n']
    """
    if not token:
        return [Piece("empty", True)]
    if len(token) > longest:
        head, tail = token[: longest - longest // 4], token[-(longest // 4) :]
        left_out = len(token) - len(head) - len(tail)
        return [*_pieces(head), Piece(f"… {left_out:,} more …", True), *_pieces(tail)]
    return _pieces(token)


def visible(text: str) -> str:
    r"""Return text with every hidden character but line ends and tabs written as an escape.

    Parameters
    ----------
    text : str
        Any text, also one that cannot be encoded.

    Returns
    -------
    str
        Text that can be encoded and reads from left to right as stored.

    Examples
    --------
    >>> visible("model\u202egpj.exe")
    'model\\u202egpj.exe'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _is_hidden(c) else _escape(c) for c in text)


def _pieces(text: str) -> list[Piece]:
    pieces: list[Piece] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in _MARKS else 0
        escaped = character.isspace() or _is_hidden(character) or marks > _MARKS_IN_A_ROW or (marks > 0 and not pieces)
        shown = "␣" if character == " " else _escape(character) if escaped else character
        if pieces and pieces[-1].escaped == escaped:
            pieces[-1] = Piece(pieces[-1].text + shown, escaped)
        else:
            pieces.append(Piece(shown, escaped))
    return pieces


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _escape(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
