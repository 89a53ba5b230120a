"""The tokens of a model: which id is which text, and which ids are special.

Read from the files of a model folder (`tokenizer.json`, `vocab.json`, `vocab.txt`, `tokenizer.model`) without running
anything that is in them. Pieces are decoded to what a person would read: byte-level BPE, SentencePiece and WordPiece
write a leading blank and bytes that are no text each in a way of their own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from theodolite.core.errors import FormatError
from theodolite.tables.display import display_token
from theodolite.tables.json_file import read_json
from theodolite.tables.sentencepiece_file import read_pieces

Pieces = Literal["bytes", "blank", "word", "whole", "plain"]

_BYTE_PIECE = re.compile(r"^<0x([0-9A-Fa-f]{2})>$")
_BLANK = "\u2581"
_MOST_ID = 1 << 24
_SPECIAL_KEYS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What the tokenizer of a model folder knows.

    Attributes
    ----------
    pieces : mapping of int to str
        Token of each id, as the tokenizer writes it.
    special_ids : frozenset of int
        Ids of marks that never stand for text: beginning, end, padding, mask, control.
    convention : {"bytes", "blank", "word", "whole", "plain"}
        How pieces write text: byte-level BPE, SentencePiece's blank, WordPiece's continuation, whole words, or as it
        is.
    added_ids : frozenset of int
        Ids whose pieces are written as they are, whatever the convention.
    file : pathlib.Path
        Where this was read.
    """

    pieces: Mapping[int, str]
    special_ids: frozenset[int]
    convention: Pieces
    added_ids: frozenset[int]
    file: Path

    @property
    def size(self) -> int:
        """Number of ids that have a token."""
        return len(self.pieces)

    def text(self, token_id: int) -> str | bytes:
        """Return the text of a token, as bytes where only bytes are certain."""
        piece = self.pieces[token_id]
        if token_id in self.added_ids or token_id in self.special_ids:
            return piece
        if self.convention == "bytes":
            try:
                return piece.translate(_byte_table()).encode("latin-1")
            except UnicodeEncodeError:
                return piece
        if self.convention == "blank":
            byte = _BYTE_PIECE.match(piece)
            return bytes([int(byte[1], 16)]) if byte else piece.replace(_BLANK, " ")
        if self.convention == "word":
            return piece.removeprefix("##") if piece.startswith("##") and len(piece) > 2 else f" {piece}"
        return piece

    def display(self, token_id: int) -> str:
        """Return what a person may see of an id: its text made safe, or "[row 50300]" for an id without a token.

        A piece that begins a word is shown with a leading blank.
        """
        if token_id not in self.pieces:
            return f"[row {token_id}]"
        return display_token(self.text(token_id))


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """Read the tokenizer of a model folder; None where the folder has none.

    Raises
    ------
    FormatError
        If a tokenizer file is damaged or claims an id beyond 2**24.
    """
    if (folder / "tokenizer.json").is_file():
        found = _from_tokenizer_json(folder / "tokenizer.json")
    elif (folder / "vocab.json").is_file():
        convention: Pieces = "bytes" if (folder / "merges.txt").is_file() else "plain"
        found = _from_ids(folder / "vocab.json", read_json(folder / "vocab.json"), convention)
    elif (folder / "vocab.txt").is_file():
        lines = _read_lines(folder / "vocab.txt")
        found = _from_ids(folder / "vocab.txt", {line: i for i, line in enumerate(lines)}, "word")
    elif (folder / "tokenizer.model").is_file() or (folder / "spiece.model").is_file():
        path = folder / ("tokenizer.model" if (folder / "tokenizer.model").is_file() else "spiece.model")
        pieces, control = read_pieces(path)
        found = Vocabulary(
            pieces=dict(enumerate(pieces)), special_ids=control, convention="blank", added_ids=frozenset(), file=path
        )
    else:
        return None
    return _with_added(found, folder)


