"""A Hub on this machine, for the tests of this room."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load_hub_server() -> ModuleType:
    """Load the server beside this file, once."""
    name = "theodolite_hub_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("hub_server.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def server() -> ModuleType:
    """Return the module of the server: its faults are made there."""
    return load_hub_server()


@pytest.fixture
def hub(server: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a Hub that this process takes for the real one."""
    with server.serving(tmp_path, monkeypatch) as running:
        yield running
