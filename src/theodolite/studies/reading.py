"""A number with its standard error, and when it is surely below another."""

from dataclasses import dataclass
from math import hypot

from theodolite.core.number_format import format_value

SURE = 5.0
"""Standard errors that a difference must exceed before it counts."""
HUB_CHANGE = 0.2
"""A reading that a few short rows change by more than this share is not to be trusted."""


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
