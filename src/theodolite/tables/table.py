"""A table: an embedding or unembedding matrix with its tokens and where it came from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError
from theodolite.tables.vocabulary import Vocabulary

Rows = Literal["all", "tokenizer", "trimmed"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Table(Displayed):
    """A matrix with one row for each token.

    Attributes
    ----------
    points : torch.Tensor
        `(n_tokens, n_dims)` in the stored dtype; memory-mapped where the file allows and no rows were picked out.
    token_ids : numpy.ndarray
        `(n_tokens,)` int64: the row of the stored matrix that each point is.
    tokens : tuple of str or None
        What a person may see of each token (" dog"; invisible characters escaped); None where no tokenizer is known.
    which : str
        "input", "output" or the name of a tensor.
    tied : bool or None
        Whether input and output embedding are one matrix; None where that is not known.
    n_vocabulary : int or None
        Number of ids that have a token.
    special_ids : frozenset of int
        Ids of marks that never stand for text.
    counts : numpy.ndarray or None
        `(n_tokens,)` int64: how often each token was seen in training, where that is known.
    rows : {"all", "tokenizer", "trimmed"}
        Which rows were kept.
    n_stored : int
        Rows of the stored matrix.
    left_out : mapping of str to int
        Rows left out, by reason: "beyond_tokenizer", "special", "never_seen". Each row is counted once, under the
        first reason that applies.
    provenance : mapping of str to Any
        Fit for JSON: reference, revision, file, tensor, dtype, shape, sha256 of the tensor's bytes, scaling.
    vocabulary : Vocabulary or None
        The tokenizer behind `tokens`, which knows their bytes and where a word starts; None where only the strings are
        known.
    """

    points: torch.Tensor
    token_ids: npt.NDArray[np.int64]
    tokens: tuple[str, ...] | None
    which: str
    tied: bool | None
    n_vocabulary: int | None
    special_ids: frozenset[int]
    counts: npt.NDArray[np.int64] | None
    rows: Rows = "all"
    n_stored: int
    known_ids: npt.NDArray[np.int64] | None = field(repr=False)
    left_out: Mapping[str, int] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    vocabulary: Vocabulary | None = field(default=None, repr=False)

    @property
    def n_tokens(self) -> int:
        """Number of rows that remain."""
        return int(self.points.shape[0])

    @property
    def n_dims(self) -> int:
        """Extrinsic dimension: the number of columns."""
        return int(self.points.shape[1])

    @property
    def content(self) -> str:
        """Hash of everything that a measurement of this table may depend on: numbers, shape, tokens, counts."""
        parts = (
            self.provenance.get("sha256"),
            str(self.points.dtype),
            list(self.points.shape),
            self.token_ids.tolist(),
            self.tokens,
            sorted(self.special_ids),
            None if self.counts is None else self.counts.tolist(),
            None if self.known_ids is None else self.known_ids.tolist(),
        )
        return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()

    def select(self, rows: Rows) -> "Table":
        """Leave rows out and say how many.

        Parameters
        ----------
        rows : {"all", "tokenizer", "trimmed"}
            "all" keeps everything; "tokenizer" keeps rows whose id has a token; "trimmed" also leaves out special
            tokens and, where training counts are known, tokens that training never saw.

        Returns
        -------
        Table
            With `left_out` and `rows` set. Rows that were left out before stay out.

        Raises
        ------
        ParameterError
            If `rows` is none of the three, or no tokenizer is known and rows are to be left out by it.
        """
        if rows not in get_args(Rows):
            raise ParameterError(f"rows={rows!r} is not known. Choose one of {', '.join(get_args(Rows))}.")
        if rows == "all":
            return self
        kept, left_out = self.positions(rows)
        return self._keep(kept, rows, left_out)

    def positions(self, rows: Rows) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
        """Return which rows `select` would keep, and how many it would leave out for which reason.

        Parameters
        ----------
        rows : {"tokenizer", "trimmed"}
            As for `select`.

        Returns
        -------
        kept : numpy.ndarray
            `(n_kept,)` int64 positions in this table, ascending.
        left_out : dict of str to int
            Rows left out, by reason; those that were left out before are counted too.

        Raises
        ------
        ParameterError
            If no tokenizer is known.
        """
        if self.known_ids is None:
            raise ParameterError(
                f'rows="{rows}" needs the tokenizer of {self.provenance.get("reference", "this table")}, but there is '
                'none beside it. Put tokenizer.json into the model folder, or keep every row with rows="all".'
            )
        reasons = {"beyond_tokenizer": ~np.isin(self.token_ids, self.known_ids)}
        if rows == "trimmed":
            reasons["special"] = np.isin(self.token_ids, np.fromiter(self.special_ids, np.int64, len(self.special_ids)))
            if self.counts is not None:
                reasons["never_seen"] = self.counts == 0
        keep = np.ones(self.n_tokens, dtype=bool)
        left_out = dict(self.left_out)
        for reason, drop in reasons.items():
            left_out[reason] = left_out.get(reason, 0) + int((keep & drop).sum())
            keep &= ~drop
        return np.flatnonzero(keep), left_out

    def take(self, positions: npt.NDArray[np.integer[Any]]) -> "Table":
        """Return the table with some of its rows only, such as a random sample.

        Parameters
        ----------
        positions : numpy.ndarray
            `(n_taken,)` positions in this table, each once, in the order wanted.

        Returns
        -------
        Table
            What was left out by `select` stays recorded; these rows are not counted as left out.
        """
        return self._keep(np.asarray(positions, dtype=np.int64), self.rows, self.left_out)

    def _keep(self, kept: npt.NDArray[np.int64], rows: Rows, left_out: Mapping[str, int]) -> "Table":
        """Return the table with the rows `kept` (positions); a leading block in its order stays memory-mapped."""
        n = len(kept)
        leading = np.array_equal(kept, np.arange(n))
        if leading and n == self.n_tokens:
            return replace(self, rows=rows, left_out=left_out)
        return replace(
            self,
            points=self.points[:n] if leading else self.points[torch.from_numpy(kept)],
            token_ids=self.token_ids[kept],
            tokens=None if self.tokens is None else tuple(self.tokens[i] for i in kept),
            counts=None if self.counts is None else self.counts[kept],
            rows=rows,
            left_out=left_out,
        )