def _from_tokenizer_json(path: Path) -> Vocabulary:
    values = read_json(path)
    model = values.get("model")
    if not isinstance(model, dict):
        raise FormatError(f'{path} has no "model". Download it again, or save it with tokenizer.save_pretrained.')
    vocab = model.get("vocab")
    if isinstance(vocab, list):  # Unigram: pairs of piece and score
        vocab = {pair[0]: i for i, pair in enumerate(vocab) if isinstance(pair, list) and pair}
    if not isinstance(vocab, dict):
        raise FormatError(f'{path} has no "vocab". Download it again, or save it with tokenizer.save_pretrained.')
    kind = model.get("type") or ("WordPiece" if "continuing_subword_prefix" in model and "merges" not in model else "")
    steps = [values.get(step) for step in ("pre_tokenizer", "decoder", "normalizer")]
    if kind == "WordPiece":
        convention: Pieces = "word"
    elif kind == "WordLevel":
        convention = "whole"
    elif _mentions(steps, "type", "ByteLevel"):
        convention = "bytes"
    elif kind == "Unigram" or _mentions(steps, None, _BLANK) or _mentions(steps, "type", "Metaspace"):
        convention = "blank"
    else:
        convention = "plain"
    found = _from_ids(path, vocab, convention)
    pieces, special, added = dict(found.pieces), set(), set()
    listed = values.get("added_tokens")
    for token in listed if isinstance(listed, list) else []:
        if isinstance(token, dict) and _is_id(token.get("id")) and isinstance(token.get("content"), str):
            _check_id(path, token["id"])
            pieces[token["id"]] = token["content"]
            added.add(token["id"])
            if token.get("special") is True:
                special.add(token["id"])
    return Vocabulary(
        pieces=pieces,
        special_ids=frozenset(special),
        convention=convention,
        added_ids=frozenset(added),
        file=path,
    )


def _from_ids(path: Path, vocab: Mapping[str, Any], convention: Pieces) -> Vocabulary:
    """Turn token -> id around, and check the ids."""
    pieces = {}
    for piece, token_id in vocab.items():
        if not isinstance(piece, str) or not _is_id(token_id):
            raise FormatError(f"{path} gives the token {piece!r:.60} the id {token_id!r:.60}. Download it again.")
        _check_id(path, token_id)
        pieces[token_id] = piece
    return Vocabulary(pieces=pieces, special_ids=frozenset(), convention=convention, added_ids=frozenset(), file=path)


def _with_added(found: Vocabulary, folder: Path) -> Vocabulary:
    """Add what tokenizer_config.json, special_tokens_map.json and added_tokens.json say beyond the vocabulary."""
    pieces, special, added = dict(found.pieces), set(found.special_ids), set(found.added_ids)
    names: set[str] = set()
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if not (folder / name).is_file():
            continue
        values = read_json(folder / name)
        more = values.get("additional_special_tokens") or values.get("extra_special_tokens") or []
        for token in [*(values.get(key) for key in _SPECIAL_KEYS), *(more if isinstance(more, list) else [])]:
            names.add(_content(token))
        decoder = values.get("added_tokens_decoder")
        for key, token in (decoder if isinstance(decoder, dict) else {}).items():
            if key.isascii() and key.isdecimal() and int(key) <= _MOST_ID and _content(token):
                pieces.setdefault(int(key), _content(token))
                added.add(int(key))
                if isinstance(token, dict) and token.get("special") is True:
                    special.add(int(key))
    if (folder / "added_tokens.json").is_file():
        for piece, token_id in read_json(folder / "added_tokens.json").items():
            if _is_id(token_id):
                _check_id(folder / "added_tokens.json", token_id)
                pieces.setdefault(token_id, piece)
                added.add(token_id)
    names.discard("")
    special |= {token_id for token_id, piece in pieces.items() if piece in names}
    return Vocabulary(
        pieces=pieces,
        special_ids=frozenset(special),
        convention=found.convention,
        added_ids=frozenset(added),
        file=found.file,
    )


def _content(token: Any) -> str:
    """Return the text of a token that is written as a string or as an object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _mentions(value: Any, key: str | None, wanted: str) -> bool:
    """Say whether a nested JSON value holds `wanted` (under `key`, where one is given)."""
    if isinstance(value, dict):
        return any(
            (key in (None, name) and inner == wanted) or _mentions(inner, key, wanted) for name, inner in value.items()
        )
    return isinstance(value, list) and any(inner == wanted or _mentions(inner, key, wanted) for inner in value)


def _read_lines(path: Path) -> list[str]:
    if path.stat().st_size > 1 << 26:
        raise FormatError(f"{path} has {path.stat().st_size} bytes, too many for a vocabulary. Is it another file?")
    return path.read_bytes().decode("utf-8", errors="surrogateescape").removesuffix("\n").split("\n")


def _is_id(value: Any) -> bool:
    return type(value) is int


def _check_id(path: Path, token_id: int) -> None:
    if not 0 <= token_id <= _MOST_ID:
        raise FormatError(f"{path} gives a token the id {token_id}, outside 0 to {_MOST_ID}. Download it again.")


@lru_cache(maxsize=1)
def _byte_table() -> dict[int, int]:
    """Return GPT-2's table from printable characters to bytes; characters it never writes lead beyond the bytes."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    rest = [byte for byte in range(256) if byte not in printable]
    return dict.fromkeys(rest, 0x100) | {256 + i: byte for i, byte in enumerate(rest)}
