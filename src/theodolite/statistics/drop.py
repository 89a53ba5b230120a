"""A fall along training: where it begins, where it is done, how steep it is, and whether it is one."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.number_format import counted
from theodolite.core.seeds import generator_from
from theodolite.statistics.resampling import Floats, as_vector, check_bootstrap, percentile_interval

_FEWEST = 3


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Drop(Displayed):
    """A fall of a measured quantity from its first to its last reading.

    Attributes
    ----------
    first, first_stderr : float
        The first reading and its standard error.
    plateau, plateau_stderr : float
        Level after the fall: the mean of the readings from `plateau_from` on, and its standard error.
    plateau_from : float
        First position from which nine tenths of the fall are done and stay done.
    fall, fall_stderr : float
        `first - plateau`; negative for a rise.
    share : float
        `fall / first`.
    lowest, lowest_at : float
        Smallest reading and where; well below `plateau` if the quantity rises again.
    start : float
        Last position before the readings leave the first one for good: before this, none differs from it by more than
        `sure` standard errors. NaN without a significant fall.
    half, nine_tenths : float
        Positions, between readings, where the curve has come down to half and nine tenths of the fall from the first to
        the last reading. NaN without a fall.
    half_interval : tuple of float
        Interval of `half` under the standard errors.
    half_by, nine_tenths_by : float
        The first positions measured where it is down to there.
    steepest : float
        Largest fall between two neighboring readings per doubling of 1 + x.
    steepest_from, steepest_to : float
        Between which positions.
    p_value : float
        One-sided p value of no fall: the last reading is as high as the first.
    significant : bool
        Whether the last reading is below the first by more than `sure` standard errors of their difference.
    null, null_stderr : float
        Reading of structureless data at the first position, and its standard error; NaN if none was given.
    start_over_null, plateau_over_null : float
        The first reading and the plateau against their nulls; NaN if none was given.
    start_over_null_stderr, plateau_over_null_stderr : float
        Their standard errors. Nulls at several positions may be one and the same, so their mean is taken to be no surer
        than each of them.
    null_p_value : float
        One-sided p value of the last reading being no lower than the null there; NaN if none was given.
    sure : float
        Standard errors that a difference must exceed before it counts.
    n : int
        Readings used.
    n_dropped : int
        Readings left out because a number of theirs is not finite.
    reason : str
        Why there is no answer; empty where there is one.
    """

    first: float = math.nan
    first_stderr: float = math.nan
    plateau: float = math.nan
    plateau_stderr: float = math.nan
    plateau_from: float = math.nan
    fall: float = math.nan
    fall_stderr: float = math.nan
    share: float = math.nan
    lowest: float = math.nan
    lowest_at: float = math.nan
    start: float = math.nan
    half: float = math.nan
    half_interval: tuple[float, float] = (math.nan, math.nan)
    half_by: float = math.nan
    nine_tenths: float = math.nan
    nine_tenths_by: float = math.nan
    steepest: float = math.nan
    steepest_from: float = math.nan
    steepest_to: float = math.nan
    p_value: float = math.nan
    significant: bool = False
    null: float = math.nan
    null_stderr: float = math.nan
    start_over_null: float = math.nan
    start_over_null_stderr: float = math.nan
    plateau_over_null: float = math.nan
    plateau_over_null_stderr: float = math.nan
    null_p_value: float = math.nan
    sure: float
    n: int
    n_dropped: int
    reason: str = ""


def drop(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    stderr: npt.ArrayLike,
    null: npt.ArrayLike | None = None,
    null_stderr: npt.ArrayLike | None = None,
    sure: float = 5.0,
    confidence: float = 0.95,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Drop:
    """Measure a fall along training: where it starts, is half done and done, how steep it is, where it ends.

    Parameters
    ----------
    x : array_like
        `(n_points,)` distinct positions of at least 0, such as training steps, in any order.
    y : array_like
        `(n_points,)` readings.
    stderr : array_like
        `(n_points,)` standard errors of the readings, 0 where they are exact.
    null : array_like, optional
        A number, or `(n_points,)`: what structureless data of the same size reads.
    null_stderr : array_like, optional
        Its standard error, of the same shape; 0 by default.
    sure : float
        Standard errors that a difference must exceed before it counts. Readings of one table at two steps share their
        rows, so errors taken as independent are cautious.
    confidence : float
        Probability that `half_interval` stands for.
    n_bootstrap : int
        Draws of the readings under their standard errors.
    seed : int
        Changes the draws.

    Returns
    -------
    Drop
        NaN with a reason where fewer than three readings remain.

    Raises
    ------
    ParameterError
        If a setting is outside its range.
    PointsError
        If lengths differ, positions repeat or are negative, or a standard error is negative.

    Notes
    -----
    Between readings the curve is taken as straight on the axis log2(1 + x), on which step 0 has a place. A level is
    reached where the curve first crosses it, even if it rises again; `lowest` and `plateau` tell.

    Examples
    --------
    >>> steps = [0, 16, 32, 64, 128, 256, 512, 1024, 2048]
    >>> readings = [60.5, 60.0, 58.7, 49.0, 36.3, 26.4, 19.7, 17.3, 17.2]
    >>> found = drop(steps, readings, stderr=[0.5] * 9, null=60.0, null_stderr=1.0)
    >>> found.significant, found.start, found.half_by, found.nine_tenths_by, round(found.plateau, 2)
    (True, 32.0, 128.0, 512.0, 18.07)
    """
    check_bootstrap(n_bootstrap, confidence)
    if not sure > 0:
        raise ParameterError(
            f"sure={sure} standard errors are never exceeded by chance or always. Take 5, for example."
        )
    positions, readings, errors, nulls, null_errors, n_dropped = _checked(x, y, stderr, null, null_stderr)
    n_points = len(positions)
    if n_points < _FEWEST:
        reason = f"{counted(n_points, 'reading')} left, and a fall needs {_FEWEST}"
        return Drop(sure=sure, n=n_points, n_dropped=n_dropped, reason=reason)
    u = np.log2(1 + positions)
    first, last = readings[0], readings[-1]
    difference = math.hypot(errors[0], errors[-1])
    significant = bool(first - last > sure * difference)
    half, half_by = _crossing(u, positions, readings, 0.5)
    most, most_by = _crossing(u, positions, readings, 0.9)
    settled = _settled(readings)
    plateau = float(readings[settled:].mean())
    plateau_error = float(np.sqrt((errors[settled:] ** 2).sum()) / (n_points - settled))
    drawn = readings + errors * generator_from("drop", n_points, seed).normal(size=(n_bootstrap, n_points))
    halves = np.array([_crossing(u, positions, curve, 0.5)[0] for curve in drawn])
    half_interval = percentile_interval(halves, confidence)
    start_ratio, start_error = _ratio(first, errors[0], nulls[0], null_errors[0])
    end_ratio, end_error = _ratio(plateau, plateau_error, nulls[settled:].mean(), null_errors[settled:].mean())
    falls = -np.diff(readings) / np.diff(u)
    steepest = int(falls.argmax())
    away = first - readings > sure * np.hypot(errors[0], errors)
    return Drop(
        first=float(first),
        first_stderr=float(errors[0]),
        plateau=plateau,
        plateau_stderr=plateau_error,
        plateau_from=float(positions[settled]),
        fall=float(first - plateau),
        fall_stderr=math.hypot(errors[0], plateau_error),
        share=float((first - plateau) / first) if first else math.nan,
        lowest=float(readings.min()),
        lowest_at=float(positions[readings.argmin()]),
        start=float(positions[np.flatnonzero(~away)[-1]]) if significant else math.nan,
        half=half,
        half_interval=half_interval,
        half_by=half_by,
        nine_tenths=most,
        nine_tenths_by=most_by,
        steepest=float(falls[steepest]),
        steepest_from=float(positions[steepest]),
        steepest_to=float(positions[steepest + 1]),
        p_value=_p_value(first - last, difference),
        significant=significant,
        null=float(nulls[0]),
        null_stderr=float(null_errors[0]) if math.isfinite(nulls[0]) else math.nan,
        start_over_null=start_ratio,
        start_over_null_stderr=start_error,
        plateau_over_null=end_ratio,
        plateau_over_null_stderr=end_error,
        null_p_value=_p_value(nulls[-1] - last, math.hypot(null_errors[-1], errors[-1])),
        sure=sure,
        n=n_points,
        n_dropped=n_dropped,
    )


def _checked(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    stderr: npt.ArrayLike,
    null: npt.ArrayLike | None,
    null_stderr: npt.ArrayLike | None,
) -> tuple[Floats, Floats, Floats, Floats, Floats, int]:
    """Return positions in ascending order, readings, errors, nulls, their errors, and how many were left out."""
    positions, readings, errors = as_vector(x, "x"), as_vector(y, "y"), as_vector(stderr, "stderr")
    if not len(positions) == len(readings) == len(errors):
        raise PointsError(
            f"x, y and stderr must have one number for each reading, but have {len(positions)}, {len(readings)} and "
            f"{len(errors)}."
        )
    beside = []
    for name, given, absent in (("null", null, math.nan), ("null_stderr", null_stderr, 0.0)):
        array = np.asarray(absent if given is None else given, dtype=np.float64)
        if array.ndim and array.shape != positions.shape:
            raise PointsError(
                f"{name} has shape {array.shape}. Give one number, or one for each of {len(positions)} readings."
            )
        beside.append(np.broadcast_to(array, positions.shape))
    if (errors < 0).any() or (beside[1] < 0).any():
        raise PointsError("A standard error is negative. Give positive ones, or 0 where a reading is exact.")
    finite = np.isfinite(positions) & np.isfinite(readings) & np.isfinite(errors)
    order = np.flatnonzero(finite)[np.argsort(positions[finite], kind="stable")]
    kept = positions[order]
    if (kept < 0).any():
        raise PointsError(f"x holds {kept.min():g}, but training begins at 0.")
    if (np.diff(kept) == 0).any():
        raise PointsError("x repeats a position. Give one reading for each.")
    return kept, readings[order], errors[order], beside[0][order], beside[1][order], int((~finite).sum())


def _crossing(u: Floats, positions: Floats, readings: Floats, share: float) -> tuple[float, float]:
    """Return where the curve first comes down to a share of its fall: between readings, and at a reading."""
    first, last = readings[0], readings[-1]
    if not last < first:
        return math.nan, math.nan
    level = first + share * (last - first)
    place = int(np.flatnonzero(readings <= level)[0])
    above, below = readings[place - 1], readings[place]
    part = (above - level) / (above - below)
    return float(np.exp2(u[place - 1] + part * (u[place] - u[place - 1])) - 1), float(positions[place])


def _settled(readings: Floats) -> int:
    """Return the first reading from which nine tenths of the fall are done and stay done."""
    first, last = readings[0], readings[-1]
    level = first + 0.9 * (last - first)
    undone = readings > level if last < first else readings < level
    return int(np.flatnonzero(undone)[-1]) + 1 if undone.any() else 0


def _ratio(value: float, stderr: float, null: float, null_stderr: float) -> tuple[float, float]:
    """Return a quotient and the standard error that first order gives."""
    ratio = float(value / null)
    return ratio, math.hypot(stderr / null, ratio * null_stderr / null)


def _p_value(difference: float, error: float) -> float:
    if math.isnan(difference) or math.isnan(error):
        return math.nan
    if error == 0:
        return 0.0 if difference > 0 else 1.0
    return float(stats.norm.sf(difference / error))
