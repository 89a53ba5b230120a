"""Pages of the docs site that are written from the code: columns, settings, commands, schemas, numbers, API."""

import contextlib
import importlib
import inspect
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from importlib import resources
from typing import Any

import theodolite
from theodolite.runs import data_dictionary
from theodolite.studies import STUDIES
from theodolite.studies.published import Published, published

ROOMS = (
    "neighborhoods",
    "dimension",
    "similarity",
    "statistics",
    "transfer",
    "tables",
    "prompts",
    "models",
    "bundled",
    "runs",
    "studies",
    "report",
    "report.figures",
)
_FURTHER = {
    "core.errors": "Every error that theodolite raises on purpose, and its warning.",
    "core.points": "The one door of the numerics: which rows are points.",
    "core.seeds": "Every random draw follows from a seed and a name.",
    "models.watch": "Geometry while a model trains.",
}
_ATTRIBUTE = re.compile(r"^(\w[\w, ]*) : (.+)\n((?: {4}.*\n?|\n)+)", re.MULTILINE)


def pages() -> Iterator[tuple[str, str]]:
    """Yield the path in the site and the text of each page."""
    yield "reference/columns.md", columns()
    yield "reference/settings.md", settings()
    yield "reference/commands.md", commands()
    yield "reference/files.md", schemas()
    yield "reference/published.md", published_numbers()
    yield "api/index.md", front_door()
    for room in ROOMS:
        yield f"api/{room.replace('.', '-')}.md", room_page(room)
    yield "api/further.md", further()


def columns() -> str:
    """Return the data dictionary of every study."""
    parts = [
        "# Columns of every study\n\nWritten from each study's `COLUMNS` when these pages are built. A row of "
        "`table.parquet` is one number, in the column `value`; any column may be empty. The same from Python: "
        "`theodolite.runs.data_dictionary`.\n"
    ]
    seen: dict[int, str] = {}
    for name, where in STUDIES.items():
        study = importlib.import_module(where)
        parts.append(f"## {name}\n\n{_first_line(study)}\n")
        if id(study.COLUMNS) in seen:
            parts.append(f"As of [{seen[id(study.COLUMNS)]}](#{seen[id(study.COLUMNS)]}).\n")
            continue
        seen[id(study.COLUMNS)] = name
        rows = [
            (f"`{one['name']}`", one["dtype"], one["meaning"], one["unit"], one["range"])
            for one in data_dictionary(study.COLUMNS)
        ]
        parts.append(table(("column", "type", "meaning", "unit", "range"), rows))
    return "\n".join(parts)


def settings() -> str:
    """Return the settings of every study: options of the command, keys of a `study.yaml`, arguments of `td.run`."""
    parts = [
        "# Settings of every study\n\nWritten from each study's `Config` when these pages are built. A setting is an "
        "option of the command (`n_tokens` is `--n-tokens`), a key under `config:` in a `study.yaml`, and an argument "
        "of `td.run`.\n"
    ]
    for name, where in STUDIES.items():
        config = importlib.import_module(where).Config
        meanings = attributes(config)
        rows = [
            (f"`{one.name}`", *meanings.get(one.name, ("", "")), f"`{_default(one)}`")
            for one in fields(config)
            if not one.name.startswith("_")
        ]
        parts.append(f"## {name}\n\n{_first_line(config)}\n")
        parts.append(table(("setting", "type", "meaning", "default"), rows))
    return "\n".join(parts)


def attributes(documented: type) -> dict[str, tuple[str, str]]:
    """Return type and meaning of each attribute that a class documents."""
    text = inspect.getdoc(documented) or ""
    _, _, section = text.partition("Attributes\n----------\n")
    found = {}
    for names, kind, meaning in _ATTRIBUTE.findall(re.split(r"^\w[\w ]*\n-+\n", section, flags=re.MULTILINE)[0] + "\n"):
        for name in names.split(", "):
            found[name] = (kind, " ".join(meaning.split()))
    return found


def commands() -> str:
    """Return what `--help` says of every command."""
    from theodolite.cli.main import app  # noqa: PLC0415

    parts = ["# Commands\n\nWhat `theodolite COMMAND --help` prints, when these pages are built.\n"]
    parts.append(f"```text\n{_help(app, [])}\n```\n")
    for words in command_words(app):
        parts.append(f"## theodolite {' '.join(words)}\n\n```text\n{_help(app, words)}\n```\n")
    return "\n".join(parts)


