"""Representational similarity: the correlation of all pairwise cosines of two tables, without the N x N matrices."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points
from theodolite.core.progress import Progress, Silent, tracked
from theodolite.similarity.unit_rows import PairSums, UnitRows, aligned_unit_rows, own_sums, product_sums

Floats = npt.NDArray[np.float64]

_NORMAL_975 = 1.959963984540054
_FLAT = 1e-12  # a variance of cosines below this is rounding: cosines are of order 1


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rsa(Displayed):
    """Pearson correlation between the cosines of all pairs of tokens in two tables.

    Attributes
    ----------
    value : float
        The correlation, in [-1, 1].
    stderr : float
        Standard error over draws of tokens, by leaving out one token at a time.
    low, high : float
        95 % interval from `stderr` on Fisher's scale, atanh(value) +- 1.96 stderr / (1 - value^2).
    null_mean, null_std : float
        Mean and standard deviation over all permutations of the tokens of one table, exactly.
    n_points, n_pairs : int
        Tokens, and pairs of them.
    n_zero : int
        Tokens left out because they have no direction in one of the tables.
    center, include_diagonal : bool
        The settings.
    """

    value: float
    stderr: float
    low: float
    high: float
    null_mean: float
    null_std: float
    n_points: int
    n_pairs: int
    n_zero: int
    center: bool
    include_diagonal: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RsaMatrix(Displayed):
    """`rsa` between all pairs of several tables; see `Rsa` for the meaning.

    Attributes
    ----------
    values, stderr, null_mean, null_std : numpy.ndarray
        `(n_tables, n_tables)` float64, symmetric; on the diagonal `values` is 1 and `stderr` 0.
    n_points, n_zero : int
        Tokens compared, and tokens left out because one of the tables has no direction for them.
    center, include_diagonal : bool
        The settings.
    """

    values: Floats
    stderr: Floats
    null_mean: Floats
    null_std: Floats
    n_points: int
    n_zero: int
    center: bool
    include_diagonal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table with the sums that belong to it alone: of its cosines, and of their squares."""

    rows: UnitRows
    linear: PairSums
    square: PairSums


def rsa(first: Points, second: Points, *, center: bool = False, include_diagonal: bool = False) -> Rsa:
    """Measure how alike the relative orientations of the tokens are in two tables: a correlation in [-1, 1].

    Parameters
    ----------
    first, second : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)` each; row i is the same token in both, the numbers of columns may differ.
    center : bool
        Subtract the mean row of each table first: a direction that all tokens share otherwise decides most cosines.
    include_diagonal : bool
        Correlate all entries of the two cosine matrices, the ones on their diagonals included, instead of those
        above the diagonal.

    Returns
    -------
    Rsa
        The correlation, its standard error and interval, and its permutation null.

    Raises
    ------
    ParameterError
        If the tables differ in their rows.
    PointsError
        If rows are not finite, fewer than 4 have a direction in both tables, or all cosines of a table are equal.

    Notes
    -----
    With unit rows u_i, v_i (rows of U and V), x_ij = u_i.u_j and y_ij = v_i.v_j, the value is the Pearson correlation
    of x_ij and y_ij over i < j. All of its sums come from small products, in float64:

        sum_ij x_ij = |U'1|^2,    sum_ij x_ij^2 = ||U'U||_F^2,    sum_ij x_ij y_ij = ||U'V||_F^2,

    from which the n ones of the diagonal are subtracted. Cost n (d_1 + d_2)^2 instead of n^2 (d_1 + d_2), and no n x n
    matrix (a table wider than long is first turned into one of n columns). Nothing is sampled; Lee et al.
    draw 20,000 tokens.

    Standard error: row i of the three sums is u_i.(U'1), u_i'(U'U)u_i and u_i'(U'V)v_i, so the value without token i is
    known for every i at the same cost, and stderr^2 = (n-1)/n sum_i (r_(-i) - mean)^2 (delete-one jackknife). It
    treats the tokens as drawn at random from more of their kind. Pairs share tokens, so the usual error of a
    correlation of n(n-1)/2 independent pairs would be far too small.

    Permutation null: moments over all n! assignments of the rows of one table to those of the other, from the row sums
    of the cosines (Mantel). `null_mean` is 0 without the diagonal. The null is skewed where a few tokens are
    nearer to all others than the rest; a value several `null_std` away says little about its exact p-value.

    References
    ----------
    A. Lee, M. Weber, F. Viégas, M. Wattenberg, "Shared Global and Local Geometry of Language Model Embeddings",
    arXiv:2503.21073 (2025), Figure 1.
    N. Kriegeskorte, M. Mur, P. Bandettini, Front. Syst. Neurosci. 2:4 (2008), doi:10.3389/neuro.06.004.2008.
    N. Mantel, Cancer Research 27, 209 (1967).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(500, 20))
    >>> found = rsa(table, table @ rng.normal(size=(20, 30)))
    >>> round(found.value, 2), found.stderr < 0.02, found.value / found.null_std > 100
    (0.81, True, True)
    """
    (one, other), _, n_zero = aligned_unit_rows([first, second], center=center)
    return _correlate(_summed(one), _summed(other), n_zero=n_zero, center=center, include_diagonal=include_diagonal)


