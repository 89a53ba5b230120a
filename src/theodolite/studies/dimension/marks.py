"""Rows to look at by name: those like rows that were never trained, those that repeat, those that are short."""

from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.points import as_points
from theodolite.neighborhoods import NeighborGraph
from theodolite.studies.rows import Row, RowMaker
from theodolite.tables import Table

_LISTED = 20
_CUT = 5.0
"""Robust standard deviations below the median length at which a row is short."""
_TO_SIGMA = 1.4826
_PAIR = 2
_BLOCK = 4096
"""Rows that are looked at together."""


def mark_rows(make: RowMaker, table: Table, graph: NeighborGraph, norms: npt.NDArray[np.float64]) -> list[Row]:
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


def _duplicates(make: RowMaker, table: Table, graph: NeighborGraph) -> list[Row]:
    """Return the largest groups of equal rows by the name of their first."""
    if not graph.n_duplicates:
        return []
    groups: dict[bytes, list[int]] = {}
    points = as_points(table.points)
    for start in range(0, len(points), _BLOCK):
        block = _wide(points[start : start + _BLOCK]) + 0.0  # one zero for both signs
        for place in np.flatnonzero(np.isfinite(block).all(axis=1)):
            digest = blake2b(block[place].tobytes(), digest_size=16).digest()
            groups.setdefault(digest, []).append(start + int(place))
    repeated = [rows for rows in groups.values() if len(rows) >= _PAIR]
    repeated.sort(key=lambda rows: (-len(rows), rows[0]))
    return [make.row("duplicate", len(rows), method="group", **_token(table, rows[0])) for rows in repeated[:_LISTED]]


def _undertrained(make: RowMaker, table: Table, graph: NeighborGraph) -> list[Row]:
    """Return the seen tokens nearest in direction to the mean of the rows never seen."""
    if table.counts is None:
        return []
    unseen, seen = (graph.rows[found] for found in (table.counts[graph.rows] == 0, table.counts[graph.rows] > 0))
    if not len(unseen):
        return []
    points = as_points(table.points)
    direction = np.zeros(table.n_dims)
    for start in range(0, len(unseen), _BLOCK):
        direction += _wide(points[unseen[start : start + _BLOCK]]).sum(axis=0, dtype=np.float64) / len(unseen)
    cosines = np.full(len(seen), -np.inf)
    for start in range(0, len(seen), _BLOCK):
        block = _wide(points[seen[start : start + _BLOCK]]).astype(np.float64)
        lengths = np.linalg.norm(block, axis=1) * np.linalg.norm(direction)
        np.divide(block @ direction, lengths, out=cosines[start : start + _BLOCK], where=lengths > 0)
    order = np.argsort(-cosines, kind="stable")[:_LISTED]
    return [
        make.row("undertrained", cosines[place], method="near_unseen", **_token(table, seen[place]))
        for place in order
        if np.isfinite(cosines[place])
    ]


def _wide(block: torch.Tensor) -> npt.NDArray[np.floating[Any]]:
    """Return rows in a dtype that numpy knows and that holds them exactly."""
    return (block if block.dtype == torch.float64 else block.float()).cpu().numpy()


def _token(table: Table, index: int) -> dict[str, Any]:
    return {
        "token_id": int(table.token_ids[index]),
        "token": None if table.tokens is None else table.tokens[index],
    }
