"""An executed notebook as a page: its text, its code, and what the code printed and drew."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def page(notebook: Mapping[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """Return the Markdown of a notebook, and its pictures by file name.

    Parameters
    ----------
    notebook : mapping
        Content of an `.ipynb` file, version 4.
    name : str
        Name of the notebook, which begins the names of its pictures.

    Returns
    -------
    tuple
        Text of the page; file name to content of each picture.
    """
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for number, cell in enumerate(notebook["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for text, picture in _outputs(cell["outputs"]):
            if picture is None:
                parts.append(f"```text\n{text}\n```")
            else:
                file = f"{name}-{number}-{len(pictures)}.{text}"
                pictures[file] = picture
                parts.append(f"![Figure drawn by the code above]({file})")
    return "\n\n".join(parts) + "\n", pictures


def read(content: bytes) -> dict[str, Any]:
    """Return the notebook that a file holds."""
    notebook: dict[str, Any] = json.loads(content)
    return notebook


def _outputs(outputs: list[dict[str, Any]]) -> Iterator[tuple[str, bytes | None]]:
    """Yield printed text with None, or the kind of a picture with its bytes."""
    said = ""
    for output in outputs:
        if output["output_type"] == "stream":
            said += "".join(output["text"])  # one print may arrive in pieces
            continue
        if said:
            yield _COLOR.sub("", said).rstrip("\n"), None
            said = ""
        data = output.get("data", {})
        if "image/png" in data:
            yield "png", base64.b64decode("".join(data["image/png"]))
        elif "image/svg+xml" in data:
            yield "svg", "".join(data["image/svg+xml"]).encode()
        elif "text/plain" in data:
            yield "".join(data["text/plain"]).rstrip("\n"), None
    if said:
        yield _COLOR.sub("", said).rstrip("\n"), None
