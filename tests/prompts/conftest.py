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


@pytest.fixture(scope="session")
def zstd_lines():
    """Two lines of JSON as the program zstd packs them (zstd -19)."""
    return bytes.fromhex(
        "28b52ffd0468250100c87b2274657874223a224f6e65206f227d0a54776f2074227d0a0300aed54e6903fb2a01a38ef267"
    )
