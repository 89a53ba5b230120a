"""A search made ready once, and asked for the neighbors of all points or of some, as often as one likes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from theodolite.core.progress import Progress
from theodolite.core.seeds import generator_from
from theodolite.neighborhoods.direct import Direct
from theodolite.neighborhoods.kernel import Method, Plan, plan_search, usual_candidates
from theodolite.neighborhoods.pool import capacity_for
from theodolite.neighborhoods.prepare import Prepared
from theodolite.neighborhoods.products import full_precision
from theodolite.neighborhoods.refine import Distances, Indices
from theodolite.neighborhoods.resolve import Resolved, Resolver
from theodolite.neighborhoods.rounding import Judge, Rounded, rounded_to
from theodolite.neighborhoods.tiles import one_sided_pass, symmetric_pass

_SMALL_TABLE = 4096  # points of a table whose products need not be computed once for both sides
_FEW_SCORES = 1 << 27
_ROWS = 64  # fewer at once, and every pass over the table is for too little
_FEW_UNCERTAIN = 1 / 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Neighbors of the points that were asked for.

    Attributes
    ----------
    indices : numpy.ndarray
        `(n_asked, k)` int64 graph points.
    distances : numpy.ndarray
        `(n_asked, k)` float64, in the units of `prepared.values`.
    n_redone : int
        Points that low precision could not certify and that were searched again.
    """

    indices: Indices
    distances: Distances
    n_redone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel for large tables, and the rows it sees.

    Attributes
    ----------
    method : {"int8", "float32", "float64"}
        Its arithmetic.
    rounded : Rounded
        The rows, in random order where there is a judge, else in that of the points.
    judge : Judge or None
        Of tiles on a CPU; None for the kernel for every device.
    place : numpy.ndarray
        `(n_points,)` int64: the row of each point.
    n_wanted : int
        Candidates for each point.
    """

    method: Method
    rounded: Rounded
    judge: Judge | None
    place: Indices
    n_wanted: int

    @classmethod
    def of(cls, prepared: Prepared, k: int, method: Method) -> "Kernel":
        """Choose a kernel and round the rows for it."""
        n_points = prepared.n_points
        order = generator_from("neighbors", n_points).permutation(n_points)
        if prepared.device.type != "cpu":
            plan = Plan(method="float64" if method == "float64" else "float32", n_wanted=usual_candidates(prepared, k))
        else:
            plan = plan_search(prepared, k, method, order)
        if prepared.device.type != "cpu" or plan.method == "float64":
            rounded = rounded_to(prepared, torch.float64 if plan.method == "float64" else torch.float32)
            in_order = np.arange(n_points)
            return cls(method=plan.method, rounded=rounded, judge=None, place=in_order, n_wanted=plan.n_wanted)
        rounded = rounded_to(prepared, torch.int8 if plan.method == "int8" else torch.float32, order)
        place = np.empty_like(order)
        place[order] = np.arange(n_points)
        return cls(method=plan.method, rounded=rounded, judge=Judge.of(rounded), place=place, n_wanted=plan.n_wanted)


class Searcher:
    """Searches one table, for all of its points or some, as often as one likes.

    What a search needs is made when it first does, and kept: a product of few points with rows as they are needs next
    to nothing, a kernel for large tables needs to be chosen and rows to be rounded.

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
    direct : Direct, optional
        The product with rows as they are, where one for the same table and k has been made before.
    """

    def __init__(
        self, prepared: Prepared, k: int, *, method: Method, max_memory: int, direct: Direct | None = None
    ) -> None:
        self.resolver = Resolver(prepared, k)
        self.max_memory = max_memory
        self.prepared = prepared
        self.asked_for = method
        self.kernels: dict[str, None] = {}
        if direct is not None:
            self.direct = direct

    @property
    def path(self) -> str:
        """The kernels that were used and the device, as `NeighborGraph.path` names them."""
        return f"{'+'.join(self.kernels)}/{self.prepared.device.type}"

    @cached_property
    def direct(self) -> Direct:
        """The product with rows as they are."""
        wanted = usual_candidates(self.prepared, self.resolver.k)
        return Direct(self.prepared.clean.values, wanted, max_memory=self.max_memory)

    @cached_property
    def kernel(self) -> Kernel:
        """The kernel for large tables, and the rows it sees."""
        return Kernel.of(self.prepared, self.resolver.k, self.asked_for)

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
        with full_precision():
            return self._search(asked, tracker)

    def _search(self, asked: Indices | None, tracker: Progress) -> Found:
        n_points, k = self.prepared.n_points, self.resolver.k
        points = np.arange(n_points) if asked is None else asked
        place = np.full(n_points, -1, dtype=np.int64)
        place[points] = np.arange(len(points))
        indices = np.empty((len(points), k), dtype=np.int64)
        distances = np.full((len(points), k), np.inf)
        certified = np.zeros(len(points), dtype=np.bool_)

        def take(found: Iterator[Resolved]) -> None:
            for some in found:
                where = place[some.points]
                indices[where], distances[where] = some.indices, some.distances
                certified[where] = some.certified
                tracker.advance(int(some.certified.sum()))

        if self._few(len(points)):
            self.kernels["float32"] = None
            take(self.resolver.from_product(self.direct, points))
        if np.count_nonzero(~certified) > _FEW_UNCERTAIN * len(points):
            self.kernels[self.kernel.method] = None
            take(self._large_pass(points[~certified], everyone=asked is None and not certified.any()))
        again = np.flatnonzero(~certified)
        for some in self.resolver.again(points[again], distances[again, -1], self.max_memory):
            where = place[some.points]
            indices[where], distances[where] = some.indices, some.distances
            tracker.advance(len(some.points))
        return Found(indices=indices, distances=distances, n_redone=len(again))

    def _few(self, n_asked: int) -> bool:
        """Say whether a product with rows as they are is the fastest search."""
        if self.prepared.device.type != "cpu" or self.asked_for not in ("auto", "float32"):
            return False
        n_points = self.prepared.clean.n_points
        few = n_points <= _SMALL_TABLE if n_asked == n_points else n_asked * n_points <= _FEW_SCORES
        return few and self.direct.allowed >= min(n_asked, _ROWS)

    def _large_pass(self, points: Indices, *, everyone: bool) -> Iterator[Resolved]:
        """Find candidates in low precision, and measure them."""
        kernel = self.kernel
        if kernel.judge is None:
            return self.resolver.by_product(kernel.rounded, points, self.max_memory)
        if everyone and 8 * len(points) * capacity_for(kernel.n_wanted) <= self.max_memory:
            passes = symmetric_pass(kernel.rounded, kernel.n_wanted)
        else:
            passes = one_sided_pass(kernel.rounded, kernel.place[points], kernel.n_wanted)
        judge = kernel.judge
        return (self.resolver.from_pool(found, judge) for found in passes)
