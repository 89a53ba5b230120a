"""The runner of Ray: actors that keep what a group needs loaded, on this machine or a cluster."""

import json
import logging
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from theodolite.core.errors import ParameterError, RunError
from theodolite.core.interrupts import keeping_handlers
from theodolite.runs.folder.location import locate
from theodolite.runs.runner import Outcome
from theodolite.runs.runners import REPRODUCIBLE
from theodolite.runs.unit import Unit
from theodolite.runs.work import Work
from theodolite.runs.workers.dispatch import Board
from theodolite.runs.workers.processes import thread_share
from theodolite.runs.workers.recipe import exhausted, open_parcel, outcome_of, parcel_of, recipe_of, work_of

_STARTS = 10
_LOCAL_STARTS = 3


@dataclass(slots=True, kw_only=True)
class RayRunner:
    """Units in Ray actors; each holds one GPU, where the cluster has any, or a share of one.

    An actor that dies, alone or with its node, is started anew where there is room; the unit it was at is tried again,
    and counts as failed after three deaths. The run folder must be on a file system that all nodes see at the same
    path, and theodolite must be installed on all of them. Only names and small outcomes travel through Ray.

    Attributes
    ----------
    workers : int
        Actors; where it is 0, one for each GPU of the cluster, or for every four cores, as soon as there is a cluster.
    address : str or None
        Of an existing cluster; None starts Ray on this machine for as long as the run takes.
    name : str
        What the manifest calls it.

    Raises
    ------
    ParameterError
        If Ray is not installed.
    """

    workers: int = 0
    address: str | None = None
    name: str = "ray"

    def __post_init__(self) -> None:
        _ray()

    def map(self, work: Callable[[Unit], Outcome], units: Sequence[Unit]) -> Generator[Outcome, None, None]:
        """Do the units, each group in as few actors as keep all of them busy.

        Parameters
        ----------
        work : Work
            What to do; its studies are named, so that other processes find them.
        units : sequence of Unit
            What to do it to.

        Yields
        ------
        Outcome
            As soon as each unit is done.

        Raises
        ------
        ParameterError
            If other processes cannot find the study.
        RunError
            If there is no such cluster, the folder cannot be written, or actors cannot be started.
        """
        recipe = recipe_of(work)
        if isinstance(folder := locate(recipe["folder"]), Path):  # actors have a working folder of their own
            recipe["folder"] = str(folder.absolute())
        board = Board(units)
        with _connected(self.address) as ray:
            self.workers = self.workers or _default_workers(ray)
            troupe = _Troupe(ray, cast("Work", work), recipe, min(self.workers, len(units)))  # recipe_of refused others
            try:
                while board.left:
                    for place in troupe.ready():
                        while (unit := board.next_for(place)) is not None:
                            troupe.send(place, parcel_of(work, unit, board.deaths(unit)))
                    yield from troupe.hear(board)
            finally:
                troupe.end()


class Actor:
    """What runs in Ray: the work of a recipe, done parcel by parcel."""

    def __init__(self, recipe: str) -> None:
        self._recipe = recipe
        self._spent = False

    def ready(self) -> None:
        """Import the study; an error here reaches the driver as it is."""
        self._work = work_of(json.loads(self._recipe))

    def do(self, parcel: str) -> str | None:
        """Do the unit of a parcel, unless one before ran out of memory; JSON comes and goes, nothing is pickled."""
        if self._spent:
            return None
        content = open_parcel(self._work, json.loads(parcel))
        self._spent = exhausted(outcome_of(content))
        return json.dumps(content)


