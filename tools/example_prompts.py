"""Write the example prompts that ship with the package.

Three origins: our own texts (`tools/example_texts`), texts made by a rule (below), and passages of Python's standard
library (docstrings and source, under the PSF licence). Run with the Python named in `PYTHON` to get the same file
again:

    python tools/example_prompts.py src/theodolite/prompts/examples.jsonl
"""

import argparse
import calendar
import codecs
import difflib
import doctest
import heapq
import inspect
import json
import platform
import sys
import textwrap
import unicodedata
from pathlib import Path

TEXTS = Path(__file__).parent / "example_texts"
PYTHON = "3.11"
MOST = 6000


def own() -> list[dict[str, str]]:
    """Return our own texts; the word before the first hyphen of a file's name is its kind."""
    return [
        {"name": file.stem, "label": file.stem.split("-")[0], "source": "own", "text": file.read_text(encoding="utf-8")}
        for file in sorted(TEXTS.glob("*.txt"))
    ]


def by_rule() -> list[dict[str, str]]:
    """Return texts that a few lines of code make, from nothing or from what every Python has."""
    ones = ["nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    bottles = []
    for n in range(12, 0, -1):
        now, then = ones[n].capitalize(), ones[n - 1]
        line = f"{now} green bottle{'s' if n > 1 else ''} hanging on the wall,"
        left = f"there'll be {then} green bottle{'' if n == 2 else 's'} hanging on the wall."
        bottles.append("\n".join([line, line, "and if one green bottle should accidentally fall,", left]))
    table = "\n".join(f"{a} times {b} is {a * b}." for a in range(2, 10) for b in range(2, 10))
    signs = "\n".join(f"{chr(code)} {unicodedata.name(chr(code)).lower()}" for code in range(0x2190, 0x21D0))
    line = "The train now standing at platform nine is the delayed service to the coast, calling at all stations. "
    return [
        {"name": "repetition-bottles", "label": "repetition", "source": "rule", "text": "\n\n".join(bottles)},
        {"name": "repetition-table", "label": "repetition", "source": "rule", "text": table},
        {"name": "repetition-announcement", "label": "repetition", "source": "rule", "text": line * 24},
        {"name": "list-arrows", "label": "list", "source": "rule", "text": signs},
        {
            "name": "list-calendar",
            "label": "list",
            "source": "rule",
            "text": calendar.TextCalendar().formatyear(1900, w=3, m=2),
        },
    ]


def from_python() -> list[dict[str, str]]:
    """Return passages of the standard library."""
    zen = codecs.decode(inspect.getsource(sys.modules.get("this") or __import__("this")).split('"""')[1], "rot13")
    texts = {
        "docs-argparse": ("docs", inspect.getdoc(argparse.ArgumentParser.__init__.__globals__["Action"])),
        "docs-difflib": ("docs", inspect.getdoc(difflib.SequenceMatcher)),
        "docs-heapq": ("docs", heapq.__about__),
        "docs-doctest": ("docs", inspect.getdoc(doctest.testmod)),
        "docs-zen": ("docs", zen + "\n\n" + inspect.getdoc(textwrap.TextWrapper)),
        "docs-unified-diff": ("docs", inspect.getdoc(difflib.unified_diff) + "\n\n" + inspect.getdoc(difflib.ndiff)),
        "code-heapq": ("code", inspect.getsource(heapq.merge)),
        "code-textwrap": ("code", inspect.getsource(textwrap.TextWrapper._wrap_chunks)),
        "code-difflib": ("code", inspect.getsource(difflib.SequenceMatcher.find_longest_match)),
        "code-calendar": ("code", inspect.getsource(calendar.HTMLCalendar)),
    }
    return [
        {"name": name, "label": kind, "source": "python", "text": textwrap.dedent(text)}
        for name, (kind, text) in texts.items()
    ]


def build() -> list[dict[str, str]]:
    """Return every example prompt, by name."""
    records = [*own(), *by_rule(), *from_python()]
    for record in records:
        record["text"] = record["text"].strip()[:MOST].rstrip()
    return sorted(records, key=lambda record: record["name"])


def write(file: Path) -> int:
    """Write the file and return how many prompts it holds."""
    records = build()
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("file", type=Path, help="where to write, such as src/theodolite/prompts/examples.jsonl")
    arguments = parser.parse_args()
    if not platform.python_version().startswith(PYTHON):
        print(
            f"note: the shipped file was made with Python {PYTHON}; passages of other versions differ", file=sys.stderr
        )
    print(write(arguments.file))


if __name__ == "__main__":
    main()
