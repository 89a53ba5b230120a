"""Reports: a run as one HTML file that needs nothing else, and its figures as files.

The names below are loaded on first use, so that importing the package loads neither matplotlib nor jinja2.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theodolite.report.comparison_page import write_comparison
    from theodolite.report.figure_files import save_figure, save_figures
    from theodolite.report.figure_registry import figure, figure_names
    from theodolite.report.page import render, write

_HOME = {
    "figure": "figure_registry",
    "figure_names": "figure_registry",
    "render": "page",
    "save_figure": "figure_files",
    "save_figures": "figure_files",
    "write": "page",
    "write_comparison": "comparison_page",
}

__all__ = ["figure", "figure_names", "render", "save_figure", "save_figures", "write", "write_comparison"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"theodolite.report.{_HOME[name]}"), name)
    raise AttributeError(f"module 'theodolite.report' has no attribute {name!r}. Available: {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return __all__
