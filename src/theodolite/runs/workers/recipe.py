"""What another process needs to do the same work: names and plain values, never pickled objects."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from theodolite.core.errors import ParameterError
from theodolite.runs.folder.location import locate
from theodolite.runs.folder.store import Store
from theodolite.runs.runner import Failure, Outcome
from theodolite.runs.study import Resolver, Study, find_study, load_study
from theodolite.runs.unit import Unit
from theodolite.runs.work import Work

_OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError")


def recipe_of(work: Callable[[Unit], Outcome]) -> dict[str, Any]:
    """Return what a worker needs to make the same `Work`, fit for JSON.

    Raises
    ------
    ParameterError
        If a study is an object of this process that another one cannot find.
    """
    if not isinstance(work, Work):
        raise ParameterError(f"Only a Work can be done in other processes, not a {type(work).__name__}.")
    resolve = work.resolve or {}
    if not isinstance(resolve, Mapping):
        raise ParameterError(
            "Other processes cannot call the function passed as resolve. Pass a mapping of study names to modules."
        )
    return {
        "folder": str(work.store.path),
        "own": None if work.own is None else address_of(work.own, resolve),
        "studies": {name: one if isinstance(one, str) else address_of(one, {}) for name, one in resolve.items()},
    }


def work_of(recipe: Mapping[str, Any]) -> Work:
    """Return the work that a recipe describes; its own study is imported at once, others when they are needed."""
    own = None if recipe["own"] is None else load_study(recipe["own"])
    return Work(store=Store(locate(recipe["folder"])), own=own, resolve=recipe["studies"])


def address_of(study: Study, resolve: Resolver) -> str:
    """Return where another process finds a study: `package.module`, `package.module:name` or the path of a file.

    Raises
    ------
    ParameterError
        If it is not a module, and `resolve` does not name it.

    Examples
    --------
    >>> from theodolite.studies.dimension import study as dimension
    >>> address_of(dimension, {})
    'theodolite.studies.dimension.study'
    """
    named = resolve.get(study.NAME) if isinstance(resolve, Mapping) else None
    if isinstance(named, str) and find_study(study.NAME, resolve) is study:
        return named
    if isinstance(study, ModuleType):
        spec, file = getattr(study, "__spec__", None), getattr(study, "__file__", None)
        if spec is not None and "." in spec.name:
            return str(spec.name)
        if file is not None and file.endswith(".py"):
            return str(Path(file).absolute())
        if study.__name__ in sys.builtin_module_names or (spec is not None and file is not None):
            return study.__name__
    raise ParameterError(
        f"The study {study.NAME!r} is an object of this process, which other processes cannot find. "
        "Put it into a module (NAME, VERSION, COLUMNS, Config, plan, run), or use the serial runner."
    )


def parcel_of(work: Callable[[Unit], Outcome], unit: Unit, deaths: int) -> dict[str, Any]:
    """Return a unit as it travels to a worker, with how often it was tried before."""
    names = ("study", "version", "params", "group", "label", "later")
    attempts = work.attempts.get(unit.key, 0) if isinstance(work, Work) else 0
    return {"unit": {name: getattr(unit, name) for name in names}, "attempts": attempts, "deaths": deaths}


def open_parcel(work: Work, parcel: Mapping[str, Any]) -> dict[str, Any]:
    """Do the unit of a parcel and return the outcome as it travels back.

    A unit whose last worker died may have been finished by it: then its file is there.
    """
    unit = Unit(**parcel["unit"])
    kept = work.kept(unit) if parcel["deaths"] else None
    if kept is not None:
        return asdict(kept)
    return asdict(replace(work, attempts={unit.key: parcel["attempts"] + parcel["deaths"]})(unit))


def exhausted(outcome: Outcome) -> bool:
    """Say whether a unit ran out of memory, after which its process may be left without what nobody gives back."""
    return outcome.failure is not None and outcome.failure.exception in _OUT_OF_MEMORY


def outcome_of(content: Mapping[str, Any]) -> Outcome:
    """Return the outcome that came back."""
    failure = content["failure"]
    return Outcome(**{**content, "failure": None if failure is None else Failure(**failure)})
