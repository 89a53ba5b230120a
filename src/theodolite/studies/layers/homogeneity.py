"""Whether a cloud is what estimators of its dimension take it for: of constant density as far as they look."""

import numpy as np
import torch

from theodolite.dimension import constant_density_neighbors, twonn, twonn_linearity
from theodolite.neighborhoods import cloud_neighbors
from theodolite.studies.rows import Row, RowMaker

_SMALLEST = 5
_PAIRS = (1, 2)


def measure_homogeneity(states: torch.Tensor, make: RowMaker, *, k: int) -> list[Row]:
    """Measure how far density is constant in each layer, and how straight the TwoNN plot is.

    Parameters
    ----------
    states : torch.Tensor
        `(n_layers + 1, n_tokens, n_dims)`, layer 0 the embedding output, which is left out.
    make : RowMaker
        Makes rows that say which prompt, control and positions.
    k : int
        Neighbors to find: k* ends at one less.

    Returns
    -------
    list of dict
        For each layer the mean k* and the share of tokens that reach its limit; the gap of the TwoNN plot for neighbors
        1 and 2, and 2 and 4. Empty where fewer than 5 neighbors are to be found.

    Notes
    -----
    k* compares volumes in the dimension that TwoNN reads by maximum likelihood, as PAk does.
    """
    if k < _SMALLEST:
        return []
    found = cloud_neighbors(states[1:], k=k)
    rows = []
    for cloud in range(len(states) - 1):
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
