"""The runner of one machine: a process for each device, started anew when it dies."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any, cast

from theodolite.core.errors import ParameterError, RunError
from theodolite.core.provenance import usable_cores
from theodolite.runs.runner import Outcome
from theodolite.runs.runners import REPRODUCIBLE
from theodolite.runs.unit import Unit
from theodolite.runs.workers.dispatch import Board
from theodolite.runs.workers.recipe import exhausted, outcome_of, parcel_of, recipe_of

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)
_STARTS = 10  # workers that may be killed in a row before they are ready
_TAIL = 4000
_PATIENCE = 60.0  # a process whose connection is closed is ending; on a busy machine that takes seconds
_GPU_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRunner:
    """Units in processes of this machine, which load what a group needs once and keep it.

    A worker that dies (killed, segmentation fault, out of memory) is started anew; the unit it was at is tried again,
    and counts as failed after three deaths. Workers end with the driver, however it ends.

    Attributes
    ----------
    workers : int
        Processes. `default_workers()` where it is 0.
    name : str
        What the manifest calls it.

    Raises
    ------
    ParameterError
        If `workers` is negative.
    """

    workers: int = 0
    name: str = "processes"

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ParameterError(f"workers={self.workers} cannot do anything. Take 1 or more.")
        object.__setattr__(self, "workers", self.workers or default_workers())

    def map(self, work: Callable[[Unit], Outcome], units: Sequence[Unit]) -> Generator[Outcome, None, None]:
        """Do the units, each group in as few processes as keep all of them busy.

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
            If the folder cannot be written, or workers cannot be started.
        """
        board = Board(units)
        crew = _Crew(recipe_of(work), min(self.workers, len(units)))
        try:
            while board.left:
                for place in range(crew.size):
                    while (unit := board.next_for(place)) is not None:
                        crew.send(place, parcel_of(work, unit, board.deaths(unit)))
                yield from crew.hear(board)
        finally:
            crew.end()


def default_workers() -> int:
    """Return one worker for each GPU; without one, a worker for every four cores, but two where there are two cores.

    Examples
    --------
    >>> default_workers() >= 1
    True
    """
    cores = usable_cores()
    return len(visible_gpus()) or max(cores // 4, min(cores, 2))


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    stated = os.environ.get("CUDA_VISIBLE_DEVICES")
    if stated is not None:
        return [one.strip() for one in stated.split(",") if one.strip() not in ("", "-1")]
    if not any(Path(device).exists() for device in _GPU_FILES):
        return []
    import torch  # noqa: PLC0415 - seconds; counting sets up no device

    return [str(number) for number in range(torch.cuda.device_count())]


def worker_environment(place: int, workers: int, gpus: Sequence[str]) -> dict[str, str]:
    """Return the environment of a worker: its device, its share of the cores, and where modules are found.

    Examples
    --------
    >>> worker_environment(3, 4, ["0", "1"])["CUDA_VISIBLE_DEVICES"]
    '1'
    """
    environment = {**REPRODUCIBLE, **os.environ, **thread_share(usable_cores() / workers)}
    environment["PYTHONPATH"] = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    if gpus:
        environment["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
    return environment


def thread_share(cores: float, stated: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that hold a process to its cores; smaller numbers that were stated already stay.

    Examples
    --------
    >>> thread_share(2.5, {"OMP_NUM_THREADS": "1"})["OMP_NUM_THREADS"], thread_share(0.5, {})["MKL_NUM_THREADS"]
    ('1', '1')
    """
    most = max(1, int(cores))
    numbers = {name: stated.get(name, "") for name in THREAD_VARIABLES}
    return {name: str(min(int(one), most) if one.isdecimal() else most) for name, one in numbers.items()}


class _Crew:
    """The processes by place."""

    def __init__(self, recipe: dict[str, Any], size: int) -> None:
        self.size = size
        self._recipe = recipe
        self._gpus = visible_gpus() if size else []
        self._workers: dict[int, _Worker] = {}
        self._stillborn = 0

    def send(self, place: int, parcel: dict[str, Any]) -> None:
        """Give a parcel to the worker at a place, which is started where there is none."""
        if place not in self._workers:
            self._workers[place] = _Worker(worker_environment(place, self.size, self._gpus))
            self._workers[place].send(self._recipe)
        self._workers[place].send(parcel)

    def hear(self, board: Board) -> Generator[Outcome, None, None]:
        """Wait until a worker says something or dies, and yield what came of units."""
        places = {worker.connection: place for place, worker in self._workers.items()}
        for connection in wait(list(places)):
            place = places[cast("Connection[Any, Any]", connection)]
            try:
                message = self._workers[place].receive()
            except (EOFError, OSError):
                lost = self._bury(place, board)
                if lost is not None:
                    yield lost
                continue
            if "error" in message:
                raise RunError(message["error"])
            if "outcome" in message:
                outcome = outcome_of(message["outcome"])
                board.finished(place, outcome)
                if exhausted(outcome):
                    board.retired(place)
                    self._workers.pop(place).end()
                yield outcome
            self._stillborn = 0

    def _bury(self, place: int, board: Board) -> Outcome | None:
        """Put a dead worker away; return the outcome of the unit it was at, if that is given up."""
        worker = self._workers.pop(place)
        with suppress(subprocess.TimeoutExpired):  # the connection may close before the process has its exit code
            worker.process.wait(timeout=_PATIENCE)
        worker.end()
        reason, traces = worker.last_words()
        if worker.ready:
            return board.died(place, reason, traces)
        self._stillborn += 1
        if self._stillborn >= _STARTS or worker.process.returncode >= 0:
            raise RunError(f"A worker {reason} before it could begin. Its last words: {traces.strip() or 'none'}")
        board.retired(place)
        return None

    def end(self) -> None:
        """End all processes at once."""
        while self._workers:
            self._workers.popitem()[1].end()


class _Worker:
    """One process and the way to it. What it prints goes to a file that nobody sees unless it dies."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.ready = False
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end
        self.connection, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "theodolite.runs.workers.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                env=environment,
                pass_fds=[theirs.fileno()],
            )

    def send(self, content: dict[str, Any]) -> None:
        """Send a message; where the process is dead, listening to it says so."""
        try:
            self.connection.send_bytes(json.dumps(content).encode())
        except OSError:
            return

    def receive(self) -> dict[str, Any]:
        """Return its next message, or raise `EOFError` where it died."""
        message: dict[str, Any] = json.loads(self.connection.recv_bytes())
        self.ready = self.ready or "ready" in message
        return message

    def last_words(self) -> tuple[str, str]:
        """Say how a process that ended did so, and what it printed last, without the name of the home folder."""
        code = self.process.returncode
        if code < 0:
            reason = f"was killed by {signal.Signals(-code).name}"
            if -code == signal.SIGKILL:
                reason += ", as the system does when memory runs out"
        else:
            reason = f"ended with exit code {code}"
        home = str(Path.home())
        return reason, self._tail.replace(home, "~") if len(home) > 1 else self._tail

    def end(self) -> None:
        """End the process and keep what it said last."""
        self.connection.close()
        self.process.kill()
        self.process.wait()
        with self._said as said:
            size = said.seek(0, os.SEEK_END)
            said.seek(max(0, size - _TAIL))
            self._tail = said.read().decode(errors="replace")
