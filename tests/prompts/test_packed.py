"""Texts packed by gzip and zstd are read as if they were not; what is damaged is said."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.errors import FormatError
from theodolite.prompts import read_prompts
from theodolite.prompts.packed import unpacked

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x01"))


def framed(content, *, blocks=1):
    """Pack as zstd does what it cannot make smaller: frame header, raw blocks (RFC 8878)."""
    size = -(-len(content) // blocks) or 1
    pieces = [content[start : start + size] for start in range(0, len(content), size)] or [b""]
    packed = b"\x28\xb5\x2f\xfd\xa0" + len(content).to_bytes(4, "little")
    for place, piece in enumerate(pieces):
        packed += (len(piece) << 3 | (place + 1 == len(pieces))).to_bytes(3, "little") + piece
    return packed


@given(TEXT, st.integers(1, 3))
def test_zstd_gives_back_every_text(text, blocks):
    content = text.encode().removeprefix("\ufeff".encode())
    assert unpacked(framed(content, blocks=blocks), "a.jsonl.zst") == content


def test_packed_prompts_are_those_that_are_not_packed(tmp_path, zstd_lines):
    (tmp_path / "mine.jsonl.zst").write_bytes(zstd_lines)
    prompts = read_prompts(tmp_path / "mine.jsonl.zst")
    assert prompts.texts == ("One" + 7 * " one", "Two" + 7 * " two")
    assert (prompts.items[1].name, prompts.items[1].source, prompts.origin["kind"]) == ("mine-1", "mine", "jsonl")
    table = b'text,label\r\n"one\n\ntwo",a\r\n'
    for name, content in (("t.csv", table), ("t.csv.gz", gzip.compress(table)), ("t.csv.zst", framed(table))):
        (tmp_path / name).write_bytes(content)
        found = read_prompts(tmp_path / name)
        assert (found.texts, found.labels, found.items[0].name) == (("one\n\ntwo",), ("a",), "t-0")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl.gz", b"x", "cannot be unpacked: .*Download it again"),
        ("a.jsonl.zst", b'{"text": "a"}', "cannot be unpacked: it does not begin as a zstd file does"),
        ("a.jsonl.zst", framed(b'"one"\n')[:-3], r"cannot be unpacked: .*text in UTF-8, packed by zstd.*--long=27"),
        ("a.jsonl.zst", framed(b"\xff\xfe"), "cannot be unpacked: .*UTF-8"),
    ],
)
def test_what_is_damaged_is_said(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_prompts(tmp_path / name)


def test_what_is_not_packed_stays_as_it_is():
    assert unpacked(b"\xff", "a.txt") == b"\xff"
