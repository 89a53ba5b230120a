"""Token strings are hostile text: everything invisible is made visible, everything else is left alone."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.tables import display_token

SHOWN = {
    " dog": " dog",
    "naïve": "naïve",
    "日本語": "日本語",
    "हिन्दी": "हिन्दी",
    "👩\u200d🔬": "👩\u200d🔬",
    "<script>alert('x')</script>": "<script>alert('x')</script>",
    "a\nb\tc\rd": "a\\nb\\tc\\rd",
    "\x1b[31m": "\\x1b[31m",
    "\x00": "\\x00",
    "\x7f\x9b": "\\x7f\\x9b",
    "\u202egnp.exe": "\\u202egnp.exe",
    "\u2066\u2069\u200f": "\\u2066\\u2069\\u200f",
    "a\u200bb": "a\\u200bb",
    "a\u200db": "a\\u200db",
    "\ufeff": "\\ufeff",
    "\u2028": "\\u2028",
    "\xa0\u3000": "\\xa0\\u3000",
    "\ud800": "\\ud800",
    "\ue000": "\\ue000",
    "\U000e0041": "\\U000e0041",
    b"caf\xc3\xa9": "café",
    b"caf\xc3": "caf\\xc3",
    b"\xff\xfe": "\\xff\\xfe",
    b" \xf0\x9f": " \\xf0\\x9f",
    "": "",
}


@pytest.mark.parametrize("token", SHOWN, ids=repr)
def test_what_is_shown(token: str | bytes) -> None:
    assert display_token(token) == SHOWN[token]


@given(st.text() | st.binary())
def test_always_printable_and_writable(token: str | bytes) -> None:
    shown = display_token(token)
    shown.encode("utf-8")
    assert "\n" not in shown
    assert all(unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp", "Co", "Cn"} for char in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


@given(st.text(st.characters(whitelist_categories=("L", "N", "P", "S", "M"), whitelist_characters=" ")))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert display_token(text) == text
