"""Rows to look at by name: those like rows that were never trained, those that repeat, those that are short."""

from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.core.points import as_points
from theodolite.neighborhoods import NeighborGraph
from theodolite.studies.table_rows import RowMaker
from theodolite.tables import Table

_LISTED = 20
_CUT = 5.0
"""Robust standard deviations below the median length at which a row is short."""
_TO_SIGMA = 1.4826
_PAIR = 2


def mark_rows(
    make: RowMaker, table: Table, graph: NeighborGraph, norms: npt.NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return the rows that a reader should know by name.

    Parameters
    ----------
    make : RowMaker
        Makes the rows.
    table : Table
        What was measured.
    graph : NeighborGraph
        Its graph, from which repeated and non-finite rows were left out.
    norms : numpy.ndarray
        `(n_tokens,)` length of each row.

    Returns
    -------
    list of dict
        `count` of short rows: below the median length by more than 5 robust standard deviations (1.4826 times the
        median absolute deviation). `duplicate`: the first token of each group of equal rows, largest groups first.
        `undertrained`: where counts tell which rows training never saw, the seen tokens whose rows point most nearly
        in the direction of their mean.

    Notes
    -----
    Rows that get no gradient but share the optimizer's decay and drift end up alike, and rows that were hardly trained
    are near them (Land & Bartolo 2024, arXiv 2405.05417, who compare with the mean of unused rows). Where never-seen
    rows keep independent initial values, their mean is short and says little: then all cosines are small.
    """
    lengths = norms[graph.rows]
    spread = _TO_SIGMA * float(np.median(np.abs(lengths - np.median(lengths))))
    n_short = int((lengths < np.median(lengths) - _CUT * spread).sum())
    return [
        make.row("count", n_short, method="short"),
        *_duplicates(make, table, graph),
        *_undertrained(make, table, graph),
    ]


def _duplicates(make: RowMaker, table: Table, graph: NeighborGraph) -> list[dict[str, Any]]:
    """Return the largest groups of equal rows by the name of their first."""
    if not graph.n_duplicates:
        return []
    points = as_points(table.points).double().numpy() + 0.0  # one zero for both signs
    finite = np.flatnonzero(np.isfinite(points).all(axis=1))
    _, first, counts = np.unique(points[finite], axis=0, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))[:_LISTED]
    return [
        make.row("duplicate", counts[group], method="group", **_token(table, finite[first[group]]))
        for group in order
        if counts[group] >= _PAIR
    ]


def _undertrained(make: RowMaker, table: Table, graph: NeighborGraph) -> list[dict[str, Any]]:
    """Return the seen tokens nearest in direction to the mean of the rows never seen."""
    if table.counts is None or not (table.counts[graph.rows] == 0).any():
        return []
    seen = table.counts[graph.rows] > 0
    points = as_points(table.points)[graph.rows].double().numpy()
    direction = points[~seen].mean(axis=0)
    lengths = np.linalg.norm(points, axis=1) * np.linalg.norm(direction)
    known = np.flatnonzero(seen & (lengths > 0))
    cosines = points[known] @ direction / lengths[known]
    return [
        make.row("undertrained", cosines[place], method="near_unseen", **_token(table, graph.rows[known[place]]))
        for place in np.argsort(-cosines, kind="stable")[:_LISTED]
    ]


def _token(table: Table, index: int) -> dict[str, Any]:
    return {
        "token_id": int(table.token_ids[index]),
        "token": None if table.tokens is None else table.tokens[index],
    }
