"""Tokens of one table to look around in: each with its neighbors, local dimension, length, frequency and place."""

from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from theodolite.core.hashing import canonical_json
from theodolite.core.points import as_points
from theodolite.neighborhoods import NeighborGraph
from theodolite.studies.dimension.bands import N_BANDS
from theodolite.studies.rows import Row, RowMaker
from theodolite.studies.similarity.tokens import TokenIndex
from theodolite.tables import Table

NEAREST = 10
"""Neighbors kept of each token."""
_LOCAL_K = 20
_EACH_WAY = 50
"""Tokens taken from each end of a list of those that stand out."""
_MAPPED = 3
"""Fewest tokens that make a map."""
_TRUSTED_K = 10
_TRUSTED = 1000
"""Tokens among which the map's neighbors are compared with the table's: every pair is."""
_BLOCK = 128

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def explored_rows(make: RowMaker, table: Table, graph: NeighborGraph, *, most: int) -> list[Row]:
    """Return one row for each token that an explorer of the table shows, and how far its map can be trusted.

    Parameters
    ----------
    make : RowMaker
        Makes the rows.
    table : Table
        What was measured.
    graph : NeighborGraph
        Its graph by cosine.
    most : int
        Tokens to keep; 0 for none.

    Returns
    -------
    list of dict
        `token`: the local dimension, with everything else in `view` (see `table_columns`). `token_map`: the share of
        the variance that the map holds, and its trustworthiness.

    Notes
    -----
    Where a table has more tokens than are kept, those that stand out come first: lowest and highest local dimension,
    the most popular neighbors, the shortest and longest rows, and up to 50 of each kind of suspicious row. The most
    frequent follow where counts are known, else those of the smallest id, which a tokenizer learned first. The map is
    the plane of the first two principal components (scikit-learn) of the unit rows of these tokens.
    """
    if most == 0:
        return []
    index = TokenIndex(table, k=NEAREST, graph=graph)
    suspicious = index.suspicious()
    chosen = _chosen(index, suspicious, most)
    marks: dict[int, list[str]] = {}
    for reason, rows in suspicious.items():
        for row in rows:
            marks.setdefault(row, []).append(reason)
    near = _near(index, chosen)
    places, facts = _map(make, index, chosen)
    bands = _bands(table)
    listed = set(chosen.tolist())
    found = []
    for order, row in enumerate(chosen.tolist()):
        place = int(index.place[row])
        view: dict[str, Any] = {"norm": _rounded(index.norms[row])}
        if place >= 0:
            view["hubness"] = _rounded(index.hubness[place])
            view["near"] = [_neighbor(index, one, listed) for one in near[row]]
        if row in places:
            view["map"] = places[row]
        if table.counts is not None:
            view["count"] = int(table.counts[row])
            view["band"] = int(bands[row])
        if row in marks:
            view["marks"] = marks[row]
        dimension = float(index.dimensions[place]) if place >= 0 else float("nan")
        found.append(
            {
                **make.row("token", dimension, method="mle", scale=min(_LOCAL_K, graph.k), x=float(order)),
                "value": dimension if np.isfinite(dimension) else None,
                "token_id": int(table.token_ids[row]),
                "token": None if table.tokens is None else table.tokens[row],
                "view": canonical_json(view),
            }
        )
    return [*facts, *found]


def _chosen(index: TokenIndex, suspicious: dict[str, list[int]], most: int) -> Integers:
    """Return the rows to keep: those that stand out, then the most frequent."""
    extremes = index.extremes(_EACH_WAY)
    by_length = np.argsort(index.norms, kind="stable")
    finite = by_length[np.isfinite(index.norms[by_length])]
    popular = index.graph.rows[np.argsort(-index.hubness, kind="stable")[:_EACH_WAY]]
    counts = index.table.counts
    usual = np.arange(index.table.n_tokens) if counts is None else np.argsort(-counts, kind="stable")
    ordered = chain(
        (row for found in extremes.values() for row, _ in found),
        popular.tolist(),
        finite[:_EACH_WAY].tolist(),
        finite[::-1][:_EACH_WAY].tolist(),
        (row for rows in suspicious.values() for row in rows[:_EACH_WAY]),
        usual.tolist(),
    )
    return np.array(list(dict.fromkeys(ordered))[:most], dtype=np.int64)


def _near(index: TokenIndex, rows: Integers) -> dict[int, list[tuple[int, float, float]]]:
    """Return row, cosine and distance of the nearest of each row that is in the graph."""
    graph, points = index.graph, as_points(index.table.points)
    shown = min(NEAREST, graph.k)
    inside = rows[index.place[rows] >= 0]
    found = {}
    for start in range(0, len(inside), _BLOCK):
        block = inside[start : start + _BLOCK]
        places = index.place[block]
        near = graph.rows[graph.indices[places, :shown]]
        own, others = points[torch.from_numpy(block)].double(), points[torch.from_numpy(near)].double()
        apart = torch.linalg.vector_norm(others - own[:, None, :], dim=2).numpy()
        for row, ids, cosines, distances in zip(block, near, graph.cosines[places, :shown], apart, strict=True):
            found[int(row)] = list(zip(ids.tolist(), cosines.tolist(), distances.tolist(), strict=True))
    return found


def _neighbor(index: TokenIndex, found: tuple[int, float, float], listed: set[int]) -> list[Any]:
    row, cosine, distance = found
    entry = [int(index.table.token_ids[row]), round(cosine, 4), _rounded(distance)]
    return entry if row in listed else [*entry, index.name(row)]


def _map(make: RowMaker, index: TokenIndex, chosen: Integers) -> tuple[dict[int, list[float]], list[Row]]:
    """Return the place of each row in the plane of most variance, and what that plane leaves out."""
    rows = chosen[index.place[chosen] >= 0]
    if len(rows) < _MAPPED or index.table.n_dims < _MAPPED:
        return {}, []
    points = as_points(index.table.points)[torch.from_numpy(rows)].double().numpy()
    points = np.ldexp(points, -np.frexp(np.abs(points).max(axis=1, keepdims=True))[1])  # squares could overflow
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    fitted = PCA(n_components=2, svd_solver="covariance_eigh").fit(points)
    plane: Floats = fitted.transform(points)
    explained = float(np.sum(fitted.explained_variance_ratio_))
    facts = [make.row("token_map", explained, method="explained", n_used=len(rows))]
    some = np.linspace(0, len(rows) - 1, min(_TRUSTED, len(rows))).astype(int)
    if len(some) > 2 * _TRUSTED_K + 1:
        trust = trustworthiness(points[some], plane[some], n_neighbors=_TRUSTED_K)
        facts.append(make.row("token_map", trust, method="trust", scale=_TRUSTED_K, n_used=len(some)))
    return {int(row): [round(x, 4), round(y, 4)] for row, (x, y) in zip(rows, plane.tolist(), strict=True)}, facts


def _bands(table: Table) -> Integers:
    """Return the quarter of the seen tokens that each is in by its count, 0 where training never saw it."""
    bands = np.zeros(table.n_tokens, dtype=np.int64)
    if table.counts is not None:
        seen = np.flatnonzero(table.counts > 0)
        by_count = seen[np.argsort(table.counts[seen], kind="stable")]
        for band, members in enumerate(np.array_split(by_count, N_BANDS), start=1):
            bands[members] = band
    return bands


def _rounded(value: float) -> float | None:
    """Return four digits of a number, which is more than a page shows."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
