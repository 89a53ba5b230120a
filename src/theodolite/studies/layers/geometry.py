"""The geometry of one prompt's clouds, layer by layer: every measure of the layer study that needs only the states."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from theodolite.dimension import (
    CloudDimensions,
    cloud_adaptive,
    cloud_ess,
    cloud_fisher_separability,
    cloud_gride,
    cloud_local_pca,
    cloud_local_twonn,
    cloud_mada,
    cloud_mle,
    cloud_mom,
    cloud_participation_ratio,
    cloud_persistence_dimension,
    cloud_tle,
    cloud_twonn,
)
from theodolite.neighborhoods import CloudNeighbors, cloud_neighbors
from theodolite.neighborhoods.cloud_rows import Precision
from theodolite.similarity import (
    cloud_angles,
    cloud_cosines,
    cloud_overlaps,
    graph_statistics,
    norms,
)
from theodolite.studies.layers.config import Config
from theodolite.studies.layers.homogeneity import measure_homogeneity
from theodolite.studies.rows import Row, RowMaker


def measure_layers(states: torch.Tensor, make: RowMaker, config: Config) -> list[Row]:
    """Measure the clouds of one prompt, one for each layer.

    Parameters
    ----------
    states : torch.Tensor
        `(n_layers + 1, n_tokens, n_dims)`, layer 0 the embedding output.
    make : RowMaker
        Makes rows that say which prompt, control and positions.
    config : Config
        Which estimators at which scales.

    Returns
    -------
    list of dict
        Rows of all layers. Copies of a token are one point of layer 0, where they coincide.

    Raises
    ------
    PointsError
        If a layer above the embedding keeps too few distinct points for the neighbors asked for.
    """
    listed = config.k if config.homogeneity else config.overlap_k
    found = _search(states[1:], config.k, config, moments=True, listed=listed)
    rows = []
    for layer, cosines in enumerate(cloud_cosines(states[:1]) + cloud_cosines(states[1:], found=found)):
        rows += [
            make.row("mean_cosine", cosines.mean, method="with_diagonal", layer=layer, n_used=cosines.n_points),
            make.row("sd_cosine", cosines.std, method="with_diagonal", layer=layer, n_used=cosines.n_points),
            make.row("mean_cosine", cosines.off_mean, method="without_diagonal", layer=layer, n_used=cosines.n_points),
        ]
    for layer, state in enumerate(states):
        lengths = norms(state)
        rows += [
            make.row("norm", lengths.mean, method="mean", layer=layer, n_used=lengths.n_points),
            make.row("norm", lengths.std, method="sd", layer=layer, n_used=lengths.n_points),
        ]
    ratios = [*cloud_participation_ratio(states[:1]), *cloud_participation_ratio(states[1:], found=found)]
    for layer, ratio in enumerate(ratios):
        if not np.isnan(ratio):  # all tokens in one place: no direction has any variance
            rows.append(make.row("participation_ratio", ratio, layer=layer, n_used=len(states[layer])))
    rows += _embedding(states[:1], make, config)
    rows += _neighborhoods(states[1:], found, make, config)
    return rows + measure_homogeneity(found, make) if config.homogeneity else rows


def measure_logits(logits: torch.Tensor, make: RowMaker, config: Config) -> list[Row]:
    """Measure the dimension of the cloud of logits.

    Parameters
    ----------
    logits : torch.Tensor
        `(n_tokens, n_vocabulary)`, or any points with the same distances.
    make, config
        As in `measure_layers`.

    Returns
    -------
    list of dict
        One row for each estimator and scale.
    """
    found = _search(logits[None], min(config.k, len(logits) - 1), config)
    return [
        row
        for estimates in _estimates(found, logits[None], config)
        for row in _dimension_rows(estimates, make, (None,), "logit_dimension", found)
    ]


def _embedding(states: torch.Tensor, make: RowMaker, config: Config) -> list[Row]:
    """Measure layer 0 by itself: copies of a token coincide there, so it has fewer points and may hold fewer scales."""
    n_points = len(torch.unique(states[0], dim=0))
    if n_points < 3:
        return []
    found = _search(states, min(config.k, n_points - 1), config)
    return [
        row
        for estimates in _estimates(found, states, config)
        for row in _dimension_rows(estimates, make, (0,), "dimension", found)
    ]


def _neighborhoods(states: torch.Tensor, found: CloudNeighbors, make: RowMaker, config: Config) -> list[Row]:
    """Measure layers 1 to L: dimensions, angles, the shape of the neighbor graph, and the overlap between layers."""
    layers = range(1, len(states) + 1)
    rows = []
    for estimates in _estimates(found, states, config):
        rows += _dimension_rows(estimates, make, layers, "dimension", found)
    for layer, angles in zip(layers, cloud_angles(found, states), strict=True):
        rows.append(
            make.row(
                "angle",
                angles.mean,
                stderr=angles.stderr,
                layer=layer,
                n_used=angles.n_used,
                n_dropped=angles.n_dropped,
            )
        )
    k_values = range(1, config.overlap_k + 1)
    for cloud, layer in enumerate(layers):
        shape = graph_statistics(found.graph(cloud, config.overlap_k), k_values=[k for k in _GRAPH_K if k in k_values])
        for k, reciprocity, transitivity in zip(shape.k_values, shape.reciprocity, shape.transitivity, strict=True):
            rows.append(make.row("reciprocity", reciprocity, layer=layer, scale=int(k)))
            rows.append(make.row("transitivity", transitivity, layer=layer, scale=int(k)))
    for (first, second), overlap in cloud_overlaps(found, pairs=config.pairs, k_values=k_values).items():
        for k, value, stderr in zip(overlap.k_values, overlap.values, overlap.stderr, strict=True):
            rows.append(
                make.row(
                    "overlap",
                    value,
                    stderr=float(stderr),
                    layer=layers[first],
                    layer_to=layers[second],
                    scale=int(k),
                    n_used=overlap.n_points,
                )
            )
    return rows


def _search(clouds: torch.Tensor, k: int, config: Config, *, moments: bool = False, listed: int = 2) -> CloudNeighbors:
    """Find k neighbors; in the authors' convention, which compares digits, in the order of float64 differences.

    Only the nearest are listed, as many as estimators and other measures ask for by name. Of those beyond GRIDE reads
    the distances at its doubling scales.
    """
    precision: Precision = "float64" if config.convention == "dadapy" else "float32"
    listed = min(k, max([2, listed, *config.neighbors().values()]))
    doubling = [2**power for power in range(1, k.bit_length()) if 2**power > listed]
    ranks = doubling if "gride" in config.estimators else []
    return cloud_neighbors(clouds, k=listed, ranks=ranks, precision=precision, moments=moments)


def _estimates(found: CloudNeighbors, clouds: torch.Tensor, config: Config) -> Iterator[CloudDimensions]:
    """Yield what each estimator reads on all clouds at once; those that need more neighbors than there are, nothing."""
    if "gride" in config.estimators:
        yield cloud_gride(found, convention=config.convention, errors="fisher")
    if "twonn" in config.estimators:
        yield cloud_twonn(found, errors="fisher")
    within = {name: k for name, k in config.neighbors().items() if k <= found.k}
    for name, k in within.items():
        yield _MEASURES[name](found, clouds, k)
    if "fisher_separability" in config.estimators:
        yield cloud_fisher_separability(clouds)
    if "persistence_dimension" in config.estimators:
        yield cloud_persistence_dimension(clouds, seed=config.seed)


def _dimension_rows(
    estimates: CloudDimensions,
    make: RowMaker,
    layers: Sequence[int | None],
    measure: str,
    found: CloudNeighbors,
) -> list[Row]:
    rows = []
    for cloud, layer in enumerate(layers):
        for scale in range(estimates.value.shape[1]):
            value, radius = estimates.value[cloud, scale], float(estimates.radius[cloud, scale])
            if np.isnan(value):
                continue
            n1, n2 = estimates.neighbors(scale)
            copies = found.n_duplicates[cloud] if estimates.n1.any() else 0  # counted already of whole clouds
            rows.append(
                make.row(
                    measure,
                    value,
                    method=estimates.method,
                    stderr=float(estimates.stderr[cloud, scale]),
                    layer=layer,
                    n1=n1,
                    scale=n2,
                    radius=None if np.isnan(radius) else radius,
                    n_used=int(estimates.n_used[cloud, scale]),
                    n_dropped=int(estimates.n_dropped[cloud, scale] + copies),
                )
            )
    return rows


_GRAPH_K = (1, 2, 5, 10)
_MEASURES: dict[str, Callable[[CloudNeighbors, torch.Tensor, int], CloudDimensions]] = {
    "mle": lambda found, _, k: cloud_mle(found, k=k, errors="fisher"),
    "mom": lambda found, _, k: cloud_mom(found, k=k),
    "mada": lambda found, _, k: cloud_mada(found, k=k),
    "adaptive": lambda found, *_: cloud_adaptive(found),
    "ess": lambda found, clouds, k: cloud_ess(found, clouds, k=k),
    "tle": lambda found, clouds, k: cloud_tle(found, clouds, k=k),
    "local_twonn": lambda found, clouds, k: cloud_local_twonn(found, clouds, n_neighbors=k),
    "local_pca": lambda found, clouds, k: cloud_local_pca(found, clouds, k=k, rule="fo"),
}