class _Troupe:
    """The actors by place, and what they were asked."""

    def __init__(self, ray: ModuleType, work: Work, recipe: dict[str, Any], size: int) -> None:
        gpus, cores = _resources(ray)
        self._ray = ray
        self._work = work
        self._recipe = json.dumps(recipe)
        self._options = {
            "num_gpus": 1 / ceil(size / gpus) if gpus else 0,
            "num_cpus": 1 if size <= cores else 0,
            "max_restarts": 0,
            "runtime_env": {"env_vars": REPRODUCIBLE | thread_share(cores / max(size, 1))},
            "scheduling_strategy": "SPREAD",
        }
        self._actors: dict[int, Any] = {}
        self._asked: dict[Any, int] = {}
        self._begun: set[int] = set()
        self._stillborn = 0
        for place in range(size):
            self._start(place)

    def _start(self, place: int) -> None:
        """Start an actor; it gets units once it has room somewhere and is ready."""
        self._actors[place] = self._ray.remote(Actor).options(**self._options).remote(self._recipe)
        self._begun.discard(place)
        self._asked[self._actors[place].ready.remote()] = place

    def ready(self) -> list[int]:
        """Return the places whose actor can take units."""
        return sorted(self._begun)

    def send(self, place: int, parcel: dict[str, Any]) -> None:
        """Ask an actor to do a parcel."""
        self._asked[self._actors[place].do.remote(json.dumps(parcel))] = place

    def hear(self, board: Board) -> Generator[Outcome, None, None]:
        """Wait for one answer or death, and yield what came of units."""
        (answer,), _ = self._ray.wait(list(self._asked), num_returns=1)
        place = self._asked.pop(answer)
        try:
            content = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:  # not the unit's own failure: the folder refuses, no study
            cause = getattr(error, "cause", None) or error
            raise RunError(str(cause)) from error
        except self._ray.exceptions.RayError as error:
            yield from self._replace(place, board, error)
            return
        self._stillborn = 0
        if content is None:
            self._begun.add(place)
            return
        outcome = outcome_of(json.loads(content))
        board.finished(place, outcome)
        if exhausted(outcome):
            self._dismiss(place)
            board.retired(place)
            self._start(place)
        yield outcome

    def _replace(self, place: int, board: Board, error: Exception) -> Generator[Outcome, None, None]:
        """Start another actor for a dead one; yield what it had done, and the unit it was at if that is given up."""
        begun = place in self._begun
        self._dismiss(place)
        reason = f"ended so: {(str(error).splitlines() or [type(error).__name__])[0][:300]}"
        if not begun:
            self._stillborn += 1
            if self._stillborn >= _STARTS:
                raise RunError(f"Ray cannot start workers. The last one {reason}") from error
        else:
            yield from self._done_before(place, board)
            lost = board.died(place, reason)
            if lost is not None:
                yield lost
        self._start(place)

    def _done_before(self, place: int, board: Board) -> Generator[Outcome, None, None]:
        """Yield the units whose answers died with their actor, though their files are there."""
        for unit in board.held_by(place):
            outcome = self._work.kept(unit)
            if outcome is None:
                return
            board.finished(place, outcome)
            yield outcome

    def _dismiss(self, place: int) -> None:
        """End an actor and forget what it was asked."""
        with suppress(Exception):
            self._ray.kill(self._actors[place], no_restart=True)
        self._asked = {answer: at for answer, at in self._asked.items() if at != place}

    def end(self) -> None:
        """End all actors at once."""
        for place in list(self._actors):
            self._dismiss(place)


def _resources(ray: ModuleType) -> tuple[int, int]:
    """Return how many GPUs and cores a cluster has."""
    found = ray.cluster_resources()
    return int(found.get("GPU", 0)), int(found.get("CPU", 1))


def _default_workers(ray: ModuleType) -> int:
    gpus, cores = _resources(ray)
    return gpus or max(cores // 4, min(cores, 2))


@contextmanager
def _connected(address: str | None) -> Generator[ModuleType, None, None]:
    """Connect to Ray, quietly, or use the connection there is; end what was started here."""
    ray = _ray()
    mine = not ray.is_initialized()
    if mine:
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            settings |= {"include_dashboard": False}
        _init(ray, address, settings)
    try:
        yield ray
    finally:
        if mine:
            ray.shutdown()


def _init(ray: ModuleType, address: str | None, settings: dict[str, Any]) -> None:
    """Start Ray or reach a cluster. A start on a busy machine may take longer than Ray waits, and is tried again."""
    tries = 1 if address else _LOCAL_STARTS
    for left in reversed(range(tries)):
        try:
            with keeping_handlers():
                ray.init(address=address or "local", **settings)
        except Exception as error:  # a start that takes too long is no more special
            with suppress(Exception):
                ray.shutdown()
            if left:
                continue
            raise RunError(
                f"Ray cannot be reached at {address or 'this machine'}: {' '.join(str(error).split())[:300]}. "
                "Start a cluster with `ray start --head`, or leave out the address to run on this machine."
            ) from error
        return


def _ray() -> ModuleType:
    """Import Ray with its telemetry off."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns
    try:
        import ray  # noqa: PLC0415 - an extra; seconds
    except ImportError as error:
        raise ParameterError("The runner 'ray' needs Ray. Install it with `pip install theodolite[ray]`.") from error
    module: ModuleType = ray
    return module
