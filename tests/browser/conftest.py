"""A real browser, and the page it opens."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from theodolite import report

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--allow-file-access-from-files",
)
_PATIENCE = 240


@pytest.fixture(scope="session")
def browse(tmp_path_factory):
    """Return a function that opens a file in headless Chromium: more flags in, what it printed out."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is on PATH and CHROMIUM is not set")

    def open_page(path, *flags):
        profile = tmp_path_factory.mktemp("profile")
        command = [program, *_FLAGS, f"--user-data-dir={profile}", *flags, Path(path).as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=True)
        return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    return open_page


@pytest.fixture(scope="session")
def page_path(tmp_path_factory):
    """Return a small report with hostile tokens, a hub, checkpoints and a failed unit."""
    place = Path(__file__).parent.parent / "report" / "synthetic_run.py"
    spec = importlib.util.spec_from_file_location("theodolite_synthetic_run_for_browser", place)
    synthetic = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(synthetic)
    models = {"bundled:pocket-128": 128, "bundled:pocket-256": 256}
    frame = synthetic.make_frame(models)
    run = synthetic.make_run(tmp_path_factory.mktemp("runs") / "first light", frame)
    run.problems = [synthetic.Failure()]
    findings = synthetic.make_findings(models)
    return report.write(run, summary=synthetic.summary_of(frame), findings=findings, figures=False)
