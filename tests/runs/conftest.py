import importlib.util
import sys
from pathlib import Path

import pytest

from theodolite.runs.study import load_study


@pytest.fixture(scope="session")
def toy():
    """The toy study, loaded from its file as tests have no package."""
    spec = importlib.util.spec_from_file_location("toy_study", Path(__file__).with_name("toy.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_study"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def killer():
    """The study whose units end their own process."""
    return load_study(str(Path(__file__).with_name("killer.py")))


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Path of a file that names each executed unit, one per line."""
    path = tmp_path / "log.txt"
    path.touch()
    monkeypatch.setenv("TOY_LOG", str(path))
    return path
