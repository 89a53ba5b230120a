"""A share of the units of a run, for jobs that know nothing of each other but the folder they write to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from theodolite.core.errors import ParameterError
from theodolite.runs.unit import Unit

_TEXT = re.compile(r"\s*(\d+)\s*/\s*(\d+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Share `number` of `count`, counted from 1.

    Attributes
    ----------
    number : int
        From 1 to `count`.
    count : int
        Into how many shares the units are divided.

    Raises
    ------
    ParameterError
        If there is no such share.

    Examples
    --------
    >>> units = [Unit(study="demo", version=1, params={"n": n}, group="ab"[n % 2], label=str(n)) for n in range(5)]
    >>> [[unit.label for unit in Shard(number=number, count=2).share(units)] for number in (1, 2)]
    [['0', '2'], ['4', '1', '3']]
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ParameterError(
                f"There is no shard {self.number}/{self.count}: shards are counted from 1, as in 1/4 to 4/4. A Slurm "
                "array begins where it was told: submit it with `--array=1-4`, not `--array=0-3`."
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `2/4`.

        Raises
        ------
        ParameterError
            If it is not of this form, or there is no such share.

        Examples
        --------
        >>> str(Shard.parse("2/4"))
        '2/4'
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            empty = " Both are empty outside a Slurm array." if text.strip() == "/" else ""
            raise ParameterError(
                f"shard={text!r} is no share of the work. Give its number and how many there are, such as 2/4 or "
                f"$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT.{empty}"
            )
        return cls(number=int(found[1]), count=int(found[2]))

    def __str__(self) -> str:
        """Return it as it is given."""
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """What files of the shard are called."""
        return f"{self.number}-of-{self.count}"

    def share(self, units: Sequence[Unit]) -> list[Unit]:
        """Return the units of this share.

        Parameters
        ----------
        units : sequence of Unit
            The whole plan.

        Returns
        -------
        list of Unit
            The shares are disjoint and complete, their sizes differ by at most one, and each is a stretch of the units
            ordered by group: `count` shares load at most `count - 1` groups more than one process would.
        """
        places = {group: place for place, group in enumerate(dict.fromkeys(unit.group for unit in units))}
        ordered = sorted(units, key=lambda unit: places[unit.group])
        start, stop = (len(units) * number // self.count for number in (self.number - 1, self.number))
        return ordered[start:stop]
