"""What is left of a run and how long it will take, from the units that are done: those of a pilot, or of the run."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from statistics import fmean, variance
from typing import TypeVar

from scipy.special import stdtrit

from theodolite.core.errors import FormatError
from theodolite.runs.folder.store import Store
from theodolite.runs.folder.unit_file import read_unit_record
from theodolite.runs.runner import Outcome
from theodolite.runs.unit import Unit

T = TypeVar("T")

_SAMPLED = 200
_UNITS_PER_GROUP = 3
_CONFIDENCE = 0.975


class PilotOverError(KeyboardInterrupt):
    """The pilot did its units: the run stops as by a Ctrl-C, and its folder says interrupted."""


@dataclass(frozen=True, slots=True)
class PilotRunner:
    """Does a few units that stand for all, spread over the groups, and stops there.

    Attributes
    ----------
    units : int
        How many.
    seconds : float or None
        Begin no further unit after this time.
    """

    units: int
    seconds: float | None = None
    name: str = "pilot"
    workers: int = 1

    def map(self, work: Callable[[Unit], Outcome], units: Sequence[Unit]) -> Generator[Outcome, None, None]:
        """Do the chosen units, one after the other.

        Parameters
        ----------
        work : callable
            Does one unit.
        units : sequence of Unit
            Those that are not done.

        Yields
        ------
        Outcome
            Of each chosen unit.

        Raises
        ------
        PilotOverError
            If units are left.
        """
        began = time.perf_counter()
        chosen = representative(units, self.units)
        done = 0
        for unit in chosen:
            if done and self.seconds is not None and time.perf_counter() - began > self.seconds:
                break
            yield work(unit)
            done += 1
        if done < len(units):
            raise PilotOverError


def representative(units: Sequence[Unit], count: int) -> list[Unit]:
    """Return a few units that stand for all: some groups spread over all of them, some units spread over each.

    Parameters
    ----------
    units : sequence of Unit
        In the order of the plan.
    count : int
        How many to choose.

    Returns
    -------
    list of Unit
        Those of one group together, so that what is expensive to load is loaded once for each.

    Examples
    --------
    >>> units = [Unit(study="a", version=1, params={"n": n}, group=str(n // 4)) for n in range(12)]
    >>> [unit.params["n"] for unit in representative(units, 4)]
    [0, 3, 8, 11]
    """
    if count >= len(units):
        return list(units)
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        groups.setdefault(unit.group, []).append(unit)
    n_groups = max(1, min(len(groups), ceil(count / _UNITS_PER_GROUP)))
    chosen = _spread(list(groups.values()), n_groups)
    shares = [count // n_groups + (place < count % n_groups) for place in range(n_groups)]
    return [unit for group, share in zip(chosen, shares, strict=False) for unit in _spread(group, share)]


def _spread(items: Sequence[T], count: int) -> list[T]:
    """Return `count` items, the first and the last among them, evenly apart."""
    if count >= len(items):
        return list(items)
    if count <= 1:
        return list(items[:count])
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitGroup:
    """Units of one study that share what is expensive to load."""

    study: str
    group: str
    planned: int
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is left of a run.

    Attributes
    ----------
    planned, done, remaining : int
        Units.
    groups : tuple of UnitGroup
        The same by study and group, in the order of the plan.
    n_timed : int
        Units that the estimate of time rests on.
    seconds : float or None
        Of one worker for the remaining units; None where nothing was timed.
    low, high : float or None
        Ends of its 95 % interval, as far as the timed units tell; None for fewer than two.
    unit_bytes : float or None
        Mean size of a unit's file.
    """

    planned: int
    done: int
    remaining: int
    groups: tuple[UnitGroup, ...]
    n_timed: int
    seconds: float | None
    low: float | None
    high: float | None
    unit_bytes: float | None


def forecast(units: Sequence[Unit], store: Store | None = None) -> Forecast:
    """Say what is left of a plan, and how long that takes.

    Parameters
    ----------
    units : sequence of Unit
        The plan.
    store : Store, optional
        Where some of them may be done already.

    Returns
    -------
    Forecast
        Its time is the sum over remaining units of the mean of the timed units of their group; of their study where
        none of their group was timed.

    Notes
    -----
    The interval is Student's for these means, taken over all timed units around the mean of their group or study. It
    knows nothing of what was not timed: a pilot of small models says little about a large one.
    """
    files = store.unit_files() if store is not None else {}
    done = [unit for unit in units if unit.key in files]
    timed = {} if store is None else _timed(store, _spread(done, _SAMPLED))
    remaining = [unit for unit in units if unit.key not in files]
    counts, finished = (Counter((unit.study, unit.group) for unit in some) for some in (units, done))
    seconds, half = _expected(remaining, {unit: timed[unit.key] for unit in done if unit.key in timed})
    sizes = [size for unit in done[:_SAMPLED] if store and (size := _size(store, unit)) is not None]
    return Forecast(
        planned=len(units),
        done=len(done),
        remaining=len(remaining),
        groups=tuple(
            UnitGroup(study=study, group=group, planned=count, done=finished[study, group])
            for (study, group), count in counts.items()
        ),
        n_timed=len(timed),
        seconds=seconds,
        low=None if seconds is None or half is None else max(0.0, seconds - half),
        high=None if seconds is None or half is None else seconds + half,
        unit_bytes=fmean(sizes) if sizes else None,
    )


def _timed(store: Store, units: Sequence[Unit]) -> dict[str, float]:
    """Return how long units took, by a clock that does not jump."""
    found = {}
    for unit in units:
        try:
            found[unit.key] = read_unit_record(store.unit_path(unit.key)).seconds
        except FormatError:  # the next session does it again
            continue
    return found


def _size(store: Store, unit: Unit) -> int | None:
    path = store.unit_path(unit.key)
    try:
        return path.stat().st_size if isinstance(path, Path) else None
    except OSError:
        return None


def _expected(remaining: Sequence[Unit], timed: Mapping[Unit, float]) -> tuple[float | None, float | None]:
    """Return the seconds that units will take, and half the width of the 95 % interval."""
    if not remaining:
        return 0.0, 0.0
    if not timed:
        return None, None
    strata: dict[tuple[str, ...], list[float]] = {}
    for unit, seconds in timed.items():
        for name in _strata_of(unit):
            strata.setdefault(name, []).append(seconds)
    total, uncertain = 0.0, 0.0
    counts = Counter(next(name for name in _strata_of(unit) if name in strata) for unit in remaining)
    everything = list(timed.values())
    for name, count in counts.items():
        known = strata[name]
        spread = variance(known) if len(known) > 1 else variance(everything) if len(everything) > 1 else 0.0
        total += count * fmean(known)
        uncertain += count**2 * spread / len(known) + count * spread
    if len(everything) < 2:
        return total, None
    return total, float(stdtrit(len(everything) - 1, _CONFIDENCE)) * sqrt(uncertain)


def _strata_of(unit: Unit) -> list[tuple[str, ...]]:
    """Return what a unit is like: first those of its group, then of its study, then all."""
    return [(unit.study, unit.group), (unit.study,), ()]
