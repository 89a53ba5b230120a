"""A file of word vectors, whatever its format: one table that brings its own words."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from theodolite.core.errors import FormatError
from theodolite.tables.entries import TensorEntry, find_entry
from theodolite.tables.fasttext_file import read_fasttext, read_header
from theodolite.tables.word2vec_binary import read_binary
from theodolite.tables.wordvector_layout import Layout
from theodolite.tables.wordvector_stream import count_lines
from theodolite.tables.wordvector_text import read_text
from theodolite.tables.wordvector_words import WordVectors

VECTORS = "vectors"


class WordVectorFile:
    """The one table of a word-vector file, called "vectors".

    Parameters
    ----------
    path : pathlib.Path
        The file. Of GloVe text, which has no header, the lines are counted; of fastText the dictionary is read; of the
        others only the header.
    layout : Layout
        As `find_layout` found it.

    Raises
    ------
    FormatError
        If the header cannot be true.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self.format = f"{layout.kind}, gzip" if layout.is_gzip else layout.kind
        self._layout = layout
        self._header = read_header(path) if layout.kind == "fasttext" else None
        n_rows, n_dims = layout.n_rows, layout.n_dims
        if self._header is not None:
            n_rows, n_dims = len(self._header.words), self._header.n_dims
        elif n_rows is None:
            n_rows = count_lines(path, layout.skip)
        self._shape = (n_rows, n_dims)
        in_rows = 4 * n_dims * (n_rows if self._header is None or not self._header.maxn else self._header.n_inputs)
        is_text = layout.is_gzip or layout.kind in ("word2vec text", "glove text")
        n_bytes = path.stat().st_size if is_text else in_rows
        entry = TensorEntry(name=VECTORS, shape=self._shape, dtype=layout.dtype, n_bytes=n_bytes, file=path)
        self.entries: Mapping[str, TensorEntry] = {VECTORS: entry}

    def read(self, name: str = VECTORS) -> torch.Tensor:
        """Return the vectors, without those of repeated words."""
        find_entry(self.entries, name, str(self.path))
        return torch.from_numpy(self.read_words().points)

    def read_words(self, limit: int | None = None) -> WordVectors:
        """Return the words and their vectors.

        Parameters
        ----------
        limit : int, optional
            Read only so many rows.

        Raises
        ------
        FormatError
            If a row is damaged, the header is wrong, or the numbers do not fit into memory.
        """
        n_rows, n_dims = self._shape
        layout = self._layout
        try:
            if self._header is not None:
                return read_fasttext(self.path, self._header, limit=limit)
            if layout.kind == "word2vec binary":
                return read_binary(self.path, skip=layout.skip, n_rows=n_rows, n_dims=n_dims, limit=limit)
            return read_text(
                self.path,
                skip=layout.skip,
                n_rows=n_rows,
                n_dims=n_dims,
                dtype=layout.dtype,
                has_header=layout.n_rows is not None,
                limit=limit,
            )
        except MemoryError as error:
            wanted = np.dtype(layout.dtype).itemsize * n_rows * n_dims
            raise FormatError(
                f"{self.path} claims {n_rows} words of {n_dims} numbers, and the {wanted} bytes for them are not to be "
                "had. If the file is in order, read its first words with #first100000 after the path."
            ) from error
