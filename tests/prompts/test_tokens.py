"""Tokenizing: cuts, minimum lengths under several tokenizers, special tokens, prompts of one token."""

import numpy as np
import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from theodolite import bundled
from theodolite.core.errors import ParameterError
from theodolite.prompts import Prompt, read_prompts, tokenize


@pytest.fixture(scope="module")
def pocket():
    return Tokenizer.from_file(str(bundled.path("pocket-64") / "tokenizer.json"))


class Letters:
    """One token a character; with special tokens, 0 in front."""

    def encode(self, text, *, add_special_tokens):
        return [0] * add_special_tokens + [ord(character) for character in text]


class Words:
    """One token a word."""

    def encode(self, text, *, add_special_tokens):
        return [len(word) + add_special_tokens for word in text.split()]


def prompts(*texts):
    return [Prompt(text=text, name=f"p{i}", row=i) for i, text in enumerate(texts)]


def test_cut_strip_and_special_tokens():
    found = tokenize(prompts("  abcdef \n"), Letters(), n_tokens=4)
    assert found.token_ids[0].tolist() == [97, 98, 99, 100]
    assert found.token_ids[0].dtype == np.int64
    assert found.n_full == (6,)
    assert tokenize(prompts(" ab"), Letters(), strip=False).token_ids[0].tolist() == [32, 97, 98]
    assert tokenize(prompts("ab"), Letters(), special_tokens=True).token_ids[0].tolist() == [0, 97, 98]
    assert found.settings["n_tokens"] == 4


def test_minimum_holds_under_every_tokenizer_and_the_dropped_are_listed():
    texts = prompts("a b c d", "abcdefg", "ab", "x y")
    found = tokenize(texts, Letters(), minimum=4, others={"words": Words()})
    assert [prompt.name for prompt in found.prompts] == ["p0"]
    assert len(found) == 1
    assert [(item.name, item.row, item.reason, item.n_tokens) for item in found.dropped] == [
        ("p1", 1, "short", {"": 7, "words": 1}),
        ("p2", 2, "short", {"": 2, "words": 1}),
        ("p3", 3, "short", {"": 3, "words": 2}),
    ]
    assert found.settings["minimum_also_under"] == ["words"]


def test_prompts_of_one_token_are_dropped_by_what_is_kept_of_them():
    found = tokenize(prompts("aaaa", "aaab", "ab"), Letters())
    assert [item.reason for item in found.dropped] == ["uniform"]
    cut = tokenize(prompts("aaab", "ab"), Letters(), n_tokens=3)
    assert [(item.name, item.reason) for item in cut.dropped] == [("p0", "uniform")]


def test_both_kinds_of_tokenizer_give_the_same_ids(pocket):
    wrapped = PreTrainedTokenizerFast(tokenizer_object=pocket)
    texts = read_prompts("examples").items[:5]
    one, other = tokenize(texts, pocket, n_tokens=256), tokenize(texts, wrapped, n_tokens=256)
    for a, b in zip(one.token_ids, other.token_ids, strict=True):
        np.testing.assert_array_equal(a, b)


def test_refusals():
    with pytest.raises(ParameterError, match="minimum=1 is too small"):
        tokenize(prompts("ab"), Letters(), minimum=1)
    with pytest.raises(ParameterError, match="n_tokens=1 is too small"):
        tokenize(prompts("ab"), Letters(), n_tokens=1)
    with pytest.raises(ParameterError, match=r"No prompt of 2 can be used: at least 9 tokens, .* longest has 3"):
        tokenize(prompts("abc", "a"), Letters(), minimum=9)
    with pytest.raises(ParameterError, match="No prompt of 0"):
        tokenize([], Letters())
