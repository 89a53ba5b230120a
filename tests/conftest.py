"""Fixtures for every room."""

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of shared reference data, or skip: it is not part of the repository.

    Looked for at `$THEODOLITE_SHARED` and at `../shared` beside the repository; both hold `data/`.
    """
    named = os.environ.get("THEODOLITE_SHARED")
    for base in [Path(named)] if named else [_REPOSITORY.parent / "shared", _REPOSITORY / "shared"]:
        if (base / "data").is_dir():
            return base / "data"
    pytest.skip("no shared data: set THEODOLITE_SHARED to the folder that holds data/")
