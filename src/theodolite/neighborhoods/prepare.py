"""Points made ready for a search: cleaned, metric applied, center and scale found."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import CleanPoints, Duplicates, Nonfinite, Points, clean_points, first_occurrences
from theodolite.neighborhoods.graph import Metric

_NUMBERS_PER_CHUNK = 1 << 17  # 1 MiB of float64: the passes below stay in cache
_LOOKED_AT = 256  # rows that tell where the middle is
_PULLED = 1.5  # times the square of the usual distance from the median
_SAFE_EXPONENT = 400  # squares of numbers within 2**(+-400) neither overflow nor underflow in float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where products see points from.

    Attributes
    ----------
    center : torch.Tensor
        `(n_dims,)` float64: subtracted before products.
    exponent : int
        Products see `(values - center) * 2**-exponent`.
    largest : float
        Largest coordinate that products see, in [0.5, 1).
    """

    center: torch.Tensor
    exponent: int
    largest: float


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Points between which distances are measured, and how they are seen by a product.

    Attributes
    ----------
    clean : CleanPoints
        Points that may be neighbors, with the account of what was dropped.
    units : int
        Distances of `values` are to be multiplied by `2**units`; not 0 only if squares would overflow otherwise.
    asking : torch.Tensor or None
        `(n_asking, n_dims)` points that only ask, numbered after the others; None if all points are both.
    """

    clean: CleanPoints
    units: int
    asking: torch.Tensor | None = None

    @cached_property
    def values(self) -> torch.Tensor:
        """All points, `(n_points, n_dims)`: what distances are measured on."""
        return self.clean.values if self.asking is None else torch.cat([self.clean.values, self.asking])

    @cached_property
    def frame(self) -> Frame:
        """Center and scale: two passes over all points, made when somebody asks."""
        values = self.values
        center = torch.zeros(values.shape[1], dtype=torch.float64, device=values.device)
        for chunk in chunks_of(values):
            center += values[chunk].sum(dim=0, dtype=torch.float64)
        center = self._nearer_middle(center / values.shape[0])
        largest = 0.0
        for chunk in chunks_of(values):
            largest = max(largest, float((values[chunk].to(torch.float64) - center).abs_().max()))
        mantissa, exponent = np.frexp(largest)
        return Frame(center=center, exponent=int(exponent), largest=float(mantissa))

    def _nearer_middle(self, mean: torch.Tensor) -> torch.Tensor:
        """Return the mean, or the median of some rows where a few rows far out have pulled the mean away from them."""
        some = self.values[:: -(-len(self.values) // _LOOKED_AT)].to(torch.float64)
        median = some.median(dim=0).values
        usual = [float((some - center).square().sum(dim=1).median()) for center in (mean, median)]
        return median if usual[0] > _PULLED * usual[1] else mean

    @property
    def exponent(self) -> int:
        """Products see `(values - center) * 2**-exponent`."""
        return self.frame.exponent

    @property
    def largest(self) -> float:
        """Largest coordinate that products see, in [0.5, 1)."""
        return self.frame.largest

    @property
    def device(self) -> torch.device:
        """Where the points are."""
        return self.clean.values.device

    @property
    def n_dims(self) -> int:
        """Number of columns."""
        return self.clean.n_dims

    @property
    def n_points(self) -> int:
        """Points that may be neighbors and points that only ask."""
        return self.clean.n_points + (0 if self.asking is None else len(self.asking))

    @property
    def n_others(self) -> int:
        """Points that may be neighbors of a given one."""
        return self.clean.n_points - (self.asking is None)

    def seen(self, chunk: slice | torch.Tensor) -> torch.Tensor:
        """Return centered, scaled float64 rows `(m, n_dims)`."""
        rows = self.values[chunk].to(torch.float64, copy=True)
        return rows.sub_(self.frame.center).mul_(2.0**-self.exponent)

    def differ(self, points: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Say of pairs, `(n_pairs,)`, whether their rows are not equal."""
        unlike = np.zeros(len(points), dtype=np.bool_)
        held = self.clean.values
        origins, first = (held, 0) if self.asking is None else (self.asking, len(held))
        step = max(1, _NUMBERS_PER_CHUNK // self.n_dims)
        for start in range(0, len(points), step):
            some = slice(start, start + step)
            x, y = (
                origins[torch.from_numpy(points[some] - first).to(self.device)],
                held[torch.from_numpy(others[some]).to(self.device)],
            )
            unlike[some] = (x != y).any(dim=1).cpu().numpy()
        return unlike

    def chunks(self) -> Iterator[slice]:
        """Cut all points into slices that fit the cache."""
        return chunks_of(self.values)


def chunks_of(values: torch.Tensor) -> Iterator[slice]:
    """Cut rows into slices of about `_NUMBERS_PER_CHUNK` numbers (much larger ones on a GPU)."""
    numbers = _NUMBERS_PER_CHUNK if values.device.type == "cpu" else _NUMBERS_PER_CHUNK << 7
    step = max(1, numbers // values.shape[1])
    for start in range(0, values.shape[0], step):
        yield slice(start, min(start + step, values.shape[0]))


def prepare(points: Points, *, metric: Metric, nonfinite: Nonfinite, duplicates: Duplicates) -> Prepared:
    """Clean the points, apply the metric, and bring them into a range whose squares float64 holds.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`.
    metric : {"euclidean", "cosine"}
        For cosine, zero rows are dropped, the others scaled to unit length in float64, and duplicates looked for again.
    nonfinite, duplicates
        As in `theodolite.core.points.clean_points`.

    Returns
    -------
    Prepared
        Ready for a search.

    Raises
    ------
    PointsError
        If no two distinct points (for cosine: directions) remain, or rows are not finite and may not be dropped.
    """
    clean, units = _safe_scale(measured_as(points, metric=metric, nonfinite=nonfinite, duplicates=duplicates))
    return Prepared(clean=clean, units=units)


def measured_as(points: Points, *, metric: Metric, nonfinite: Nonfinite, duplicates: Duplicates) -> CleanPoints:
    """Clean the points and apply the metric: what `prepare` does first."""
    if metric not in ("euclidean", "cosine"):
        raise ParameterError(f'The metric must be "euclidean" or "cosine", not {metric!r}.')
    clean = clean_points(points, nonfinite=nonfinite, duplicates=duplicates)
    return _directions(clean, duplicates) if metric == "cosine" else clean


def directions(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale rows to unit length in float64, so that equal directions become equal rows.

    Rows are divided by their largest coordinate first. Division is correctly rounded, so rows that differ by a positive
    factor give the same bits there, and hence the same unit row.

    Parameters
    ----------
    values : torch.Tensor
        `(n_points, n_dims)`, finite.

    Returns
    -------
    units : torch.Tensor
        `(n_nonzero, n_dims)` float64.
    nonzero : torch.Tensor
        `(n_points,)` bool: rows that have a direction.

    Examples
    --------
    >>> directions(torch.tensor([[0.0, 0.0], [0.0, 4.0]]))[0].tolist()
    [[0.0, 1.0]]
    """
    largest = torch.empty(values.shape[0], dtype=torch.float64, device=values.device)
    for chunk in chunks_of(values):
        largest[chunk] = values[chunk].abs().amax(dim=1).to(torch.float64)
    nonzero = largest > 0
    if not bool(nonzero.all()):
        values, largest = values[nonzero], largest[nonzero]
    shapes = torch.empty(values.shape, dtype=torch.float64, device=values.device)
    for chunk in chunks_of(values):
        shape = torch.div(values[chunk], largest[chunk, None], out=shapes[chunk])
        shape /= shape.square().sum(dim=1, keepdim=True).sqrt()
    return shapes, nonzero


def _directions(clean: CleanPoints, duplicates: Duplicates) -> CleanPoints:
    """Drop zero rows, scale the others to unit length, and look for duplicates again."""
    shapes, nonzero = directions(clean.values)
    rows = clean.rows[nonzero.cpu().numpy()]
    if len(rows) == 0:
        raise PointsError("All rows are zero: a zero row has no direction, so there are no angles to measure.")
    n_duplicates = clean.n_duplicates
    if duplicates == "collapse":  # zero rows are counted as such, not as duplicates of each other
        n_duplicates -= max(0, clean.n_zero - 1)
    first = first_occurrences(shapes)
    n_distinct = int(first.sum())
    if n_distinct == 1 and len(rows) > 1:
        raise PointsError(f"All {len(rows)} rows have the same direction: there are no angles to measure.")
    if duplicates == "collapse" and n_distinct < len(rows):
        n_duplicates += len(rows) - n_distinct
        shapes, rows = shapes[first], rows[first.cpu().numpy()]
    return replace(clean, values=shapes, rows=rows, n_duplicates=n_duplicates)


def largest_of(values: torch.Tensor) -> float:
    """Return the largest coordinate of points, without its sign."""
    return max(float(values[chunk].abs().max()) for chunk in chunks_of(values))


def safe_exponent(largest: float) -> int:
    """Find the power of two to scale points down by, so that squares neither overflow nor underflow.

    It is 0 where nothing needs to be done, which is nearly always.
    """
    exponent = int(np.frexp(largest)[1])
    return exponent if abs(exponent) > _SAFE_EXPONENT else 0


def scaled_down(values: torch.Tensor, exponent: int) -> torch.Tensor:
    """Multiply by `2**-exponent`."""
    return torch.ldexp(values, torch.full((), -exponent, device=values.device)) if exponent else values


def _safe_scale(clean: CleanPoints) -> tuple[CleanPoints, int]:
    """Scale float64 points by a power of two if their squares would overflow or underflow; usually do nothing."""
    exponent = safe_exponent(largest_of(clean.values)) if clean.values.dtype == torch.float64 else 0
    return replace(clean, values=scaled_down(clean.values, exponent)), exponent
