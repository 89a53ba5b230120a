"""Run the command line in this process and see what came out of it."""

import json
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from theodolite.cli.main import main


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def theodolite(monkeypatch, capsys, tmp_path):
    """Return a function that runs `theodolite ARGUMENTS` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["theodolite", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        said = capsys.readouterr()
        return Result(exit_.value.code, said.out, said.err)

    return call


@pytest.fixture
def table_file(tmp_path):
    generator = np.random.Generator(np.random.PCG64(3))
    latent = generator.normal(size=(400, 4))
    points = np.concatenate([latent, np.sin(latent)], axis=1) @ generator.normal(size=(8, 12))
    path = tmp_path / "table.npy"
    np.save(path, points.astype(np.float32))
    return path
