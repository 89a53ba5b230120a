"""Text from outside: nothing hidden survives, nothing visible is lost."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.visible import visible
from theodolite.report.visible_text import token_pieces

ANYTHING = st.text(st.characters(categories=["L", "N", "P", "S", "Z", "C", "M"]), max_size=200)


def shown(token: str) -> str:
    return "".join(piece.text for piece in token_pieces(token))


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (" dog", "␣dog"),
        ("a\tb\n", "a\\tb\\n"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x00\x1b[31m", "\\x00\\x1b[31m"),
        ("\ud83d", "\\ud83d"),
        ("\u00a0", "\\xa0"),
        ("\u200b\ufeff", "\\u200b\\ufeff"),
        ("", "empty"),
        ("שלום", "שלום"),
        ("<b>", "<b>"),
    ],
)
def test_tokens_show_what_cannot_be_seen(token, expected):
    assert shown(token) == expected


def test_marks_piled_up_on_a_letter_are_written_out():
    assert shown("e\u0301\u0302\u0303\u0304") == "e\u0301\u0302\\u0303\\u0304"
    assert shown("\u0301a").startswith("\\u0301")


def test_a_long_token_keeps_both_ends_and_says_how_much_is_left_out():
    text = shown("a" * 5_000 + "z" * 5_000)
    assert len(text) < 80
    assert text.startswith("aaa")
    assert text.endswith("zzz")
    assert "9,952 more" in text


@given(ANYTHING)
def test_nothing_hidden_survives(text):
    for result in (visible(text), shown(text)):
        assert not any(unicodedata.category(c) in ("Cf", "Cs", "Cn", "Co") for c in result)
        assert not any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in result)
        result.encode()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
def test_plain_text_stays_as_it_is(text):
    assert shown(text) == text
    assert visible(text) == text
