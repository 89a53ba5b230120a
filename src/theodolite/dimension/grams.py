"""Gram matrices of neighborhoods: gathered from one product of all points where that is exact enough."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.points import Points
from theodolite.dimension.local import VALUES_PER_BATCH, coinciding, in_range, neighborhoods_of, points_of
from theodolite.neighborhoods.graph import NeighborGraph

Floats = npt.NDArray[np.float64]

ACCURACY = 1e-9  # error of an entry as a share of the mean squared distance from the mean of the neighborhood
_UNIT = 2.0**-53
_LARGEST, _SMALLEST = 2.0**480, 2.0**-480  # squares of entries neither overflow nor underflow
_MOST_POINTS = 4096  # 128 MiB of products
_ROW_NUMBER, _PRODUCT, _GATHERED = 7.0, 1 / 32, 15.0  # nanoseconds; which side is cheaper, never what comes out


@dataclass(frozen=True, slots=True, kw_only=True)
class Grams:
    """Products of the k neighbors of some points, each neighborhood centered at its mean.

    Attributes
    ----------
    batch : slice or numpy.ndarray
        Which rows of the graph these are.
    products : numpy.ndarray
        `(n_batch, k, k)` float64.
    radius : numpy.ndarray
        `(n_batch,)` the distances to neighbor k, in the units whose squares the products are in.
    solid : numpy.ndarray
        `(n_batch,)` bool: False where all neighbors are copies of one point, and the products rounding.
    """

    batch: slice | npt.NDArray[np.int64]
    products: Floats
    radius: Floats
    solid: npt.NDArray[np.bool_]


def grams_of(graph: NeighborGraph, points: Points, k: int, *, apart: float = 0.0) -> Iterator[Grams]:
    """Yield the Gram matrices of all neighborhoods, each once.

    Of small clouds all points are multiplied once, centered at the mean of the cloud, and every neighborhood is
    gathered from the products: with n points that takes n products for each point instead of k^2, and these at the
    speed of one large product. Neighborhoods are centered afterwards, which loses digits where one is small and far
    from the mean of the cloud. Whatever the order of summation, a product of rows x and y of d columns is off by at
    most d u |x| |y| (u = 2^-53), and an entry after centering by 4 (d + k + 8) u R^2, R the largest length in the
    neighborhood. Where that exceeds `ACCURACY` times the mean squared distance from its mean, a neighborhood is
    multiplied from its own rows, and where two of its points are closer than `apart` times its radius.
    """
    unread = np.ones(len(graph.indices), dtype=np.bool_)
    if _gathering_pays(graph, k):
        lengths, products = _multiplied(graph, points)
        if _SMALLEST < lengths.max(initial=0.0) < _LARGEST:  # false for NaN
            for found in _gathered(graph, k, lengths, products, apart):
                unread[found.batch] = False
                yield found
    for batch, given in neighborhoods_of(graph, points, k, wanted=None if unread.all() else np.flatnonzero(unread)):
        radius = graph.distances[batch, k - 1]
        near = in_range(given, radius=radius)
        radius = radius if near is given else np.frexp(radius)[0]
        solid = ~coinciding(near, graph.distances[batch, :k])
        near = near - near.mean(axis=1, keepdims=True)  # all of them off by the rounding of the mean
        products = near @ near.transpose(0, 2, 1)
        _center(products, products.mean(axis=2))
        yield Grams(
            batch=batch,
            products=products,
            radius=radius,
            solid=solid,
        )


def _gathering_pays(graph: NeighborGraph, k: int) -> bool:
    """Say whether one product of all points is cheaper than one for each neighborhood."""
    n_points, n_asked = len(graph.rows), len(graph.indices)
    own = n_asked * k * graph.n_dims * _ROW_NUMBER
    return n_points <= _MOST_POINTS and own > n_points**2 * graph.n_dims * _PRODUCT + n_asked * k * k * _GATHERED


def _multiplied(graph: NeighborGraph, points: Points) -> tuple[Floats, Floats]:
    """Return the squared lengths of all points of the graph from their mean, and their products, where they lie."""
    table = points_of(graph, points)
    n_points = len(graph.rows)
    every = n_points == len(table)
    rows = torch.from_numpy(graph.rows).to(table.device)
    width = max(256, 2 * VALUES_PER_BATCH // n_points)
    total: Floats | torch.Tensor | None = None
    for start in range(0, graph.n_dims, width):
        columns = table[:, start : start + width]
        wide = (columns if every else columns[rows]).to(torch.float64)
        wide = wide - wide.mean(dim=0)
        if wide.device.type == "cpu":
            values = wide.numpy()
            with np.errstate(over="ignore", invalid="ignore"):  # seen in the lengths
                part = values @ values.T  # numpy sees the symmetry and computes half
        else:
            part = wide @ wide.T
        total = part if total is None else total.__iadd__(part)
    products: Floats = total.cpu().numpy() if isinstance(total, torch.Tensor) else np.asarray(total)
    return np.diagonal(products), products


def _gathered(graph: NeighborGraph, k: int, lengths: Floats, products: Floats, apart: float) -> Iterator[Grams]:
    """Yield the neighborhoods that the products of all points give accurately enough."""
    error = 4 * (graph.n_dims + k + 8) * _UNIT
    size = max(1, VALUES_PER_BATCH // (8 * k * k))
    for start in range(0, len(graph.indices), size):
        numbers = np.arange(start, min(start + size, len(graph.indices)))
        near = graph.indices[numbers, :k]
        found = products.ravel().take(near[:, :, None] * len(products) + near[:, None, :])
        means = found.mean(axis=2)
        spread = np.einsum("bii->b", found) / k - means.mean(axis=1)
        exact = error * lengths[near].max(axis=1) <= ACCURACY * spread
        exact &= spread > _SMALLEST
        if apart > 0:
            exact &= _nearest_pair(found) >= (apart * graph.distances[numbers, k - 1]) ** 2
        if not exact.all():
            numbers, found, means = numbers[exact], found[exact], means[exact]
        _center(found, means)
        yield Grams(
            batch=numbers,
            products=found,
            radius=graph.distances[numbers, k - 1],
            solid=np.ones(len(numbers), dtype=np.bool_),
        )


def _nearest_pair(products: Floats) -> Floats:
    """Return the squared distance of the two nearest points of each neighborhood."""
    squares = np.einsum("bii->bi", products)
    between = squares[:, :, None] + squares[:, None, :] - 2 * products
    np.einsum("bii->bi", between)[:] = np.inf
    nearest: Floats = between.min(axis=(1, 2))
    return nearest


def _center(products: Floats, means: Floats) -> None:
    """Move the points of each neighborhood, in place, so that their mean is 0; `means` are those of the products."""
    products -= means[:, :, None]
    products -= (means - means.mean(axis=1, keepdims=True))[:, None, :]
