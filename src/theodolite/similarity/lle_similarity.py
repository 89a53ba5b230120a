"""How alike the locally linear embedding weights of the same tokens are in two tables."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.number_format import counted
from theodolite.core.points import Points
from theodolite.core.seeds import generator_from
from theodolite.neighborhoods.graph import NeighborGraph, require_graph
from theodolite.similarity.lle import LleWeights, lle_weights
from theodolite.similarity.positions import positions_in

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

N_BINS = 40


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LleSimilarity(Displayed):
    """Cosines between the weight rows of the same tokens in two tables, and their two parts.

    Attributes
    ----------
    mean, stderr : float
        Of `cosines` over tokens. All errors take tokens as independent: in simulation they are 0.8 to 1.0 times the
        spread over samples, because tokens share neighbors.
    cosines : numpy.ndarray
        `(n_points,)` float64 in [-1, 1]: cosine between the two sparse rows of weights.
    rows : numpy.ndarray
        `(n_points,)` int64: the input row of each token.
    neighbor_agreement, neighbor_stderr : float
        Mean and standard error of `jaccard`.
    jaccard : numpy.ndarray
        `(n_points,)` float64 in [0, 1]: common neighbors over all neighbors of both.
    weight_agreement, weight_stderr : float
        Mean and standard error of `weight_cosines`.
    weight_cosines : numpy.ndarray
        `(n_points,)` float64 in [-1, 1]: cosine between the weights of the two tables when both rebuild the token from
        the neighbors it has in the first.
    null_mean, null_stderr : float
        Mean and standard error of `cosines` after the tokens of the second table are permuted.
    neighbor_null, neighbor_null_stderr : float
        The same of `jaccard`.
    histogram, edges : numpy.ndarray
        `(40,)` int64 counts of `cosines` in bins of equal width, and `(41,)` float64 edges from -1 to 1.
    k : int
        Neighbors.
    reg : float
        The regularisation.
    """

    mean: float
    stderr: float
    cosines: Floats
    rows: Indices
    neighbor_agreement: float
    neighbor_stderr: float
    jaccard: Floats
    weight_agreement: float
    weight_stderr: float
    weight_cosines: Floats
    null_mean: float
    null_stderr: float
    neighbor_null: float
    neighbor_null_stderr: float
    histogram: Indices
    edges: Floats
    k: int
    reg: float

    @property
    def n_points(self) -> int:
        """Tokens compared."""
        return len(self.rows)


def lle_similarity(
    first: Points,
    second: Points,
    *,
    first_graph: NeighborGraph,
    second_graph: NeighborGraph,
    k: int | None = None,
    reg: float = 1e-3,
    seed: int = 0,
) -> LleSimilarity:
    """Measure how alike tokens are rebuilt from their neighbors in two tables: a cosine in [-1, 1] for each token.

    Parameters
    ----------
    first, second : torch.Tensor or numpy.ndarray
        `(n_given, n_dims)` each; row i is the same token in both, the numbers of columns may differ.
    first_graph, second_graph : NeighborGraph
        The neighbors of each table, `metric="cosine"` as a rule.
    k : int, optional
        Neighbors used; by default all that both graphs hold.
    reg : float
        As in `lle_weights`.
    seed : int
        Of the permutation that makes the null.

    Returns
    -------
    LleSimilarity
        The cosines with their mean, their split into neighbors and weights, and their null.

    Raises
    ------
    ParameterError
        If the tables differ in their rows, or as in `lle_weights`.
    PointsError
        If fewer than two tokens have neighbors in both tables.

    Notes
    -----
    The weights of token i form a sparse row W_i of as many columns as there are tokens; the similarity is
    cos(W_i^first, W_i^second). It is 0 without a common neighbor, and with common neighbors it still depends on their
    weights. So both parts are given: the Jaccard index of the two neighbor sets, and the cosine of the weights when the
    second table has to use the first table's neighbors. The latter is well above 0 even for unrelated tables, because
    weights add up to 1: compare it with that of a null table.

    Null: the tokens of the second table permuted, rows and neighbors alike, once. For a random-table null pass a
    Gaussian table of the same shape (`theodolite.dimension.null_points`) and its graph as `second`.

    References
    ----------
    A. Lee et al., arXiv:2503.21073 (2025), local geometry by locally linear embeddings.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> table = np.random.default_rng(0).normal(size=(200, 3))
    >>> graph = neighbors(table, k=6)
    >>> found = lle_similarity(table, 2.0 * table[:, ::-1], first_graph=graph, second_graph=graph)
    >>> round(found.mean, 6), round(found.weight_agreement, 6), found.null_mean < 0.1
    (1.0, 1.0, True)
    """
    for graph in (first_graph, second_graph):
        require_graph(graph, method="lle_similarity")
    if first_graph.n_given != second_graph.n_given:
        raise ParameterError(
            f"Tables must hold the same tokens row by row, but the graphs come from {first_graph.n_given} and "
            f"{second_graph.n_given} rows. Align the tables first."
        )
    used = min(first_graph.k, second_graph.k) if k is None else k
    one = lle_weights(first, first_graph, k=used, reg=reg)
    other = lle_weights(second, second_graph, k=used, reg=reg)
    borrowed = lle_weights(second, first_graph, k=used, reg=reg)
    rows, here, there = np.intersect1d(one.rows, other.rows, assume_unique=True, return_indices=True)
    if len(rows) < 2:
        raise PointsError(f"{counted(len(rows), 'token')} with neighbors in both tables, but at least 2 are needed.")
    cosines, common = _row_cosines(one, other, here, there)
    weight_cosines = _cosine(one.weights[here], borrowed.weights[here])
    jaccard = common / (2.0 * used - common)

    order = generator_from("lle_similarity", seed).permutation(one.n_given)
    null, met = _permuted(one, other, order)
    met_share = met / (2.0 * used - met)
    return LleSimilarity(
        mean=float(cosines.mean()),
        stderr=_stderr(cosines),
        cosines=cosines,
        rows=rows,
        neighbor_agreement=float(jaccard.mean()),
        neighbor_stderr=_stderr(jaccard),
        jaccard=jaccard,
        weight_agreement=float(weight_cosines.mean()),
        weight_stderr=_stderr(weight_cosines),
        weight_cosines=weight_cosines,
        null_mean=float(null.mean()),
        null_stderr=_stderr(null),
        neighbor_null=float(met_share.mean()),
        neighbor_null_stderr=_stderr(met_share),
        histogram=np.histogram(cosines, bins=N_BINS, range=(-1.0, 1.0))[0].astype(np.int64),
        edges=np.linspace(-1.0, 1.0, N_BINS + 1),
        k=used,
        reg=reg,
    )


def _permuted(one: LleWeights, other: LleWeights, order: Indices) -> tuple[Floats, Indices]:
    """Compare with the second table as it is when its row i becomes row `order[i]`."""
    moved = LleWeights(
        weights=other.weights,
        neighbors=order[other.neighbors],
        rows=order[other.rows],
        error=other.error,
        relative_error=other.relative_error,
        n_given=other.n_given,
        n_regularized=other.n_regularized,
        k=other.k,
        reg=other.reg,
    )
    _, here, there = np.intersect1d(one.rows, moved.rows, assume_unique=True, return_indices=True)
    return _row_cosines(one, moved, here, there)


def _row_cosines(one: LleWeights, other: LleWeights, here: Indices, there: Indices) -> tuple[Floats, Indices]:
    """Return the cosines between sparse rows and the number of neighbors they share, `(n_points,)` each."""
    dots, common = np.empty(len(here)), np.empty(len(here), dtype=np.int64)
    for chunk, places in positions_in(one.neighbors[here], other.neighbors[there], n_ids=one.n_given):
        shared = places < other.k
        met = np.take_along_axis(other.weights[there[chunk]], np.minimum(places, other.k - 1).astype(np.int64), axis=1)
        dots[chunk] = np.where(shared, met * one.weights[here[chunk]], 0.0).sum(axis=1)
        common[chunk] = shared.sum(axis=1)
    lengths = np.linalg.norm(one.weights[here], axis=1) * np.linalg.norm(other.weights[there], axis=1)
    return np.clip(dots / lengths, -1.0, 1.0), common


def _cosine(first: Floats, second: Floats) -> Floats:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray(np.clip(np.vecdot(first, second) / lengths, -1.0, 1.0))


def _stderr(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
