"""Texts and their token ids: selection, truncation, shuffles and other controls.

Nothing here imports a model; tokenizers are whatever `encode` and `decode` (of transformers or of tokenizers).

>>> from theodolite.prompts import read_prompts
>>> prompts = read_prompts("examples")
>>> len(prompts) >= 24
True
"""

from theodolite.prompts.controls import (
    block_shuffle,
    full_shuffles,
    highest_level,
    random_vocabulary,
    replace_words,
)
from theodolite.prompts.prompt import Prompt, Prompts
from theodolite.prompts.read import read_prompts, source_name
from theodolite.prompts.rows import read_rows
from theodolite.prompts.selection import positions, windows
from theodolite.prompts.severity import bleu
from theodolite.prompts.tokens import Dropped, TokenizedPrompts, tokenize

__all__ = [
    "Dropped",
    "Prompt",
    "Prompts",
    "TokenizedPrompts",
    "bleu",
    "block_shuffle",
    "full_shuffles",
    "highest_level",
    "positions",
    "random_vocabulary",
    "read_prompts",
    "read_rows",
    "replace_words",
    "source_name",
    "tokenize",
    "windows",
]
