"""The rules of the house: who may import whom, how fast the door opens, that every public name is documented."""

import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import theodolite

ROOT = Path(__file__).parents[2]
ROOMS = (
    "core",
    "neighborhoods",
    "bundled",
    "dimension",
    "similarity",
    "statistics",
    "transfer",
    "tables",
    "prompts",
    "runs",
    "models",
    "models.watch",
    "studies",
    "report",
)


HEAVY = ("huggingface_hub", "matplotlib", "numpy", "pandas", "polars", "pyarrow", "scipy", "torch", "transformers")


def cpu_seconds_and_modules(source):
    """Return user plus system time of a program and the modules it loaded: wall time would measure the neighbors."""
    told = "; import sys, time; print(time.process_time(), *sys.modules)"
    command = [sys.executable, "-c", source + told]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "NO_COLOR": "1"})
    said, _, last = done.stdout.rstrip().rpartition("\n")
    seconds, *modules = last.split()
    return float(seconds), modules, said


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs a checkout")
def test_imports_point_down_the_house():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_import_is_fast_and_light():
    seconds, modules, _ = cpu_seconds_and_modules("import theodolite")
    assert not set(HEAVY) & set(modules)
    assert len(modules) < 300
    assert seconds < 2.0, "a tenth of that is usual"


def test_help_is_fast_and_loads_nothing_heavy():
    program = "import sys; sys.argv = ['theodolite', '--help']; from theodolite.cli.main import app; app()"
    seconds, modules, said = cpu_seconds_and_modules(program)
    assert "survey" in said
    assert not set(HEAVY) & set(modules)
    assert len(modules) < 600
    assert seconds < 3.0, "a tenth of that is usual"


def test_every_public_name_resolves():
    for name in theodolite.__all__:
        assert getattr(theodolite, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'dimenson'"):
        _ = theodolite.dimenson


def public_functions():
    for room in ROOMS:
        module = import_module(f"theodolite.{room}")
        for name in getattr(module, "__all__", ()):
            found = getattr(module, name)
            if inspect.isfunction(found):
                yield pytest.param(found, id=f"{room}.{name}")


@pytest.mark.parametrize("function", list(public_functions()))
def test_docstrings_name_exactly_the_parameters_there_are(function):
    text = inspect.getdoc(function) or ""
    wanted = list(inspect.signature(function).parameters)
    if not wanted:
        assert text
        return
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"{function.__qualname__} documents no parameters"
    named = [
        name.strip().lstrip("*")
        for line in re.findall(r"^(\*{0,2}\w[\w, *]*) ?(?::|$)", section[1], re.MULTILINE)
        for name in line.split(",")
    ]
    assert named == wanted


def test_no_file_of_the_package_is_longer_than_it_should_be():
    lengths = {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "src").rglob("*.py")
    }
    assert {path: length for path, length in lengths.items() if length > 400} == {}
