"""Coherence of neighborhoods: variants of a token, cosines, stability and groups, on a graph drawn by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from theodolite.core.errors import ParameterError, PointsError
from theodolite.neighborhoods import neighbors
from theodolite.similarity import coherence
from theodolite.similarity.coherence import stem

TOKENS = ["\u0120dog", "Dogs", "cat", "\u2581Cats", "the", "!!"]
LINE = np.array([[0.0], [1.0], [2.2], [3.5], [9.0], [11.0]])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u0120dog", "DOGS"),
        ("running", " Run"),
        ("happy", "happily"),
        ("unhappy", "Happiness"),
        ("make", "##making"),
        ("city", "cities"),
        ("king's", "kings"),
        ("no</w>", "NO"),
        ("ab@@", "AB"),
        ("Straße", "STRASSE"),
        ("123", " 123"),
    ],
)
def test_variants_share_a_stem(one, other):
    assert stem(one) == stem(other) != ""


@pytest.mark.parametrize(
    ("one", "other"), [("thing", "th"), ("string", "str"), ("bus", "bu"), ("red", "r"), ("dog", "cat"), ("1", "2")]
)
def test_other_words_do_not(one, other):
    assert stem(one) != stem(other)


def test_variant_and_group_shares():
    found = coherence(neighbors(LINE, k=2), TOKENS, lexicon={" Dog": "pet", "cat": "pet", "the": "word", "dogs": "pet"})
    # neighbors by place: 0: 1 2, 1: 0 2, 2: 1 3, 3: 2 1, 4: 5 3, 5: 4 3
    assert found.variant_share.tolist() == [0.5, 0.5, 0.5, 0.5, 0.0, 0.0]
    assert_array_equal(found.group_share, [1.0, 1.0, 0.5, np.nan, 0.0, np.nan])
    assert (found.mean_cosine, found.stability, found.k) == (None, None, 2)
    nearest = coherence(neighbors(LINE, k=3), TOKENS, k=1)
    assert nearest.variant_share.tolist() == [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]


def test_punctuation_has_no_variants():
    found = coherence(neighbors(LINE[:4], k=1), ["!", " !", "?", "."])
    assert found.variant_share.tolist() == [0.0] * 4


def test_mean_cosine_is_that_of_all_pairs(layers):
    graph = neighbors(layers[0], k=5, metric="cosine")
    found = coherence(graph, ["x"] * 120, points=layers[0]).mean_cosine
    units = layers[0].astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    for point, near in enumerate(graph.indices):
        members = units[[point, *near]]
        assert found[point] == pytest.approx((members @ members.T)[np.triu_indices(6, 1)].mean(), rel=1e-9)


def test_zero_rows_have_no_direction():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    found = coherence(neighbors(points, k=1), ["a"] * 4, points=points).mean_cosine
    assert_allclose(found, [np.nan, np.nan, np.nan, np.sqrt(0.5)])


def test_stability_is_the_mean_overlap_with_the_others(layers):
    graphs = [neighbors(cloud, k=6) for cloud in layers]
    found = coherence(graphs[0], ["x"] * 120, others=graphs[1:], k=4).stability
    for point in (0, 17, 119):
        own = set(graphs[0].indices[point, :4].tolist())
        shares = [len(own & set(graph.indices[point, :4].tolist())) / 4 for graph in graphs[1:]]
        assert found[point] == pytest.approx(np.mean(shares))
    assert coherence(graphs[0], ["x"] * 120, others=graphs[:1]).stability.tolist() == [1.0] * 120
    some = neighbors(layers[1], k=6, queries=np.array([3, 5]))
    partly = coherence(graphs[0], ["x"] * 120, others=[some]).stability
    assert np.flatnonzero(np.isfinite(partly)).tolist() == [3, 5]


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (ParameterError, lambda g: coherence(g, TOKENS, k=3), "1 to 2, which the graph holds, but k=3"),
        (ParameterError, lambda g: coherence(g, TOKENS[1:]), "6 rows, but there are 5 tokens"),
        (ParameterError, lambda g: coherence(g, TOKENS, points=LINE[1:]), "6 rows, but these points have 5"),
        (ParameterError, lambda g: coherence(g, TOKENS, others=[neighbors(LINE[1:], k=2)]), "from 6 and 5 rows"),
        (PointsError, lambda g: coherence(g, TOKENS, points=LINE * np.nan), "6 of 6 rows hold NaN"),
    ],
)
def test_refusals(error, call, message):
    with pytest.raises(error, match=message):
        call(neighbors(LINE, k=2))
