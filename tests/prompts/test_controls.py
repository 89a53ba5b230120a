"""Controls: what a shuffle keeps, what a seed fixes, what is uniform; severity against the published calibration."""

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from theodolite.core.errors import ParameterError
from theodolite.prompts import (
    bleu,
    block_shuffle,
    full_shuffles,
    highest_level,
    random_vocabulary,
    read_prompts,
    replace_words,
    windows,
)

PUBLISHED = {0: (1.00, 0.00), 1: (0.99, 0.00), 2: (0.97, 0.01), 3: (0.86, 0.04), 4: (0.42, 0.11), 5: (0.03, 0.06)}
"""viswanathan2025: mean and standard deviation of BLEU over 50 prompts of 1,024 Llama-3 tokens, for each level."""


@given(n=st.integers(1, 300), data=st.data())
def test_blocks_stay_whole_and_nothing_is_lost(n, data):
    level = data.draw(st.integers(0, highest_level(n)))
    ids = np.arange(n)
    found = block_shuffle(ids, level=level, seed=data.draw(st.integers(0, 99)))
    assert sorted(found) == list(range(n))
    breaks = np.flatnonzero(np.diff(found) != 1) + 1
    starts = [part[0] for part in np.split(found, breaks)]
    sizes = [n // 4**level + (i < n % 4**level) for i in range(4**level)]
    assert set(starts) <= set(np.cumsum([0, *sizes[:-1]]))


def test_levels():
    assert [highest_level(n) for n in (1, 3, 4, 15, 16, 63, 64, 256, 1023, 1024)] == [0, 0, 1, 1, 2, 2, 3, 4, 4, 5]
    ids = np.arange(1024)
    assert block_shuffle(ids, level=0, seed=5).tolist() == ids.tolist()
    with pytest.raises(ParameterError, match=r"level=6 is not possible for 1024 tokens.* Choose 0 to 5"):
        block_shuffle(ids, level=6)
    with pytest.raises(ParameterError, match="level=-1"):
        block_shuffle(ids, level=-1)
    with pytest.raises(ParameterError, match="n_tokens=0"):
        highest_level(0)


def test_seed_level_repeat_and_tokens_all_matter():
    ids = np.arange(64)
    drawn = [
        block_shuffle(ids, level=3, seed=0),
        block_shuffle(ids, level=3, seed=1),
        block_shuffle(ids, level=3, seed="0"),
        block_shuffle(ids, level=3, seed=0, repeat=1),
        block_shuffle(ids + 1, level=3, seed=0) - 1,
    ]
    assert len({tuple(found) for found in drawn}) == 5
    assert block_shuffle(ids, level=3, seed=0).tolist() == drawn[0].tolist()


def test_permutations_of_four_blocks_are_uniform():
    counts = {}
    for repeat in range(2400):
        order = tuple(block_shuffle([0, 1, 2, 3], level=1, repeat=repeat))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    chi2 = sum((count - 100) ** 2 / 100 for count in counts.values())
    assert chi2 < 49.7  # 0.1 % point of chi-squared with 23 degrees of freedom


def test_full_shuffles_do_not_depend_on_their_number():
    ids = np.array([5, 5, 9, 1, 2])
    three, two = full_shuffles(ids, n_repeats=3, seed=4), full_shuffles(ids, n_repeats=2, seed=4)
    np.testing.assert_array_equal(three[:2], two)
    assert (np.sort(three, axis=1) == np.sort(ids)).all()
    with pytest.raises(ParameterError, match="n_repeats=0"):
        full_shuffles(ids, n_repeats=0)


def test_random_vocabulary_is_distinct_uniform_and_leaves_out_what_it_should():
    found = random_vocabulary(10, n_vocabulary=40, exclude=[0, 39], n_repeats=800, seed=1)
    assert found.shape == (800, 10)
    assert all(len(set(row)) == 10 for row in found.tolist())
    counts = np.bincount(found.ravel(), minlength=40)
    assert counts[[0, 39]].tolist() == [0, 0]
    share = 10 / 38
    assert abs(counts[1:39] - 800 * share).max() < 4.5 * np.sqrt(800 * share * (1 - share))
    np.testing.assert_array_equal(
        random_vocabulary(10, n_vocabulary=40, exclude=[0, 39], n_repeats=2, seed=1), found[:2]
    )
    with pytest.raises(ParameterError, match="5 distinct tokens cannot be drawn from 4 ids"):
        random_vocabulary(5, n_vocabulary=6, exclude=[0, 1])
    with pytest.raises(ParameterError, match="must both be at least 1"):
        random_vocabulary(0, n_vocabulary=6)


@given(
    text=st.lists(st.sampled_from(["the", "cat,", "sat", "on\n", "it."]), min_size=1, max_size=30).map(" ".join),
    rate=st.floats(0, 1),
    seed=st.integers(0, 5),
)
def test_replaced_words_are_as_many_as_asked_and_all_others_stay(text, rate, seed):
    pool = ["sat", "stone", "river"]
    found = replace_words(text, rate=rate, seed=seed, words=pool)
    before, after = text.split(), found.split()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == round(rate * len(before))
    assert {b for _, b in changed} <= set(pool)
    assert [c for c in found if c.isspace()] == [c for c in text if c.isspace()]
    assert found == replace_words(text, rate=rate, seed=seed, words=pool)


def test_words_come_from_the_examples_by_default():
    text = read_prompts("examples").items[20].text
    found = replace_words(text, rate=1.0)
    known = {word for prompt in read_prompts("examples") for word in prompt.text.lower().replace("_", " ").split()}
    assert len(found.split()) == len(text.split())
    assert np.mean([word in known for word in found.split()]) > 0.6
    for settings, message in [
        ({"rate": 1.5}, "rate=1.5 is outside"),
        ({"rate": 0.5, "words": ["a", "a"]}, "1 distinct words to draw from are too few"),
    ]:
        with pytest.raises(ParameterError, match=message):
            replace_words(text, **settings)
    with pytest.raises(ParameterError, match="The text has no words"):
        replace_words(" \n", rate=0.5)


def test_bleu_is_that_of_sacrebleu_and_refuses_blanks():
    reference, candidate = "It was the best of times, it was the worst of times.", "It was the worst of times."
    expected = sacrebleu.corpus_bleu([candidate], [[reference]], smooth_method="none").score / 100
    assert 0 < bleu(candidate, reference) == pytest.approx(expected, abs=1e-12)
    assert bleu(reference, reference) == 1
    assert bleu("completely other words here", reference) == 0
    with pytest.raises(ParameterError, match="one is blank"):
        bleu(" ", reference)


@pytest.fixture(scope="module")
def severity(shared_data):
    """BLEU of 12 passages of 1,024 GPT-2 tokens of WikiText, `(12, 6)`, shuffled at every level."""
    tokenizer = Tokenizer.from_file(str(shared_data / "tokenizers" / "gpt2" / "tokenizer.json"))
    (file,) = (shared_data / "text" / "wikitext2").glob("*test*")
    ids = windows(tokenizer.encode(file.read_text(encoding="utf-8")).ids, 1024, most=12)
    return np.array(
        [
            [bleu(tokenizer.decode(block_shuffle(row, level=level)), tokenizer.decode(row)) for level in PUBLISHED]
            for row in ids
        ]
    )


@pytest.mark.parametrize("level", PUBLISHED)
def test_severity_of_shuffles_is_as_published(severity, level):
    """Another text and tokenizer than the authors', so two of their standard deviations and 0.02 are allowed."""
    mean, spread = PUBLISHED[level]
    assert severity[:, level].mean() == pytest.approx(mean, abs=2 * spread + 0.02)
    if level:
        assert (severity[:, level] < severity[:, level - 1]).all()
