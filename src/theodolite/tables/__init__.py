"""Where tables come from: references, safetensors, torch zip files, npy, model folders.

>>> from theodolite.tables import Reference, load_table
>>> str(Reference.parse("bundled:pocket-128#unembedding"))
'bundled:pocket-128#output'
"""

from theodolite.tables.display import display_token
from theodolite.tables.inspection import Inspection, TensorSummary, describe
from theodolite.tables.load import load_table
from theodolite.tables.model_folder import model_folder
from theodolite.tables.reference import Reference
from theodolite.tables.revisions import expand, training_step
from theodolite.tables.table import Rows, Table

__all__ = [
    "Inspection",
    "Reference",
    "Rows",
    "Table",
    "TensorSummary",
    "describe",
    "display_token",
    "expand",
    "load_table",
    "model_folder",
    "training_step",
]
