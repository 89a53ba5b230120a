"""Tokens as the page shows them: cut into what can be seen and what stands for what cannot.

Token strings are hostile: control characters, bidirectional overrides, halves of surrogate pairs, text thousands of
characters long. Escaping for HTML is the template's work; this is about what the reader sees.
"""

import unicodedata
from dataclasses import dataclass

from theodolite.core.visible import escaped, is_hidden

_MARKS = frozenset({"Mn", "Me"})
_MARKS_IN_A_ROW = 2
_LONGEST = 48


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


def token_pieces(token: str) -> list[Piece]:
    r"""Split a token into stretches to show as they are and stretches to show as escapes.

    Parameters
    ----------
    token : str
        The token's display string; the middle of one of more than 48 characters is replaced by the number left out.

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
    if len(token) > _LONGEST:
        head, tail = token[: _LONGEST - _LONGEST // 4], token[-(_LONGEST // 4) :]
        left_out = len(token) - len(head) - len(tail)
        return [*_pieces(head), Piece(f"… {left_out:,} more …", True), *_pieces(tail)]
    return _pieces(token)


def _pieces(text: str) -> list[Piece]:
    pieces: list[Piece] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in _MARKS else 0
        hidden = character.isspace() or is_hidden(character) or marks > _MARKS_IN_A_ROW or (marks > 0 and not pieces)
        shown = "␣" if character == " " else escaped(character) if hidden else character
        if pieces and pieces[-1].escaped == hidden:
            pieces[-1] = Piece(pieces[-1].text + shown, hidden)
        else:
            pieces.append(Piece(shown, hidden))
    return pieces
