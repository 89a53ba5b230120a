"""Run the command line in this process and see what came out of it."""

import json
import os
import signal
import sys
from dataclasses import dataclass
from functools import cache
from importlib import resources

import jsonschema
import numpy as np
import pytest

from theodolite.cli.main import main
from theodolite.core.interrupts import ENDINGS
from theodolite.report import page
from theodolite.report.drawings import drawings
from theodolite.runs.runners import REPRODUCIBLE


@cache
def validator(name):
    """Return a validator for the published schema of this name."""
    content = json.loads(resources.files("theodolite.cli").joinpath("schemas", f"{name}.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


@pytest.fixture
def validate():
    """Return a function that holds content to the published schema `name`, or raises."""
    return lambda name, content: validator(name).validate(content)


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one object on standard output; every test that reads it holds it to the published schema."""
        content = json.loads(self.out)
        validator("output").validate(content)
        return content


@pytest.fixture
def usual_handlers():
    """Let signals end what they end in a terminal, and take back what a command that was ended left behind."""
    usual = [signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL]
    before = [signal.signal(number, handler) for number, handler in zip(ENDINGS, usual, strict=True)]
    yield
    for number, handler in zip(ENDINGS, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def theodolite(monkeypatch, capsys, tmp_path, usual_handlers):
    """Return a function that runs `theodolite ARGUMENTS` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, value in REPRODUCIBLE.items():
        monkeypatch.setenv(name, os.environ.get(name, value))  # what the command sets ends with the test

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["theodolite", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        said = capsys.readouterr()
        return Result(exit_.value.code, said.out, said.err)

    return call


@pytest.fixture
def every_figure():
    """Ask for all figures of a run: one test of each study does."""


@pytest.fixture(autouse=True)
def one_figure(request, monkeypatch):
    """Draw the first figure of a chapter that has rows; most of the time of a small run is that of its figures."""

    def first(frame, families):
        return next(filter(None, (drawings(frame, [family]) for family in families)), [])

    if "every_figure" not in request.fixturenames:
        monkeypatch.setattr(page, "drawings", first)


@pytest.fixture
def table_file(tmp_path):
    generator = np.random.Generator(np.random.PCG64(3))
    latent = generator.normal(size=(400, 4))
    points = np.concatenate([latent, np.sin(latent)], axis=1) @ generator.normal(size=(8, 12))
    path = tmp_path / "table.npy"
    np.save(path, points.astype(np.float32))
    return path
