"""Dimension by how often training saw a token, at the same number of rows in each band."""

from collections.abc import Callable
from math import hypot
from statistics import fmean

import numpy as np
import numpy.typing as npt

from theodolite.core.points import as_points
from theodolite.core.seeds import generator_from
from theodolite.dimension import DimensionEstimate, mle, twonn
from theodolite.neighborhoods import NeighborGraph, neighbors
from theodolite.studies.dimension.config import FREQUENCY_BAND, RANDOM_PART
from theodolite.studies.dimension.rows import estimate_row, maker_of
from theodolite.studies.rows import Row, RowMaker
from theodolite.tables import Table

N_BANDS = 4
_K = 20
_LEAST = 100
"""Rows that a band needs."""


def frequency_bands(table: Table, graph: NeighborGraph, *, seed: int, discard: float) -> list[Row]:
    """Measure quarters of the tokens from the rarest to the most frequent, and quarters drawn at random.

    A dimension depends on how many points there are, so a band is to be compared with random rows of the same number,
    not with the table.

    Parameters
    ----------
    table : Table
        Known counts are needed; without them there are no bands. Tokens that were never seen are in none.
    graph : NeighborGraph
        Graph of the table, which says which rows are distinct and finite.
    seed : int
        Changes which rows a random quarter holds.
    discard : float
        Share of the largest distance ratios that the TwoNN line leaves out.

    Returns
    -------
    list of dict
        TwoNN and MLE of each band (`x` is its number, the rarest first), the counts it spans, and the mean over
        the random quarters.
    """
    if table.counts is None:
        return []
    seen = graph.rows[table.counts[graph.rows] > 0]
    if len(seen) < N_BANDS * _LEAST:
        return []
    by_count = seen[np.argsort(table.counts[seen], kind="stable")]
    estimators: tuple[Callable[[NeighborGraph], DimensionEstimate], ...] = (
        lambda graph: twonn(graph, discard=discard),
        lambda graph: mle(graph, k=_K),
    )
    make = maker_of(table, condition=FREQUENCY_BAND)
    rows = []
    for band, members in enumerate(np.array_split(by_count, N_BANDS), start=1):
        counts = table.counts[members]
        for name, count in (("lowest", counts.min()), ("median", np.median(counts)), ("highest", counts.max())):
            rows.append(make.row("band_count", count, method=name, x=float(band), n_used=len(members)))
        found = _graph(table, members)
        for estimator in estimators:
            rows.append(estimate_row(make, estimator(found), x=float(band)))
    shuffled = generator_from("random parts", seed).permutation(seen)
    parts = [_graph(table, np.sort(part)) for part in np.array_split(shuffled, N_BANDS)]
    for estimator in estimators:
        rows.append(_mean(maker_of(table, condition=RANDOM_PART), [estimator(part) for part in parts]))
    return rows


def _graph(table: Table, members: npt.NDArray[np.int64]) -> NeighborGraph:
    return neighbors(as_points(table.points)[members], k=_K)


def _mean(make: RowMaker, estimates: list[DimensionEstimate]) -> Row:
    """Return the mean of estimates on disjoint rows, whose errors are independent."""
    row = estimate_row(make, estimates[0])
    row["value"] = fmean(one.value for one in estimates)
    row["stderr"] = hypot(*(one.stderr for one in estimates)) / len(estimates)
    row["radius"] = fmean(one.radius for one in estimates)
    return row
