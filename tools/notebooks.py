"""Make the executed notebooks of docs/notebooks from their sources: `python tools/notebooks.py [NAME...]`.

A source is a Python file in cells: `# %% [markdown]` begins text (each line behind `# `), `# %%` code, in which a line
such as `# %matplotlib inline` is a command to the notebook.
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
_MARK = re.compile(r"^# %%(?P<text> \[markdown\])?\n", re.MULTILINE)
_COMMAND = re.compile(r"^# (?=%\w)", re.MULTILINE)
_PATIENCE = 1800


def cells(source: str) -> list[tuple[str, str]]:
    """Return the kind ("markdown" or "code") and the text of each cell of a source.

    Examples
    --------
    >>> cells("# %% [markdown]\\n# Hello\\n\\n# %%\\nprint(1)\\n")
    [('markdown', 'Hello'), ('code', 'print(1)')]
    """
    marks = list(_MARK.finditer(source))
    ends = [mark.start() for mark in marks[1:]] + [len(source)]
    found = []
    for mark, end in zip(marks, ends, strict=True):
        text = source[mark.end() : end].strip("\n")
        if mark["text"]:
            found.append(
                ("markdown", "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines()))
            )
        else:
            found.append(("code", _COMMAND.sub("", text)))
    return found


def execute(source: str) -> dict[str, Any]:
    """Return the notebook of a source, run in an empty folder; nothing in it says when or where."""
    import nbformat  # noqa: PLC0415
    from nbclient import NotebookClient  # noqa: PLC0415

    notebook = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    for number, (kind, text) in enumerate(cells(source)):
        make = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
        notebook.cells.append(make(text, id=f"cell-{number}"))
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook, timeout=_PATIENCE, coalesce_streams=True, resources={"metadata": {"path": folder}}
        ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    notebook.metadata.pop("kernelspec", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return dict(notebook)


def main(names: list[str]) -> None:
    """Write the notebooks called `names`, or all."""
    import nbformat  # noqa: PLC0415

    for path in sorted(FOLDER.glob("*.py")):
        if not names or path.stem in names:
            notebook = nbformat.from_dict(execute(path.read_text(encoding="utf-8")))
            target = path.with_suffix(".ipynb")
            nbformat.write(notebook, target)
            print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
