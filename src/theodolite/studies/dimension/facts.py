"""What a table holds besides its dimension: kinds of rows, lengths, and who is whose neighbor."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.dimension import DimensionEstimate
from theodolite.neighborhoods import Hubness, NeighborGraph
from theodolite.studies.rows import Row, RowMaker
from theodolite.tables import Reference, Table, describe

_BINS = 60
_SAME = 1e-9
_TOKENS_LISTED = 20
_SHORTEST_SHARE = 0.01
_QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
_HALF = 0.5


def count_rows(make: RowMaker, table: Table, graph: NeighborGraph) -> list[Row]:
    """Return how many rows of each kind the table holds and how many were measured."""
    counts = {
        "stored": table.n_stored,
        "measured": graph.n_points,
        "duplicates": graph.n_duplicates,
        "zero": graph.n_zero,
        "nonfinite": graph.n_nonfinite,
        "special": sum(token_id < table.n_stored for token_id in table.special_ids),
    }
    if table.known_ids is not None:
        counts["beyond_tokenizer"] = table.n_stored - len(table.known_ids)
    if table.counts is not None:
        counts["never_seen"] = int((table.counts == 0).sum()) + table.left_out.get("never_seen", 0)
    return [make.row("count", count, method=kind) for kind, count in counts.items()]


def count_parameters(make: RowMaker, table: Table) -> list[Row]:
    """Return the number of parameters of the model that a table is from; nothing where it is not from a whole model."""
    reference = Reference.parse(table.provenance["reference"])
    found = describe(replace(reference, selector=None))
    if found.architecture is None or found.quantization is not None:
        return []
    return [make.row("parameters", sum(prod(tensor.shape) for tensor in found.tensors))]


def describe_norms(make: RowMaker, table: Table, norms: npt.NDArray[np.float64]) -> list[Row]:
    """Return quantiles and histogram of the row lengths, and the shortest tokens by name."""
    finite = np.flatnonzero(np.isfinite(norms))
    values = norms[finite]
    rows = [
        make.row("norm", value, method="quantile", x=quantile, n_used=len(values))
        for quantile, value in zip(_QUANTILES, np.quantile(values, _QUANTILES), strict=True)
    ]
    rows += histogram(make, "norm_histogram", values)
    shortest = finite[np.argsort(values, kind="stable")[:_TOKENS_LISTED]]
    return rows + [make.row("norm", norms[index], method="shortest", **_token(table, index)) for index in shortest]


def describe_hubs(make: RowMaker, graph: NeighborGraph, hubs: Hubness, norms: npt.NDArray[np.float64]) -> list[Row]:
    """Return how unevenly rows serve as neighbors, and how many of the places the shortest rows take."""
    graph_norms = norms[graph.rows]
    n_short = max(1, int(_SHORTEST_SHARE * graph.n_points))
    short_share = hubs.share(np.argsort(graph_norms, kind="stable")[:n_short])
    shared = {"scale": graph.k, "n_used": graph.n_points}
    return [
        make.row("hubness", hubs.maximum / graph.k, method="max", **shared),
        make.row("hubness", hubs.skewness, method="skewness", **shared),
        make.row("hubness", short_share, method="short_share", x=n_short / graph.n_points, **shared),
    ]


def name_hubs(make: RowMaker, table: Table, graph: NeighborGraph, hubs: Hubness) -> list[Row]:
    """Return the rows that are most often neighbors, by name."""
    shared = {"scale": graph.k, "n_used": graph.n_points}
    return [
        make.row("hub", hubs.counts[point] / graph.k, method="popular", **_token(table, graph.rows[point]), **shared)
        for point in np.argsort(-hubs.counts, kind="stable")[:_TOKENS_LISTED]
    ]


def low_cosine_share(make: RowMaker, graph: NeighborGraph) -> dict[str, Any]:
    """Return the share of points whose best cosine is below one half: those that a row at the origin would attract.

    For rows of equal length r, a point at the origin (distance r) is nearer than a neighbor at cosine c (distance
    r * sqrt(2 - 2c)) exactly if c < 1/2.
    """
    low = graph.cosines[:, 0] < _HALF
    share = float(low.mean())
    stderr = float(np.sqrt(share * (1 - share) / len(low)))
    return make.row("low_cosine_share", share, stderr=stderr, scale=1, n_used=len(low))


def local_dimensions(make: RowMaker, estimate: DimensionEstimate) -> list[Row]:
    """Return the histogram of the local dimension of each row, up to twice the extrinsic dimension."""
    assert estimate.pointwise is not None
    values = estimate.pointwise[np.isfinite(estimate.pointwise)]
    return histogram(make, "lid_histogram", np.minimum(values, 2 * estimate.n_dims), scale=estimate.n2)


def histogram(make: RowMaker, measure: str, values: npt.NDArray[np.float64], **columns: Any) -> list[Row]:
    """Return a histogram as one row for each bin: x is the left edge, params holds the width."""
    low, high = float(values.min()), float(values.max())
    if high - low <= _SAME * abs(high):  # all alike: a bin must be wider than the numbers are fine
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
    width = float(edges[1] - edges[0])
    return [
        make.row(measure, count, x=float(left), params={"width": width}, n_used=len(values), **columns)
        for count, left in zip(counts, edges[:-1], strict=True)
    ]


def _token(table: Table, index: int) -> dict[str, Any]:
    return {
        "token_id": int(table.token_ids[index]),
        "token": None if table.tokens is None else table.tokens[index],
    }
