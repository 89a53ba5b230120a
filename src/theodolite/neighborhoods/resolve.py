"""From candidates to neighbors: measure, judge, keep; and search again what could not be judged."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.certificate import difference_error
from theodolite.neighborhoods.direct import Direct, Limit, Offered
from theodolite.neighborhoods.pool import extremes
from theodolite.neighborhoods.prepare import Prepared
from theodolite.neighborhoods.products import product_candidates
from theodolite.neighborhoods.redo import redo
from theodolite.neighborhoods.refine import Distances, Indices, distances_between, nearest
from theodolite.neighborhoods.rounding import Judge, Rounded, rounded_to
from theodolite.neighborhoods.tiles import Finished

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Neighbors of some points, and whether they are proven.

    Attributes
    ----------
    points : numpy.ndarray
        `(m,)` int64 graph points.
    indices : numpy.ndarray
        `(m, k)` int64 graph points.
    distances : numpy.ndarray
        `(m, k)` float64; infinite in rows that found fewer than k.
    certified : numpy.ndarray
        `(m,)` bool.
    """

    points: Indices
    indices: Indices
    distances: Distances
    certified: Flags


class Resolver:
    """Measures candidates of one table.

    Parameters
    ----------
    prepared : Prepared
        The points.
    k : int
        Neighbors to keep.
    """

    def __init__(self, prepared: Prepared, k: int) -> None:
        self.prepared = prepared
        self.k = k
        self.slack = 1.0 + 4.0 * difference_error(prepared.n_dims)

    @property
    def widen(self) -> float:
        """A distance computed in float64 as d is at most d * widen, in the scaled units of the certificate."""
        return float(2.0**-self.prepared.exponent * self.slack)

    def measured(self, points: Indices, others: Indices, counts: Indices | None = None) -> Distances:
        """Measure the distances of graph points to candidates, as `distances_between` does."""
        values, asking = self.prepared.clean.values, self.prepared.asking
        if asking is None:
            return distances_between(values, points, others, counts)
        return distances_between(values, points - len(values), others, counts, origins=asking)

    def from_pool(self, found: Finished, judge: Judge) -> Resolved:
        """Resolve the candidates of a pool."""
        order = judge.rounded.order
        scores, others = found.pool.contents(found.rows)
        offered = Offered(
            points=order[found.points], others=order[others], scores=scores, cut=found.pool.cut[found.rows]
        )
        return self._resolved(offered, partial(judge.limit, found.points), self.widen)

    def from_product(self, direct: Direct, points: Indices) -> Iterator[Resolved]:
        """Search some graph points by one product with rows as they are."""
        for offered, limit in direct.candidates(points, self.prepared.asking):
            yield self._resolved(offered, limit, self.slack)

    def _resolved(self, offered: Offered, limit_of: Limit, widen: float) -> Resolved:
        """Measure the k candidates of lowest score, and all others that may be as near as the farthest of those."""
        k, points, scores, others = self.k, offered.points, offered.scores, offered.others
        highest = extremes(scores.dtype)[0]
        if scores.shape[1] < k:
            missing = (0, 0), (0, k - scores.shape[1])
            scores = np.pad(scores, missing, constant_values=highest)
            others = np.pad(others, missing)
        ranking = np.argsort(scores, axis=1)
        scores = np.take_along_axis(scores, ranking, axis=1)
        others = np.take_along_axis(others, ranking, axis=1)
        counts = (scores < highest).sum(axis=1)
        enough = counts >= k
        distances = np.full(scores.shape, np.inf)
        distances[enough, :k] = self.measured(points[enough], others[enough, :k])
        radius = np.where(enough, distances[:, :k].max(axis=1), 0.0)
        limit = limit_of(radius * widen)
        certified = enough & ((limit <= offered.cut) | (counts == self.prepared.n_others))
        more = ((scores[:, k:] <= limit[:, None]) & certified[:, None]).sum(axis=1)
        widest = k + int(more.max(initial=0))
        if widest > k:
            distances[:, k:widest] = self.measured(points, others[:, k:widest], more)
        indices, kept = nearest(distances[:, :widest], others[:, :widest], k)
        return Resolved(points=points, indices=indices, distances=kept, certified=certified)

    def by_product(self, rounded: Rounded, points: Indices, max_memory: int) -> Iterator[Resolved]:
        """Search some graph points (the rounded rows are in graph order) with the kernel for every device."""
        judge = Judge.of(rounded)
        n_others = self.prepared.n_others
        n_wanted = min(n_others, self.k + max(16, self.k // 4))
        for found in product_candidates(rounded, points, n_wanted, max_memory=max_memory):
            measured = self.measured(found.points, found.others)
            indices, distances = nearest(measured, found.others, self.k)
            limit = judge.limit(found.points, distances[:, -1] * self.widen)
            certified = (limit < found.cut) | (n_wanted == n_others)
            yield Resolved(points=found.points, indices=indices, distances=distances, certified=certified)

    def again(self, points: Indices, radius: Distances, max_memory: int) -> Iterator[Resolved]:
        """Search points that were not certified: in float32 where no radius is known, then in float64."""
        unknown = points[~np.isfinite(radius)]
        if len(unknown):
            rest, radii = [points[np.isfinite(radius)]], [radius[np.isfinite(radius)]]
            for found in self.by_product(rounded_to(self.prepared, torch.float32), unknown, max_memory):
                good = found.certified
                yield Resolved(
                    points=found.points[good],
                    indices=found.indices[good],
                    distances=found.distances[good],
                    certified=good[good],
                )
                rest.append(found.points[~good])
                radii.append(found.distances[~good, -1])
            points, radius = np.concatenate(rest), np.concatenate(radii)
        if len(points):
            indices, distances = redo(self.prepared, points, radius * self.widen, self.k, max_memory=max_memory)
            everyone = np.ones(len(points), dtype=np.bool_)
            yield Resolved(points=points, indices=indices, distances=distances, certified=everyone)
