"""A file of word vectors, whatever its format: one table that brings its own words."""

from collections.abc import Callable, Iterator, Mapping
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
        The file. Of fastText the dictionary is read, of the others only the header; the lines of GloVe text, which has
        none, are counted when someone asks for its size.
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
        self.entries: Mapping[str, TensorEntry] = _OnlyEntry(self._entry)

    def _entry(self) -> TensorEntry:
        """Describe the table: its size in the file is that of the rows that are read, or of the whole text."""
        n_rows, n_dims = self._shape(None)
        with_ngrams = self._header is not None and self._header.maxn > 0
        n_inputs = self._header.n_inputs if self._header is not None and with_ngrams else n_rows
        is_text = self._layout.is_gzip or self._layout.kind in ("word2vec text", "glove text")
        return TensorEntry(
            name=VECTORS,
            shape=(n_rows, n_dims),
            dtype=self._layout.dtype,
            n_bytes=self.path.stat().st_size if is_text else 4 * n_dims * n_inputs,
            file=self.path,
        )

    def _shape(self, limit: int | None) -> tuple[int, int]:
        """Return rows and columns; where there is no header, lines are counted, up to `limit`."""
        layout = self._layout
        if self._header is not None:
            return len(self._header.words), self._header.n_dims
        if layout.n_rows is None:
            return count_lines(self.path, layout.skip, limit), layout.n_dims
        return layout.n_rows, layout.n_dims

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
        n_rows, n_dims = self._shape(limit)
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


class _OnlyEntry(Mapping[str, TensorEntry]):
    """The one entry of a word-vector file, made when it is looked at."""

    def __init__(self, make: Callable[[], TensorEntry]) -> None:
        self._make = make
        self._entry: TensorEntry | None = None

    def __getitem__(self, name: str) -> TensorEntry:
        if name != VECTORS:
            raise KeyError(name)
        if self._entry is None:
            self._entry = self._make()
        return self._entry

    def __iter__(self) -> Iterator[str]:
        return iter((VECTORS,))

    def __len__(self) -> int:
        return 1
