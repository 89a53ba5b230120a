"""Persistent-homology dimension: how the length of the minimum spanning tree grows with the number of points."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist, squareform

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points, clean_points
from theodolite.core.seeds import generator_from
from theodolite.dimension.clouds import CloudDimensions, measure_points
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import NoDimensionError, in_range
from theodolite.dimension.ratios import require_whole

Floats = npt.NDArray[np.float64]

_FEWEST = 10  # points of a subsample


def persistence_dimension(
    points: Points,
    *,
    alpha: float = 1.0,
    smallest: float = 0.25,
    largest: float = 1.0,
    n_sizes: int = 10,
    n_subsamples: int = 5,
    seed: int = 0,
) -> DimensionEstimate:
    """Measure the persistent-homology dimension of degree 0; positive, dimensionless.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, finite; duplicates are collapsed. All pairs are held: meant for up to some 5,000 points.
    alpha : float
        Power of the edge lengths, positive and below the dimension.
    smallest, largest : float
        Sizes of the smallest and largest subsample as shares of the points, in (0, 1].
    n_sizes, n_subsamples : int
        Sizes, evenly spaced, at least 2; random subsamples of each, at least 1.
    seed : int
        Decides the subsamples.

    Returns
    -------
    DimensionEstimate
        With `n1`, `n2` None and `radius` NaN: all scales between subsamples enter.

    Raises
    ------
    ParameterError
        If a setting is out of range.
    PointsError
        If the subsamples would be smaller than 10 points, or the tree grows too fast for any dimension (slope 1 or
        more).

    Notes
    -----
    E(n), the sum of edge lengths to the power alpha of the minimum spanning tree of n points, grows as n^(1 - alpha/d):
    the slope s of ln E against ln n by least squares gives d = alpha / (1 - s).

    Standard error: delta method on that of the slope, from the scatter of the subsample means about the line.
    Subsamples overlap, the more the larger they are, so it is a measure of the protocol's noise and too small for the
    sampling of the points: `jackknife(persistence_dimension, points)` measures that.

    The protocol is scikit-dimension's `PH` with `n_range_min=smallest`, `n_range_max=largest`, `nsteps=n_sizes`,
    `subsamples=n_subsamples`: the same sizes and regression, another generator. Its defaults are 0.5, 1, 100 and 10,
    twenty times the trees of ours.

    References
    ----------
    B. Schweinhart, Fractal dimension and the persistent homology of random geometric complexes, Adv. Math. 372 (2020),
    doi:10.1016/j.aim.2020.107291.
    E. Tulchinskii et al., Intrinsic dimension estimation for robust detection of AI-generated texts, NeurIPS (2023),
    arXiv:2306.04723.

    Examples
    --------
    >>> points = np.random.default_rng(0).random(size=(500, 2))
    >>> abs(persistence_dimension(points).value - 2) < 0.3
    True
    """
    if not 0 < alpha < math.inf:
        raise ParameterError(f"alpha is a positive power, not {alpha}.")
    if not 0 < smallest < largest <= 1:
        raise ParameterError(f"0 < smallest < largest <= 1 is needed, not smallest={smallest}, largest={largest}.")
    n_sizes = require_whole(n_sizes, "n_sizes", method="persistence_dimension")
    n_subsamples = require_whole(n_subsamples, "n_subsamples", method="persistence_dimension")
    seed = require_whole(seed, "seed", method="persistence_dimension")
    if n_sizes < 2 or n_subsamples < 1:
        raise ParameterError(f"n_sizes={n_sizes} must be at least 2 and n_subsamples={n_subsamples} at least 1.")
    clean = clean_points(points)
    n_points = clean.n_points
    sizes = np.ceil(np.linspace(math.ceil(smallest * n_points), math.ceil(largest * n_points), n_sizes)).astype(int)
    found = DimensionEstimate(
        value=math.nan,
        stderr=math.nan,
        method="persistence_dimension",
        params={
            "alpha": alpha,
            "smallest": smallest,
            "largest": largest,
            "n_sizes": n_sizes,
            "n_subsamples": n_subsamples,
            "seed": seed,
        },
        n1=None,
        n2=None,
        radius=math.nan,
        n_used=n_points,
        n_dropped=clean.n_given - n_points,
        n_dims=clean.n_dims,
    )
    if sizes[0] < _FEWEST:
        raise NoDimensionError(
            f"The smallest subsample would hold {sizes[0]} of {n_points} points, and {_FEWEST} are needed. "
            "Raise smallest.",
            found,
        )
    distances = squareform(pdist(in_range(clean.values.cpu().numpy().astype(np.float64))))
    distances /= distances.max()
    generator = generator_from("persistence_dimension", seed)
    lengths = np.array(
        [
            [tree_length(distances, generator.permutation(n_points)[:size], alpha) for _ in range(n_subsamples)]
            for size in sizes
        ]
    )
    if not lengths.all():
        raise NoDimensionError(
            f"Lengths to the power alpha={alpha} are too small for numbers to hold. Lower alpha.", found
        )
    x, y = np.log(sizes), np.log(lengths).mean(axis=1)
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    if slope >= 1:
        raise NoDimensionError(
            f"The tree grows as n^{slope:.2f}: no finite dimension at alpha={alpha}. Lower alpha.", found
        )
    rest = y - y.mean() - slope * x
    error = math.sqrt(float(rest @ rest) / max(1, n_sizes - 2) / float(x @ x))
    return replace(found, value=alpha / (1 - slope), stderr=error * alpha / (1 - slope) ** 2)


def cloud_persistence_dimension(
    clouds: Points | Sequence[Points],
    *,
    alpha: float = 1.0,
    smallest: float = 0.25,
    largest: float = 1.0,
    n_sizes: int = 10,
    n_subsamples: int = 5,
    seed: int = 0,
) -> CloudDimensions:
    """Measure the persistent-homology dimension of each cloud; positive, dimensionless.

    Parameters
    ----------
    clouds : torch.Tensor, numpy.ndarray or sequence of them
        `(n_clouds, n_points, n_dims)`, or clouds `(n_points, n_dims)` of different lengths, finite.
    alpha, smallest, largest, n_sizes, n_subsamples, seed
        As in `persistence_dimension`.

    Returns
    -------
    CloudDimensions
        One column; equal to `persistence_dimension(clouds[i])`: clouds of one size are read at the same subsamples.

    Raises
    ------
    ParameterError
        If a setting is out of range, or clouds differ in their columns.
    PointsError
        If a cloud is not finite; the message names it.

    Examples
    --------
    >>> clouds = np.random.default_rng(0).random(size=(2, 200, 2))
    >>> (abs(cloud_persistence_dimension(clouds).value - 2) < 0.5).tolist()
    [[True], [True]]
    """
    return measure_points(
        clouds,
        lambda points: persistence_dimension(
            points,
            alpha=alpha,
            smallest=smallest,
            largest=largest,
            n_sizes=n_sizes,
            n_subsamples=n_subsamples,
            seed=seed,
        ),
    )


def tree_length(distances: Floats, subset: npt.NDArray[np.int64], alpha: float) -> float:
    """Return the sum of edge lengths to the power alpha of the minimum spanning tree of some of the points.

    The tree grows by the nearest point (Prim): n looks at n distances, where sorting all edges takes ten times as long.

    Examples
    --------
    >>> line = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    >>> tree_length(line, np.array([0, 1, 3]), 1.0)
    3.0
    """
    among = distances[np.ix_(subset, subset)]
    edges = np.empty(len(among) - 1)
    reach = among[0].copy()
    inside = np.zeros(len(among))
    inside[0] = np.inf
    for place in range(len(edges)):
        nearest = (reach + inside).argmin()
        edges[place] = reach[nearest]
        inside[nearest] = np.inf
        np.minimum(reach, among[nearest], out=reach)
    return float((edges**alpha).sum())