def rsa_matrix(
    tables: Sequence[Points],
    *,
    center: bool = False,
    include_diagonal: bool = False,
    progress: Progress | None = None,
) -> RsaMatrix:
    """Apply `rsa` to all pairs of several tables; the sums of each table alone are made once.

    Parameters
    ----------
    tables : sequence of torch.Tensor or numpy.ndarray
        At least two, `(n_points, its own n_dims)` each; row i is the same token in all.
    center, include_diagonal : bool
        As in `rsa`.
    progress : Progress, optional
        Told how many pairs are done.

    Returns
    -------
    RsaMatrix
        A heat map with its errors and nulls.

    Raises
    ------
    ParameterError
        If there are fewer than two tables, or they differ in their rows.
    PointsError
        As in `rsa`.

    Notes
    -----
    A token without direction in one table is left out of all, so that every entry rests on the same tokens.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(300, 20))
    >>> rsa_matrix([table, table[:, ::-1], rng.normal(size=(300, 5))]).values.round(1) + 0.0
    array([[1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 1.]])
    """
    if len(tables) < 2:
        raise ParameterError(f"A comparison needs at least 2 tables, but {len(tables)} was given.")
    read, _, n_zero = aligned_unit_rows(tables, center=center)
    summed = [_summed(rows) for rows in read]
    values, stderr, null_mean, null_std = (np.zeros((len(tables), len(tables))) for _ in range(4))
    np.fill_diagonal(values, 1.0)
    pairs = list(combinations(range(len(tables)), 2))
    with tracked(progress or Silent(), len(pairs), f"cosines of {len(tables)} tables") as tracker:
        for one, other in pairs:
            found = _correlate(
                summed[one], summed[other], n_zero=n_zero, center=center, include_diagonal=include_diagonal
            )
            for place in ((one, other), (other, one)):
                values[place], stderr[place] = found.value, found.stderr
                null_mean[place], null_std[place] = found.null_mean, found.null_std
            tracker.advance(1)
    for number, table in enumerate(summed):
        same = _correlate(table, table, n_zero=n_zero, center=center, include_diagonal=include_diagonal, cross=False)
        null_mean[number, number], null_std[number, number] = same.null_mean, same.null_std
    return RsaMatrix(
        values=values,
        stderr=stderr,
        null_mean=null_mean,
        null_std=null_std,
        n_points=read[0].n_points,
        n_zero=n_zero,
        center=center,
        include_diagonal=include_diagonal,
    )


def _summed(rows: UnitRows) -> _Table:
    linear, square = own_sums(rows)
    return _Table(rows=rows, linear=linear, square=square)


