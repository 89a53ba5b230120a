"""Fixtures of the report's tests: a run that never happened, and its page."""

import importlib.util
import sys
from pathlib import Path

import pytest

from theodolite import report
from theodolite.studies.layers import findings as layer_findings
from theodolite.studies.layers import summary as layer_summary


def load(file):
    """Load a maker of synthetic runs, which is no test module."""
    name = f"theodolite_{file}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{file}.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def synthetic():
    return load("synthetic_run")


@pytest.fixture(scope="session")
def layers_frame():
    return load("synthetic_layers").make_frame()


@pytest.fixture(scope="session")
def layers_page(synthetic, layers_frame, tmp_path_factory):
    """Return the report of a layer study with hostile prompts."""
    run = synthetic.make_run(tmp_path_factory.mktemp("layer runs") / "clouds", layers_frame, study="layers")
    summary, findings = layer_summary.summarize(layers_frame), layer_findings.find(layers_frame)
    return report.write(run, summary=summary, findings=findings, figures=False)


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
