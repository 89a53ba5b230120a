"""Tables of shared tokens with what is expensive about them: their neighbors and their local dimensions."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import GeometryWarning, NotFoundError, PointsError
from theodolite.core.number_format import counted
from theodolite.core.points import as_points
from theodolite.core.seeds import generator_from
from theodolite.dimension import local_pca, mle
from theodolite.neighborhoods import NeighborGraph, neighbors
from theodolite.tables import Alignment, Table, describe, load_table, match_tables

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

LocalDimensions = tuple[Mapping[tuple[str, int], Floats], Mapping[tuple[str, int], float]]

ONLY_TABLE = "table"
_FEWEST = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shared:
    """Which rows of two tables are compared.

    Attributes
    ----------
    rows_a, rows_b : numpy.ndarray
        `(n_used,)` int64: rows of the two tables, the same token at each place.
    match : Alignment
        How they were found.
    n_rare : int
        Shared tokens left out because training saw them too seldom.
    n_nonfinite : int
        Shared tokens left out because a row is not finite.
    n_unsampled : int
        Shared tokens left out because only a sample was wanted.
    """

    rows_a: Indices
    rows_b: Indices
    match: Alignment
    n_rare: int
    n_nonfinite: int
    n_unsampled: int


def whiches(reference: str) -> dict[str, str]:
    """Return the tables of a reference: a kind to the name that loads it; the one of a plain file is `table`."""
    found = describe(reference)
    there = {which: which for which, name in (("input", found.input), ("output", found.output)) if name is not None}
    selected = "#" in reference
    return {ONLY_TABLE: ""} if selected or not there else there


def common(a: str, b: str, wanted: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return what two references can be compared in: kind, and the name that loads it on each side.

    Raises
    ------
    NotFoundError
        If none of the wanted tables is there on both sides.
    """
    first, second = whiches(a), whiches(b)
    if ONLY_TABLE in first and ONLY_TABLE in second:
        return [(ONLY_TABLE, "", "")]
    found = []
    for which in wanted:
        names = [side.get(which, side.get(ONLY_TABLE)) for side in (first, second)]
        if names[0] is not None and names[1] is not None:
            found.append((which, names[0], names[1]))
    if not found:
        raise NotFoundError(
            f"{a} has {' and '.join(first)} and {b} has {' and '.join(second)}, so that their "
            f"{' and '.join(wanted)} embeddings cannot be compared. Choose others with which."
        )
    return found


@lru_cache(maxsize=2)
def table(reference: str, name: str) -> Table:
    """Load a table; the last two stay in memory."""
    return load_table(reference, which=name or None)


