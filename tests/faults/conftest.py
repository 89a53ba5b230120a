"""The toy study as a module and as a program in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from theodolite.runs import execute

TOY = Path(__file__).parents[1] / "runs" / "toy.py"
SOURCES = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="session")
def toy_study():
    spec = importlib.util.spec_from_file_location("toy_of_kills", TOY)
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_of_kills"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def whole(toy_study, tmp_path_factory):
    """Return the bytes of the table of so many units that nothing disturbed."""
    known = {}

    def bytes_of(n_units):
        if n_units not in known:
            run = execute(toy_study, toy_study.Config(n_units=n_units), out=tmp_path_factory.mktemp("whole"))
            known[n_units] = run.store.table_path.read_bytes()
        return known[n_units]

    return bytes_of


@pytest.fixture
def program():
    """Start the toy study in a process of its own and wait until it is about to begin; kill what is left of it."""
    started = []

    def start(folder, n_units, **environment):
        child = subprocess.Popen(
            [sys.executable, str(TOY), str(folder), str(n_units)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1", **environment},
        )
        started.append(child)
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
        return child

    yield start
    for child in started:
        if child.poll() is None:
            child.kill()
        child.communicate()
