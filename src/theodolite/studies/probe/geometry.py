"""The geometry of one prompt's clouds as numbers of its layers: what a probe can read beside entropies."""

from collections.abc import Iterator

import numpy as np
import torch

from theodolite.core.errors import PointsError
from theodolite.dimension import (
    CloudDimensions,
    cloud_adaptive,
    cloud_correlation_dimension,
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
from theodolite.similarity import cloud_angles, cloud_cosines, cloud_overlaps, norms
from theodolite.studies.probe.asked import CORRELATION_K, ESS_K, LOCAL_K, MLE_K, OVERLAP_K, TLE_K
from theodolite.studies.probe.columns import COLUMNS
from theodolite.studies.probe.config import Config
from theodolite.studies.rows import Row, RowMaker

_MAKE = RowMaker.of(COLUMNS)


def measure_clouds(states: torch.Tensor, config: Config) -> tuple[list[Row], str]:
    """Measure the clouds of one prompt, one for each layer.

    Parameters
    ----------
    states : torch.Tensor
        `(n_layers, n_tokens, n_dims)`, layer 1 first.
    config : Config
        Which estimator of the dimension, and which further measures.

    Returns
    -------
    tuple
        Rows of the study, and why there is no dimension where that is so: too few distinct points in a layer.
    """
    rows = list(_lengths(states, config))
    precision: Precision = "float64" if config.convention == "dadapy" else "float32"
    moments = "mean_cosine" in config.measures or "participation_ratio" in config.measures
    found = None
    refusal = ""
    try:
        found = cloud_neighbors(states, k=config.k, precision=precision, moments=moments)
        rows += _neighborhoods(found, states, config)
        if "correlation_dimension" in config.measures:
            rows += _correlation_dimensions(found, states, precision)
    except PointsError as error:
        refusal = str(error)
    return rows + list(_directions(states, found, config)), refusal


def _lengths(states: torch.Tensor, config: Config) -> Iterator[Row]:
    if "norm" in config.measures:
        for layer, state in enumerate(states, start=1):
            lengths = norms(state)
            yield _MAKE.row("norm", lengths.mean, method="mean", layer=layer, n_used=lengths.n_points)


def _directions(states: torch.Tensor, found: CloudNeighbors | None, config: Config) -> Iterator[Row]:
    n_tokens = states.shape[1]
    if "mean_cosine" in config.measures:
        for layer, one in enumerate(cloud_cosines(states, found=found), start=1):
            yield _MAKE.row("mean_cosine", one.off_mean, method="without_diagonal", layer=layer, n_used=one.n_points)
    if "participation_ratio" in config.measures:
        for layer, ratio in enumerate(cloud_participation_ratio(states, found=found), start=1):
            if np.isfinite(ratio):
                yield _MAKE.row("participation_ratio", ratio, layer=layer, n_used=n_tokens)
    if "fisher_separability" in config.measures:
        yield from _dimensions(cloud_fisher_separability(states))
    if "persistence_dimension" in config.measures:
        yield from _dimensions(cloud_persistence_dimension(states, seed=config.seed))


def _correlation_dimensions(found: CloudNeighbors, states: torch.Tensor, precision: Precision) -> Iterator[Row]:
    """Yield readings from all pairs: how far the pairs that count are apart shows only when they are found."""
    k1, k2 = CORRELATION_K
    for layer, (state, n_points) in enumerate(zip(states, found.lengths.tolist(), strict=True), start=1):
        pairs = cloud_neighbors(state[None], k=n_points - 1, precision=precision)
        yield from _dimensions(cloud_correlation_dimension(pairs, k1=k1, k2=k2), first_layer=layer)


def _neighborhoods(found: CloudNeighbors, states: torch.Tensor, config: Config) -> Iterator[Row]:
    for estimates in _estimates(found, states, config):
        yield from _dimensions(estimates)
    if "angle" in config.measures:
        for layer, angles in enumerate(cloud_angles(found, states), start=1):
            yield _MAKE.row("angle", angles.mean, stderr=angles.stderr, layer=layer, n_used=angles.n_used)
    if "overlap" in config.measures:
        for (_, upper), overlap in cloud_overlaps(found, k_values=[OVERLAP_K]).items():
            value, stderr = overlap.values[0], float(overlap.stderr[0])
            yield _MAKE.row("overlap", value, stderr=stderr, layer=upper + 1, scale=OVERLAP_K, n_used=overlap.n_points)


def _estimates(found: CloudNeighbors, states: torch.Tensor, config: Config) -> Iterator[CloudDimensions]:
    """Yield the estimates that are the dimension, then those asked for beside it, none twice."""
    if config.estimator == "gride":
        yield cloud_gride(found, convention=config.convention, errors="fisher")
    if config.estimator == "twonn" or "twonn" in config.measures:
        yield cloud_twonn(found, errors="fisher")
    neighbors = {config.scale} if config.estimator == "mle" else set()
    if "mle" in config.measures:
        neighbors.add(MLE_K)
    for k in sorted(neighbors):
        yield cloud_mle(found, k=k, errors="fisher")
    if "mom" in config.measures:
        yield cloud_mom(found, k=MLE_K)
    if "mada" in config.measures:
        yield cloud_mada(found, k=MLE_K)
    if "adaptive" in config.measures:
        yield cloud_adaptive(found)
    if "ess" in config.measures:
        yield cloud_ess(found, states, k=ESS_K)
    if "tle" in config.measures:
        yield cloud_tle(found, states, k=TLE_K)
    if "local_twonn" in config.measures:
        yield cloud_local_twonn(found, states, n_neighbors=LOCAL_K)
    if "local_pca" in config.measures:
        yield cloud_local_pca(found, states, k=LOCAL_K, rule="fo")


def _dimensions(estimates: CloudDimensions, *, first_layer: int = 1) -> Iterator[Row]:
    for cloud, place in zip(*np.nonzero(np.isfinite(estimates.value)), strict=True):
        n1, n2 = estimates.neighbors(int(place))
        yield _MAKE.row(
            "dimension",
            estimates.value[cloud, place],
            method=estimates.method,
            layer=int(cloud) + first_layer,
            n1=n1,
            scale=n2,
            stderr=float(estimates.stderr[cloud, place]),
            n_used=int(estimates.n_used[cloud, place]),
        )
