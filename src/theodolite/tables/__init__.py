"""Where tables come from: model folders, the Hub, safetensors, torch, numpy, GGUF, word vectors, objects in memory.

>>> from theodolite.tables import Reference, load_table
>>> str(Reference.parse("bundled:pocket-128#unembedding"))
'bundled:pocket-128#output'
"""

from theodolite.tables.alignment import Alignment, align, match_tables
from theodolite.tables.display import display_token
from theodolite.tables.hub_cache import CachedModel, cache_size, cached_models, clear_cache
from theodolite.tables.hub_progress import reporting_to
from theodolite.tables.hub_settings import cache_folder
from theodolite.tables.inspection import Inspection, TensorSummary, describe
from theodolite.tables.load import load_table
from theodolite.tables.matching import STAGES, Pairs, match_spellings
from theodolite.tables.model_folder import model_folder
from theodolite.tables.reference import Reference
from theodolite.tables.revisions import expand, select_revisions, step_of, training_step
from theodolite.tables.spelling import Spelling, spell, unreachable_ids
from theodolite.tables.table import Rows, Table

__all__ = [
    "STAGES",
    "Alignment",
    "CachedModel",
    "Inspection",
    "Pairs",
    "Reference",
    "Rows",
    "Spelling",
    "Table",
    "TensorSummary",
    "align",
    "cache_folder",
    "cache_size",
    "cached_models",
    "clear_cache",
    "describe",
    "display_token",
    "expand",
    "load_table",
    "match_spellings",
    "match_tables",
    "model_folder",
    "reporting_to",
    "select_revisions",
    "spell",
    "step_of",
    "training_step",
    "unreachable_ids",
]
