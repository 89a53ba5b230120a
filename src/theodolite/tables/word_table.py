"""A table whose rows are words that its file, or its object, names itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.tables.display import display_token
from theodolite.tables.table import Table
from theodolite.tables.vocabulary import Vocabulary

SPECIAL_WORDS = frozenset({"</s>", "<s>", "<unk>", "<pad>"})
"""Marks of word2vec, fastText and GloVe that never stand for text."""


def build_word_table(
    *,
    points: torch.Tensor,
    words: Sequence[bytes],
    rows: npt.NDArray[np.int64],
    n_stored: int,
    counts: npt.NDArray[np.int64] | None,
    file: Path,
    provenance: Mapping[str, Any],
) -> Table:
    r"""Make a table of words and their vectors.

    Parameters
    ----------
    points : torch.Tensor
        `(n_words, n_dims)`.
    words : sequence of bytes
        `n_words` different words. They are read as UTF-8; a byte that is no UTF-8 is kept and shown as `\xe9`, so that
        no two words become one. Should two then look alike, because one holds that very text, backslashes of the text
        are shown twice throughout the table.
    rows : numpy.ndarray
        `(n_words,)` int64: the stored row of each.
    n_stored : int
        Rows stored, those of repeated words included.
    counts : numpy.ndarray or None
        `(n_words,)` int64: how often training saw each word.
    file : pathlib.Path
        Where the words are from.
    provenance : mapping of str to Any
        As in `Table`.

    Returns
    -------
    Table
        With `left_out["repeated_word"]` where words were repeated.
    """
    texts = [word.decode("utf-8", errors="surrogateescape") for word in words]
    tokens = tuple(map(display_token, texts))
    if len(set(tokens)) < len(tokens):
        tokens = tuple(display_token(text.replace("\\", "\\\\")) for text in texts)
    positions = rows.tolist()
    special = frozenset(row for row, text in zip(positions, texts, strict=True) if text in SPECIAL_WORDS)
    return Table(
        points=points,
        token_ids=rows,
        tokens=tokens,
        which=str(provenance["which"]),
        tied=None,
        n_vocabulary=len(texts),
        special_ids=special,
        counts=counts,
        n_stored=n_stored,
        known_ids=rows,
        left_out={"repeated_word": n_stored - len(texts)} if n_stored > len(texts) else {},
        provenance=provenance,
        vocabulary=Vocabulary(
            pieces=dict(zip(positions, texts, strict=True)),
            special_ids=special,
            convention="whole",
            added_ids=frozenset(),
            file=file,
        ),
    )
