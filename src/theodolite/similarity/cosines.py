"""Cosines of all pairs of rows, summarized without ever holding them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points
from theodolite.neighborhoods.clouds import CloudNeighbors
from theodolite.similarity.directions import blocks_of, directed_rows, norms_of, on_cpu

_ROWS_PER_PRODUCT = 4096
_ROWS = 64  # converted at a time
_CANCELS = 30.0  # from this ratio on, what is added to a sum of products leaves too few digits


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MeanCosine(Displayed):
    """Mean and standard deviation of the cosine similarities of all pairs of rows.

    Attributes
    ----------
    mean, std : float
        Over all `n_points ** 2` entries of the cosine matrix, the ones on its diagonal included; in [-1, 1] and
        [0, 1]. What Viswanathan et al. report.
    off_mean, off_std : float
        Over the `n_points * (n_points - 1)` entries off the diagonal.
    n_points : int
        Rows that the numbers rest on.
    n_zero : int
        All-zero rows, left out: they have no direction.
    n_dims : int
        Extrinsic dimension: the number of columns.
    """

    mean: float
    std: float
    off_mean: float
    off_std: float
    n_points: int
    n_zero: int
    n_dims: int


def mean_cosine(points: Points) -> MeanCosine:
    """Measure how alike the directions of all rows are: mean and standard deviation of their cosines, in [-1, 1].

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, any real dtype, any device; at least two rows that are not zero.

    Returns
    -------
    MeanCosine
        With the diagonal of the cosine matrix and without it, exactly.

    Raises
    ------
    PointsError
        If rows are not finite, or fewer than two have a direction.

    Notes
    -----
    With unit rows u_i, their mean m, v_i = u_i - m and V the matrix of rows v_i,

        mean = |m|^2 = 1 - mean_i |v_i|^2,    variance = var_i(|v_i|^2) / 2 + ||V'V||_F^2 / n^2,

    because u_i.u_j - mean = m.v_i + m.v_j + v_i.v_j, the three parts are uncorrelated over all pairs, and unit rows
    have 2 m.v_i = mean |v|^2 - |v_i|^2. Nothing is subtracted from a nearly equal number, so rows that share almost all
    of their direction lose no digits. The product V'V (or VV', the smaller one) is taken in float32 for float32 points,
    with float64 sums: `std` is good to about 1e-6 of itself, and an `off_std` of 0 may read as 1e-4 (1e-8 for float64).
    Cost n_points * n_dims * min(n_points, n_dims) / 2; no n x n matrix where n_points > n_dims.

    scikit-learn's `cosine_similarity`, which the authors average, gives a zero row the cosine 0 with everything,
    itself included; here such rows are left out and counted.

    References
    ----------
    K. Viswanathan et al., "The Geometry of Tokens in Internal Representations of Large Language Models",
    arXiv:2501.10573 (2025), Figure 2.

    Examples
    --------
    >>> found = mean_cosine(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
    >>> round(found.mean, 4), round(found.off_mean, 4)
    (0.5556, 0.3333)
    """
    values, norms, _ = norms_of(points)
    return _measured(*directed_rows(values, norms))


def _measured(values: torch.Tensor, norms: torch.Tensor, n_zero: int) -> MeanCosine:
    """Measure rows that all have a direction."""
    n_points, n_dims = values.shape
    scales = 1.0 / norms
    total = torch.zeros(n_dims, dtype=torch.float64, device=values.device)
    for block in blocks_of(n_points, n_dims, values.device):
        total += scales[block] @ values[block].to(torch.float64)
    shared = total / n_points

    deviations = torch.empty_like(values)
    lengths2 = torch.empty(n_points, dtype=torch.float64, device=values.device)
    for block in blocks_of(n_points, n_dims, values.device):
        rows = values[block].to(torch.float64, copy=True).mul_(scales[block, None]).sub_(shared)
        lengths2[block] = torch.linalg.vecdot(rows, rows)
        deviations[block] = rows
    mean = 1.0 - float(lengths2.mean())
    variance = float(lengths2.var(correction=0)) / 2.0 + _squared_products(deviations) / n_points**2
    return _summary(mean, variance, n_points=n_points, n_zero=n_zero, n_dims=n_dims)


def _summary(mean: float, variance: float, *, n_points: int, n_zero: int, n_dims: int) -> MeanCosine:
    off_mean = (n_points * mean - 1.0) / (n_points - 1)
    off_variance = (n_points * variance - (1.0 - mean) ** 2) / (n_points - 1) - (off_mean - mean) ** 2
    return MeanCosine(
        mean=mean,
        std=math.sqrt(variance),
        off_mean=off_mean,
        off_std=math.sqrt(max(off_variance, 0.0)),
        n_points=n_points,
        n_zero=n_zero,
        n_dims=n_dims,
    )


def cloud_cosines(clouds: Points | Sequence[Points], *, found: CloudNeighbors | None = None) -> tuple[MeanCosine, ...]:
    """Apply `mean_cosine` to each of many clouds.

    Parameters
    ----------
    clouds : torch.Tensor, numpy.ndarray or sequence of them
        `(n_clouds, n_points, n_dims)`, or clouds `(n_points, n_dims)` of different lengths, on any device.
    found : CloudNeighbors, optional
        What `cloud_neighbors(clouds, moments=True)` found: all clouds that needed no cleaning are measured already.

    Returns
    -------
    tuple of MeanCosine
        One for each cloud.

    Raises
    ------
    ParameterError
        If the neighbors are those of another number of clouds.
    PointsError
        If a cloud cannot be measured; the message names it.

    Notes
    -----
    What a search has summed (`theodolite.neighborhoods.cloud_moments`) is of its centered rows, rounded to float32:
    `mean` is good to about 1e-8 and `std` to about 1e-6 of itself. Where too few digits would be left, and for clouds
    that were cleaned, products are taken anew.

    Examples
    --------
    >>> [round(found.off_mean, 2) for found in cloud_cosines(np.eye(3)[None] + [[[0.0]], [[1.0]]])]
    [0.0, 0.83]
    """
    moments = None if found is None else found.moments
    if moments is not None and len(moments.cosine_means) != len(clouds):
        raise ParameterError(f"{len(moments.cosine_means)} clouds were searched, but {len(clouds)} were given.")
    measured = []
    for number, points in enumerate(clouds):
        try:
            if found is None or moments is None or np.isnan(moments.cosine_means[number]):
                measured.append(mean_cosine(points))
                continue
            measured.append(
                _summary(
                    float(moments.cosine_means[number]),
                    float(moments.cosine_variances[number]),
                    n_points=int(found.lengths[number]),
                    n_zero=0,
                    n_dims=found.n_dims,
                )
            )
        except PointsError as error:
            raise PointsError(f"Cloud {number}: {error}") from error
    return tuple(measured)


def _squared_products(rows: torch.Tensor) -> float:
    """Return the sum of squares of the inner products of all pairs of rows, through the smaller product."""
    n_points, n_dims = rows.shape
    if not on_cpu(rows):
        wide = rows.to(torch.float64)
        product = wide @ wide.T if n_points < n_dims else wide.T @ wide
        return float(product.square().sum())
    table = rows.numpy()
    if n_points < n_dims:
        table = table.T
    if table.shape[0] <= _ROWS_PER_PRODUCT:
        gram = table.T @ table  # numpy sees the symmetry and computes half
    else:
        gram = np.zeros((table.shape[1], table.shape[1]))
        for start in range(0, len(table), _ROWS_PER_PRODUCT):
            some = table[start : start + _ROWS_PER_PRODUCT]
            gram += some.T @ some
    return float(np.vecdot(gram, gram).sum(dtype=np.float64))
