"""A number with its standard error, and when it is surely below another or beyond a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

from theodolite.core.number_format import format_value
from theodolite.studies.finding import Verdict

SURE = 5.0
"""Standard errors that a difference of two readings must exceed before it counts."""
CLEAR = 3.0
"""Standard errors by which a number must lie beyond a limit: a study holds many numbers against limits."""
HUB_CHANGE = 0.2
"""A reading that a few short rows change by more than this share is not to be trusted."""
_FLAT = 1.5
"""Largest over smallest reading of a curve over scales that one number still describes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A number with its standard error."""

    value: float
    stderr: float

    def __str__(self) -> str:
        return format_value(self.value, self.stderr)

    def __truediv__(self, other: "Reading") -> "Reading":
        """Return the ratio, with the error that first order gives."""
        ratio = self.value / other.value
        return Reading(ratio, abs(ratio) * hypot(self.stderr / self.value, other.stderr / other.value))

    def below(self, other: "Reading") -> bool:
        """Say whether this number is smaller by more than `SURE` standard errors of the difference."""
        return other.value - self.value > SURE * hypot(self.stderr, other.stderr)

    def under(self, limit: float) -> bool:
        """Say whether this number lies below a limit by more than `CLEAR` standard errors."""
        return limit - self.value > CLEAR * self.stderr

    def over(self, limit: float) -> bool:
        """Say whether this number lies above a limit by more than `CLEAR` standard errors."""
        return self.value - limit > CLEAR * self.stderr


def one_number(curve: Sequence[Reading]) -> tuple[Verdict, str]:
    """Say whether one number describes a curve over scales: its largest reading is at most 1.5 times its smallest.

    Parameters
    ----------
    curve : sequence of Reading
        One for each scale.

    Returns
    -------
    tuple of (str, str)
        The verdict, undecided where the ratio is not clearly on one side of the limit; and a sentence with the ratio.
    """
    ratio = max(curve, key=lambda one: one.value) / min(curve, key=lambda one: one.value)
    verdict: Verdict = "supported" if ratio.under(_FLAT) else "not supported" if ratio.over(_FLAT) else "undecided"
    return verdict, f"The largest reading is {ratio} times the smallest (limit {_FLAT})."
