"""What a reference to a file of word vectors asks for, and the table that it gives."""

import re
from pathlib import Path

import torch

from theodolite.core.errors import NotFoundError
from theodolite.tables.entries import hash_tensor
from theodolite.tables.reference import Reference
from theodolite.tables.table import Table
from theodolite.tables.word_table import build_word_table
from theodolite.tables.wordvector_file import VECTORS, WordVectorFile

_FIRST = re.compile(r"^first([1-9]\d{0,11})$")


def first_rows(reference: Reference) -> int | None:
    """Return how many rows `#first50000` asks for; None where the reference means all.

    Raises
    ------
    NotFoundError
        If the selector names anything but the one table of such a file.
    """
    selector = reference.selector
    if selector in (None, VECTORS, "input"):
        return None
    first = _FIRST.match(selector or "")
    if first is None:
        raise NotFoundError(
            f"{reference.location} holds word vectors, one table called {VECTORS!r}, and no {selector!r}. Leave the "
            "selector out, or write #first50000 for the first 50000 words."
        )
    return int(first[1])


def read_word_table(reference: Reference, file: WordVectorFile, limit: int | None) -> Table:
    """Read the table of a word-vector file.

    Parameters
    ----------
    reference : Reference
        As it was given.
    file : WordVectorFile
        The opened file.
    limit : int or None
        Read only so many rows; the smaller of this and the reference's own number counts.

    Returns
    -------
    Table
        One row for each word; of a word that occurs twice, the first.
    """
    limit = min((n for n in (limit, first_rows(reference)) if n is not None), default=None)
    found = file.read_words(limit)
    points = torch.from_numpy(found.points)
    return build_word_table(
        points=points,
        words=found.words,
        rows=found.rows,
        n_stored=found.n_rows,
        counts=found.counts,
        file=file.path,
        provenance={
            "reference": str(reference),
            "scheme": reference.scheme,
            "revision": reference.revision,
            "folder": str(Path(file.path).parent),
            "file": str(file.path),
            "format": file.format,
            "tensor": VECTORS,
            "which": VECTORS,
            "found_by": "only matrix",
            "tied": None,
            "dtype": str(points.dtype).removeprefix("torch."),
            "shape": list(points.shape),
            "n_bytes": points.numel() * points.element_size(),
            "sha256": hash_tensor(points),
            "model_type": None,
            "architecture": None,
            "embedding_scale": 1.0,
            "tokenizer": str(file.path),
        },
    )
