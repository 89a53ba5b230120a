"""A real browser, and the pages it opens."""

import importlib.util
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page

from theodolite import report
from theodolite.studies.layers import findings as layer_findings
from theodolite.studies.layers import summary as layer_summary


@dataclass
class Visit:
    """A page that is open, and what it did that it should not have done."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def visit(chromium, browser_patience):
    """Return a context manager that opens a file: everything it logs, asks for or throws is written down."""

    @contextmanager
    def opened(path, *, width=1280, dark=False, script=True):
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        context.set_default_timeout(browser_patience)
        page = context.new_page()
        found = Visit(page=page)
        page.on("console", lambda message: found.complaints.append(message.text))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("requestfailed", lambda request: found.refused.append(f"{request.failure} {request.url}"))
        page.goto(Path(path).as_uri())
        try:
            yield found
        finally:
            context.close()

    return opened


@pytest.fixture(scope="session")
def table_page(tmp_path_factory):
    """Return a small report with hostile tokens, a hub, checkpoints and a failed unit."""
    synthetic = _load("synthetic_run")
    models = {"bundled:pocket-128": 128, "bundled:pocket-256": 256}
    frame = synthetic.make_frame(models)
    run = synthetic.make_run(tmp_path_factory.mktemp("runs") / "first light", frame)
    run.problems = [synthetic.Failure()]
    findings = synthetic.make_findings(models)
    return report.write(run, summary=synthetic.summary_of(frame), findings=findings, figures=False)


@pytest.fixture(scope="session")
def layers_page(tmp_path_factory):
    """Return the report of a layer study with hostile prompts."""
    frame = _load("synthetic_layers").make_frame()
    run = _load("synthetic_run").make_run(tmp_path_factory.mktemp("runs") / "clouds", frame, study="layers")
    summary, findings = layer_summary.summarize(frame), layer_findings.find(frame)
    return report.write(run, summary=summary, findings=findings, figures=False)


def _load(name):
    place = Path(__file__).parent.parent / "report" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"theodolite_{name}_for_browser", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
