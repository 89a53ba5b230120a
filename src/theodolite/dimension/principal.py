"""Local PCA: how many principal components a neighborhood needs."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.grams import grams_of
from theodolite.dimension.local import Aggregation, aggregate, coinciding, in_range, neighborhoods_of
from theodolite.dimension.ratios import require_neighbors, require_whole
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]

_RULES = ("threshold", "fo", "fan")


def local_pca(
    graph: NeighborGraph,
    points: Points,
    *,
    k: int = 100,
    rule: str = "threshold",
    threshold: float = 0.95,
    aggregation: Aggregation = "mean",
) -> DimensionEstimate:
    """Measure the dimension by the number of principal components of each neighborhood; from 1 to min(k - 1, n_dims).

    Parameters
    ----------
    graph : NeighborGraph
        At least `k` neighbors for each point.
    points : torch.Tensor or numpy.ndarray
        `(n_given, n_dims)`: the points the graph was made from.
    k : int
        Neighbors in a neighborhood, at least 3. k - 1 is a ceiling: take several times the dimension expected.
    rule : {"threshold", "fo", "fan"}
        `"threshold"`: the fewest components that explain at least the share `threshold` of the variance. `"fo"`
        (Fukunaga and Olsen): components with more than 5 % of the largest variance. `"fan"`: Fan et al.'s two criteria.
    threshold : float
        Share of the variance for `"threshold"`, in (0, 1).
    aggregation : {"mean", "median", "harmonic"}
        How the local dimensions become one number.

    Returns
    -------
    DimensionEstimate
        `pointwise` holds one whole number for each point; NaN where all k neighbors coincide (counted in `n_dropped`).

    Raises
    ------
    ParameterError
        If a setting is out of range, the graph holds fewer neighbors, or the points are not those of the graph.

    Notes
    -----
    The spectrum is that of the k neighbors about their mean (the point itself is left out, as in scikit-dimension's
    pointwise `lPCA`), from the smaller of the k x k and n_dims x n_dims matrices. "fan" takes off the mean variance
    beyond 95 %, then the first component after which the ratio of neighbors exceeds 10 or 80 % is explained, whichever
    comes first; a first component that alone explains 95 % is one dimension (the criteria divide rounding by rounding
    there, and scikit-dimension reads 1 or k by chance). `"fo"` and else `"fan"` give scikit-dimension's numbers;
    `"threshold"` is its `ver="ratio"` with `alphaRatio=threshold`, but for ties at the threshold.

    Components count directions of noise and curvature as well as those of a manifold: readings in the hundreds at
    k=1200 are normal for token tables and say how linear the neighborhood is rather than how many coordinates it has.

    Standard error: products of the deviations of each point and all its k neighbors, because overlapping neighborhoods
    have nearly the same spectrum. It is coarser than those of the other estimators (60 to 150 % of the spread).

    References
    ----------
    K. Fukunaga, D. Olsen, IEEE Trans. Comput. C-20, 176 (1971), doi:10.1109/T-C.1971.223208.
    M. Fan, N. Gu, H. Qiao, B. Zhang, arXiv:1002.2050 (2010).

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.random.default_rng(0).normal(size=(300, 3)) @ np.eye(3, 10)
    >>> local_pca(neighbors(points, k=30), points, k=30).value
    3.0
    """
    k = require_whole(k, "k", least=3, method="local_pca")
    if rule not in _RULES:
        raise ParameterError(f'rule must be "threshold", "fo" or "fan", not {rule!r}.')
    if not 0 < threshold < 1:
        raise ParameterError(f"threshold is a share of the variance in (0, 1), not {threshold}.")
    require_neighbors(graph, k, method="local_pca")
    pointwise = np.full(len(graph.indices), np.nan)
    for batch, matrices, some in _matrices(graph, points, k):
        trace = np.einsum("bii->b", matrices)
        solid = some & (trace > 0)
        spectra = np.linalg.eigvalsh(matrices[solid] / trace[solid, None, None])[:, ::-1]
        spectra = np.maximum(spectra[:, : min(k, graph.n_dims)], 0.0)
        counts = np.full(len(trace), np.nan)
        counts[solid] = _count(spectra, rule, threshold)
        pointwise[batch] = counts
    params: dict[str, str | int | float | bool] = {"rule": rule}
    if rule == "threshold":
        params["threshold"] = threshold
    return aggregate(pointwise, graph, k=k, method="local_pca", aggregation=aggregation, params=params, n_pairs=k)


def _matrices(
    graph: NeighborGraph, points: Points, k: int
) -> Iterator[tuple[slice | npt.NDArray[np.int64], Floats, npt.NDArray[np.bool_]]]:
    """Yield rows of the graph, the smaller matrix that has the spectrum of each, and which neighborhoods are solid."""
    if k <= graph.n_dims:
        for found in grams_of(graph, points, k):
            yield found.batch, found.products, found.solid
        return
    for batch, given in neighborhoods_of(graph, points, k):
        near = in_range(given, radius=graph.distances[batch, k - 1])
        centered = near - near.mean(axis=1, keepdims=True)
        yield batch, centered.transpose(0, 2, 1) @ centered, ~coinciding(near, graph.distances[batch, :k])


def _count(spectra: Floats, rule: str, threshold: float) -> Floats:
    """Return the number of components, `(n,)`, of descending spectra `(n, n_components)`."""
    if rule == "fo":
        return np.asarray((spectra > 0.05 * spectra[:, :1]).sum(axis=1), dtype=np.float64)
    shares = spectra.cumsum(axis=1) / spectra.sum(axis=1, keepdims=True)
    if rule == "threshold":
        return np.asarray(1.0 + (shares < threshold).sum(axis=1))
    n_components = spectra.shape[1]
    first = (shares > 0.95).argmax(axis=1)
    tail = np.arange(n_components) >= first[:, None]
    noise = np.where(tail, spectra, 0.0).sum(axis=1) / tail.sum(axis=1)
    reduced = spectra - noise[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = reduced[:, :-1] / reduced[:, 1:] > 10
        explained = reduced.cumsum(axis=1) / reduced.sum(axis=1, keepdims=True) > 0.8
    explained[:, :-1] |= wide
    return np.where(first == 0, 1.0, 1.0 + explained.argmax(axis=1))
