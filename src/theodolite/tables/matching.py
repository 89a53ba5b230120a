"""Pairing two lists of spellings one to one, in stages from certain to permissive."""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from theodolite.tables.spelling import Spelling, is_ideograph

STAGES = ("exact", "spacing", "unicode", "compatibility", "case")
"""How two tokens were found to be the same, from certain to permissive; see `match_spellings`."""

_Key = tuple[bytes, bool | None]


class Pairs(NamedTuple):
    """Which spelling of one list goes with which of the other.

    Attributes
    ----------
    a, b : numpy.ndarray
        `(n_pairs,)` int64 places in the two lists, ascending in `a`; no place occurs twice.
    stage : numpy.ndarray
        `(n_pairs,)` uint8 places in `STAGES`.
    n_tied : int
        Pairs for which one side had more than one candidate.
    """

    a: npt.NDArray[np.int64]
    b: npt.NDArray[np.int64]
    stage: npt.NDArray[np.uint8]
    n_tied: int


def match_spellings(
    a: Sequence[Spelling], b: Sequence[Spelling], *, fold_forms: bool = False, fold_case: bool = False
) -> Pairs:
    """Pair two lists of spellings one to one.

    Parameters
    ----------
    a, b : sequence of Spelling
        The tokens of two tables.
    fold_forms : bool
        Whether to pair, after all others, tokens that differ in Unicode's compatibility forms.
    fold_case : bool
        Whether to pair, at the very end, tokens that differ in upper and lower case.

    Returns
    -------
    Pairs
        The same for the same lists.

    Notes
    -----
    A pair that an earlier stage found is never given up for a later one:

    1. "exact": the same bytes and the same start of a word;
    2. "spacing": the same bytes, where one side does not say whether a word starts; a word is then taken to start one,
       and anything else not to, and only after that the other way round;
    3. "unicode": the same characters composed in another way (NFC);
    4. "compatibility": the same after NFKC, on request: it takes `²` for `2` and `™` for ` TM`;
    5. "case": the same after `str.casefold`, on request.

    Where several tokens of a side spell the same, they are paired in their order and counted as tied.

    Examples
    --------
    >>> one = [Spelling(b"dog", True), Spelling(b",", False), Spelling(b"Cat", True)]
    >>> other = [Spelling(b",", None), Spelling(b"dog", False), Spelling(b"dog", True), Spelling(b"cat", True)]
    >>> pairs = match_spellings(one, other)
    >>> [(int(i), int(j), STAGES[stage]) for i, j, stage in zip(pairs.a, pairs.b, pairs.stage)]
    [(0, 2, 'exact'), (1, 0, 'spacing')]
    """
    forms: list[tuple[str, Callable[[bytes], bytes]]] = [("exact", _as_it_is), ("unicode", _normalized("NFC"))]
    if fold_forms:
        forms.append(("compatibility", _normalized("NFKC")))
    if fold_case:
        forms.append(("case", _folded("NFKC" if fold_forms else "NFC")))
    open_a, open_b = list(range(len(a))), list(range(len(b)))
    found: list[tuple[int, int, int]] = []
    n_tied = 0
    for stage, form in forms:
        side_a, side_b = _side(a, open_a, form), _side(b, open_b, form)
        for guess in (None, True, False):
            label = STAGES.index("spacing" if stage == "exact" and guess is not None else stage)
            pairs, tied = _join(side_a, side_b) if guess is None else _join_guessing(side_a, side_b, likely=guess)
            n_tied += tied
            for i, j in pairs:
                found.append((i, j, label))
                del side_a[i], side_b[j]
        if found:
            taken_a, taken_b = {pair[0] for pair in found}, {pair[1] for pair in found}
            open_a, open_b = [i for i in open_a if i not in taken_a], [j for j in open_b if j not in taken_b]
    columns = np.array(sorted(found), dtype=np.int64).reshape(-1, 3)
    return Pairs(columns[:, 0], columns[:, 1], columns[:, 2].astype(np.uint8), n_tied)


def _side(spelled: Sequence[Spelling], places: list[int], form: Callable[[bytes], bytes]) -> dict[int, _Key]:
    """Return the normalized spelling of each place, in order."""
    return {i: (form(spelled[i].content), spelled[i].starts_word) for i in places}


def _join(a: dict[int, _Key], b: dict[int, _Key]) -> tuple[list[tuple[int, int]], int]:
    """Pair equal keys in their order, and count the pairs that had a choice."""
    pairs: list[tuple[int, int]] = []
    n_tied = 0
    if not a or not b:
        return pairs, n_tied
    wanted = set(a.values()) & set(b.values())
    ours: dict[_Key, list[int]] = {key: [] for key in wanted}
    theirs: dict[_Key, list[int]] = {key: [] for key in wanted}
    for side, groups in ((a, ours), (b, theirs)):
        for place, key in side.items():
            if key in wanted:
                groups[key].append(place)
    for key in wanted:
        n_pairs = min(len(ours[key]), len(theirs[key]))
        pairs += zip(ours[key][:n_pairs], theirs[key][:n_pairs], strict=True)
        n_tied += n_pairs if max(len(ours[key]), len(theirs[key])) > 1 else 0
    return pairs, n_tied


def _join_guessing(a: dict[int, _Key], b: dict[int, _Key], *, likely: bool) -> tuple[list[tuple[int, int]], int]:
    """Pair tokens that do not say whether a word starts with those of the other side that do."""
    pairs_a, tied_a = _join(_guessed(a, likely=likely), _stated(b))
    pairs_b, tied_b = _join(_stated(a), _guessed(b, likely=likely))
    return pairs_a + pairs_b, tied_a + tied_b


def _stated(side: dict[int, _Key]) -> dict[int, _Key]:
    return {place: key for place, key in side.items() if key[1] is not None}


def _guessed(side: dict[int, _Key], *, likely: bool) -> dict[int, _Key]:
    return {
        place: (content, _looks_like_word(content) is likely)
        for place, (content, starts) in side.items()
        if starts is None
    }


def _looks_like_word(content: bytes) -> bool:
    """Say whether a text begins with a letter or digit of a script that puts blanks between words."""
    first = content.decode("utf-8", "replace")[:1]
    return first.isalnum() and not is_ideograph(first)


def _as_it_is(content: bytes) -> bytes:
    return content


def _normalized(form: Literal["NFC", "NFKC"]) -> Callable[[bytes], bytes]:
    """Return a function that normalizes UTF-8 and leaves other bytes alone."""

    def normalize(content: bytes) -> bytes:
        if content.isascii():
            return content
        try:
            return unicodedata.normalize(form, content.decode("utf-8")).encode("utf-8")
        except UnicodeDecodeError:
            return content

    return normalize


def _folded(form: Literal["NFC", "NFKC"]) -> Callable[[bytes], bytes]:
    """Return a function that folds case and normalizes UTF-8, and leaves other bytes alone."""
    normalize = _normalized(form)

    def fold(content: bytes) -> bytes:
        if content.isascii():
            return content.lower()
        try:
            return normalize(normalize(content).decode("utf-8").casefold().encode("utf-8"))
        except UnicodeDecodeError:
            return content

    return fold
