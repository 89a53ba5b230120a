"""Spearman's rank correlation of the cosines of two tables, from a fair sample of pairs."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points
from theodolite.core.seeds import generator_from
from theodolite.similarity.unit_rows import UnitRows, aligned_unit_rows

Floats = npt.NDArray[np.float64]

_FLAT = 1e-12  # cosines that differ by less differ by rounding


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RankCorrelation(Displayed):
    """Spearman correlation between the cosines of pairs of tokens in two tables.

    Attributes
    ----------
    value : float
        In [-1, 1].
    stderr : float
        Over draws of tokens, from the spread between groups; NaN with one group.
    n_pairs : int
        Pairs that were ranked.
    exact : bool
        Whether these are all pairs.
    n_points, n_zero : int
        Tokens, and tokens left out because they have no direction in one of the tables.
    """

    value: float
    stderr: float
    n_pairs: int
    exact: bool
    n_points: int
    n_zero: int


def rsa_spearman(
    first: Points, second: Points, *, group: int = 64, seed: int = 0, center: bool = False
) -> RankCorrelation:
    """Measure whether two tables order the cosines of their tokens alike: Spearman's correlation, in [-1, 1].

    Parameters
    ----------
    first, second : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)` each; row i is the same token in both.
    group : int
        Tokens in a group, at least 2. Pairs within random groups are ranked, about n_points * group / 2 of them; with
        `group` of n_points or more, all pairs.
    seed : int
        Of the grouping.
    center : bool
        As in `rsa`.

    Returns
    -------
    RankCorrelation
        The correlation, and from how many pairs.

    Raises
    ------
    ParameterError
        If `group` is below 2, or the tables differ in their rows.
    PointsError
        As in `rsa`.

    Notes
    -----
    Ranks have no product formula, so pairs are sampled: the tokens are dealt into groups at random and all pairs within
    a group are taken, which uses every token equally often (tied cosines share their mean rank). The standard error is
    that of a mean over groups, which share no token, with the ranks held fixed: it is the error of this sample of pairs
    and of the tokens together, several times that of the pairs alone.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(400, 20))
    >>> found = rsa_spearman(table, table @ rng.normal(size=(20, 30)))
    >>> round(found.value, 1), found.n_pairs, found.exact
    (0.8, 13134, False)
    """
    if group < 2:
        raise ParameterError(f"A group needs at least 2 tokens to make a pair, but group={group} was given.")
    tables, rows, n_zero = aligned_unit_rows([first, second], center=center)
    n_points = len(rows)
    n_groups = max(1, round(n_points / group))
    order = generator_from("rsa_spearman", seed).permutation(n_points)
    members = np.array_split(order, n_groups)
    scores = []
    for name, table in zip(("first", "second"), tables, strict=True):
        cosines = np.concatenate([_cosines(table, some) for some in members])
        if np.ptp(cosines) < _FLAT:
            raise PointsError(f"All cosines of the {name} table are equal, so they have no order.")
        ranks = rankdata(cosines)
        scores.append((ranks - ranks.mean()) / ranks.std())
    products = scores[0] * scores[1]
    value = float(products.mean())
    sizes = np.array([len(some) * (len(some) - 1) // 2 for some in members])
    ends = np.cumsum(sizes)
    deviations = np.add.reduceat(products, ends - sizes) - value * sizes
    spread = math.sqrt(float(np.square(deviations).sum()) * n_groups / (n_groups - 1)) if n_groups > 1 else math.nan
    return RankCorrelation(
        value=value,
        stderr=spread / len(products),
        n_pairs=len(products),
        exact=n_groups == 1,
        n_points=n_points,
        n_zero=n_zero,
    )


def _cosines(table: UnitRows, members: npt.NDArray[np.int64]) -> Floats:
    """Return the cosines of all pairs within one group."""
    rows = table.take(torch.from_numpy(members).to(table.values.device))
    found: Floats = (rows @ rows.T).cpu().numpy()[np.triu_indices(len(members), 1)]
    return found
