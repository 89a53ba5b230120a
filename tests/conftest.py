"""Fixtures for every room."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code, and what fails must fail again; `--hypothesis-profile explore` looks elsewhere
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("steady")

# pytest loads GNU readline, which tells every process that is started from here of a terminal of 80 columns
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)
    os.unsetenv(_name)

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic")
_REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items):
    """Begin with the files that hold slow tests: one of them at the end would leave the other processes idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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


@pytest.fixture(scope="session")
def browser_patience():
    """Return the milliseconds that a page may take for anything: the limit of a test ends what takes for ever."""
    return 1_000_000


@pytest.fixture(scope="session")
def chromium(browser_patience):
    """Return a real browser, one for all tests of a process, or skip."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_BROWSERS)} is on PATH and CHROMIUM is not set")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a third of a second, for few tests

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS), timeout=browser_patience)
        yield browser
        browser.close()
