"""theodolite surveys the geometry of language-model token representations.

The names below are loaded on first use, so that `import theodolite` costs milliseconds:

>>> import theodolite as td
>>> td.__version__.count(".")
2
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theodolite import bundled, dimension, models, report, similarity, tables, transfer
    from theodolite.core.errors import GeometryWarning, TheodoliteError
    from theodolite.dimension import DimensionEstimate
    from theodolite.models import SteeringVector, load_model, steer, watch
    from theodolite.neighborhoods import NeighborGraph, hubness, neighbors, save_graph
    from theodolite.runs import open_run
    from theodolite.studies import run
    from theodolite.studies.neighbors.graphs import load_graph
    from theodolite.tables import Table, align, load_table

__version__ = _version("theodolite")

_HOME = {
    "DimensionEstimate": "theodolite.dimension",
    "GeometryWarning": "theodolite.core.errors",
    "NeighborGraph": "theodolite.neighborhoods",
    "SteeringVector": "theodolite.models",
    "Table": "theodolite.tables",
    "TheodoliteError": "theodolite.core.errors",
    "align": "theodolite.tables",
    "hubness": "theodolite.neighborhoods",
    "load_graph": "theodolite.studies.neighbors.graphs",
    "load_model": "theodolite.models",
    "load_table": "theodolite.tables",
    "neighbors": "theodolite.neighborhoods",
    "open_run": "theodolite.runs",
    "run": "theodolite.studies",
    "save_graph": "theodolite.neighborhoods",
    "steer": "theodolite.models",
    "watch": "theodolite.models",
}
_ROOMS = ("bundled", "dimension", "models", "report", "similarity", "tables", "transfer")

__all__ = [
    "DimensionEstimate",
    "GeometryWarning",
    "NeighborGraph",
    "SteeringVector",
    "Table",
    "TheodoliteError",
    "__version__",
    "align",
    "bundled",
    "dimension",
    "hubness",
    "load_graph",
    "load_model",
    "load_table",
    "models",
    "neighbors",
    "open_run",
    "report",
    "run",
    "save_graph",
    "similarity",
    "steer",
    "tables",
    "transfer",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _ROOMS:
        return import_module(f"theodolite.{name}")
    raise AttributeError(f"module 'theodolite' has no attribute {name!r}. Available: {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return __all__
