"""What a token spells, in one form for all tokenizers: its bytes, and whether a word starts with it.

Byte-level BPE writes " dog" as `Ġdog`, SentencePiece as `▁dog`, WordPiece as `dog` (and the end of a word as `##dog`),
a file of word vectors as `dog`. All of them become `Spelling(b"dog", True)`.
"""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from theodolite.tables.table import Table
from theodolite.tables.vocabulary import Vocabulary


class Spelling(NamedTuple):
    """A token independent of the tokenizer that wrote it.

    Attributes
    ----------
    content : bytes
        UTF-8 (or a part of it) without the blank or mark that starts a word. Tokens of blanks alone keep all of them.
    starts_word : bool or None
        Whether a blank goes before it; None where its tokenizer does not say, as WordPiece for a comma.

    Examples
    --------
    >>> Spelling(b"dog", True).starts_word
    True
    """

    content: bytes
    starts_word: bool | None


def spell(vocabulary: Vocabulary, token_id: int) -> Spelling:
    """Return what a token spells.

    Parameters
    ----------
    vocabulary : Vocabulary
        The tokenizer.
    token_id : int
        An id that has a token.

    Returns
    -------
    Spelling
        `starts_word` is None for added tokens without a blank (they are found anywhere in a text), for vocabularies
        that mark no words, and for what WordPiece and lists of words set apart: punctuation and CJK characters.

    Examples
    --------
    >>> from pathlib import Path
    >>> words = Vocabulary(pieces={0: "dog", 1: "##s", 2: ","}, special_ids=frozenset(), convention="word",
    ...                    added_ids=frozenset(), file=Path("vocab.txt"))
    >>> [tuple(spell(words, i)) for i in range(3)]
    [(b'dog', True), (b's', False), (b',', None)]
    """
    content = _encode(vocabulary.text(token_id))
    if content.isspace():
        return Spelling(content, False)
    added = token_id in vocabulary.added_ids
    if content.startswith(b" "):
        body = content[1:]
        apart = vocabulary.convention == "word" and not added and _stands_alone(body)
        return Spelling(body, None if apart else True)
    if added or vocabulary.convention == "plain":
        return Spelling(content, None)
    if vocabulary.convention == "whole":
        return Spelling(content, None if _stands_alone(content) else True)
    return Spelling(content, False)


def spellings(table: Table, positions: Iterable[int]) -> list[Spelling]:
    """Return what the tokens of some rows spell.

    Where a table has token strings but no tokenizer, a leading blank starts a word; where no string has one, as in
    files of word vectors, every token is a whole word.

    Parameters
    ----------
    table : Table
        With tokens.
    positions : iterable of int
        Rows, each of which has a token.

    Returns
    -------
    list of Spelling
        One for each position.
    """
    if table.vocabulary is not None:
        vocabulary, token_ids = table.vocabulary, table.token_ids.tolist()
        return [spell(vocabulary, token_ids[i]) for i in positions]
    tokens = table.tokens or ()
    marks_words = any(token.startswith(" ") and not token.isspace() for token in tokens)
    return [_of_string(tokens[i], marks_words=marks_words) for i in positions]


def unreachable_ids(vocabulary: Vocabulary) -> frozenset[int]:
    """Return the ids that the tokenizer never writes, whatever the text, so that training never reached them.

    Parameters
    ----------
    vocabulary : Vocabulary
        The tokenizer.

    Returns
    -------
    frozenset of int
        SentencePiece's byte of a character that has a token of its own (`<0x41>` beside `A`); WordPiece's continuation
        that begins with what it always sets apart (`##,`); and what an added token spells too, because added tokens are
        taken out of a text first (Pythia has runs of blanks twice).

    Examples
    --------
    >>> from pathlib import Path
    >>> pieces = {0: "<0x41>", 1: "<0x42>", 2: "A"}
    >>> sorted(unreachable_ids(Vocabulary(pieces=pieces, special_ids=frozenset(), convention="blank",
    ...                                   added_ids=frozenset(), file=Path("tokenizer.model"))))
    [0]
    """
    text = vocabulary.text
    added = {_encode(text(one)) for one in vocabulary.added_ids - vocabulary.special_ids if one in vocabulary.pieces}
    ordinary = [one for one in vocabulary.pieces if one not in vocabulary.added_ids | vocabulary.special_ids]
    found = {one for one in ordinary if _encode(text(one)) in added} if added else set()
    if vocabulary.convention == "blank":
        written = {piece.replace("\u2581", " ") for piece in vocabulary.pieces.values()}
        found |= {
            one
            for one in ordinary
            if isinstance(byte := text(one), bytes) and byte.isascii() and byte.decode() in written
        }
    elif vocabulary.convention == "word":
        found |= {
            one
            for one in ordinary
            if vocabulary.pieces[one].startswith("##") and len(vocabulary.pieces[one]) > 2
            if _stands_alone(_encode(text(one)))
        }
    return frozenset(found)


def _of_string(token: str, *, marks_words: bool) -> Spelling:
    content = _encode(token)
    if content.isspace():
        return Spelling(content, False)
    if content.startswith(b" "):
        return Spelling(content[1:], True)
    if marks_words:
        return Spelling(content, False)
    return Spelling(content, None if _stands_alone(content) else True)


def _encode(text: str | bytes) -> bytes:
    """Return UTF-8; bytes that were no UTF-8 in their file come back as they were."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def is_ideograph(character: str) -> bool:
    """Say whether a character is a CJK ideograph: written without blanks between words."""
    return unicodedata.name(character, "").startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH"))


def _stands_alone(content: bytes) -> bool:
    """Say whether a text begins with what is a word of its own with or without a blank before it."""
    first = content.decode("utf-8", "replace")[:1]
    if first.isascii():
        return not first.isalnum()
    return unicodedata.category(first)[0] == "P" or is_ideograph(first)
