"""Which tokens two tables share, and the two tables with those rows alone, in one order."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import GeometryWarning, ParameterError, PointsError
from theodolite.core.number_format import counted
from theodolite.core.visible import visible
from theodolite.tables.matching import STAGES, match_spellings
from theodolite.tables.spelling import Spelling, spellings, unreachable_ids
from theodolite.tables.table import Table

_FEW = 1000
_PLACEHOLDER = re.compile(
    r"[\[<]\|?(unused|reserved|reserved_special_token|extra|extra_id|placeholder|pad)[_-]?\d+\|?[\]>]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Alignment(Displayed):
    """Which rows of two tables are the same token.

    Attributes
    ----------
    positions_a, positions_b : numpy.ndarray
        `(n_shared,)` int64 rows of the two tables as they were given, ascending in the first; no row occurs twice.
    stage : numpy.ndarray
        `(n_shared,)` uint8 places in `theodolite.tables.STAGES`: how each pair was found.
    method : {"id", "token"}
        "id" where both tables have the same tokenizer, so that equal ids are equal tokens; "token" where tokens were
        compared by what they spell.
    n_tied : int
        Pairs for which one side had several tokens of the same spelling; they were paired in their order.
    n_candidates_a, n_candidates_b : int
        Tokens of each table that could be matched: neither special nor unused nor beyond the tokenizer.
    left_out_a, left_out_b : mapping of str to int
        Rows that could not, by reason: "beyond_tokenizer", "special", "never_seen", "placeholder" (such as
        `[unused7]`), "unreachable" (see `theodolite.tables.unreachable_ids`).
    examples : mapping of str to tuple
        Up to 8 pairs of token strings for each stage that found some, spread over the vocabulary.
    unmatched_a, unmatched_b : tuple of str
        Up to 8 tokens of each table that found no partner, spread in the same way.
    fold_forms, fold_case : bool
        What was ignored at the end.
    """

    positions_a: npt.NDArray[np.int64] = field(repr=False)
    positions_b: npt.NDArray[np.int64] = field(repr=False)
    stage: npt.NDArray[np.uint8] = field(repr=False)
    method: Literal["id", "token"]
    n_tied: int
    n_candidates_a: int
    n_candidates_b: int
    left_out_a: Mapping[str, int]
    left_out_b: Mapping[str, int]
    examples: Mapping[str, tuple[tuple[str, str], ...]]
    unmatched_a: tuple[str, ...]
    unmatched_b: tuple[str, ...]
    fold_forms: bool
    fold_case: bool

    @property
    def n_shared(self) -> int:
        """Number of tokens that both tables have."""
        return len(self.stage)

    @property
    def counts(self) -> dict[str, int]:
        """Number of pairs that each stage found."""
        return {name: int((self.stage == i).sum()) for i, name in enumerate(STAGES)}

    @property
    def n_exact(self) -> int:
        """Pairs with the same bytes and the same start of a word."""
        return self.counts["exact"]

    @property
    def n_normalized(self) -> int:
        """Pairs that are the same only after normalization: of blanks, of Unicode, or of case."""
        return self.n_shared - self.n_exact

    @property
    def n_unmatched_a(self) -> int:
        """Tokens of the first table without a partner."""
        return self.n_candidates_a - self.n_shared

    @property
    def n_unmatched_b(self) -> int:
        """Tokens of the second table without a partner."""
        return self.n_candidates_b - self.n_shared

    @property
    def is_small(self) -> bool:
        """Whether fewer than 1000 tokens are shared, too few for what is usually measured on them."""
        return self.n_shared < _FEW

    def as_dict(self) -> dict[str, Any]:
        """Return counts and examples, without the rows, fit for JSON."""
        return {
            "method": self.method,
            "fold_forms": self.fold_forms,
            "fold_case": self.fold_case,
            "n_shared": self.n_shared,
            "n_exact": self.n_exact,
            "n_normalized": self.n_normalized,
            "counts": self.counts,
            "n_tied": self.n_tied,
            "n_candidates": [self.n_candidates_a, self.n_candidates_b],
            "n_unmatched": [self.n_unmatched_a, self.n_unmatched_b],
            "left_out": [dict(self.left_out_a), dict(self.left_out_b)],
            "examples": {stage: [list(pair) for pair in pairs] for stage, pairs in self.examples.items()},
            "unmatched": [list(self.unmatched_a), list(self.unmatched_b)],
        }

    def __str__(self) -> str:
        """Return the counts in one line."""
        how = "the same tokenizer, by id" if self.method == "id" else "by what tokens spell"
        normalized = ", ".join(f"{n:,} by {name}" for name, n in self.counts.items() if n and name != "exact")
        return (
            f"{counted(self.n_shared, 'shared token')} ({how}): {self.n_exact:,} exact, {self.n_normalized:,} "
            "normalized"
            f"{f' ({normalized})' if normalized else ''}; {self.n_unmatched_a:,} and {self.n_unmatched_b:,} unmatched"
        )


def align(a: Table, b: Table, *, fold_forms: bool = False, fold_case: bool = False) -> tuple[Table, Table, Alignment]:
    """Return two tables with the rows of their shared tokens alone, in one order, and how these were found.

    Parameters
    ----------
    a, b : Table
        With token strings. Special tokens, unused ones and rows beyond the tokenizer are left out and counted.
    fold_forms : bool
        Whether to pair, after all others, tokens that differ in Unicode's compatibility forms (NFKC). Off, because the
        signs it takes for the same seldom are: `²` for `2`, `™` for ` TM`.
    fold_case : bool
        Whether to pair, at the very end, tokens that differ in upper and lower case.

    Returns
    -------
    a_aligned, b_aligned : Table
        `(n_shared, n_dims)` each, in the order of the first table; row i of both is the same token.
    match : Alignment
        Counts of exact, normalized and unmatched tokens with examples, and the rows.

    Raises
    ------
    ParameterError
        If a table has no token strings.
    PointsError
        If the two share no token.

    Warns
    -----
    GeometryWarning
        If they share fewer than 1000.

    See Also
    --------
    match_tables : The same without reading the points.

    Notes
    -----
    Tables of the same tokenizer are paired by id: ids below the size of the smaller vocabulary. That is decided by what
    the vocabularies hold, never by their names. All others are paired one to one by what their tokens spell: byte-level
    BPE, SentencePiece, WordPiece and whole words are brought to bytes and the start of a word first, see
    `theodolite.tables.spell` and the stages of `theodolite.tables.match_spellings`.

    References
    ----------
    .. [1] Lee et al. 2025, "Shared Global and Local Geometry of Language Model Embeddings", arXiv:2503.21073, compares
       tables on shared tokens.
    .. [2] Goddard et al. 2024, "Arcee's MergeKit", arXiv:2403.13257; its tokensurgeon matches tokens with a printed
       breakdown.

    Examples
    --------
    >>> import theodolite as td
    >>> a, b, match = align(td.load_table("bundled:pocket-64"), td.load_table("bundled:pocket-256"))
    >>> a.n_tokens == b.n_tokens == match.n_shared, match.method
    (True, 'id')
    """
    match = match_tables(a, b, fold_forms=fold_forms, fold_case=fold_case)
    return a.take(match.positions_a), b.take(match.positions_b), match


def match_tables(a: Table, b: Table, *, fold_forms: bool = False, fold_case: bool = False) -> Alignment:
    """Find the tokens that two tables share, without reading their points.

    Parameters
    ----------
    a, b : Table
        As for `align`.
    fold_forms, fold_case : bool
        As for `align`.

    Returns
    -------
    Alignment
        Rows of both, counts, examples.

    Raises
    ------
    ParameterError
        If a table has no token strings.
    PointsError
        If the two share no token.

    Warns
    -----
    GeometryWarning
        If they share fewer than 1000.

    Examples
    --------
    >>> import theodolite as td
    >>> table = td.load_table("bundled:pocket-64")
    >>> match_tables(table, table).n_unmatched_a
    0
    """
    kept_a, left_out_a = _candidates(a)
    kept_b, left_out_b = _candidates(b)
    spelled_a, spelled_b = spellings(a, kept_a), spellings(b, kept_b)
    same = _same_ids(_by_id(a, kept_a, spelled_a), _by_id(b, kept_b, spelled_b))
    if same is not None:
        at_a, at_b = same
        stage, n_tied = np.zeros(len(at_a), dtype=np.uint8), 0
    else:
        at_a, at_b, stage, n_tied = match_spellings(spelled_a, spelled_b, fold_forms=fold_forms, fold_case=fold_case)
    names = [_name(table) for table in (a, b)]
    if not len(stage):
        raise PointsError(
            f"{names[0]} and {names[1]} share none of their {len(kept_a)} and {len(kept_b)} tokens, so their rows "
            "cannot be compared. Give tables of the same language and with the tokenizers they were trained with."
        )
    rows_a, rows_b = np.asarray(kept_a)[at_a], np.asarray(kept_b)[at_b]
    if len(stage) < _FEW:
        warnings.warn(
            f"{names[0]} and {names[1]} share only {counted(len(stage), 'token')}, fewer than {_FEW}: what is "
            "measured on them "
            "says little about whole vocabularies.",
            GeometryWarning,
            stacklevel=2,
        )
    return Alignment(
        positions_a=rows_a,
        positions_b=rows_b,
        stage=stage,
        method="token" if same is None else "id",
        n_tied=n_tied,
        n_candidates_a=len(kept_a),
        n_candidates_b=len(kept_b),
        left_out_a=left_out_a,
        left_out_b=left_out_b,
        examples={
            name: tuple((_shown(a, rows_a[k]), _shown(b, rows_b[k])) for k in _spread(np.flatnonzero(stage == i)))
            for i, name in enumerate(STAGES)
            if (stage == i).any()
        },
        unmatched_a=_unmatched(a, kept_a, rows_a),
        unmatched_b=_unmatched(b, kept_b, rows_b),
        fold_forms=fold_forms,
        fold_case=fold_case,
    )


def _candidates(table: Table) -> tuple[list[int], dict[str, int]]:
    """Return the rows whose tokens stand for text that was trained, and how many rows do not, by reason."""
    if table.tokens is None:
        raise ParameterError(
            f"{_name(table)} has no token strings, so its rows cannot be matched with those of another table. Put its "
            "tokenizer.json (or vocab.txt, tokenizer.model) beside the weights."
        )
    if table.known_ids is not None:
        kept, left_out = table.positions("trimmed")
    else:
        kept, left_out = np.arange(table.n_tokens), dict(table.left_out)
    unreachable = frozenset[int]() if table.vocabulary is None else unreachable_ids(table.vocabulary)
    token_ids, candidates = table.token_ids.tolist(), []
    for i in kept.tolist():
        if _is_placeholder(table.tokens[i]):
            left_out["placeholder"] = left_out.get("placeholder", 0) + 1
        elif token_ids[i] in unreachable:
            left_out["unreachable"] = left_out.get("unreachable", 0) + 1
        else:
            candidates.append(i)
    return candidates, left_out


def _is_placeholder(token: str) -> bool:
    """Say whether a token is empty or reserved for something that no text holds."""
    text = token.strip(" ")
    return not token or (text[:1] in ("[", "<") and _PLACEHOLDER.fullmatch(text) is not None)


def _by_id(table: Table, kept: Sequence[int], spelled: Sequence[Spelling]) -> dict[int, tuple[int, Spelling]]:
    """Return place and spelling of each id."""
    return dict(zip(table.token_ids[kept].tolist(), enumerate(spelled), strict=True))


def _same_ids(
    a: dict[int, tuple[int, Spelling]], b: dict[int, tuple[int, Spelling]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """Return the places of equal ids if both tables have the same tokenizer, otherwise None.

    They have if every token of the smaller one is there with the same id and the same spelling.
    """
    common = [token_id for token_id in a if token_id in b]
    if len(common) < min(len(a), len(b)) or any(a[one][1] != b[one][1] for one in common):
        return None
    return np.array([a[one][0] for one in common], np.int64), np.array([b[one][0] for one in common], np.int64)


def _unmatched(table: Table, kept: list[int], taken: npt.NDArray[np.int64]) -> tuple[str, ...]:
    rest = np.setdiff1d(np.asarray(kept, dtype=np.int64), taken)
    return tuple(_shown(table, rest[k]) for k in _spread(np.arange(len(rest))))


def _spread(places: npt.NDArray[np.int64]) -> list[int]:
    """Return up to 8 of some places, evenly spread."""
    n = min(8, len(places))
    return [int(places[(2 * k + 1) * len(places) // (2 * n)]) for k in range(n)]


def _shown(table: Table, row: int) -> str:
    return visible(table.tokens[row]) if table.tokens is not None else ""


def _name(table: Table) -> str:
    return str(table.provenance.get("reference", "a table in memory"))
