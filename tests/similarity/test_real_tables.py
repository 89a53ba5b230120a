"""The pocket family: global and local geometry that its models share, against nulls, and the numbers of the docs."""

import numpy as np
import pytest

from theodolite.bundled import token_counts
from theodolite.neighborhoods import neighbors
from theodolite.similarity import lle_similarity, neighborhood_overlap, rsa_matrix, rsa_permutations
from theodolite.tables import load_table

MODELS = ("pocket-64", "pocket-128", "pocket-128-b", "pocket-256")


@pytest.fixture(scope="module", params=["input", "output"])
def family(request):
    seen = token_counts() >= 100
    tables = [np.asarray(load_table(f"bundled:{model}#{request.param}").points)[seen] for model in MODELS]
    return request.param, tables


def test_untied_models_share_more_of_the_output_space(family):
    """Ranges of an independent measurement of models trained alike: input about 0.70, output 0.94 to 0.97."""
    which, tables = family
    heat = rsa_matrix(tables)
    pairs = np.triu_indices(4, 1)
    low, high = {"input": (0.66, 0.73), "output": (0.94, 0.98)}[which]
    assert low < heat.values[pairs].min() <= heat.values[pairs].max() < high
    assert (heat.values[pairs] > 10 * heat.null_std[pairs]).all()
    assert (heat.stderr[pairs] < 0.01).all()
    draws = rsa_permutations(tables[1], tables[3], n_repeats=4)
    assert np.abs(draws).max() < 6 * heat.null_std[1, 3]


def test_tokens_are_put_together_alike(family):
    _, tables = family
    some, other = tables[1], tables[3]
    graphs = [neighbors(table, k=10, metric="cosine") for table in (some, other)]
    found = lle_similarity(some, other, first_graph=graphs[0], second_graph=graphs[1])
    assert found.mean - found.null_mean > 10 * found.stderr
    assert 0.25 < found.mean < 0.45
    assert found.null_mean < 0.01
    overlap = neighborhood_overlap(*graphs, k_values=[10])
    assert 0.28 < overlap.values[0] < 0.45
    shared = found.jaccard * 20 / (1 + found.jaccard)  # common neighbors out of two lists of ten
    assert shared.mean() == pytest.approx(overlap.counts.mean(), rel=1e-12)
