"""Run the code of the docs page by page, and compare or refresh what it prints: `python tools/doc_blocks.py PAGE...`.

What a page's fences mean:

- `python` runs, block after block, in one namespace and an empty folder. A `text` fence right after it is its output.
- `python title="name.py"` is written to that file; its functions `test_*` are called.
- `console` holds commands after `$`. Every `theodolite` command must parse. Below `<!-- run -->` the commands are run,
  and the lines below each are its output; `<!-- run: 12 lines -->` shows the first 12 of each and `...` for the rest.
- Below `<!-- not run: REASON -->` a python fence is only compiled, and what it imports must exist.
- Below `<!-- from FILE: HEADING -->` stands a table that FILE has below that heading.
"""

import ast
import contextlib
import importlib
import importlib.util
import inspect
import io
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

_FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n\n?)?"
    r"^(?P<ticks>`{3,})(?P<language>\w*)(?P<rest>[^\n]*)\n(?P<text>.*?)^(?P=ticks)$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')
_QUOTE = re.compile(
    r"^<!-- from (?P<file>\S+): (?P<heading>[^\n]+) -->\n(?P<table>(?:\|[^\n]*\n)*)",
    re.MULTILINE,
)
_TABLE = re.compile(r"(?:^\|[^\n]*\n)+", re.MULTILINE)
_SHOWN = re.compile(r"run: (\d+) lines")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fence of a page: what is in it, and where."""

    page: Path
    start: int
    end: int
    line: int
    language: str
    text: str
    title: str
    note: str
    follows: str
    """What stands between it and the fence before."""

    @property
    def where(self) -> str:
        """Page and line, as an editor takes them."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What a block shows and what running it printed."""

    block: Block
    text: str

    @property
    def agrees(self) -> bool:
        """Whether both are the same, but for blanks at ends of lines."""
        return trimmed(self.block.text) == trimmed(self.text)


def blocks(page: Path) -> list[Block]:
    """Return the fences of a page in order."""
    content, before, found = page.read_text(encoding="utf-8"), 0, []
    for match in _FENCE.finditer(content):
        title = _TITLE.search(match["rest"])
        found.append(
            Block(
                page=page,
                start=match.start("text"),
                end=match.end("text"),
                line=content.count("\n", 0, match.start("text")) + 1,
                language=match["language"],
                text=match["text"],
                title=title[1] if title else "",
                note=match["note"] or "",
                follows=content[before : match.start()],
            )
        )
        before = match.end()
    return found


def quote_tables(page: Path) -> str:
    """Return the text of a page with each table that it has from another file as that file has it now."""

    def quoted(match: re.Match[str]) -> str:
        source = (page.parent / match["file"]).read_text(encoding="utf-8")
        _, found, below = source.partition(f"# {match['heading']}")
        table = _TABLE.search(below)
        if not found or table is None:
            raise ValueError(f"{match['file']} has no table below the heading {match['heading']!r}")
        return f"<!-- from {match['file']}: {match['heading']} -->\n{table[0]}"

    return _QUOTE.sub(quoted, page.read_text(encoding="utf-8"))


def run_page(page: Path) -> Iterator[Printed]:
    """Run a page's blocks in the current folder and yield what each of those printed that show it."""
    names: dict[str, Any] = {"__name__": "__page__"}
    printed: str | None = None
    for block in blocks(page):
        last, printed = printed, None
        if block.note.startswith("not run"):
            _check_only(block)
        elif block.language == "python" and block.title:
            _run_file(block)
        elif block.language == "python":
            printed = _run_python(block, names)
        elif block.language == "text" and last is not None and not block.follows.strip():
            yield Printed(block=block, text=last)
        elif block.language == "console" and block.note.startswith("run"):
            yield Printed(block=block, text=_run_console(block))


def commands(block: Block) -> list[str]:
    """Return the commands of a console block, each on one line."""
    joined = block.text.replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


def parse(command: str) -> None:
    """Hold a `theodolite` command to the real command line; raise what it would have said."""
    from theodolite.cli.lists import spread  # noqa: PLC0415
    from theodolite.cli.main import app  # noqa: PLC0415

    app.parse_args(spread(_words(command)), exit_on_error=False, print_error=False)


def _words(command: str) -> list[str]:
    return shlex.split(re.split(r"\s#\s", command)[0])[1:]  # file.json#field is no comment


def _run_console(block: Block) -> str:
    limit = _SHOWN.match(block.note)
    parts = []
    for command in commands(block):
        said = trimmed(_run_command(command)).splitlines()
        if limit and len(said) > int(limit[1]):
            said = [*said[: int(limit[1])], "..."]
        parts.append("\n".join([f"$ {command}", *said]))
    return "\n".join(parts) + "\n"


def _run_command(command: str) -> str:
    from theodolite.cli.main import main  # noqa: PLC0415

    said, before = io.StringIO(), sys.argv
    sys.argv = ["theodolite", *_words(command)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()) as trouble:
            main()
    except SystemExit as left:
        if left.code:
            raise AssertionError(f"`{command}` ended with {left.code}: {trouble.getvalue()}") from None
    finally:
        sys.argv = before
    return said.getvalue()


def _run_python(block: Block, names: dict[str, Any]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(_compiled(block), names)
    return said.getvalue()


def _run_file(block: Block) -> None:
    """Write a file of the page, import it, and call its tests."""
    path = Path(block.title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    for name, one in vars(_imported(path)).items():
        if name.startswith("test_") and inspect.isfunction(one):
            one()


def _imported(path: Path) -> ModuleType:
    name = ".".join(path.with_suffix("").parts)
    sys.path.insert(0, str(Path.cwd()))
    try:
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(Path.cwd()))


def _check_only(block: Block) -> None:
    """Compile a block that cannot run here, and find everything that it imports from theodolite."""
    if block.language != "python":
        return
    _compiled(block)
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("theodolite"):
            for one in node.names:
                getattr(importlib.import_module(node.module or ""), one.name)


def _compiled(block: Block) -> Any:
    return compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")


def trimmed(text: str) -> str:
    """Return text without blanks at ends of lines, and never more than one blank line."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.splitlines())).strip("\n")


def refresh(page: Path) -> int:
    """Write what blocks print now, and the tables that are quoted, into a page; return how many blocks changed."""
    content = quote_tables(page)
    page.write_text(content, encoding="utf-8")
    changed = 0
    for printed in reversed(list(run_page(page))):
        if not printed.agrees:
            text = trimmed(printed.text) + "\n"
            content = content[: printed.block.start] + text + content[printed.block.end :]
            changed += 1
    page.write_text(content, encoding="utf-8")
    return changed


def main(pages: Sequence[str]) -> None:
    """Refresh each page, in an empty folder of its own."""
    import tempfile  # noqa: PLC0415

    os.environ["COLUMNS"] = "120"
    for page in [Path(one).resolve() for one in pages]:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            print(f"{page.name}: {refresh(page)} blocks changed")


if __name__ == "__main__":
    main(sys.argv[1:])
