"""The value every estimator returns."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed, equal_by_entries
from theodolite.core.errors import ParameterError
from theodolite.core.number_format import format_value

_SHOWN_ALREADY = ("n1", "n2", "k", "errors")


@equal_by_entries
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DimensionEstimate(Displayed):
    """An intrinsic dimension with its standard error, the scale it was read at and the points it rests on.

    Attributes
    ----------
    value : float
        The dimension, dimensionless; infinity only where every point says so and the
        estimator's docstring allows it.
    stderr : float
        Standard error of `value` (one standard deviation over repeated samples of the same size); NaN where none is
        known, or where none exists (the arithmetic mean of LID_2).
    method : str
        Name of the estimator, such as `"twonn"`.
    params : Mapping[str, str | int | float | bool]
        Every setting that decides the value, conventions included.
    n1, n2 : int or None
        The nearer and the farther neighbor that were compared; None for estimators that look at the whole cloud.
    radius : float
        Mean distance to neighbor `n2`, in the units of the points: the scale probed. NaN for whole-cloud estimators.
    n_used, n_dropped : int
        Points the value rests on, and points left out by the policy stated in the estimator's docstring.
    n_dims : int
        Extrinsic dimension: the number of columns.
    pointwise : numpy.ndarray or None
        `(n,)` float64, one value for each point of the graph (NaN where the point was left out), or None.

    Examples
    --------
    >>> print(DimensionEstimate(value=17.123, stderr=0.31, method="twonn", params={"discard": 0.1}, n1=1, n2=2,
    ...                         radius=0.5, n_used=2000, n_dropped=3, n_dims=300))
    17.1 ± 0.3 (twonn, neighbors 1 and 2, discard=0.1, 2000 points, 3 dropped, 300 columns)
    """

    value: float
    stderr: float
    method: str
    params: Mapping[str, str | int | float | bool]
    n1: int | None
    n2: int | None
    radius: float
    n_used: int
    n_dropped: int
    n_dims: int
    pointwise: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Make numbers of numpy plain ones, so that every estimate can be written as JSON."""
        plain = {name: one.item() if isinstance(one, np.generic) else one for name, one in self.params.items()}
        object.__setattr__(self, "params", plain)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the ends of a confidence interval; NaN where no standard error is known.

        Parameters
        ----------
        confidence : float
            Share of repeated samples whose interval holds the value that the estimator reads on average, in (0, 1).

        Returns
        -------
        tuple of float
            value * exp(-z stderr / value) and value * exp(z stderr / value): even in the logarithm, so never below 0.

        Raises
        ------
        ParameterError
            If `confidence` is outside (0, 1).

        Notes
        -----
        z is the normal quantile. Like `stderr` it covers sampling, and not bias: in high dimensions the truth lies
        above it (`calibrate`).

        Examples
        --------
        >>> one = DimensionEstimate(value=17.0, stderr=0.5, method="twonn", params={}, n1=1, n2=2, radius=0.5,
        ...                         n_used=2000, n_dropped=3, n_dims=300)
        >>> [round(end, 1) for end in one.interval()]
        [16.0, 18.0]
        """
        if not 0 < confidence < 1:
            raise ParameterError(f"confidence={confidence} is no probability between 0 and 1. Take 0.95, for example.")
        if not self.value > 0:
            return math.nan, math.nan
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * self.stderr / self.value
        return self.value * math.exp(-reach), self.value * math.exp(reach)

    @property
    def redundancy(self) -> float:
        """1 - value / n_dims: the share of columns beyond the intrinsic dimension (negative if value > n_dims)."""
        return 1.0 - self.value / self.n_dims

    def __str__(self) -> str:
        """Return value, standard error, scale and counts, as a statistician would print them."""
        parts = [self.method]
        if self.n1 is not None and self.n2 is not None:
            parts.append(f"neighbors {self.n1} and {self.n2}" if self.n2 == 2 * self.n1 else f"to neighbor {self.n2}")
        parts += [f"{name}={setting}" for name, setting in self.params.items() if name not in _SHOWN_ALREADY]
        parts.append(f"{self.n_used} points")
        if self.n_dropped:
            parts.append(f"{self.n_dropped} dropped")
        parts.append(f"{self.n_dims} columns")
        return f"{format_value(self.value, self.stderr)} ({', '.join(parts)})"


def require_estimate(found: DimensionEstimate, *, method: str) -> DimensionEstimate:
    """Return what a measure has found; refuse what is not one estimate, such as the scales of `gride`."""
    if isinstance(found, DimensionEstimate):
        return found
    raise ParameterError(
        f"{method} needs one estimate, but was given {type(found).__name__}. Of several scales take one, as in "
        "lambda graph: gride(graph)[0]."
    )
