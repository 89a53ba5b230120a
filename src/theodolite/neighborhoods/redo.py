"""A second search in float64, for points whose candidates could not be certified."""

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.certificate import FLOAT64_UNIT, floating, score_limit
from theodolite.neighborhoods.prepare import Prepared
from theodolite.neighborhoods.refine import Distances, Indices, distances_between, nearest

_SMALLEST = 2.0**-1022
_WIDTH = 2048


def redo(
    prepared: Prepared,
    points: Indices,
    radius: npt.NDArray[np.float64],
    k: int,
    *,
    max_memory: int,
) -> tuple[Indices, Distances]:
    """Find the k nearest of some points, given a radius that is known to hold k of them.

    Everyone whose float64 score does not rule out a distance within the radius is measured by coordinate differences,
    so the answer needs no further proof; ties and distances inside the rounding noise only cost time.

    Parameters
    ----------
    prepared : Prepared
        The points.
    points : numpy.ndarray
        `(m,)` int64: the points to search again.
    radius : numpy.ndarray
        `(m,)` float64 in scaled units: at least the true distance of the k-th neighbor and what is computed for it.
    k : int
        Neighbors to find.
    max_memory : int
        Bytes for blocks of scores.

    Returns
    -------
    indices : numpy.ndarray
        `(m, k)` int64.
    distances : numpy.ndarray
        `(m, k)` float64, in the units of `prepared.values`.
    """
    values = prepared.values
    n_dims = values.shape[1]
    n_points = prepared.clean.n_points
    arithmetic = floating(n_dims, unit=FLOAT64_UNIT, smallest=_SMALLEST)
    relative_error = 4.0 * FLOAT64_UNIT
    indices = np.empty((len(points), k), dtype=np.int64)
    distances = np.empty((len(points), k), dtype=np.float64)
    width = int(min(n_points, max(64, min(_WIDTH, max_memory // (4 * 8 * n_dims)))))
    height = int(min(512, max(1, max_memory // (4 * 8 * width))))
    for start in range(0, len(points), height):
        some = points[start : start + height]
        x = prepared.seen(torch.from_numpy(some).to(values.device))
        norms = x.square().sum(dim=1).sqrt().cpu().numpy()
        limit = score_limit(
            radius=radius[start : start + height],
            norms=norms,
            errors=relative_error * norms + n_dims * _SMALLEST,
            worst_error=np.inf,
            relative_error=relative_error,
            arithmetic=arithmetic,
        )
        cut = torch.from_numpy(np.nextafter(limit, np.inf)).to(values.device)[:, None]
        found: list[tuple[Indices, Indices]] = []
        for left in range(0, n_points, width):
            y = prepared.seen(slice(left, min(left + width, n_points)))
            scores = torch.addmm(y.square().sum(dim=1).mul_(0.5), x, y.T, alpha=-1.0)
            who, whom = torch.nonzero(scores <= cut, as_tuple=True)
            found.append((who.cpu().numpy(), whom.cpu().numpy() + left))
        who_all = np.concatenate([who for who, _ in found])
        whom_all = np.concatenate([whom for _, whom in found])
        order = np.argsort(who_all, kind="stable")  # columns come in ascending order and stay so
        groups = np.split(whom_all[order], np.searchsorted(who_all[order], np.arange(1, len(some))))
        for offset, (point, others) in enumerate(zip(some, groups, strict=True)):
            rest = others[others != point][None, :]
            measured = distances_between(values, np.array([point]), rest)
            row = start + offset
            indices[row : row + 1], distances[row : row + 1] = nearest(measured, rest, k)
    return indices, distances
