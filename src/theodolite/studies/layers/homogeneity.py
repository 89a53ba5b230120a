"""Whether a cloud is what estimators of its dimension take it for: of constant density as far as they look."""

import numpy as np

from theodolite.dimension import constant_density_neighbors, twonn, twonn_linearity
from theodolite.neighborhoods import CloudNeighbors
from theodolite.studies.rows import Row, RowMaker

_SMALLEST = 5
_PAIRS = (1, 2)


def measure_homogeneity(found: CloudNeighbors, make: RowMaker) -> list[Row]:
    """Measure how far density is constant in each layer, and how straight the TwoNN plot is.

    Parameters
    ----------
    found : CloudNeighbors
        Of the clouds after layers 1 to L. k* ends at one less than the neighbors that are listed.
    make : RowMaker
        Makes rows that say which prompt, control and positions.

    Returns
    -------
    list of dict
        For each layer the mean k* and the share of tokens that reach its limit; the gap of the TwoNN plot for neighbors
        1 and 2, and 2 and 4. Empty where fewer than 5 neighbors are listed.

    Notes
    -----
    k* compares volumes in the dimension that TwoNN reads by maximum likelihood, as PAk does.
    """
    k = found.k
    if k < _SMALLEST:
        return []
    rows: list[Row] = []
    for cloud in range(len(found.lengths)):
        graph = found.graph(cloud)
        reached = constant_density_neighbors(graph, twonn(graph, method="ml", errors="fisher").value)
        place = {"layer": cloud + 1, "scale": k - 1, "n_used": len(reached)}
        rows += [
            make.row("constant_density", reached.mean(), method="mean", **place),
            make.row("constant_density", np.mean(reached == k - 1), method="at_limit", **place),
        ]
        for n1 in _PAIRS:
            straight = twonn_linearity(graph, n1=n1)
            rows.append(
                make.row(
                    "linearity_gap",
                    straight.distance,
                    layer=cloud + 1,
                    n1=n1,
                    scale=2 * n1,
                    n_used=straight.n_used,
                )
            )
    return rows
