"""Windows and positions, by properties and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.errors import ParameterError
from theodolite.prompts import positions, windows

ids_of_any_length = st.lists(st.integers(0, 12), min_size=1, max_size=60)


def test_windows():
    ids = np.arange(10)
    assert windows(ids, 4).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert windows(ids, 4, stride=3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert windows(ids, 10).tolist() == [list(range(10))]
    spread = windows(np.arange(100), 10, most=3)
    assert spread[:, 0].tolist() == [0, 30, 60]
    with pytest.raises(ParameterError, match="has 10 tokens, fewer than one window of 11"):
        windows(ids, 11)
    with pytest.raises(ParameterError, match="stride=0 is not possible"):
        windows(ids, 3, stride=0)
    with pytest.raises(ParameterError, match=r"Token ids of shape \(1, 2\)"):
        windows([[1, 2]], 1)


@given(ids=ids_of_any_length, seed=st.integers(0, 9))
def test_one_position_for_each_token(ids, seed):
    assert positions(ids).tolist() == list(range(len(ids)))
    first = positions(ids, choice="first")
    assert first.tolist() == sorted({token: i for i, token in reversed(list(enumerate(ids)))}.values())
    drawn = positions(ids, choice="random", seed=seed)
    assert (np.diff(drawn) > 0).all()
    assert sorted(np.array(ids)[drawn]) == sorted(set(ids))
    assert drawn.tolist() == positions(ids, choice="random", seed=seed).tolist()


def test_random_positions_are_uniform_over_the_copies():
    ids = [7, 7, 7, 1]
    chosen = [positions(ids, choice="random", seed=seed)[0] for seed in range(600)]
    counts = np.bincount(chosen, minlength=3)
    assert counts.sum() == 600
    assert abs(counts - 200).max() < 4 * np.sqrt(600 * 2 / 9)  # four standard errors of a binomial count


def test_refusals():
    with pytest.raises(ParameterError, match="choice='last' is not known"):
        positions([1, 2], choice="last")
    for wrong in ([], [1.5], [[1]]):
        with pytest.raises(ParameterError, match="needed is a flat list of at least one whole number"):
            positions(wrong)