@lru_cache(maxsize=2)
def shared(
    a: tuple[str, str], b: tuple[str, str], *, tokens: int | None = None, seen: int = 1, seed: int = 0
) -> Shared:
    """Find the tokens of two tables that are compared; a table with itself gives all that could be.

    Parameters
    ----------
    a, b : tuple of str
        Reference, and the name of its table.
    tokens, seen, seed
        As in the study's settings.

    Returns
    -------
    Shared
        In the order of the first table; a sample keeps it.

    Raises
    ------
    ParameterError, PointsError
        If a table has no token strings, no token is shared, or too few are left.
    """
    first, second = table(*a), table(*b)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)  # said by whoever reads `match.is_small`
        match = match_tables(first, second)
    kept = np.ones(match.n_shared, dtype=bool)
    for one, rows in ((first, match.positions_a), (second, match.positions_b)):
        if one.counts is not None:
            kept &= one.counts[rows] >= seen
    n_rare = int((~kept).sum())
    finite = kept & _finite(first, match.positions_a) & _finite(second, match.positions_b)
    n_nonfinite = int(kept.sum() - finite.sum())
    places = np.flatnonzero(finite)
    n_usable = len(places)
    if n_usable < _FEWEST:
        raise PointsError(
            f"{a[0]} and {b[0]} share {counted(match.n_shared, 'token')}, of which {n_usable} are left (seen at "
            f"least {seen} "
            f"times, finite rows), but at least {_FEWEST} are needed."
        )
    if tokens is not None and tokens < n_usable:
        places = np.sort(generator_from("similarity", seed).choice(places, size=tokens, replace=False))
    return Shared(
        rows_a=match.positions_a[places],
        rows_b=match.positions_b[places],
        match=match,
        n_rare=n_rare,
        n_nonfinite=n_nonfinite,
        n_unsampled=n_usable - len(places),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """The compared rows of one table.

    Attributes
    ----------
    table : Table
        These rows alone.
    points : torch.Tensor
        `(n_used, n_dims)`.
    graph : NeighborGraph
        Their nearest neighbors.
    dimensions : mapping
        Method and number of neighbors to the local dimension of each row, `(n_used,)`; NaN where there is none.
    errors : mapping
        The same to the standard error of their mean, as the estimator gives it: neighborhoods overlap.
    """

    table: Table
    points: torch.Tensor
    graph: NeighborGraph
    dimensions: Mapping[tuple[str, int], Floats]
    errors: Mapping[tuple[str, int], float]


def view(reference: str, name: str, rows: Indices, params: Mapping[str, Any]) -> View:
    """Return the compared rows of a table, their neighbors and local dimensions; what was found before is used again.

    Parameters
    ----------
    reference, name : str
        The table.
    rows : numpy.ndarray
        Its compared rows.
    params : Mapping
        Settings of the study.

    Returns
    -------
    View
        Of these rows.
    """
    chosen = table(reference, name).take(rows)
    points = as_points(chosen.points)
    pca_k = tuple(k for k in params["pca_k"] if k < len(rows))
    k = min(max(params["k"], params["mle_k"], *pca_k), len(rows) - 1)
    key = (reference, name, chosen.content, rows.tobytes(), k, params["metric"])
    graph = _GRAPHS.get(key)
    if graph is None:
        graph = _remember(_GRAPHS, key, neighbors(points, k=k, metric=params["metric"]))
    settings = (*key, pca_k, params["mle_k"], params["threshold"])
    dimensions = _DIMENSIONS.get(settings)
    if dimensions is None:
        found = local_dimensions(points, graph, pca_k=pca_k, mle_k=params["mle_k"], threshold=params["threshold"])
        dimensions = _remember(_DIMENSIONS, settings, found)
    values, errors = dimensions
    return View(table=chosen, points=points, graph=graph, dimensions=values, errors=errors)


def local_dimensions(
    points: torch.Tensor, graph: NeighborGraph, *, pca_k: tuple[int, ...], mle_k: int, threshold: float
) -> LocalDimensions:
    """Return the local dimension of each row by each method, and the standard error of the mean of each.

    Parameters
    ----------
    points : torch.Tensor
        `(n_rows, n_dims)` that the graph was made from.
    graph : NeighborGraph
        Deep enough for all of them.
    pca_k : tuple of int
        Neighbors for principal components.
    mle_k : int
        Neighbors for maximum likelihood.
    threshold : float
        Share of the variance to explain.

    Returns
    -------
    values : dict
        `(method, k)` to `(n_rows,)` float64: pca at each k, mle, and twonn (maximum likelihood from two neighbors); NaN
        where a row has none.
    errors : dict
        `(method, k)` to the standard error of the mean, of the inverses for distances.
    """
    estimates = {("pca", k): local_pca(graph, points, k=k, threshold=threshold) for k in pca_k if k <= graph.k}
    estimates[("mle", min(mle_k, graph.k))] = mle(graph, k=min(mle_k, graph.k))
    estimates[("twonn", 2)] = mle(graph, k=2)
    found = {}
    for key, estimate in estimates.items():
        assert estimate.pointwise is not None
        values = np.full(graph.n_given, np.nan)
        values[graph.rows] = np.where(np.isfinite(estimate.pointwise), estimate.pointwise, np.nan)
        found[key] = values
    return found, {key: estimate.stderr for key, estimate in estimates.items()}


def forget() -> None:
    """Forget every table and everything found in it: files may have changed."""
    table.cache_clear()
    shared.cache_clear()
    _GRAPHS.clear()
    _DIMENSIONS.clear()


def _finite(one: Table, rows: Indices) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = torch.isfinite(as_points(one.points)[torch.from_numpy(rows)]).all(dim=1).numpy()
    return found


def _remember(kept: dict[Any, Any], key: Any, value: Any) -> Any:
    """Keep a value, and forget the oldest beyond a few."""
    kept[key] = value
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
    return value


_KEPT = 8
_GRAPHS: dict[Any, NeighborGraph] = {}
_DIMENSIONS: dict[Any, LocalDimensions] = {}
