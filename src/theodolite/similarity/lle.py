"""Locally linear embedding weights: each point as a weighted sum of its neighbors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError
from theodolite.core.points import Points, as_points
from theodolite.core.progress import Progress, Silent, tracked
from theodolite.neighborhoods.graph import NeighborGraph, require_graph

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_NUMBERS_PER_BATCH = 1 << 19  # 4 MiB of float64 for the gathered neighborhoods


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LleWeights(Displayed):
    """Weights that rebuild each point from its neighbors, and how well they do.

    Attributes
    ----------
    weights : numpy.ndarray
        `(n_points, k)` float64: each row adds up to 1; dimensionless.
    neighbors : numpy.ndarray
        `(n_points, k)` int64: the input rows the weights belong to, nearest first.
    rows : numpy.ndarray
        `(n_points,)` int64: the input row of each point.
    error : numpy.ndarray
        `(n_points,)` float64: distance from the point to the weighted sum of its neighbors, in the units of the points.
    relative_error : numpy.ndarray
        `(n_points,)` float64 in [0, about 1]: `error` over the root-mean-square distance to the k neighbors; NaN where
        all of them coincide with the point.
    n_given : int
        Rows of the input.
    n_regularized : int
        Points whose weights the regularisation decides rather than the neighbors: its penalty exceeds the squared
        error. Always so with more neighbors than columns, and with near-copies among the neighbors.
    k : int
        Neighbors used.
    reg : float
        The regularisation.
    """

    weights: Floats
    neighbors: Indices
    rows: Indices
    error: Floats
    relative_error: Floats
    n_given: int
    n_regularized: int
    k: int
    reg: float

    @property
    def n_points(self) -> int:
        """Points with weights."""
        return len(self.rows)


def lle_weights(
    points: Points,
    graph: NeighborGraph,
    *,
    k: int | None = None,
    reg: float = 1e-3,
    progress: Progress | None = None,
) -> LleWeights:
    """Find the weights that rebuild each point from its k nearest neighbors.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_given, n_dims)`: the table the graph was made from, or another table of the same tokens (its own columns):
        then its points are rebuilt from the neighbors they have in the graph's table.
    graph : NeighborGraph
        Says which neighbors; with `metric="cosine"` they are chosen by direction and weighted in Euclidean space.
    k : int, optional
        Neighbors used; by default all that the graph holds. Lee et al. use 10 as far as is known.
    reg : float
        Regularisation, relative to the trace of each Gram matrix; positive.
    progress : Progress, optional
        Told how many points are done.

    Returns
    -------
    LleWeights
        Weights, neighbors and errors, one row for each row of `graph.indices`.

    Raises
    ------
    ParameterError
        If `reg` is not positive, `k` is out of range, or the points have another number of rows than the graph's.
    PointsError
        If the points are no table.

    Notes
    -----
    For the neighbors x_1 .. x_k of x, with C_jl = (x - x_j).(x - x_l), the weights solve

        (C + reg trace(C) I) w = 1,    then w <- w / sum(w),

    all in float64 and centered at x, so a large common offset costs no digits. Where all neighbors coincide with the
    point, trace(C) = 0 and the weights are 1/k. `reg` = 1e-3 and the formula are scikit-learn's
    `barycenter_weights`; Roweis and Saul write (Delta^2 / k) for `reg`. Weights do not change when points are rotated,
    moved or scaled. mergekit solves the Gram matrix without centering at x or regularisation.

    References
    ----------
    S. Roweis, L. Saul, Science 290, 2323 (2000), doi:10.1126/science.290.5500.2323.
    L. Saul, S. Roweis, J. Mach. Learn. Res. 4, 119 (2003), section 2.2.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> line = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [9.0, 9.0]])
    >>> found = lle_weights(line, neighbors(line, k=2), reg=1e-9)
    >>> found.weights[1].round(3).tolist(), found.neighbors[1].tolist(), float(found.error[1].round(3))
    ([0.667, 0.333], [0, 2], 0.0)
    """
    require_graph(graph, method="lle_weights")
    if not reg > 0:
        raise ParameterError(f"reg must be positive, but {reg} was given: neighbors that depend on each other need it.")
    used = graph.k if k is None else k
    if not 1 <= used <= graph.k:
        raise ParameterError(f"k must lie in 1 to {graph.k}, which the graph holds, but k={used} was given.")
    table = as_points(points)
    if len(table) != graph.n_given:
        raise ParameterError(
            f"The graph was made from {graph.n_given} rows, but these points have {len(table)}. "
            "Pass the same table, or one aligned with it."
        )
    values = table.cpu().numpy()
    rows = graph.rows if graph.queries is None else graph.rows[graph.queries]
    chosen = graph.rows[graph.indices[:, :used]]
    weights = np.empty(chosen.shape)
    squares, spreads, penalties = (np.empty(len(rows)) for _ in range(3))
    step = max(1, _NUMBERS_PER_BATCH // (used * values.shape[1]))
    diagonal = np.arange(used)
    with tracked(progress or Silent(), len(rows), f"weights of {used} neighbors") as tracker:
        for start in range(0, len(rows), step):
            batch = slice(start, min(start + step, len(rows)))
            apart = values[chosen[batch]].astype(np.float64)
            apart -= values[rows[batch], None, :]
            gram = apart @ apart.transpose(0, 2, 1)
            spreads[batch] = np.einsum("bii->b", gram)
            ridge = reg * np.where(spreads[batch] > 0, spreads[batch], 1.0)
            regular = gram.copy()
            regular[:, diagonal, diagonal] += ridge[:, None]
            solved = np.linalg.solve(regular, np.ones((len(gram), used, 1)))[:, :, 0]
            solved /= solved.sum(axis=1, keepdims=True)
            weights[batch] = solved
            squares[batch] = np.maximum(np.einsum("bi,bij,bj->b", solved, gram, solved, optimize=True), 0.0)
            penalties[batch] = ridge * np.vecdot(solved, solved)
            tracker.advance(batch.stop - batch.start)
    error = np.sqrt(squares)
    distance = np.sqrt(spreads / used)
    return LleWeights(
        weights=weights,
        neighbors=chosen,
        rows=rows,
        error=error,
        relative_error=np.divide(error, distance, out=np.full(len(error), np.nan), where=distance > 0),
        n_given=graph.n_given,
        n_regularized=int((penalties > squares).sum()),
        k=used,
        reg=reg,
    )