def command_words(app: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command, groups included."""
    for name in app:
        if name.startswith("-"):
            continue
        words = (*prefix, name)
        yield words
        yield from command_words(app[name], words)


def schemas() -> str:
    """Return the fields of the JSON that other programs read."""
    parts = [
        "# Fields of the manifest and of the JSON output\n\nWritten from the published JSON Schemas, which "
        "`theodolite schema` prints.\n"
    ]
    for name in ("manifest", "output"):
        schema = json.loads(resources.files("theodolite.cli").joinpath("schemas", f"{name}.json").read_text("utf-8"))
        parts.append(f"## {schema['title']}\n\n{schema['description']}\n\n{_fields(schema)}")
        for part, definition in schema.get("$defs", {}).items():
            if "properties" in definition:
                parts.append(f"### {name}: {part}\n\n{definition.get('description', '')}\n\n{_fields(definition)}")
    return "\n".join(parts)


def published_numbers() -> str:
    """Return the papers' numbers that a reproduction is compared with."""
    parts = [
        "# Published numbers\n\nWhat `theodolite reproduce` compares with, written from `theodolite.studies.published` "
        "when these pages are built. Marks: published (in the paper or its authors' arrays), digitised (read off a "
        "figure), reported (quoted by others). Of lee2025 no numbers could be read.\n"
    ]
    for paper in ("kataiwa2025", "viswanathan2025"):
        rows = [
            (one.preset or "", one.figure, one.quantity, one.model, _at(one), _values(one), one.mark, one.note)
            for one in published(paper)
        ]
        parts.append(f"## {paper}\n")
        parts.append(table(("version", "figure", "quantity", "model", "at", "value", "mark", "note"), rows))
    return "\n".join(parts)


def front_door() -> str:
    """Return the page of `import theodolite as td`."""
    parts = ["# import theodolite as td\n\nThe names that most work needs. Each room has more.\n"]
    elsewhere = {f"{home}.{name}" for room in (*ROOMS, *_FURTHER) for home, name in _public(room)}
    own = []
    for name in theodolite.__all__:
        if name == "__version__":
            continue
        found = getattr(theodolite, name)
        if inspect.ismodule(found):
            room = found.__name__.removeprefix("theodolite.")
            page = "further.md#models.watch" if room == "models.watch" else f"{room}.md"
            parts.append(f"- [`td.{name}`]({page}): {_first_line(found)}")
        else:
            home = _home(found, "theodolite")
            parts.append(f"- [`td.{name}`][{home}.{name}]: {_first_line(found)}")
            own += [] if f"{home}.{name}" in elsewhere else [_entry(home, name)]
    return "\n".join([*parts, "", *own])


def room_page(room: str) -> str:
    """Return the page of a room: its public names, each from its docstring."""
    first = _first_line(importlib.import_module(f"theodolite.{room}"))
    return "\n".join([f"# theodolite.{room}\n\n{first}\n", *(_entry(home, name) for home, name in _public(room))])


def further() -> str:
    """Return the page of what stands outside the rooms' doors."""
    parts = ["# Further modules\n"]
    for name, what in _FURTHER.items():
        parts.append(f"## theodolite.{name} {{ #{name} }}\n\n{what}\n")
        parts += [_entry(home, one, level=3) for home, one in _public(name)]
    return "\n".join(parts)


def _public(room: str) -> list[tuple[str, str]]:
    """Return the public names of a room, modules left out, each with the module where it is defined."""
    module = importlib.import_module(f"theodolite.{room}")
    own = [
        name
        for name, one in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(one) or inspect.isfunction(one))
        and one.__module__ == module.__name__
    ]
    names = getattr(module, "__all__", None) or own
    return [
        (_home(getattr(module, name), module.__name__), name)
        for name in names
        if not inspect.ismodule(getattr(module, name))
    ]


def table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    """Return text fit for a cell: outside of code, what Markdown or HTML would take for its own is escaped."""
    parts = re.split(r"(`[^`]*`)", text.replace("\n", " ").replace("|", "\\|"))
    return "".join(
        part if part.startswith("`") else re.sub(r"([\[*_])", r"\\\1", part).replace("<", "&lt;") for part in parts
    )


def _entry(home: str, name: str, level: int = 2) -> str:
    """Return the directive that shows one name, by where it is defined: a module may have the name of its function."""
    return f"::: {home}.{name}\n    options:\n      heading_level: {level}\n"


def _home(found: Any, room: str) -> str:
    """Return the module where a name is defined; constants and aliases of types are found at their room's door."""
    home = str(getattr(found, "__module__", "") or "")
    return home if home.startswith("theodolite.") and hasattr(found, "__qualname__") else room


def _first_line(documented: Any) -> str:
    return (inspect.getdoc(documented) or "").split("\n\n")[0].replace("\n", " ")


def _default(one: Any) -> str:
    if one.default is MISSING:
        return "required" if one.default_factory is MISSING else repr(one.default_factory())
    return repr(one.default)


def _help(app: Any, words: list[str] | tuple[str, ...]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        app([*words, "--help"], exit_on_error=False)
    return "\n".join(line.rstrip() for line in said.getvalue().splitlines()).strip("\n")


def _fields(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (f"`{name}`", _kind(one), "yes" if name in required else "", one.get("description", ""))
        for name, one in schema["properties"].items()
    ]
    return table(("field", "type", "always there", "meaning"), rows)


def _kind(schema: Mapping[str, Any]) -> str:
    """Return a short word for what a schema allows."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    kind = schema.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _at(one: Published) -> str:
    parts = [f"neighbor {one.scale}"] if one.scale is not None else []
    if one.first_layer is not None and len(one.values) > 1:
        parts.append(f"layers {one.first_layer} to {one.first_layer + len(one.values) - 1}")
    if one.n is not None:
        parts.append(f"{one.n:,} prompts")
    return ", ".join(parts)


def _values(one: Published) -> str:
    if one.low is not None or one.high is not None:
        return f"{one.low} to {one.high}"
    return " ".join("?" if value != value else f"{value:g}" for value in one.values)
