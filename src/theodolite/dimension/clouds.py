"""The value every estimator returns for many clouds, and what those estimators share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed, equal_by_entries
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points, as_points
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.local import Aggregation, NoDimensionError, combine
from theodolite.dimension.ratios import logs_of_ratios
from theodolite.neighborhoods.clouds import CloudNeighbors

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@equal_by_entries
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CloudDimensions(Displayed):
    """Intrinsic dimensions of many clouds, at one scale or several; entry by entry as in `DimensionEstimate`.

    Attributes
    ----------
    value : numpy.ndarray
        `(n_clouds, n_scales)` float64, dimensionless; NaN where a cloud fixes no dimension at that scale (the function
        for one graph raises `PointsError` there).
    stderr : numpy.ndarray
        `(n_clouds, n_scales)` float64: standard errors; NaN where none is known.
    radius : numpy.ndarray
        `(n_clouds, n_scales)` float64: mean distance to neighbor `n2`, in the units of the points.
    n_used, n_dropped : numpy.ndarray
        `(n_clouds, n_scales)` int64: points the value rests on, and points left out.
    n1, n2 : numpy.ndarray
        `(n_scales,)` int64: the nearer and the farther neighbor that were compared, `(n_clouds, n_scales)` where each
        cloud has its own (`adaptive`); 0 for estimators that look at whole clouds.
    method : str
        Name of the estimator, such as `"gride"`.
    params : Mapping[str, str | int | float | bool]
        Every setting that decides the values, conventions included.
    choices : Mapping[str, numpy.ndarray] or None
        What estimators settled on that choose for themselves, by the name it has in the `params` of a single estimate;
        each fits `value` (one for each cloud, or for each scale).
    n_dims : int
        Extrinsic dimension: the number of columns.
    pointwise : numpy.ndarray or None
        `(n_clouds, n_longest)` float64, one value for each point (NaN where the point was left out or there is none),
        from estimators that are aggregates of such values.

    Examples
    --------
    >>> from theodolite.dimension import cloud_gride
    >>> from theodolite.neighborhoods import cloud_neighbors
    >>> found = cloud_gride(cloud_neighbors(np.random.default_rng(0).normal(size=(3, 500, 4)), k=8))
    >>> found.value.shape, found.n2.tolist()
    ((3, 3), [2, 4, 8])
    >>> print(found.estimate(0, 2))
    3.89 ± 0.10 (gride, neighbors 4 and 8, convention=exact, 500 points, 4 columns)
    """

    value: Floats
    stderr: Floats
    radius: Floats
    n_used: Counts
    n_dropped: Counts
    n1: Counts
    n2: Counts
    method: str
    params: Mapping[str, str | int | float | bool]
    n_dims: int
    pointwise: Floats | None = None
    choices: Mapping[str, npt.NDArray[np.generic]] | None = None

    @property
    def n_clouds(self) -> int:
        """Clouds measured."""
        return int(self.value.shape[0])

    def neighbors(self, scale: int = 0) -> tuple[int | None, int | None]:
        """Return the neighbors that are compared in all clouds; None where each has its own, or none are compared.

        Parameters
        ----------
        scale : int
            Column of the arrays.
        """
        if self.n2.ndim > 1 or not self.n2[scale]:
            return None, None
        return int(self.n1[scale]), int(self.n2[scale])

    def estimate(self, cloud: int, scale: int = 0) -> DimensionEstimate:
        """Return one entry as the estimate of a single graph.

        Parameters
        ----------
        cloud, scale : int
            Row and column of the arrays.
        """

        def of(values: npt.NDArray[Any]) -> Any:
            return np.broadcast_to(values, self.value.shape)[cloud, scale].item()

        n1, n2 = int(of(self.n1)), int(of(self.n2))
        params = dict(self.params) | {name: of(chosen) for name, chosen in (self.choices or {}).items()}
        n_points = int(self.n_used[cloud, scale] + self.n_dropped[cloud, scale])
        return DimensionEstimate(
            value=float(self.value[cloud, scale]),
            stderr=float(self.stderr[cloud, scale]),
            method=self.method,
            params={"n1": n1, "n2": n2, **params} if self.method == "gride" else params,
            n1=n1 or None,
            n2=n2 or None,
            radius=float(self.radius[cloud, scale]),
            n_used=int(self.n_used[cloud, scale]),
            n_dropped=int(self.n_dropped[cloud, scale]),
            n_dims=self.n_dims,
            pointwise=None if self.pointwise is None else self.pointwise[cloud, :n_points],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRatios:
    """ln(distance to neighbor n2 / distance to neighbor n1) of all points of all clouds.

    Attributes
    ----------
    values : numpy.ndarray
        `(n_clouds, n_longest)` float64, at least 0; 0 where not `kept`.
    kept : numpy.ndarray
        `(n_clouds, n_longest)` bool: points with a positive distance to neighbor n1.
    n_used : numpy.ndarray
        `(n_clouds,)` how many are kept.
    radius : numpy.ndarray
        `(n_clouds,)` mean distance to neighbor n2 over the points kept; NaN where none is.
    """

    values: Floats
    kept: Flags
    n_used: Counts
    radius: Floats


def cloud_ratios(clouds: CloudNeighbors, n1: int, n2: int) -> CloudRatios:
    """Return the log ratios of all points whose neighbor `n1` is at a positive distance."""
    near, far = clouds.distances_to(n1), clouds.distances_to(n2)
    values, kept = logs_of_ratios(near, far)  # NaN fills what is absent
    return CloudRatios(values=values, kept=kept, n_used=kept.sum(axis=1), radius=mean_where(far, kept))


def mean_where(values: Floats, kept: Flags) -> Floats:
    """Return the mean of what is kept in each row, `(n_clouds,)`; NaN where nothing is."""
    counts = kept.sum(axis=1)
    totals = np.where(kept, values, 0.0).sum(axis=1)
    means: Floats = np.divide(totals, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return means


def aggregate_clouds(
    pointwise: Floats,
    clouds: CloudNeighbors,
    *,
    k: int,
    method: str,
    aggregation: Aggregation,
    variances: Callable[[Floats, Floats], Floats] | None = None,
) -> CloudDimensions:
    """Make one estimate of the local ones of each cloud, `(n_clouds, n_longest)`, as `aggregate` does for a graph."""
    places = np.arange(pointwise.shape[1])
    pointwise = np.where(places < clouds.lengths[:, None], pointwise, np.nan)
    kept = np.isfinite(pointwise)
    n_used = kept.sum(axis=1)
    fixes = n_used >= 2
    value, stderr = combine(
        np.where(kept, pointwise, 1.0),
        np.where(fixes[:, None], kept, places == 0),  # something to reckon with where there is nothing
        clouds.indices,
        pointwise.shape[1],
        aggregation=aggregation,
        variances=variances,
    )
    return CloudDimensions(
        value=np.where(fixes, value, np.nan)[:, None],
        stderr=np.where(fixes, stderr, np.nan)[:, None],
        radius=mean_where(clouds.distances_to(k), kept)[:, None],
        n_used=n_used[:, None],
        n_dropped=(clouds.lengths - n_used)[:, None],
        n1=np.array([1]),
        n2=np.array([k]),
        method=method,
        params={"k": k, "aggregation": aggregation},
        n_dims=clouds.n_dims,
        pointwise=pointwise,
    )


def measure_each(
    n_clouds: int, measure: Callable[[int], DimensionEstimate], *, choices: tuple[str, ...] = ()
) -> CloudDimensions:
    """Measure cloud after cloud, each by its number; NaN where one fixes no dimension.

    The neighborhoods of one cloud fill the cache, and all its points are done at once. `choices` are the `params` that
    may differ from cloud to cloud, and `n2` if it may.
    """
    found = []
    for number in range(n_clouds):
        try:
            found.append(measure(number))
        except NoDimensionError as error:
            found.append(error.estimate)
    first = found[0]
    pointwise = None
    if first.pointwise is not None:
        pointwise = np.full((n_clouds, max(one.n_used + one.n_dropped for one in found)), np.nan)
        for row, one in zip(pointwise, found, strict=True):
            row[: one.n_used + one.n_dropped] = one.pointwise
    farther = np.array([[one.n2 or 0] for one in found])
    return CloudDimensions(
        value=np.array([[one.value] for one in found]),
        stderr=np.array([[one.stderr] for one in found]),
        radius=np.array([[one.radius] for one in found]),
        n_used=np.array([[one.n_used] for one in found]),
        n_dropped=np.array([[one.n_dropped] for one in found]),
        n1=np.array([first.n1 or 0]),
        n2=farther if "n2" in choices else farther[0],
        method=first.method,
        params={name: one for name, one in first.params.items() if name not in choices},
        n_dims=first.n_dims,
        pointwise=pointwise,
        choices={name: np.array([[one.params[name]] for one in found]) for name in choices if name != "n2"} or None,
    )


def measure_points(
    clouds: Points | Sequence[Points], measure: Callable[[Points], DimensionEstimate], *, choices: tuple[str, ...] = ()
) -> CloudDimensions:
    """Measure cloud after cloud from its points; NaN where one fixes no dimension, `choices` as in `measure_each`."""
    each = same_width(clouds)

    def of(number: int) -> DimensionEstimate:
        try:
            return measure(each[number])
        except NoDimensionError:
            raise
        except PointsError as error:
            raise PointsError(f"Cloud {number}: {error}") from error

    return measure_each(len(each), of, choices=choices)


def same_width(clouds: Points | Sequence[Points]) -> list[Points]:
    """Return the clouds one by one; refuse none, and clouds of different numbers of columns."""
    each = list(clouds)
    if not each:
        raise PointsError("There is no cloud among the clouds given.")
    widths = sorted({int(as_points(points).shape[1]) for points in each})
    if len(widths) > 1:
        raise ParameterError(f"Clouds must have equal numbers of columns, but they have {widths}.")
    return each


def doubling_reach(clouds: CloudNeighbors) -> int:
    """Return the farthest of the neighbors 1, 2, 4 ... up to which the clouds hold the distances to all of these."""
    reach = 1 << (clouds.k.bit_length() - 1)
    while 2 * reach in clouds.ranks:
        reach *= 2
    return reach


def require_cloud_radii(clouds: CloudNeighbors, reach: int, *, method: str) -> None:
    """Refuse clouds that do not hold the distances to the neighbors 1, 2, 4 ... up to `reach`."""
    held = doubling_reach(clouds)
    if max(clouds.k, 2 * held - 1) < reach:
        further = f" and the distances to {', '.join(map(str, clouds.ranks))}" if clouds.ranks else ""
        raise ParameterError(
            f"{method} compares {reach} neighbors, but the clouds hold {clouds.k} for each point{further}. "
            f"Pass k={reach} (or more) to cloud_neighbors(), or its ranks from {2 * held} on, doubling."
        )


def require_cloud_neighbors(clouds: CloudNeighbors, k: int, *, method: str) -> None:
    """Refuse clouds that hold fewer than `k` neighbors for each point."""
    if clouds.k < k:
        raise ParameterError(
            f"{method} compares {k} neighbors, but the clouds hold {clouds.k} for each point. "
            f"Pass k={k} (or more) to cloud_neighbors()."
        )
