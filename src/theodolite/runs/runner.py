"""Who does the units: the protocol, and the runner that does one after the other."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from theodolite.runs.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a unit could not be done.

    Attributes
    ----------
    exception : str
        Name of the exception's class.
    message : str
        Its message.
    traceback : str
        From the study's `run` downwards, with the home folder written as `~`.
    """

    exception: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a unit. Its rows are in the run folder; they do not travel.

    Attributes
    ----------
    key : str
        Of the unit.
    seconds : float
        Time it took.
    n_rows : int
        Rows written.
    failure : Failure or None
        None when the unit is done.
    """

    key: str
    seconds: float
    n_rows: int = 0
    failure: Failure | None = None


class Runner(Protocol):
    """Something that calls `work` on every unit, somewhere, and tells what came of each.

    `work` writes the unit's file itself; it is a `Work`, which `recipe_of` describes to other processes. Units arrive
    grouped by what is expensive to load. Outcomes may come in any order. The caller may stop listening at any time:
    closing the iterator must end the work. An exception from `work` (the folder cannot be written) is raised to the
    caller.
    """

    @property
    def name(self) -> str:
        """What the manifest calls it."""

    @property
    def workers(self) -> int:
        """How many units it does at a time."""

    def map(self, work: Callable[[Unit], Outcome], units: Sequence[Unit]) -> Generator[Outcome, None, None]:
        """Do the units and yield an outcome for each."""


@dataclass(frozen=True, slots=True)
class SerialRunner:
    """One unit after the other, in this process."""

    name: str = "serial"
    workers: int = 1

    def map(self, work: Callable[[Unit], Outcome], units: Sequence[Unit]) -> Generator[Outcome, None, None]:
        """Do the units in the given order.

        Parameters
        ----------
        work : callable
            Does one unit.
        units : sequence of Unit
            What to do.

        Yields
        ------
        Outcome
            As soon as each unit is done.

        Examples
        --------
        >>> unit = Unit(study="demo", version=1, params={})
        >>> outcomes = SerialRunner().map(lambda unit: Outcome(key=unit.key, seconds=0.0), [unit])
        >>> next(outcomes).failure is None
        True
        """
        for unit in units:
            yield work(unit)
