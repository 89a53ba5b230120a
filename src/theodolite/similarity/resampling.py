"""Draws around `rsa`: weighted bootstrap over tokens, and permutations of the tokens of one table."""

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points
from theodolite.core.seeds import generator_from
from theodolite.similarity.unit_rows import UnitRows, aligned_unit_rows, blocks, cross, own_sums, square_product

Floats = npt.NDArray[np.float64]


def rsa_bootstrap(
    first: Points, second: Points, *, n_repeats: int = 200, seed: int = 0, center: bool = False
) -> Floats:
    """Draw the correlation of `rsa` under random weights of the tokens: what other samples of tokens would give.

    Parameters
    ----------
    first, second : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)` each; row i is the same token in both.
    n_repeats : int
        Draws.
    seed : int
        The same seed gives the same draws.
    center : bool
        As in `rsa`; the mean row is that of the whole table in every draw.

    Returns
    -------
    numpy.ndarray
        `(n_repeats,)` float64 in [-1, 1]. Quantiles of it are an interval, its standard deviation a standard error.

    Raises
    ------
    ParameterError
        If `n_repeats` is below 1, or the tables differ in their rows.
    PointsError
        As in `rsa`.

    Notes
    -----
    Bayesian bootstrap: weights p from the flat Dirichlet distribution, the pair (i, j) weighing p_i p_j, and pairs of a
    token with itself left out. (Drawing tokens with replacement would put copies into the sample, whose cosine of 1 in
    both tables inflates the correlation.) The weighted sums are |U'p|^2, ||U'PU||_F^2 and ||U'PV||_F^2, each less
    sum_i p_i^2, so every draw is exact and costs as much as `rsa`, whose `stderr` is the cheap substitute.

    References
    ----------
    D. Rubin, "The Bayesian bootstrap", Ann. Statist. 9, 130 (1981), doi:10.1214/aos/1176345338.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(300, 20))
    >>> draws = rsa_bootstrap(table, table[:, :10], n_repeats=50)
    >>> draws.shape, bool(draws.std() < 0.02)
    ((50,), True)
    """
    (one, other), _, _ = _prepared(first, second, n_repeats, center)
    generator = generator_from("rsa_bootstrap", seed)
    found = np.empty(n_repeats)
    for repeat in range(n_repeats):
        draw = generator.standard_exponential(one.n_points)
        found[repeat] = _weighted(one, other, torch.from_numpy(draw / draw.sum()).to(one.values.device))
    return found


def rsa_permutations(
    first: Points, second: Points, *, n_repeats: int = 20, seed: int = 0, center: bool = False
) -> Floats:
    """Draw the correlation of `rsa` after permuting the tokens of the second table: its null distribution.

    Parameters
    ----------
    first, second : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)` each.
    n_repeats : int
        Permutations.
    seed : int
        The same seed gives the same permutations.
    center : bool
        As in `rsa`.

    Returns
    -------
    numpy.ndarray
        `(n_repeats,)` float64. `Rsa.null_mean` and `Rsa.null_std` are the moments over all permutations.

    Raises
    ------
    ParameterError
        If `n_repeats` is below 1, or the tables differ in their rows.
    PointsError
        As in `rsa`.

    Examples
    --------
    >>> table = np.random.default_rng(0).normal(size=(300, 20))
    >>> bool(np.abs(rsa_permutations(table, table)).max() < 0.05)
    True
    """
    (one, other), _, _ = _prepared(first, second, n_repeats, center)
    generator = generator_from("rsa_permutations", seed)
    n_points = one.n_points
    n_pairs = n_points * (n_points - 1)
    linear, square = zip(*((x.total, x2.total) for x, x2 in map(own_sums, (one, other))), strict=True)
    spread = np.sqrt(np.prod([x2 - x**2 / n_pairs for x, x2 in zip(linear, square, strict=True)]))
    found = np.empty(n_repeats)
    for repeat in range(n_repeats):
        mixed = float(cross(one, other, generator.permutation(n_points)).square().sum()) - n_points
        found[repeat] = (mixed - linear[0] * linear[1] / n_pairs) / spread
    return found


def _prepared(
    first: Points, second: Points, n_repeats: int, center: bool
) -> tuple[list[UnitRows], npt.NDArray[np.int64], int]:
    if n_repeats < 1:
        raise ParameterError(f"n_repeats must be at least 1, but {n_repeats} was given.")
    return aligned_unit_rows([first, second], center=center)


def _weighted(one: UnitRows, other: UnitRows, weights: torch.Tensor) -> float:
    """Return the correlation over pairs (i, j) that weigh p_i p_j."""
    linear: list[torch.Tensor | float] = [0.0, 0.0]
    products: list[torch.Tensor | float] = [0.0, 0.0, 0.0]
    for block in blocks(one, other):
        roots = weights[block].sqrt()[:, None]
        rows = [one.take(block).mul_(roots), other.take(block).mul_(roots)]
        for number, some in enumerate(rows):
            linear[number] = linear[number] + (some * roots).sum(dim=0)
            products[number] = products[number] + square_product(some)
        products[2] = products[2] + rows[0].T @ rows[1]
    itself = float(weights.square().sum())
    x, y = (float(torch.as_tensor(total).square().sum()) - itself for total in linear)
    x2, y2, xy = (float(torch.as_tensor(product).square().sum()) - itself for product in products)
    pairs = 1.0 - itself
    return float((xy - x * y / pairs) / np.sqrt((x2 - x * x / pairs) * (y2 - y * y / pairs)))
