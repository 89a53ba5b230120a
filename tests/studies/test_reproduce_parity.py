"""The layer study in the paper's settings against the authors' procedure, written out plainly.

Their procedure (methods of viswanathan2025): distances of all pairs, copies dropped by comparing rows of the
distance matrix, GRIDE as DADApy computes it; overlap by sorting rows of the distance matrix, rank 0 skipped; mean
cosine over all entries, diagonal included; angles between the directions to the two nearest neighbors.
"""

import numpy as np
import polars as pl
import pytest
import torch
from scipy.special import betaln

from theodolite.studies.layers.columns import COLUMNS
from theodolite.studies.layers.geometry import measure_layers
from theodolite.studies.reproduce.config import Config
from theodolite.studies.reproduce.plan import plan
from theodolite.studies.rows import RowMaker

N_TOKENS, N_LAYERS, N_DIMS, K = 150, 4, 24, 64


@pytest.fixture(scope="module")
def states():
    """Clouds of float32 states, layer by layer a little more curved; ten tokens of layer 1 are copies of others."""
    generator = np.random.Generator(np.random.PCG64(11))
    latent = generator.normal(size=(N_TOKENS, 6))
    clouds = [generator.normal(size=(N_TOKENS, N_DIMS))]
    for layer in range(1, N_LAYERS + 1):
        curved = np.concatenate([latent, np.sin(layer * latent), np.cos(latent)], axis=1)
        clouds.append(curved @ generator.normal(size=(18, N_DIMS)) + 0.3 * generator.normal(size=(N_TOKENS, N_DIMS)))
    clouds[1][100:110] = clouds[1][:10]
    return np.stack(clouds).astype(np.float32)


@pytest.fixture(scope="module")
def rows(states):
    (part,) = plan(Config("viswanathan2025"))
    assert part.config.k == K
    found = measure_layers(torch.from_numpy(states), RowMaker.of(COLUMNS, positions="all"), part.config)
    return pl.from_dicts(found, infer_schema_length=None)


def distances(points):
    apart = points.astype(np.float64)
    return np.sqrt(((apart[:, None] - apart[None]) ** 2).sum(axis=2))


def without_copies(matrix):
    """As the authors: np.unique over rows of the distance matrix, the first of each kept."""
    _, first = np.unique(matrix, axis=0, return_index=True)
    kept = np.sort(first)
    return matrix[np.ix_(kept, kept)]


def gride(matrix, n1, n2):
    """GRIDE as DADApy computes it: likelihood with n - 1 in place of n, extreme ratios dropped, bisection."""
    ordered = np.sort(matrix, axis=1)
    ratio = ordered[:, n2] / ordered[:, n1]
    middle, high = np.median(ratio), np.quantile(ratio, 0.95)
    ratio = np.where(ratio == 1, ratio + 10 * np.finfo(ratio.dtype).eps, ratio)
    ratio = ratio[ratio < middle + 20 * (high - middle)]
    n, logs = len(ratio), np.log(ratio)

    def likelihood(d):
        inner = (n2 - n1 - 1) * np.log(np.expm1(d * logs)).sum() if n2 - n1 > 1 else 0.0
        return (n - 1) * np.log(d) + inner - n * betaln(n2 - n1, n1) - (((n2 - 1) * d + 1) * logs).sum()

    low, up = 1e-3, 1e3
    for _ in range(200):  # golden ratio search of a likelihood with one maximum
        a, b = up - 0.618033988749895 * (up - low), low + 0.618033988749895 * (up - low)
        if likelihood(a) < likelihood(b):
            low = a
        else:
            up = b
    return (low + up) / 2


def value(rows, measure, **place):
    found = rows.filter(pl.col("measure") == measure)
    for name, wanted in place.items():
        found = found.filter(pl.col(name) == wanted)
    assert found.height == 1
    return found["value"].item()


@pytest.mark.parametrize("layer", range(1, N_LAYERS + 1))
@pytest.mark.parametrize("n1", [1, 2, 4, 8, 16, 32])
def test_dimension_at_every_scale(states, rows, layer, n1):
    matrix = without_copies(distances(states[layer]))
    assert len(matrix) == N_TOKENS - (10 if layer == 1 else 0)
    ours = value(rows, "dimension", method="gride", layer=layer, scale=2 * n1)
    assert ours == pytest.approx(gride(matrix, n1, 2 * n1), rel=1e-6)


@pytest.mark.parametrize("layer", range(2, N_LAYERS))
def test_overlap_for_every_number_of_neighbors(states, rows, layer):
    first, second = (np.argsort(distances(states[one]), axis=1)[:, 1:] for one in (layer, layer + 1))
    for k in range(1, 32):
        shared = [len(set(a[:k]) & set(b[:k])) / k for a, b in zip(first, second, strict=True)]
        ours = value(rows, "overlap", layer=layer, layer_to=layer + 1, scale=k)
        assert ours == pytest.approx(np.mean(shared), abs=1e-12)


@pytest.mark.parametrize("layer", range(N_LAYERS + 1))
def test_mean_and_spread_of_the_cosines(states, rows, layer):
    points = states[layer].astype(np.float64)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosines = unit @ unit.T
    off = cosines[~np.eye(N_TOKENS, dtype=bool)]
    assert value(rows, "mean_cosine", method="with_diagonal", layer=layer) == pytest.approx(cosines.mean(), abs=1e-6)
    assert value(rows, "sd_cosine", method="with_diagonal", layer=layer) == pytest.approx(cosines.std(), abs=1e-6)
    assert value(rows, "mean_cosine", method="without_diagonal", layer=layer) == pytest.approx(off.mean(), abs=1e-6)


@pytest.mark.parametrize("layer", range(2, N_LAYERS + 1))
def test_angle_between_the_directions_to_the_two_nearest(states, rows, layer):
    points = states[layer].astype(np.float64)
    nearest = np.argsort(distances(states[layer]), axis=1)[:, 1:3]
    to_first, to_second = (points - points[nearest[:, place]] for place in (0, 1))
    lengths = np.linalg.norm(to_first, axis=1) * np.linalg.norm(to_second, axis=1)
    angles = np.degrees(np.arccos((to_first * to_second).sum(axis=1) / lengths))
    assert value(rows, "angle", layer=layer) == pytest.approx(np.nanmean(angles), abs=1e-6)
