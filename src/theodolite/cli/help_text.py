"""How --help is written: a paragraph for each option, as wide as the terminal, defaults as one types them."""

import io
import textwrap
from typing import TYPE_CHECKING, Any

from cyclopts import Group
from cyclopts.help import PlainFormatter

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

SETTINGS = Group("Settings", sort_key=1)
EXPORT = Group("Export", sort_key=2)
TOLERANCE = Group("Tolerance", sort_key=2)
RUN = Group("Run", sort_key=3)
OUTPUT = Group("Output", sort_key=4)
FLAGS = Group("Options", sort_key=5)
_GROUPS = (
    (
        Group("Measure", sort_key=1),
        "survey dimension training rank layers similarity neighbors probe transfer reproduce",
    ),
    (Group("Look", sort_key=2), "inspect tokens align"),
    (Group("Runs", sort_key=3), "run plan status report compare-runs ls"),
    (Group("This installation", sort_key=4), "doctor cache schema completion"),
)
PLACES = {name: (group, place) for group, names in _GROUPS for place, name in enumerate(names.split())}
"""Where each command stands in the help: in which group, and where in it."""
_INDENT, _HANGING = "  ", "      "
_UNSAID = ("False", "()", '""', "", None)
"""Defaults that say nothing: a flag that is not given, a list or a text that is empty."""
_NARROWEST = 40
_UNBROKEN = "\N{NO-BREAK SPACE}"


class HelpText(PlainFormatter):
    """Plain text for people and screen readers; what a setting is in Python is said as the command line says it."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:  # noqa: ARG002
        """Print the commands or options of a group."""
        if not panel.entries:
            return
        lines = [f"{panel.title}:"] if panel.title else []
        for entry in panel.entries:
            lines += _wrapped(_label(entry), _described(entry), console.width)
        console.print("\n".join([*lines, ""]), highlight=False, markup=False, soft_wrap=True)


def _wrapped(label: str, text: str, width: int) -> list[str]:
    lines = textwrap.wrap(
        f"{label}: {text}" if text else label,
        max(width, _NARROWEST),
        initial_indent=_INDENT,
        subsequent_indent=_HANGING,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_UNBROKEN, " ") for line in lines]


def _label(entry: "HelpEntry") -> str:
    """Return the names of an option; the one that turns a flag off only where it is on."""
    shown = entry if entry.default == "True" else entry.copy(negative_names=(), negative_shorts=())
    return ", ".join(shown.display_labels_with_metavar)


def _described(entry: "HelpEntry") -> str:
    """Return what an option does, its choices and its default, in one line."""
    parts = [_one_line(entry.description).replace("None for ", "by default ")]
    if entry.choices:
        parts.append(f"[choices: {', '.join(entry.choices)}]")
    if entry.default == "True":
        parts.append(f"[on{_UNBROKEN}by{_UNBROKEN}default]")
    elif entry.default not in _UNSAID:
        parts.append(f"[default:{_UNBROKEN}{_typed(entry.default)}]")
    if entry.required:
        parts.append("[required]")
    return " ".join(filter(None, parts))


def _typed(default: str) -> str:
    """Return a default as it would be typed: the values of a tuple between commas."""
    if default.startswith("(") and default.endswith(")"):
        return ",".join(one.strip().strip("'") for one in default[1:-1].split(",") if one.strip())
    return default


def _one_line(described: Any) -> str:
    """Return a description without the line breaks of the docstring it is from."""
    from rich.console import Console  # noqa: PLC0415 - keeps the start of every other command fast

    written = Console(file=io.StringIO(), width=100_000, no_color=True)
    with written.capture() as captured:
        written.print(described or "", highlight=False, markup=False, end="")
    return " ".join(captured.get().split())
