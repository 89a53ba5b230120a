"""Levina-Bickel maximum likelihood: local dimensions from k neighbors, and their aggregate."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError, PointsError
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.ratios import require_neighbors, require_spread, require_whole
from theodolite.dimension.spread import mean_weights, variance_of_sum
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]
_RATIOS_AT_ONCE = 1 << 20  # 8 MiB of float64
Aggregation = Literal["harmonic", "mean", "median"]
Errors = Literal["neighbors", "fisher"]


def mle(
    graph: NeighborGraph,
    *,
    k: int = 20,
    smallest: int | None = None,
    aggregation: Aggregation = "harmonic",
    unbiased: bool = False,
    errors: Errors = "neighbors",
) -> DimensionEstimate:
    """Measure the dimension by maximum likelihood from the distances to k neighbors; positive, dimensionless.

    Parameters
    ----------
    graph : NeighborGraph
        At least `k` neighbors for each point.
    k : int
        Neighbors compared, from 2 (from 3 if `unbiased`). `k=2` is maximum-likelihood TwoNN.
    smallest : int or None
        Average over the numbers of neighbors `smallest` ... `k`, as Levina and Bickel do over 10 ... 20; None is `k`
        alone.
    aggregation : {"harmonic", "mean", "median"}
        How the local dimensions become one number. `"harmonic"` (MacKay and Ghahramani) is the joint maximum-likelihood
        estimate and the only one to trust at small k.
    unbiased : bool
        Count k-2 instead of k-1 in each local dimension, which removes the bias of a single LID_k. The harmonic
        aggregate has next to none to remove, and becomes (k-2)/(k-1) times too small.
    errors : {"neighbors", "fisher"}
        Standard error that allows for shared neighbors (see Notes), or the formula for independent points.

    Returns
    -------
    DimensionEstimate
        `pointwise` holds LID_k of each point: infinite where all k neighbors are equally far, NaN where it was left
        out. `radius` is the mean distance to neighbor k.

    Raises
    ------
    ParameterError
        If `k` or `smallest` is too small, `smallest` is beyond `k`, the graph holds fewer than `k` neighbors, or
        `aggregation` or `errors` is unknown.
    PointsError
        If fewer than two points have two positive distances, or all distances of all points are tied.

    Notes
    -----
    With ascending distances d_1 <= ... <= d_k, the point itself left out,

        LID_k = [ 1/(k-1) * sum_(i=1..k-1) ln(d_k / d_i) ]^(-1),      dimension = [ mean over points of 1/LID_k ]^(-1).

    Zero distances (duplicates kept) are left out of the sum and of the count k-1; a point with fewer than two positive
    distances is left out and counted in `n_dropped`. A point whose distances are all equal has LID infinite: it enters
    the harmonic mean as 1/LID = 0 and the median as infinity; the arithmetic mean leaves it out and counts it.

    With `smallest`, LID of a point is the mean of LID_smallest ... LID_k (for the harmonic aggregate the mean of their
    inverses, inverted). Pooling all ratios of all points gives the harmonic aggregate where no distance is 0.

    The arithmetic mean of LID_k has no expectation at k=2 and no variance at k=3; its `stderr` is NaN there.

    Standard error: `"fisher"` is dimension / sqrt(n (k-1)) for the harmonic aggregate (the spread of independent local
    values for the others). Points share neighbors, and it is 10 to 30 % too small on uniform clouds at every k, k=2
    included, and half the truth where hubs appear. `"neighbors"` adds the effect of each point on those that have it
    for a neighbor (`theodolite.dimension.spread`). It says nothing about bias: boundary, curvature and finite n make
    high dimensions read low.

    Differences from peers: scikit-dimension's `MLE` agrees to rounding (`comb="mle"` is `"harmonic"`), but reports 0
    as soon as one distance is 0 and gives no error; torchid clamps zeros to an epsilon; fastwonn aggregates by the
    arithmetic mean.

    References
    ----------
    E. Levina, P. Bickel, Maximum likelihood estimation of intrinsic dimension, NIPS 17 (2004).
    D. MacKay, Z. Ghahramani, Comments on "Maximum likelihood estimation of intrinsic dimension" (2005).

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.random.default_rng(0).normal(size=(1000, 3))
    >>> estimate = mle(neighbors(points, k=20), k=20)
    >>> round(estimate.value, 1), estimate.n_used, estimate.pointwise.shape
    (3.1, 1000, (1000,))
    """
    check_settings(k, aggregation, unbiased, errors)
    k = int(k)
    least = k if smallest is None else require_whole(smallest, "smallest", least=2 + unbiased, method="mle")
    if least > k:
        raise ParameterError(f"mle averages from smallest to k, but smallest={least} is beyond k={k}.")
    require_neighbors(graph, k, method="mle")
    distances = graph.distances[:, :k]
    if least == k:
        lids, inverse, kept = local_dimensions(distances, unbiased=unbiased)
    else:
        lids, inverse, kept = _averaged(distances, least, unbiased=unbiased, of_inverses=aggregation == "harmonic")
    require_spread(
        inverse[kept],
        n_points=len(distances),
        method="mle",
        what=f"neighbors 1 to {k}" if k > 2 else "neighbors 1 and 2",
    )
    if aggregation == "mean":
        kept &= np.isfinite(lids)
    used = int(kept.sum())
    weights = mean_weights(k)
    if least < k:
        weights = np.mean([np.pad(mean_weights(reach), (0, k - reach)) for reach in range(least, k + 1)], axis=0)

    def spread(scores: Floats, gradients: Floats) -> float:
        if not np.isfinite(scores).all():  # the median of points of which nearly half are equally far from all
            return math.nan
        if errors == "fisher":
            return float(scores.std()) / math.sqrt(used)
        return math.sqrt(variance_of_sum(scores, graph, kept, weights=weights, gradients=gradients)) / used

    if aggregation == "harmonic":
        value = 1.0 / float(inverse[kept].mean())
        stderr = value**2 * spread(inverse[kept], np.full(used, 1 / value))
        if errors == "fisher" and least == k:
            stderr = value / math.sqrt(used * (k - 1))
    elif aggregation == "mean":
        value = float(lids[kept].mean())
        stderr = spread(lids[kept], -lids[kept]) if least > 3 else math.nan
    else:
        value = float(np.median(lids[kept]))
        stderr = spread(*_median_scores(lids[kept], value))
    return DimensionEstimate(
        value=value,
        stderr=stderr,
        method="mle",
        params={
            "k": k,
            **({} if smallest is None else {"smallest": least}),
            "aggregation": aggregation,
            "unbiased": unbiased,
            "errors": errors,
        },
        n1=1,
        n2=k,
        radius=float(distances[kept, k - 1].mean()),
        n_used=used,
        n_dropped=len(distances) - used,
        n_dims=graph.n_dims,
        pointwise=lids,
    )


def check_settings(k: int, aggregation: str, unbiased: bool, errors: str) -> None:
    """Refuse settings that mean nothing."""
    if unbiased and k == 2:
        raise ParameterError("mle needs k of at least 3 with unbiased=True, but k=2: nothing is left to count.")
    require_whole(k, "k", least=2, method="mle", why="one distance makes no ratio")
    if aggregation not in ("harmonic", "mean", "median"):
        raise ParameterError(f'aggregation must be "harmonic", "mean" or "median", not {aggregation!r}.')
    check_errors(errors)


def check_errors(errors: str) -> None:
    """Refuse a kind of standard error that does not exist."""
    if errors not in ("neighbors", "fisher"):
        raise ParameterError(f'errors must be "neighbors" or "fisher", not {errors!r}.')


def local_dimensions(distances: Floats, *, unbiased: bool) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return LID, 1/LID and where they are defined, each `(n,)`."""
    n_points, k = distances.shape
    step = max(1, _RATIOS_AT_ONCE // k)
    sums, counts = np.empty(n_points), np.empty(n_points)
    for start in range(0, n_points, step):
        some = slice(start, start + step)
        sums[some], counts[some] = _logarithms(distances[some])
    counts -= 1.0 if unbiased else 0.0
    kept = counts > 0
    inverse = np.full(n_points, np.nan)
    inverse[kept] = sums[kept] / counts[kept]
    lids = np.full(n_points, np.nan)
    np.divide(1.0, inverse, out=lids, where=inverse > 0)
    lids[inverse == 0] = np.inf
    return lids, inverse, kept


def _averaged(
    distances: Floats, smallest: int, *, unbiased: bool, of_inverses: bool
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return LID, its inverse and where both are defined, averaged over the last numbers of neighbors."""
    n_points, k = distances.shape
    total, kept = np.zeros(n_points), np.ones(n_points, dtype=np.bool_)
    for reach in range(smallest, k + 1):
        lids, inverse, defined = local_dimensions(distances[:, :reach], unbiased=unbiased)
        kept &= defined
        total += inverse if of_inverses else lids
    total /= k - smallest + 1
    turned = np.full(n_points, np.nan)
    np.divide(1.0, total, out=turned, where=total > 0)
    turned[total == 0] = np.inf
    return (turned, total, kept) if of_inverses else (total, turned, kept)


def _logarithms(distances: Floats) -> tuple[Floats, Floats]:
    """Return the sum of ln(d_k / d_i) over positive d_i with i < k, and how many there are, each `(n,)`."""
    farthest = distances[:, -1:]
    if distances[:, 0].all():  # no zero distance: the common case, without a mask
        sums = np.log(farthest / distances[:, :-1]).sum(axis=1)
        return sums, np.full(len(distances), distances.shape[1] - 1.0)
    positive = distances[:, :-1] > 0
    ratios = np.divide(farthest, distances[:, :-1], out=np.ones_like(distances[:, :-1]), where=positive)
    return np.log(ratios).sum(axis=1), positive.sum(axis=1).astype(np.float64)


def _median_scores(values: Floats, median: float) -> tuple[Floats, Floats]:
    """Return the influence of each value on the median, (1/2 - [value <= median]) / density, and its mean slope."""
    if not math.isfinite(median):
        raise PointsError(
            "mle cannot take the median: more than half of the points have all neighbors equally far. "
            'Raise k, or pass aggregation="harmonic".'
        )
    width = min(0.25, 0.6 * len(values) ** -0.2)  # of the order that balances bias and variance of a density
    with np.errstate(invalid="ignore"):  # between infinite values
        low, high = np.quantile(values, [0.5 - width / 2, 0.5 + width / 2])
    scores: Floats = (0.5 - (values <= median)) * (float(high - low) / width)
    return scores, np.full(len(values), -median)  # a change of all ln(LID) by e moves the median by e * median
