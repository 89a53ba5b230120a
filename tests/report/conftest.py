"""Fixtures of the report's tests: a run that never happened, and its page."""

import importlib.util
import sys
from pathlib import Path

import pytest

from theodolite import report


def load_synthetic_run():
    """Load the maker of synthetic runs, which is no test module."""
    name = "theodolite_synthetic_run"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("synthetic_run.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def synthetic():
    return load_synthetic_run()


@pytest.fixture(scope="session")
def frame(synthetic):
    return synthetic.make_frame()


@pytest.fixture(scope="session")
def page_path(synthetic, frame, tmp_path_factory):
    """Return the report of the whole family, with failures, warnings and every hostile string we know."""
    run = synthetic.make_run(tmp_path_factory.mktemp("runs") / "first light", frame)
    run.problems = [synthetic.Failure()]
    findings = synthetic.make_findings()
    return report.write(run, summary=synthetic.summary_of(frame), findings=findings, figures=False)


@pytest.fixture(scope="session")
def page(page_path):
    return page_path.read_text(encoding="utf-8")
