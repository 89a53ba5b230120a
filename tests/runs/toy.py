"""A study of tiny units, also a program: `python toy.py FOLDER N_UNITS`. It logs each execution to $TOY_LOG.

$TOY_WORKERS asks for so many processes, $TOY_PAUSE lets each unit take so many seconds, $TOY_DEADLY names a unit that
kills its process, $TOY_HUNGRY one that needs more memory than there is, $TOY_ENDLESS one that is never done.
"""

import os
import resource
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from theodolite.core.errors import GeometryWarning
from theodolite.core.seeds import generator_from
from theodolite.runs import Column, Unit, UnitResult, execute
from theodolite.runs.workers.processes import ProcessRunner

NAME = "toy"
VERSION = 1
COLUMNS = {
    "number": Column(dtype="int", meaning="which unit"),
    "token": Column(dtype="str", meaning="a token"),
    "value": Column(dtype="float", meaning="a random number"),
    "even": Column(dtype="bool", meaning="whether the number is even"),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    n_units: int = 4
    failing: tuple[int, ...] = ()
    warning: bool = False
    seed: int = 0


def plan(config):
    return [
        Unit(
            study=NAME,
            version=VERSION,
            params={
                "number": number,
                "fails": number in config.failing,
                "warns": config.warning,
                "seed": config.seed,
            },
            group=f"group {number % 3}",
            label=f"unit {number}",
        )
        for number in range(config.n_units)
    ]


def run(unit):
    number = unit.params["number"]
    if "TOY_LOG" in os.environ:
        with Path(os.environ["TOY_LOG"]).open("a") as log:
            log.write(f"{number}\n")
    time.sleep(float(os.environ.get("TOY_PAUSE", "0")))
    if os.environ.get("TOY_DEADLY") == str(number):
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("TOY_HUNGRY") == str(number):
        _eat()
    while os.environ.get("TOY_ENDLESS") == str(number):
        time.sleep(1)
    if unit.params["fails"] and "TOY_CURED" not in os.environ:
        raise ValueError(f"unit {number} always fails")
    if unit.params["warns"]:
        warnings.warn("a row was dropped", GeometryWarning, stacklevel=1)
    rows = [
        {"number": number, "token": token, "value": float(generator_from(unit.key, token).normal()), "even": None}
        for token in (" dog", "<script>", "½")
    ]
    rows.append({"number": number, "token": None, "value": float("nan"), "even": number % 2 == 0})
    return UnitResult(rows=rows, inputs=[{"reference": f"file {number % 3}", "sha256": "0" * 64}])


def _eat():
    """Need a gigabyte where only a tenth of one is left, as the system counts it."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + 100_000_000, before[1]))
    try:
        bytearray(1_000_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests behind it has it ignored
    print("ready", flush=True)  # noqa: T201
    workers = int(os.environ.get("TOY_WORKERS", "0"))
    finished = execute(
        sys.modules[__name__],
        Config(n_units=int(sys.argv[2])),
        out=sys.argv[1],
        command=sys.argv,
        runner=ProcessRunner(workers=workers) if workers else None,
    )
    print(finished.status, flush=True)  # noqa: T201
