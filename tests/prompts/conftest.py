"""A Hub on this machine, for prompts of data sets."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Return a Hub that this process takes for the real one."""
    name = "theodolite_hub_server"
    if name not in sys.modules:
        place = Path(__file__).parents[1] / "tables" / "hub_server.py"
        spec = importlib.util.spec_from_file_location(name, place)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    with sys.modules[name].serving(tmp_path / "hub", monkeypatch) as running:
        yield running
