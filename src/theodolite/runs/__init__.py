"""Units, store, manifest, runner: a folder with everything a study produced; knows nothing of geometry.

The names below are loaded on first use, so that a study's columns and settings can be read without loading polars.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theodolite.runs.columns import Column, data_dictionary
    from theodolite.runs.config import config_from_mapping, config_to_mapping
    from theodolite.runs.execution import execute
    from theodolite.runs.folder.manifest import Manifest
    from theodolite.runs.reading.comparison import RunComparison, compare_runs
    from theodolite.runs.reading.listing import RunEntry, list_runs
    from theodolite.runs.reading.run import Run, open_run
    from theodolite.runs.reading.state import RunningUnit, RunStatus, status
    from theodolite.runs.runner import Outcome, Runner, SerialRunner
    from theodolite.runs.study import Study, read_study_file
    from theodolite.runs.unit import Unit, UnitResult

_HOME = {
    "Column": "columns",
    "Manifest": "folder.manifest",
    "Outcome": "runner",
    "Run": "reading.run",
    "RunComparison": "reading.comparison",
    "RunEntry": "reading.listing",
    "RunStatus": "reading.state",
    "Runner": "runner",
    "RunningUnit": "reading.state",
    "SerialRunner": "runner",
    "Study": "study",
    "Unit": "unit",
    "UnitResult": "unit",
    "compare_runs": "reading.comparison",
    "config_from_mapping": "config",
    "config_to_mapping": "config",
    "data_dictionary": "columns",
    "execute": "execution",
    "list_runs": "reading.listing",
    "open_run": "reading.run",
    "read_study_file": "study",
    "status": "reading.state",
}

__all__ = [
    "Column",
    "Manifest",
    "Outcome",
    "Run",
    "RunComparison",
    "RunEntry",
    "RunStatus",
    "Runner",
    "RunningUnit",
    "SerialRunner",
    "Study",
    "Unit",
    "UnitResult",
    "compare_runs",
    "config_from_mapping",
    "config_to_mapping",
    "data_dictionary",
    "execute",
    "list_runs",
    "open_run",
    "read_study_file",
    "status",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"theodolite.runs.{_HOME[name]}"), name)
    raise AttributeError(f"module 'theodolite.runs' has no attribute {name!r}. Available: {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return __all__
