"""Linear centered kernel alignment of two tables, without their kernels."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import PointsError
from theodolite.core.points import Points
from theodolite.similarity.unit_rows import FEWEST, UnitRows, blocks, centered_rows, cross, require_equal_rows


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KernelAlignment(Displayed):
    """Linear centered kernel alignment (CKA).

    Attributes
    ----------
    value : float
        In [0, 1]; the debiased form has expectation 0 for unrelated tables and may be a little negative.
    stderr : float
        Standard error over draws of rows, by leaving out one row at a time; NaN where the value is undefined without
        one of them.
    null_mean, null_std : float
        Mean and standard deviation over all ways to assign the rows of one table to those of the other.
    debiased : bool
        Which form it is.
    n_points : int
        Rows compared.
    """

    value: float
    stderr: float
    null_mean: float
    null_std: float
    debiased: bool
    n_points: int


def cka(first: Points, second: Points, *, debiased: bool = True) -> KernelAlignment:
    """Measure how alike two tables are up to rotation and scale: linear centered kernel alignment, at most 1.

    Parameters
    ----------
    first, second : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)` each; row i is the same token in both, the numbers of columns may differ.
    debiased : bool
        Correct for the alignment that unrelated tables of many columns have by chance.

    Returns
    -------
    KernelAlignment
        The alignment, its standard error and its permutation null.

    Raises
    ------
    ParameterError
        If the tables differ in their rows.
    PointsError
        If rows are not finite, all rows of a table are equal, or there are fewer than 4.

    Notes
    -----
    With the columns of X and Y centered, value = ||X'Y||_F^2 / (||X'X||_F ||Y'Y||_F), Kornblith et al. This is biased
    upwards: unrelated Gaussian tables of d columns read about d / (n + d). The debiased form replaces each of the three
    by the unbiased estimate of the Hilbert-Schmidt independence criterion (Song et al.), with K = XX', L = YY' and
    their diagonals set to 0,

        [ tr(KL) + 1'K1 1'L1 / ((n-1)(n-2)) - 2/(n-2) 1'KL1 ] / (n (n-3)),

    whose parts are ||X'Y||_F^2 - sum |x_i|^2 |y_i|^2, |X'1|^2 - sum |x_i|^2, and products of row sums: cost
    n (d_1 + d_2)^2 in float64 and no n x n matrix. Lengths of rows count, unlike in `rsa`: a few long rows can
    decide it.

    Standard error: every part has a share for each row, x_i'(X'Y)y_i of ||X'Y||_F^2 and so on, so the value without row
    i is known exactly for every i at the same cost (in the first form with the mean taken anew), and stderr^2 =
    (n-1)/n sum_i (value_(-i) - mean)^2, the delete-one jackknife. In simulation it is 0.96 to 1.05 times the spread
    over samples; for unrelated tables it is up to sqrt(2) too large, because what belongs to pairs of rows is then all
    there is and is counted for both. `null_std` is exact there.

    Permutation null: moments over all n! assignments of rows to rows. The debiased form is a sum over pairs of two
    matrices whose rows add up to 0, so its mean is 0 and its variance 2 / (n (n-3)), whatever the tables are; the
    other form has mean tr(K) tr(L) / ((n-1) |K| |L|) and the variance of Kazi-Aoual et al. The null is skewed where a
    few rows are much longer than the rest, as that of `rsa` is.

    References
    ----------
    F. Kazi-Aoual, S. Hitier, R. Sabatier, J.-D. Lebreton, Comput. Stat. Data Anal. 20, 643 (1995).
    S. Kornblith, M. Norouzi, H. Lee, G. Hinton, arXiv:1905.00414 (2019).
    L. Song, A. Smola, A. Gretton, J. Bedo, K. Borgwardt, J. Mach. Learn. Res. 13, 1393 (2012), equation 5.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> table, noise = rng.normal(size=(100, 50)), rng.normal(size=(100, 50))
    >>> round(cka(table, 3 * table[:, ::-1]).value, 6), round(cka(table, noise, debiased=False).value, 1)
    (1.0, 0.3)
    >>> abs(cka(table, noise).value) < 0.1
    True
    """
    one, other = centered_rows(first), centered_rows(second)
    require_equal_rows([one, other])
    n_points = one.n_points
    if n_points < FEWEST:
        raise PointsError(f"Alignment needs at least {FEWEST} rows, but {n_points} were given.")
    pairs = ((one, other), (one, one), (other, other))
    moments = {id(table): _row_moments(table) for table in (one, other)}
    criterion = _unbiased if debiased else _biased
    mixed, own, others = (criterion(_products(a, b, moments[id(a)], moments[id(b)])) for a, b in pairs)
    if own.value <= 0 or others.value <= 0:
        raise PointsError(
            "The debiased alignment is undefined: a table shows no structure beyond noise at this number of rows. "
            "Pass more rows, or debiased=False."
        )
    scale = math.sqrt(own.value * others.value)
    if debiased:
        mean, std = 0.0, math.sqrt(2.0 / (n_points * (n_points - 3)))
    else:
        mean, std = _permutation_null(moments[id(one)][0], moments[id(other)][0], own.value, others.value)
        mean, std = mean / scale, std / scale
    without = mixed.without / (own.without * others.without).sqrt()
    return KernelAlignment(
        value=mixed.value / scale,
        stderr=math.sqrt((n_points - 1) * float(without.var(correction=0))),
        null_mean=mean,
        null_std=std,
        debiased=debiased,
        n_points=n_points,
    )


class _Criterion(NamedTuple):
    """A sum over pairs of rows, and the same without each row, `(n_points,)`."""

    value: float
    without: torch.Tensor


class _Products(NamedTuple):
    """What the criteria of two tables X, Y are made of: K = XX' and L = YY' with and without their diagonals.

    Attributes
    ----------
    squares : (torch.Tensor, torch.Tensor)
        Squared lengths |x_i|^2 and |y_i|^2.
    sums : (torch.Tensor, torch.Tensor)
        Sums of the rows of K and L, diagonals left out.
    by_row : torch.Tensor
        x_i'(X'Y)y_i, which add up to ||X'Y||_F^2.
    crossed : (torch.Tensor, torch.Tensor)
        K s and L r for the sums r of K and s of L, diagonals left out.
    """

    squares: tuple[torch.Tensor, torch.Tensor]
    sums: tuple[torch.Tensor, torch.Tensor]
    by_row: torch.Tensor
    crossed: tuple[torch.Tensor, torch.Tensor]


def _products(
    one: UnitRows,
    other: UnitRows,
    first: tuple[torch.Tensor, torch.Tensor],
    second: tuple[torch.Tensor, torch.Tensor],
) -> _Products:
    product = cross(one, other)
    device = product.device
    against = [torch.zeros(table.values.shape[1], dtype=torch.float64, device=device) for table in (one, other)]
    for block in blocks(one, other):
        against[0] += second[1][block] @ one.take(block)
        against[1] += first[1][block] @ other.take(block)
    by_row, ks, lr = (torch.empty(one.n_points, dtype=torch.float64, device=device) for _ in range(3))
    for block in blocks(one, other):
        rows, others = one.take(block), other.take(block)
        by_row[block] = torch.linalg.vecdot(rows @ product, others)
        ks[block] = rows @ against[0]
        lr[block] = others @ against[1]
    return _Products(
        squares=(first[0], second[0]),
        sums=(first[1], second[1]),
        by_row=by_row,
        crossed=(ks - first[0] * second[1], lr - second[0] * first[1]),
    )


def _biased(of: _Products) -> _Criterion:
    """Return ||X'Y||_F^2 of centered tables, and the same where a row is left out and the means are taken anew."""
    n_points = len(of.by_row)
    total = float(of.by_row.sum())
    grown = n_points / (n_points - 1)
    return _Criterion(total, total - 2.0 * grown * of.by_row + grown**2 * of.squares[0] * of.squares[1])


def _unbiased(of: _Products) -> _Criterion:
    """Return n (n - 3) times the unbiased criterion, and (n - 1)(n - 4) times that of all rows but one."""
    n_points = len(of.by_row)
    shared = of.by_row - of.squares[0] * of.squares[1]
    trace, met = float(shared.sum()), float(of.sums[0] @ of.sums[1])
    totals = [float(side.sum()) for side in of.sums]
    value = trace + totals[0] * totals[1] / ((n_points - 1) * (n_points - 2)) - 2.0 / (n_points - 2) * met
    if n_points == FEWEST:
        return _Criterion(value, torch.full_like(shared, math.nan))
    left = [total - 2.0 * side for total, side in zip(totals, of.sums, strict=True)]
    met_left = met - of.sums[0] * of.sums[1] - of.crossed[0] - of.crossed[1] + shared
    without = trace - 2.0 * shared + left[0] * left[1] / ((n_points - 2) * (n_points - 3))
    return _Criterion(value, without - 2.0 / (n_points - 3) * met_left)


def _permutation_null(first: torch.Tensor, second: torch.Tensor, own: float, others: float) -> tuple[float, float]:
    """Return mean and standard deviation of tr(KL) when rows are permuted, with K1 = L1 = 0.

    With T = tr(K), Q = tr(K^2) and D = sum_i K_ii^2 (and T', Q', D' of L),

        var = 2 ((n-1) Q - T^2) ((n-1) Q' - T'^2) / ((n-1)^2 (n+1) (n-2))
            + (n(n+1) D - (n-1)(T^2 + 2Q)) (n(n+1) D' - (n-1)(T'^2 + 2Q')) / ((n+1) n (n-1) (n-2) (n-3)).
    """
    n = len(first)
    traces = [float(one.sum()) for one in (first, second)]
    spread, excess = 1.0, 1.0
    for squares, trace, product in ((first, traces[0], own), (second, traces[1], others)):
        spread *= (n - 1) * product - trace**2
        excess *= n * (n + 1) * float(squares @ squares) - (n - 1) * (trace**2 + 2.0 * product)
    variance = 2.0 * spread / ((n - 1) ** 2 * (n + 1) * (n - 2)) + excess / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3))
    return traces[0] * traces[1] / (n - 1), math.sqrt(max(variance, 0.0))


def _row_moments(table: UnitRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the squared length of each row, and its inner product with the sum of all others."""
    device = table.values.device
    total = torch.zeros(table.values.shape[1], dtype=torch.float64, device=device)
    for block in blocks(table, table):
        total += table.take(block).sum(dim=0)
    squares, sums = (torch.empty(table.n_points, dtype=torch.float64, device=device) for _ in range(2))
    for block in blocks(table, table):
        rows = table.take(block)
        squares[block] = torch.linalg.vecdot(rows, rows)
        sums[block] = rows @ total
    return squares, sums - squares
