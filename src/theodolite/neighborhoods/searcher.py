"""A search made ready once, and asked for the neighbors of all points or of some, as often as one likes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from theodolite.core.progress import Progress
from theodolite.core.seeds import generator_from
from theodolite.neighborhoods.kernel import Method, plan_search
from theodolite.neighborhoods.pool import capacity_for
from theodolite.neighborhoods.prepare import Prepared
from theodolite.neighborhoods.refine import Distances, Indices
from theodolite.neighborhoods.resolve import Resolved, Resolver
from theodolite.neighborhoods.rounding import Judge, rounded_to
from theodolite.neighborhoods.tiles import one_sided_pass, symmetric_pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Neighbors of the points that were asked for.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_asked, k)` int64 graph points.
    distances : numpy.ndarray
        `(n_asked, k)` float64, in the units of `prepared.clean.values`.
    n_redone : int
        Points that low precision could not certify and that were searched again.
    """

    indices: Indices
    distances: Distances
    n_redone: int


class Searcher:
    """Searches one table: the kernel is chosen and the rows are rounded when it is made, not at every search.

    Parameters
    ----------
    prepared : Prepared
        The points.
    k : int
        Neighbors to find.
    method : {"auto", "int8", "float32", "float64"}
        Arithmetic that finds candidates.
    max_memory : int
        Bytes for pools of candidates and blocks of scores.
    """

    def __init__(self, prepared: Prepared, k: int, *, method: Method, max_memory: int) -> None:
        self.resolver = Resolver(prepared, k)
        self.max_memory = max_memory
        self.prepared = prepared
        self.device = prepared.clean.values.device.type
        self.tiled = self.device == "cpu" and method != "float64"
        if not self.tiled:
            self.method: Method = "float64" if method == "float64" else "float32"
            self.rounded = rounded_to(prepared, torch.float64 if method == "float64" else torch.float32)
            return
        n_points = prepared.clean.n_points
        order = generator_from("neighbors", n_points).permutation(n_points)
        plan = plan_search(prepared, k, method, order)
        self.method, self.n_wanted = plan.method, plan.n_wanted
        self.rounded = rounded_to(prepared, torch.int8 if plan.method == "int8" else torch.float32, order)
        self.judge = Judge.of(self.rounded)
        self.place = np.empty_like(order)
        self.place[order] = np.arange(n_points)

    @property
    def path(self) -> str:
        """The kernel and the device, as `NeighborGraph.path` names them."""
        return f"{self.method}/{self.device}"

    def search(self, asked: Indices | None, tracker: Progress) -> Found:
        """Find the neighbors of some graph points.

        Parameters
        ----------
        asked : numpy.ndarray or None
            `(n_asked,)` int64, each once; None for all points, whose products are then computed once for both sides.
        tracker : Progress
            Advanced by one for each point.

        Returns
        -------
        Found
            In the order of `asked`.
        """
        n_points, k = self.prepared.clean.n_points, self.resolver.k
        points = np.arange(n_points) if asked is None else asked
        place = np.full(n_points, -1, dtype=np.int64)
        place[points] = np.arange(len(points))
        indices = np.empty((len(points), k), dtype=np.int64)
        distances = np.empty((len(points), k), dtype=np.float64)
        certified = np.zeros(len(points), dtype=np.bool_)
        for some in self._first_pass(points, everyone=asked is None):
            where = place[some.points]
            indices[where], distances[where] = some.indices, some.distances
            certified[where] = some.certified
            tracker.advance(int(some.certified.sum()))
        again = np.flatnonzero(~certified)
        for some in self.resolver.again(points[again], distances[again, -1], self.max_memory):
            where = place[some.points]
            indices[where], distances[where] = some.indices, some.distances
            tracker.advance(len(some.points))
        return Found(indices=indices, distances=distances, n_redone=len(again))

    def _first_pass(self, points: Indices, *, everyone: bool) -> Iterator[Resolved]:
        """Find candidates in low precision, and measure them."""
        if not self.tiled:
            return self.resolver.by_product(self.rounded, points, self.max_memory)
        if everyone and 8 * len(points) * capacity_for(self.n_wanted) <= self.max_memory:
            passes = symmetric_pass(self.rounded, self.n_wanted)
        else:
            passes = one_sided_pass(self.rounded, self.place[points], self.n_wanted)
        return (self.resolver.from_pool(found, self.judge) for found in passes)
