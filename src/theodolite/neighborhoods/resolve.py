"""From candidates to neighbors: measure, judge, keep; and search again what could not be judged."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.certificate import difference_error
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
        # a distance computed in float64 as d is at most d * widen, in the scaled units of the certificate
        self.widen = 2.0**-prepared.exponent * (1.0 + 4.0 * difference_error(prepared.clean.n_dims))

    def from_pool(self, found: Finished, judge: Judge) -> Resolved:
        """Measure the k candidates of lowest score, and all others that may be as near as the farthest of those."""
        values, k, order = self.prepared.clean.values, self.k, judge.rounded.order
        points = order[found.points]
        scores, others = found.pool.contents(found.rows)
        if scores.shape[1] < k:
            missing = (0, 0), (0, k - scores.shape[1])
            scores = np.pad(scores, missing, constant_values=found.pool.highest)
            others = np.pad(others, missing)
        ranking = np.argsort(scores, axis=1)
        scores = np.take_along_axis(scores, ranking, axis=1)
        others = order[np.take_along_axis(others, ranking, axis=1)]
        counts = (scores < found.pool.highest).sum(axis=1)
        enough = counts >= k
        distances = np.full(scores.shape, np.inf)
        distances[:, :k] = distances_between(values, points, others[:, :k], np.where(enough, k, 0))
        radius = np.where(enough, distances[:, :k].max(axis=1), 0.0)
        limit = judge.limit(found.points, radius * self.widen)
        certified = enough & ((limit <= found.pool.cut[found.rows]) | (counts == self.prepared.n_others))
        more = ((scores[:, k:] <= limit[:, None]) & certified[:, None]).sum(axis=1)
        widest = k + int(more.max(initial=0))
        if widest > k:
            distances[:, k:widest] = distances_between(values, points, others[:, k:widest], more)
        indices, kept = nearest(distances[:, :widest], others[:, :widest], k)
        return Resolved(points=points, indices=indices, distances=kept, certified=certified)

    def by_product(self, rounded: Rounded, points: Indices, max_memory: int) -> Iterator[Resolved]:
        """Search some graph points (the rounded rows are in graph order) with the kernel for every device."""
        judge = Judge.of(rounded)
        n_others = self.prepared.n_others
        n_wanted = min(n_others, self.k + max(16, self.k // 4))
        for found in product_candidates(rounded, points, n_wanted, max_memory=max_memory):
            measured = distances_between(self.prepared.clean.values, found.points, found.others)
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
