"""What one table says of its tokens: local dimension, coherent neighborhoods, and the extremes by name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.dimension import null_points
from theodolite.neighborhoods import neighbors
from theodolite.similarity import coherence
from theodolite.statistics import correlation, partial_correlation
from theodolite.studies.rows import Row, RowMaker
from theodolite.studies.similarity.config import COVARIANCE, PERMUTED
from theodolite.studies.similarity.rows import correlation_row
from theodolite.studies.similarity.tables import View, local_dimensions

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_RESAMPLES = 300
_BINS = 10
_FEWEST_IN_A_BIN = 5


def measure_table(make: RowMaker, a: View, params: Mapping[str, Any], *, seed: int) -> list[Row]:
    """Measure local dimension and coherence of one table, and list its extreme tokens.

    Parameters
    ----------
    make : RowMaker
        Of the table.
    a : View
        All of its tokens that stand for text.
    params : Mapping
        Settings of the study.
    seed : int
        Of every random draw.

    Returns
    -------
    list of dict
        Rows of the study.
    """
    assert a.table.tokens is not None
    k = min(params["k"], a.graph.k)
    lexicon = None if params["lexicon"] is None else read_lexicon(params["lexicon"])
    found = coherence(a.graph, a.table.tokens, points=a.points, lexicon=lexicon, k=k)
    assert found.mean_cosine is not None
    measures = {"variant_share": found.variant_share, "mean_cosine": found.mean_cosine}
    if found.group_share is not None:
        measures["group_share"] = found.group_share
    rows = _means(make, a.dimensions, a.errors)
    null_means: list[Row] = []
    chance: list[Row] = []
    nulls: dict[str, tuple[float, float | None]] = {}
    if params["nulls"]:
        chance = _chance(make.having(condition=PERMUTED), a, lexicon, k=k, seed=seed)
        nulls = {row["method"]: (row["value"], row["stderr"]) for row in chance}
        pca_k = tuple(scale for method, scale in a.dimensions if method == "pca")
        drawn = null_points(a.points[torch.from_numpy(a.graph.rows)], COVARIANCE, seed=seed)
        graph = neighbors(drawn, k=a.graph.k, metric=params["metric"])
        null = local_dimensions(drawn, graph, pca_k=pca_k, mle_k=params["mle_k"], threshold=params["threshold"])
        null_means = _means(make.having(condition=COVARIANCE), *null)
        rows = _beside(rows, null_means)
    rows += against_dimension(make, a, measures, found.rows, nulls=nulls, k=k, seed=params["seed"])
    return [*rows, *chance, *null_means, *_extremes(make, a, params["shown"], k=k)]


def against_dimension(
    make: RowMaker,
    a: View,
    measures: Mapping[str, Floats],
    rows: Indices,
    *,
    nulls: Mapping[str, tuple[float, float | None]],
    k: int,
    seed: int,
) -> list[Row]:
    """Relate measures of coherence to the local dimension: mean, rank correlation, and a curve over bins.

    Parameters
    ----------
    make : RowMaker
        Of the table or the pair.
    a : View
        The table that the dimension is read in.
    measures : Mapping
        Name to one value for each of `rows`.
    rows : numpy.ndarray
        Rows of the view.
    nulls : Mapping
        Name to what chance gives and its error, where that is known.
    k : int
        Neighbors that coherence was measured by.
    seed : int
        Of the resampling.

    Returns
    -------
    list of dict
        Rows of the study; the curve is that of the largest neighborhoods.
    """
    found = []
    largest = headline_key(a.dimensions)
    for name, values in measures.items():
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        null, error = nulls.get(name, (None, None))
        found.append(_mean_coherence(make.having(null=null, null_stderr=error), known, name, k))
        for key, dimensions in a.dimensions.items():
            one = correlation(dimensions[rows], values, method="spearman", n_bootstrap=_RESAMPLES, seed=seed)
            place = {"method": f"{name} against {key[0]}", "scale": key[1]}
            found.append(correlation_row(make, "coherence_spearman", one, **place))
            if a.table.counts is not None:
                seen = np.log1p(a.table.counts[rows].astype(np.float64))
                one = partial_correlation(
                    dimensions[rows], values, seen, method="spearman", n_bootstrap=_RESAMPLES, seed=seed
                )
                found.append(correlation_row(make, "coherence_partial", one, **place))
        in_bin = None if error is None else error * len(known) ** 0.5
        place = {"method": name, "scale": largest[1], "null": null}
        found += _curve(make.having(**place), a.dimensions[largest][rows], values, null_spread=in_bin)
    return found


def headline_key(dimensions: Mapping[tuple[str, int], Floats]) -> tuple[str, int]:
    """Return method and neighbors of the dimension that verdicts are on: principal components of the largest k."""
    return max((key for key in dimensions if key[0] == "pca"), default=next(iter(dimensions)))


def read_lexicon(path: str) -> dict[str, str]:
    """Read words and their groups, one pair in each line.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If a line has no group.
    """
    if not Path(path).is_file():
        raise NotFoundError(f"There is no lexicon {path}. Give a file with a word and its group in each line.")
    found = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        word, mark, group = line.partition("\t" if "\t" in line else ",")
        if not mark or not word.strip() or not group.strip():
            raise FormatError(
                f"Line {number} of {path} is {line!r}, but a word, a tab (or comma) and a group are needed."
            )
        found[word.strip()] = group.strip()
    if not found:
        raise ParameterError(f"{path} holds no words. Give a file with a word and its group in each line.")
    return found


def _means(
    make: RowMaker, dimensions: Mapping[tuple[str, int], Floats], errors: Mapping[tuple[str, int], float]
) -> list[Row]:
    """Return the mean of each local dimension: of its inverse for distances, as these are aggregated."""
    rows = []
    for (method, k), values in dimensions.items():
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        mean = known.mean() if method == "pca" else 1.0 / (1.0 / known).mean()
        error = errors[method, k]
        stderr = error if np.isfinite(error) else None
        rows.append(make.row("local_dimension", mean, stderr=stderr, method=method, scale=k, n_used=len(known)))
    return rows


def _chance(make: RowMaker, a: View, lexicon: Mapping[str, str] | None, *, k: int, seed: int) -> list[Row]:
    """Return the coherence of neighborhoods whose tokens and rows are dealt anew."""
    assert a.table.tokens is not None
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(a.points))
    tokens, points = [a.table.tokens[place] for place in order], a.points[torch.from_numpy(order)]
    found = coherence(a.graph, tokens, points=points, lexicon=lexicon, k=k)
    measures = {
        "variant_share": found.variant_share,
        "mean_cosine": found.mean_cosine,
        "group_share": found.group_share,
    }
    known = {name: values[np.isfinite(values)] for name, values in measures.items() if values is not None}
    return [_mean_coherence(make, values, name, k) for name, values in known.items() if len(values)]


def _mean_coherence(make: RowMaker, known: Floats, name: str, k: int) -> Row:
    error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else None
    return make.row("coherence", known.mean(), stderr=error, method=name, scale=k, n_used=len(known))


def _beside(rows: list[Row], others: list[Row]) -> list[Row]:
    """Put the mean dimension of a Gaussian table of the same covariance beside the one that was measured."""
    nulls = {(row["method"], row["scale"]): {"null": row["value"], "null_stderr": row["stderr"]} for row in others}
    return [row | nulls.get((row["method"], row["scale"]), {}) for row in rows]


def _curve(make: RowMaker, dimensions: Floats, values: Floats, *, null_spread: float | None) -> list[Row]:
    """Return the mean of values in bins of rising dimension; `null_spread` is that of a single token by chance."""
    known = np.isfinite(dimensions) & np.isfinite(values)
    x, y = dimensions[known], values[known]
    edges = np.unique(np.quantile(x, np.linspace(0, 1, _BINS + 1))) if len(x) else x
    rows = []
    for place in range(len(edges) - 1):
        inside = (x >= edges[place]) & ((x < edges[place + 1]) | (place == len(edges) - 2))
        if inside.sum() >= _FEWEST_IN_A_BIN:
            error = float(y[inside].std(ddof=1) / np.sqrt(inside.sum()))
            rows.append(
                make.row(
                    "coherence_curve",
                    y[inside].mean(),
                    stderr=error,
                    x=float(x[inside].mean()),
                    null_stderr=None if null_spread is None else null_spread / float(np.sqrt(inside.sum())),
                    n_used=int(inside.sum()),
                )
            )
    return rows


def _extremes(make: RowMaker, a: View, shown: int, *, k: int) -> list[Row]:
    """Return the tokens of lowest and highest dimension with their neighbors."""
    method, scale = headline_key(a.dimensions)
    values = a.dimensions[method, scale]
    tokens = a.table.tokens
    assert tokens is not None
    place_of = np.full(a.graph.n_given, -1)
    place_of[a.graph.rows] = np.arange(a.graph.n_points)
    known = np.flatnonzero(np.isfinite(values))
    ordered = known[np.argsort(values[known], kind="stable")]
    rows = []
    for which, chosen in (("lowest", ordered[:shown]), ("highest", ordered[::-1][:shown])):
        for row in chosen:
            near = a.graph.rows[a.graph.indices[place_of[row], :k]]
            rows.append(
                make.row(
                    "listed",
                    values[row],
                    method=which,
                    scale=scale,
                    token_id=int(a.table.token_ids[row]),
                    token=tokens[row],
                    neighbors=json.dumps([tokens[one] for one in near], ensure_ascii=False),
                )
            )
    return rows
