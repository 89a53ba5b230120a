"""Pages from the code: every setting, column and command is on them, with its meaning."""

import importlib
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

import theodolite
from theodolite.studies import STUDIES, resolve

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "tools").is_dir(), reason="needs a checkout")


@pytest.fixture(scope="module")
def reference(tool):
    return tool("site_reference")


@pytest.mark.parametrize("name", STUDIES)
def test_every_setting_is_documented_with_type_and_meaning(reference, name):
    documented = reference.attributes(resolve(name).Config)
    settings = [one.name for one in fields(resolve(name).Config) if not one.name.startswith("_")]
    assert [one for one in settings if not all(documented.get(one, ("", "")))] == []


def test_columns_and_settings_of_every_study_are_shown(reference):
    columns, settings = reference.columns(), reference.settings()
    for name in STUDIES:
        assert f"\n## {name}\n" in columns
        assert f"\n## {name}\n" in settings
    for name in resolve("layers").COLUMNS:
        assert f"| `{name}` |" in columns
    assert "| `n_tokens` |" in settings


def test_every_command_is_shown_with_its_options(reference):
    text = reference.commands()
    assert "## theodolite probe fit" in text
    assert "--shuffles" in text
    assert "Traceback" not in text


def test_every_field_of_the_manifest_is_shown(reference):
    schema = json.loads((ROOT / "src/theodolite/cli/schemas/manifest.json").read_text(encoding="utf-8"))
    text = reference.schemas()
    for name in schema["properties"]:
        assert f"| `{name}` |" in text


def test_every_public_name_has_its_place(reference):
    written = dict(reference.pages())
    shown = {line.split()[1] for text in written.values() for line in text.splitlines() if line.startswith("::: ")}
    front = written["api/index.md"]
    for name in theodolite.__all__:
        assert name == "__version__" or f"`td.{name}`" in front
    for home in re.findall(r"\]\[(theodolite[\w.]+)\]", front):
        assert home in shown, home
    for room in reference.ROOMS:
        module = importlib.import_module(f"theodolite.{room}")
        for name in getattr(module, "__all__", ()):
            found = getattr(module, name)
            ends = f".{name}"
            assert type(found).__name__ == "module" or any(one.endswith(ends) for one in shown), f"{room}.{name}"


def test_tables_survive_what_cells_hold(reference):
    made = reference.table(("a", "b"), [("`x|y`", "1 < 2 | [link] `@step*`, *")])
    assert made.splitlines()[-1] == r"| `x\|y` | 1 &lt; 2 \| \[link] `@step*`, \* |"
