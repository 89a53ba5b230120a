"""Hubness: how unevenly points occur among the neighbors of others."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed, equal_by_entries
from theodolite.core.errors import ParameterError
from theodolite.neighborhoods.graph import NeighborGraph, require_graph


@equal_by_entries
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Hubness(Displayed):
    """How often each point is among the k nearest of others, N_k.

    Attributes
    ----------
    counts : numpy.ndarray
        `(n_points,)` int64: N_k of each graph point. Their mean is k, less if the graph has queries: then only those
        that were asked name neighbors.
    k : int
        Neighbors looked at.
    maximum : int
        The largest N_k.
    skewness : float
        Third standardised moment of N_k, dimensionless: near 0 without hubs, large and positive with them.
    n_antihubs : int
        Points that are nobody's neighbor: N_k = 0.
    """

    counts: npt.NDArray[np.int64]
    k: int
    maximum: int
    skewness: float
    n_antihubs: int

    def share(self, points: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> float:
        """Return the fraction of all k-occurrences that fall on the given points, in [0, 1].

        Parameters
        ----------
        points : numpy.ndarray
            Numbers of graph points, `(n_chosen,)` integers without repetition, or a mask `(n_points,)` of bool.

        Returns
        -------
        float
            Their N_k added up, over the sum of all N_k.

        Raises
        ------
        ParameterError
            If the mask has another length than the graph, or a number repeats, lies outside it or is not whole.

        Examples
        --------
        >>> from theodolite.neighborhoods import hubness, neighbors
        >>> star = np.array([[0.0, 0.0], [1.0, 0.1], [-1.0, 0.2], [0.1, 2.0]])
        >>> hubness(neighbors(star, k=1)).share(np.array([0]))
        0.75
        """
        chosen = np.asarray(points)
        if chosen.size == 0:
            return 0.0
        n_points = len(self.counts)
        if chosen.dtype == np.bool_:
            if chosen.shape != (n_points,):
                raise ParameterError(f"The mask has shape {chosen.shape}, but the graph has {n_points} points.")
        elif chosen.dtype.kind not in "iu":
            raise ParameterError(f"Points are whole numbers or a mask of bool, not an array of {chosen.dtype}.")
        elif len(np.unique(chosen)) != chosen.size:
            raise ParameterError("A point is named twice: give each graph point once, or a mask of bool.")
        elif not 0 <= int(chosen.min()) <= int(chosen.max()) < n_points:
            raise ParameterError(
                f"Points are numbered 0 to {n_points - 1}, but {int(chosen.min())} to {int(chosen.max())} were given."
            )
        return float(self.counts[chosen].sum() / self.counts.sum())


def hubness(graph: NeighborGraph, *, k: int | None = None) -> Hubness:
    """Count how often each point is among the k nearest of others.

    Parameters
    ----------
    graph : NeighborGraph
        A neighbor graph.
    k : int, optional
        Neighbors to look at, from 1 to `graph.k`; by default all that the graph holds.

    Returns
    -------
    Hubness
        The counts with their maximum and skewness.

    Raises
    ------
    ParameterError
        If `k` is below 1 or above what the graph holds.

    Notes
    -----
    Skewness is that of the population, E[(N - mean)^3] / std^3, and 0 where all points have the same count.

    References
    ----------
    Radovanović, Nanopoulos, Ivanović, "Hubs in space", JMLR 11 (2010), 2487-2531.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> star = np.array([[0.0, 0.0], [1.0, 0.1], [-1.0, 0.2], [0.1, 2.0]])
    >>> hubs = hubness(neighbors(star, k=1))
    >>> hubs.counts.tolist(), hubs.maximum, hubs.n_antihubs
    ([3, 1, 0, 0], 3, 2)
    """
    require_graph(graph, method="hubness")
    if k is not None:
        graph = graph.truncate(k)
    counts = np.bincount(graph.indices.ravel(), minlength=graph.n_points).astype(np.int64)
    deviation = counts - counts.mean()
    spread = float(np.sqrt(np.mean(deviation**2)))
    return Hubness(
        counts=counts,
        k=graph.k,
        maximum=int(counts.max()),
        skewness=float(np.mean(deviation**3)) / spread**3 if spread > 0 else 0.0,
        n_antihubs=int((counts == 0).sum()),
    )
