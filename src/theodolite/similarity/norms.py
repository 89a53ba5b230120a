"""Lengths of rows, summarized."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import PointsError
from theodolite.core.points import Points
from theodolite.similarity.directions import norms_of

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Norms(Displayed):
    """How long the rows are, in the units of the points.

    Attributes
    ----------
    mean, std : float
        Over the rows; `std` is that of the population.
    quantiles : Mapping[float, float]
        Norm at each share of the rows in `QUANTILES`, from the smallest (0.0) to the largest (1.0).
    n_points, n_zero : int
        Rows, and how many of them are all zero.
    """

    mean: float
    std: float
    quantiles: Mapping[float, float]
    n_points: int
    n_zero: int


def norms(points: Points) -> Norms:
    """Summarize the Euclidean norms of the rows, in the units of the points.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, any real dtype, any device, finite.

    Returns
    -------
    Norms
        Mean, standard deviation and quantiles (linear interpolation), zero rows included.

    Raises
    ------
    PointsError
        If rows are not finite, or there is none.

    Examples
    --------
    >>> found = norms(np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 1.0]]))
    >>> found.mean, found.quantiles[0.5], found.n_zero
    (2.0, 1.0, 1)
    """
    _, lengths, exponents = norms_of(points)
    if exponents is not None:
        lengths = torch.ldexp(lengths, exponents)
    found = lengths.cpu().numpy()
    if len(found) == 0:
        raise PointsError("There is no row to measure: the table is empty.")
    _, exponent = math.frexp(float(found.max()))
    unit = math.ldexp(1.0, exponent)  # squares of extreme norms would overflow or vanish
    return Norms(
        mean=float((found / unit).mean()) * unit,
        std=float((found / unit).std()) * unit,
        quantiles=dict(zip(QUANTILES, np.quantile(found, QUANTILES).tolist(), strict=True)),
        n_points=len(found),
        n_zero=int((found == 0).sum()),
    )