def _correlate(
    one: _Table, other: _Table, *, n_zero: int, center: bool, include_diagonal: bool, cross: bool = True
) -> Rsa:
    n_points = one.rows.n_points
    mixed = product_sums(one.rows, other.rows) if cross else one.square
    sums = [one.linear, other.linear, one.square, other.square, mixed]
    ones = n_points if include_diagonal else 0
    totals = [part.total + ones for part in sums]
    n_pairs = n_points * (n_points - 1) + ones
    for name, linear, square in (("first", totals[0], totals[2]), ("second", totals[1], totals[3])):
        if square / n_pairs - (linear / n_pairs) ** 2 < _FLAT:
            raise PointsError(f"All cosines of the {name} table are equal, so they correlate with nothing.")
    value = float(_pearson(n_pairs, totals))
    left_out = [
        total - 2.0 * part.by_row - (1.0 if include_diagonal else 0.0) for total, part in zip(totals, sums, strict=True)
    ]
    n_left = (n_points - 1) * (n_points - 1 if include_diagonal else n_points - 2)
    without = _pearson(n_left, left_out)
    stderr = math.sqrt((n_points - 1) * float(without.var()))
    value = min(1.0, max(-1.0, value))
    null_mean, null_std = _permutation_null(one, other, include_diagonal=include_diagonal)
    reach = _NORMAL_975 * stderr / (1.0 - value**2) if abs(value) < 1 else 0.0
    middle = math.atanh(value) if abs(value) < 1 else math.copysign(math.inf, value)
    return Rsa(
        value=value,
        stderr=stderr,
        low=math.tanh(middle - reach),
        high=math.tanh(middle + reach),
        null_mean=null_mean,
        null_std=null_std,
        n_points=n_points,
        n_pairs=n_points * (n_points - 1) // 2 + ones,
        n_zero=n_zero,
        center=center,
        include_diagonal=include_diagonal,
    )


def _pearson(n_pairs: int, sums: Sequence[Floats] | Sequence[float]) -> Floats:
    """Return the correlation from sums over `n_pairs` of x, y, x^2, y^2 and x y."""
    x, y, x2, y2, xy = (np.asarray(each) for each in sums)
    spread = np.sqrt((x2 - x**2 / n_pairs) * (y2 - y**2 / n_pairs))
    return np.asarray((xy - x * y / n_pairs) / spread)


def _permutation_null(one: _Table, other: _Table, *, include_diagonal: bool) -> tuple[float, float]:
    """Return mean and standard deviation of the correlation when the rows of one table are permuted.

    With centered cosines a_ij, b_ij off the diagonal, B = sum_ij a_ij^2 and D = sum_i (sum_j a_ij)^2, two ordered pairs
    drawn by a permutation have both, one or no token in common, and

        var(sum_ij a_ij b_p(i)p(j)) = 2 B B' / n2 + 4 (D - B)(D' - B') / n3 + (2 B - 4 D)(2 B' - 4 D') / n4

    with n2 = n(n-1), n3 = n2 (n-2), n4 = n3 (n-3).
    """
    n_points = one.rows.n_points
    n2 = n_points * (n_points - 1)
    n3, n4 = n2 * (n_points - 2), n2 * (n_points - 2) * (n_points - 3)
    means, squares, rows, spreads, whole = [], [], [], [], []
    for table in (one, other):
        mean = table.linear.total / n2
        means.append(mean)
        squares.append(table.square.total - n2 * mean**2)
        rows.append(float(np.square(table.linear.by_row - (n_points - 1) * mean).sum()))
        entries = n2 + n_points if include_diagonal else n2
        ones = n_points if include_diagonal else 0
        whole.append((table.linear.total + ones) / entries)
        spreads.append(table.square.total + ones - entries * whole[-1] ** 2)
    variance = (
        2.0 * squares[0] * squares[1] / n2
        + 4.0 * (rows[0] - squares[0]) * (rows[1] - squares[1]) / n3
        + (2.0 * squares[0] - 4.0 * rows[0]) * (2.0 * squares[1] - 4.0 * rows[1]) / n4
    )
    scale = math.sqrt(spreads[0] * spreads[1])
    shift = 0.0
    if include_diagonal:
        shift = n2 * means[0] * means[1] + n_points - n_points**2 * whole[0] * whole[1]
    return shift / scale, math.sqrt(max(variance, 0.0)) / scale
