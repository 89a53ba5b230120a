"""A study whose units kill, freeze or exhaust the process that does them, as their name says."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from theodolite.runs import Column, Unit

NAME = "killer"
VERSION = 1
COLUMNS = {
    "act": Column(dtype="str", meaning="what the unit did"),
    "pid": Column(dtype="int", meaning="the process"),
    "threads": Column(dtype="str", meaning="OMP_NUM_THREADS"),
    "device": Column(dtype="str", meaning="CUDA_VISIBLE_DEVICES"),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    acts: tuple[str, ...]
    log: str = ""


def plan(config):
    return [
        Unit(study=NAME, version=VERSION, params={"act": act, "log": config.log}, group=act[0], label=act)
        for act in config.acts
    ]


def run(unit):
    act, log = unit.params["act"], unit.params["log"]
    if log:
        with Path(log).open("a") as file:
            file.write(f"{act} {os.getpid()}\n")
    if "kill" in act:
        os.kill(os.getpid(), signal.SIGKILL)
    if "once" in act and Path(log).read_text().count(act) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if "says" in act:
        print("something", file=sys.stderr)  # noqa: T201
    if "exit" in act:
        print("the last words", file=sys.stderr)  # noqa: T201
        sys.exit(7)
    if "memory" in act:
        raise MemoryError("no memory for this unit")
    if "sleep" in act:
        time.sleep(600)
    return [
        {
            "act": act,
            "pid": os.getpid(),
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "device": os.environ.get("CUDA_VISIBLE_DEVICES"),
        }
    ]


if __name__ == "__main__":
    from theodolite.runs import execute
    from theodolite.runs.runners import make_runner

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests behind it has it ignored
    execute(
        sys.modules[__name__],
        Config(acts=tuple(sys.argv[3:]), log=sys.argv[2]),
        out=sys.argv[1],
        runner=make_runner("processes", workers=2),
    )
