"""Who gets which unit: groups stay together, idle workers take over, and a unit that kills its worker is given up."""

from collections import deque
from collections.abc import Sequence

from theodolite.runs.runner import Failure, Outcome
from theodolite.runs.unit import Unit

TRIES = 3
"""How often a unit may take its worker down with it before it counts as failed."""

_FAST = 1.0
_GONE = "WorkerDied"


class Board:
    """The units that wait, and those that each worker holds.

    A worker is a number; one that died and was started anew keeps it. Of the units a worker holds it does the first;
    a second one waits at the worker only where units are so short that the way there would count.

    Parameters
    ----------
    units : sequence of Unit
        What to do. Order within a group is kept.
    tries : int
        Deaths of workers that a unit may cause.
    """

    def __init__(self, units: Sequence[Unit], *, tries: int = TRIES) -> None:
        self.tries = tries
        self.left = len(units)
        self._waiting: dict[str, deque[Unit]] = {}
        for unit in units:
            self._waiting.setdefault(unit.group, deque()).append(unit)
        self._held: dict[int, deque[Unit]] = {}
        self._group: dict[int, str] = {}
        self._ahead: dict[int, int] = {}
        self._deaths: dict[str, int] = {}

    def next_for(self, worker: int) -> Unit | None:
        """Return the unit to give to a worker, or None where it holds enough or nothing waits.

        It comes from the group the worker is at; else from one that nobody is at; else from the longest queue, whose
        model is then loaded a second time, because a worker that idles helps nobody.
        """
        held = self._held.setdefault(worker, deque())
        if len(held) >= self._ahead.get(worker, 1):
            return None
        group = self._chosen_group(worker)
        if group is None:
            return None
        queue = self._waiting[group]
        unit = queue.popleft()
        if not queue:
            del self._waiting[group]
        held.append(unit)
        self._group[worker] = group
        return unit

    def _chosen_group(self, worker: int) -> str | None:
        if self._group.get(worker) in self._waiting:
            return self._group[worker]
        taken = {group for other, group in self._group.items() if other != worker}
        fresh = next((group for group in self._waiting if group not in taken), None)
        return fresh if fresh is not None else max(self._waiting, key=lambda one: len(self._waiting[one]), default=None)

    def finished(self, worker: int, outcome: Outcome) -> None:
        """Take down that a worker did a unit, failed or not."""
        held = self._held[worker]
        self._held[worker] = deque(unit for unit in held if unit.key != outcome.key)
        self._ahead[worker] = 2 if outcome.seconds < _FAST else 1
        self.left -= 1

    def retired(self, worker: int) -> None:
        """Take back what a worker holds; nothing is to blame."""
        for unit in reversed(self._held.pop(worker, deque())):
            self._waiting.setdefault(unit.group, deque()).appendleft(unit)

    def died(self, worker: int, reason: str, traces: str = "") -> Outcome | None:
        """Take back what a dead worker held, and blame the unit it was at.

        Parameters
        ----------
        worker : int
            The one that died.
        reason : str
            How, as the end of a sentence.
        traces : str
            What it wrote last.

        Returns
        -------
        Outcome or None
            A failure, where the unit has taken down as many workers as it may.
        """
        held = self._held.get(worker)
        if not held:
            return None
        unit = held[0]
        deaths = self._deaths[unit.key] = self.deaths(unit) + 1
        if deaths >= self.tries:
            held.popleft()
            self.left -= 1
        self.retired(worker)
        if deaths < self.tries:
            return None
        message = f"The process that did this unit died {deaths} times; the last time it {reason}."
        return Outcome(key=unit.key, seconds=0.0, failure=Failure(exception=_GONE, message=message, traceback=traces))

    def deaths(self, unit: Unit) -> int:
        """Return how many workers died over a unit."""
        return self._deaths.get(unit.key, 0)

    def held_by(self, worker: int) -> tuple[Unit, ...]:
        """Return what a worker has to do, in order."""
        return tuple(self._held.get(worker, ()))
