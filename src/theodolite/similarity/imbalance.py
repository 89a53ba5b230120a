"""Information imbalance: how well nearness in one table predicts nearness in another, in both directions."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError
from theodolite.core.points import Points
from theodolite.core.seeds import generator_from
from theodolite.neighborhoods.graph import Metric
from theodolite.similarity.unit_rows import UnitRows, aligned_unit_rows, centered_rows, require_equal_rows

Floats = npt.NDArray[np.float64]

_NUMBERS_PER_BLOCK = 1 << 22  # 32 MiB of float64 for each block of distances


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InformationImbalance(Displayed):
    """How much of the neighborhoods of one table another predicts; 0: all, 1: nothing.

    Attributes
    ----------
    forward, forward_stderr : float
        From the first table to the second: low when points near in the first are near in the second.
    backward, backward_stderr : float
        From the second to the first.
    n_points, n_queries : int
        Points ranked, and points whose neighbors were looked at.
    k : int
        Neighbors looked at.
    metric : {"euclidean", "cosine"}
        What was measured.
    """

    forward: float
    forward_stderr: float
    backward: float
    backward_stderr: float
    n_points: int
    n_queries: int
    k: int
    metric: Metric


def information_imbalance(
    first: Points,
    second: Points,
    *,
    metric: Metric = "cosine",
    k: int = 1,
    n_queries: int | None = None,
    seed: int = 0,
) -> InformationImbalance:
    """Measure how well nearest neighbors in one table predict those in the other: from 0 to about 1, both ways.

    Parameters
    ----------
    first, second : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)` each; row i is the same token in both, the numbers of columns may differ.
    metric : {"cosine", "euclidean"}
        Distance in both tables; rows without direction are left out under the cosine.
    k : int
        Nearest neighbors looked at for each point.
    n_queries : int, optional
        Look at that many points only, drawn at random; their neighbors are still searched and ranked among all.
    seed : int
        Of that draw.

    Returns
    -------
    InformationImbalance
        Both directions with their standard errors over points.

    Raises
    ------
    ParameterError
        If a setting is out of range, or the tables differ in their rows.
    PointsError
        If rows are not finite or all equal, or fewer than 4 are left.

    Notes
    -----
    With r_ij the rank (from 1) of j among the neighbors of i, the point itself left out,

        forward = 2/n * mean of r_ij^second over points i and their k nearest j in the first table,

    and backward with the tables exchanged. Both low: the tables are equivalent; forward low and backward near 1: the
    first knows what the second does and more. Unrelated tables give 1 in expectation; identical ones (k + 1)/n. Ranks
    count the strictly nearer points in float64 products. Cost n_queries * n_points * (d_1 + d_2).

    References
    ----------
    A. Glielmo, C. Zeni, B. Cheng, G. Csányi, A. Laio, PNAS Nexus 1, pgac039 (2022), doi:10.1093/pnasnexus/pgac039.

    Examples
    --------
    >>> table = np.random.default_rng(0).normal(size=(500, 4))
    >>> found = information_imbalance(table, table[:, :2], metric="euclidean")
    >>> found.forward < 0.3 < found.backward
    True
    """
    if metric not in ("euclidean", "cosine"):
        raise ParameterError(f'The metric must be "euclidean" or "cosine", not {metric!r}.')
    if metric == "cosine":
        (one, other), _, _ = aligned_unit_rows([first, second], center=False)
    else:
        one, other = centered_rows(first), centered_rows(second)
        require_equal_rows([one, other])
    n_points = one.n_points
    if not 1 <= k < n_points:
        raise ParameterError(f"k must lie in 1 to {n_points - 1} for {n_points} points, but k={k} was given.")
    asked = n_points if n_queries is None else n_queries
    if not 1 <= asked <= n_points:
        raise ParameterError(f"n_queries must lie in 1 to {n_points}, but {asked} was given.")
    queries = np.arange(n_points)
    if asked < n_points:
        queries = np.sort(generator_from("information_imbalance", seed).choice(n_points, asked, replace=False))
    forward, backward = _mean_ranks(one, other, queries, k)
    scale = 2.0 / n_points
    spread = [
        float(ranks.std(ddof=1)) * scale / math.sqrt(asked) if asked > 1 else math.nan for ranks in (forward, backward)
    ]
    return InformationImbalance(
        forward=float(forward.mean()) * scale,
        forward_stderr=spread[0],
        backward=float(backward.mean()) * scale,
        backward_stderr=spread[1],
        n_points=n_points,
        n_queries=asked,
        k=k,
        metric=metric,
    )


def _mean_ranks(one: UnitRows, other: UnitRows, queries: npt.NDArray[np.int64], k: int) -> tuple[Floats, Floats]:
    """Return for each query the mean rank in each table of its k nearest in the other, `(n_queries,)` each."""
    tables = [table.take(slice(0, table.n_points)) for table in (one, other)]
    halves = [torch.linalg.vecdot(rows, rows) / 2.0 for rows in tables]
    found = [np.empty(len(queries)), np.empty(len(queries))]
    step = max(1, _NUMBERS_PER_BLOCK // one.n_points)
    for start in range(0, len(queries), step):
        chunk = slice(start, start + step)
        asked = torch.from_numpy(queries[chunk]).to(tables[0].device)
        each = torch.arange(len(asked), device=asked.device)
        scores = []
        for rows, half in zip(tables, halves, strict=True):  # half a squared distance, less a number for each query
            score = torch.addmm(half, rows[asked], rows.T, alpha=-1.0)
            score[each, asked] = math.inf
            scores.append(score)
        for direction, (near, ranked) in enumerate((scores, scores[::-1])):
            chosen = near.topk(k, dim=1, largest=False).indices if k > 1 else near.argmin(dim=1, keepdim=True)
            total = torch.zeros(len(asked), dtype=torch.float64, device=asked.device)
            for place in range(k):
                limit = ranked[each, chosen[:, place]]
                total += 1.0 + torch.count_nonzero(ranked < limit[:, None], dim=1)
            found[direction][chunk] = (total / k).cpu().numpy()
    return found[0], found[1]
