"""What one pair of tables is measured by: all pairs of tokens at once, weights of neighbors, local dimension."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import torch

from theodolite.core.seeds import generator_from
from theodolite.dimension import null_points
from theodolite.neighborhoods import NeighborGraph, neighbors
from theodolite.similarity import (
    LleSimilarity,
    cka,
    coherence,
    information_imbalance,
    lle_similarity,
    neighborhood_overlap,
    overlap_null,
    overlap_stderr,
    rsa,
    rsa_spearman,
)
from theodolite.statistics import correlation, partial_correlation
from theodolite.studies.rows import Row, RowMaker
from theodolite.studies.similarity.coherence import against_dimension
from theodolite.studies.similarity.config import GAUSSIAN, PERMUTED
from theodolite.studies.similarity.rows import correlation_row
from theodolite.studies.similarity.tables import Shared, View

RESAMPLES = 300
_POINTS_PER_LISTED = 50


def counts(make: RowMaker, found: Shared) -> list[Row]:
    """Return how many tokens the tables share, how they were matched, and how many are compared."""
    match = found.match
    numbers = {
        "shared": match.n_shared,
        "exact": match.n_exact,
        "normalized": match.n_normalized,
        "unmatched_a": match.n_unmatched_a,
        "unmatched_b": match.n_unmatched_b,
        "rare": found.n_rare,
        "nonfinite": found.n_nonfinite,
        "unsampled": found.n_unsampled,
        "used": len(found.rows_a),
    }
    return [make.row("count", number, method=name) for name, number in numbers.items()]


def measure_pair(make: RowMaker, a: View, b: View, params: Mapping[str, Any], *, seed: int) -> list[Row]:
    """Measure how alike two tables are, and the same beside tables that have nothing to do with each other.

    Parameters
    ----------
    make : RowMaker
        Of the pair.
    a, b : View
        Row i of both is the same token.
    params : Mapping
        Settings of the study.
    seed : int
        Of every random draw.

    Returns
    -------
    list of dict
        Rows of the study.
    """
    first = _Side(a.points, a.graph)
    second = _Side(b.points, b.graph)
    rows = _all_pairs(make, first, second, params, seed=seed)
    measured = _weights(first, second, params, seed=seed)
    if not params["nulls"]:
        rows += [*_lle(make, measured), *_histogram(make, measured)]
    else:
        order = generator_from("similarity", "permuted", seed).permutation(len(b.points))
        moved = replace(b.graph, rows=np.argsort(order)[b.graph.rows])
        permuted = _weights(first, _Side(b.points[torch.from_numpy(order)], moved), params, seed=seed)
        rows += [*_lle(make, measured, chance=permuted), *_histogram(make, measured, chance=permuted)]
        rows += [*_lle(make.having(condition=PERMUTED), permuted)]
        rows += _histogram(make.having(condition=PERMUTED), permuted)
        drawn = null_points(b.points, GAUSSIAN, seed=seed)
        one_more = min(params["k"] + 1, b.graph.k)  # for the error of the overlap
        noise = _Side(drawn, neighbors(drawn, k=one_more, metric=params["metric"]))
        random = make.having(condition=GAUSSIAN)
        rows += _all_pairs(random, first, noise, params, seed=seed)
        by_chance = _weights(first, noise, params, seed=seed)
        rows += [*_lle(random, by_chance), *_histogram(random, by_chance)]
    return [*rows, *_local_dimensions(make, a, b, params), *_stability(make, a, b, params)]


class _Side(NamedTuple):
    """One side of a comparison."""

    points: torch.Tensor
    graph: NeighborGraph


def _all_pairs(make: RowMaker, a: _Side, b: _Side, params: Mapping[str, Any], *, seed: int) -> list[Row]:
    first, second = a.points, b.points
    rows = [rsa_row(make, first, second, center=center) for center in (False, True)]
    for center in (False, True):
        ranks = rsa_spearman(first, second, center=center, seed=seed)
        rows.append(
            make.row(
                "rsa_spearman",
                ranks.value,
                stderr=_known(ranks.stderr),
                method=_named(center),
                null=ranks.null_mean,
                null_stderr=ranks.null_std,
                n_used=ranks.n_points,
            )
        )
    rows.append(cka_row(make, first, second))
    rows.append(overlap_row(make, a.graph, b.graph, params["k"]))
    n_queries = min(params["queries"], len(first))
    imbalance = information_imbalance(first, second, metric=params["metric"], n_queries=n_queries, seed=seed)
    for way, value, stderr, spread in (
        ("forward", imbalance.forward, imbalance.forward_stderr, imbalance.forward_null_std),
        ("backward", imbalance.backward, imbalance.backward_stderr, imbalance.backward_null_std),
    ):
        null = {"null": imbalance.null_mean, "null_stderr": spread}
        rows.append(
            make.row("information_imbalance", value, stderr=stderr, method=way, scale=1, n_used=n_queries, **null)
        )
    return rows


def rsa_row(make: RowMaker, first: torch.Tensor, second: torch.Tensor, *, center: bool, **columns: Any) -> Row:
    """Return the row of the correlation of all cosines."""
    found = rsa(first, second, center=center)
    return make.row(
        "rsa",
        found.value,
        method=_named(center),
        stderr=found.stderr,
        low=found.low,
        high=found.high,
        null=found.null_mean,
        null_stderr=found.null_std,
        n_used=found.n_points,
        **columns,
    )


def cka_row(make: RowMaker, first: torch.Tensor, second: torch.Tensor, **columns: Any) -> Row:
    """Return the row of the debiased linear kernel alignment."""
    found = cka(first, second)
    return make.row(
        "cka",
        found.value,
        method="debiased",
        stderr=_known(found.stderr),
        null=found.null_mean,
        null_stderr=found.null_std,
        n_used=found.n_points,
        **columns,
    )


def overlap_row(make: RowMaker, first: NeighborGraph, second: NeighborGraph, k: int, **columns: Any) -> Row:
    """Return the row of the share of common neighbors."""
    used = min(k, first.k, second.k)
    found = neighborhood_overlap(first, second, k_values=[used])
    one_more = used < min(first.k, second.k)
    permuted = overlap_null(first, second, k_values=[used])
    return make.row(
        "mutual_knn",
        found.values[0],
        stderr=overlap_stderr(first, second, k=used) if one_more else float(found.stderr[0]),
        scale=used,
        null=permuted.mean[0],
        null_stderr=permuted.std[0],
        n_used=len(found.rows),
        **columns,
    )


def _known(error: float) -> float | None:
    """Return an error, or nothing where so few tokens have none."""
    return error if isfinite(error) else None


def _named(center: bool) -> str:
    return "centered" if center else "raw"


def _weights(a: _Side, b: _Side, params: Mapping[str, Any], *, seed: int) -> LleSimilarity:
    k = min(params["k"], a.graph.k, b.graph.k)
    return lle_similarity(a.points, b.points, first_graph=a.graph, second_graph=b.graph, k=k, seed=seed)


def _lle(make: RowMaker, found: LleSimilarity, *, chance: LleSimilarity | None = None) -> list[Row]:
    """Return the likeness of the weights and its two parts; the null of the second is read from permuted tokens."""
    shared: dict[str, Any] = {"scale": found.k, "n_used": found.n_points}
    null = {"null": found.null_mean, "null_stderr": found.null_stderr}
    neighbors_null = {"null": found.neighbor_null, "null_stderr": found.neighbor_null_stderr}
    weights_null = {}
    if chance is not None:
        weights_null = {"null": chance.weight_agreement, "null_stderr": chance.weight_stderr}
    return [
        make.row("lle", found.mean, stderr=found.stderr, **null, **shared),
        make.row("lle_neighbors", found.neighbor_agreement, stderr=found.neighbor_stderr, **neighbors_null, **shared),
        make.row("lle_weights", found.weight_agreement, stderr=found.weight_stderr, **weights_null, **shared),
    ]


def _histogram(make: RowMaker, found: LleSimilarity, *, chance: LleSimilarity | None = None) -> list[Row]:
    """Return the tokens in each bin with their multinomial error, beside those of permuted tokens."""
    errors = _bin_errors(found)
    nulls: list[dict[str, float]] = [{}] * len(errors)
    if chance is not None:
        counts = zip(chance.histogram.tolist(), _bin_errors(chance), strict=True)
        nulls = [{"null": float(count), "null_stderr": error} for count, error in counts]
    return [
        make.row("lle_histogram", count, stderr=error, x=float(left), scale=found.k, n_used=found.n_points, **null)
        for count, error, left, null in zip(found.histogram, errors, found.edges[:-1], nulls, strict=True)
    ]


def _bin_errors(found: LleSimilarity) -> list[float]:
    counts = found.histogram
    errors: list[float] = np.sqrt(counts * (1.0 - counts / found.n_points)).tolist()
    return errors


def _local_dimensions(make: RowMaker, a: View, b: View, params: Mapping[str, Any]) -> list[Row]:
    """Correlate the local dimensions of the same tokens in both tables."""
    rows = []
    counts = a.table.counts if a.table.counts is not None else b.table.counts
    for (method, k), first in a.dimensions.items():
        second = b.dimensions[method, k]
        shared = {"method": method, "scale": k}
        for measure, rule in (("dimension_pearson", "pearson"), ("dimension_spearman", "spearman")):
            found = correlation(first, second, method=rule, n_bootstrap=RESAMPLES, seed=params["seed"])  # type: ignore[arg-type]
            rows.append(correlation_row(make, measure, found, **shared))
        if counts is not None:
            seen = np.log1p(counts.astype(np.float64))
            found = partial_correlation(
                first, second, seen, method="spearman", n_bootstrap=RESAMPLES, seed=params["seed"]
            )
            rows.append(correlation_row(make, "dimension_partial", found, **shared))
    shown = _sample(len(a.points), _POINTS_PER_LISTED * params["shown"], params["seed"])
    key = max((key for key in a.dimensions if key[0] == "pca"), default=None)
    if key is None:
        return rows
    first, second = a.dimensions[key], b.dimensions[key]
    for place in shown[np.isfinite(first[shown]) & np.isfinite(second[shown])]:
        rows.append(
            make.row(
                "token_dimension",
                second[place],
                x=float(first[place]),
                method=key[0],
                scale=key[1],
                token_id=int(a.table.token_ids[place]),
                token=None if a.table.tokens is None else a.table.tokens[place],
            )
        )
    return rows


def _stability(make: RowMaker, a: View, b: View, params: Mapping[str, Any]) -> list[Row]:
    """Relate a token's dimension in the first table to how many of its neighbors it keeps in the second."""
    assert a.table.tokens is not None
    k = min(params["k"], a.graph.k, b.graph.k)
    found = coherence(a.graph, a.table.tokens, others=[b.graph], k=k)
    assert found.stability is not None
    permuted = overlap_null(a.graph, b.graph, k_values=[k])
    null = {"stability": (float(permuted.mean[0]), float(permuted.std[0]))}
    measures = {"stability": found.stability}
    return against_dimension(make, a, measures, found.rows, nulls=null, k=k, seed=params["seed"])


def _sample(n: int, most: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return up to so many of n places, ascending."""
    if n <= most:
        return np.arange(n)
    return np.sort(generator_from("similarity", "shown", seed).choice(n, size=most, replace=False))
