"""Semantic coherence of neighborhoods: do the nearest tokens belong together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError
from theodolite.core.points import Points
from theodolite.neighborhoods.graph import NeighborGraph, require_graph
from theodolite.similarity.directions import norms_of
from theodolite.similarity.overlap import neighborhood_overlap

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_NUMBERS_PER_BATCH = 1 << 19
_MARKS = (
    " \t\r\n\u0120\u010a\u2581"  # blanks, and the marks that byte-level and SentencePiece vocabularies write for them
)
_SUFFIXES = (
    "'s",
    "’s",
    "ations",
    "ation",
    "ments",
    "ment",
    "ness",
    "less",
    "able",
    "ible",
    "ings",
    "ing",
    "ers",
    "est",
    "ity",
    "ful",
    "ly",
    "ed",
    "er",
    "es",
    "s",
)
_PREFIXES = ("un", "re", "dis", "non", "pre", "mis")
_VOWEL = re.compile("[aeiouyà-öø-ÿ]")
_SHORTEST = 3


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Coherence(Displayed):
    """How coherent the neighborhood of each token is; every array has one value for each row of the graph.

    Attributes
    ----------
    rows : numpy.ndarray
        `(n_points,)` int64: the input row of each token.
    variant_share : numpy.ndarray
        Share of the k neighbors that are the token itself in another spelling: case, leading blank or affix.
    mean_cosine : numpy.ndarray or None
        Mean cosine over all pairs among the token and its k neighbors, in [-1, 1]; None without `points`.
    stability : numpy.ndarray or None
        Mean share of the k neighbors that the token also has in the other graphs, NaN where it is in none of them; None
        without `others`.
    group_share : numpy.ndarray or None
        Share of the k neighbors in the token's own group of the lexicon, NaN where it has no group; None without
        `lexicon`.
    k : int
        Neighbors looked at.
    """

    rows: Indices
    variant_share: Floats
    mean_cosine: Floats | None
    stability: Floats | None
    group_share: Floats | None
    k: int


def coherence(
    graph: NeighborGraph,
    tokens: Sequence[str],
    *,
    points: Points | None = None,
    others: Sequence[NeighborGraph] = (),
    lexicon: Mapping[str, str] | None = None,
    k: int | None = None,
) -> Coherence:
    """Measure for each token how well its nearest neighbors belong together: shares in [0, 1] and a mean cosine.

    Parameters
    ----------
    graph : NeighborGraph
        The neighbors.
    tokens : sequence of str
        `n_given` token texts, one for each row of the table the graph was made from.
    points : torch.Tensor or numpy.ndarray, optional
        `(n_given, n_dims)`: that table, for `mean_cosine`.
    others : sequence of NeighborGraph
        Graphs of the same tokens in other models, for `stability`.
    lexicon : mapping of str to str, optional
        Group of each word (a topic, a part of speech), for `group_share`; looked up without blanks and case.
    k : int, optional
        Neighbors looked at; by default all that the graph holds.

    Returns
    -------
    Coherence
        What could be measured from what was given.

    Raises
    ------
    ParameterError
        If `k` is out of range for one of the graphs, or tokens, points or graphs have another number of rows.
    PointsError
        If rows of `points` are not finite, or another graph has no row in common.

    Notes
    -----
    Two tokens are variants if their stems are equal. The stem: blanks and their marks taken off both ends (the marks
    of WordPiece and BPE too), lower case; then one English prefix (un, re, dis, non, pre, mis) and one suffix (such as
    s, ed, ing, ly, ness, 's) are taken off where at least three letters with a vowel remain; a doubled last consonant
    becomes single, a last e is dropped and a last y becomes i. This is crude on purpose and offline: it joins "run",
    " Running" and "runs", and now and then two words that have nothing to do with each other. Tokens without letters
    or digits have no variants.

    Lee et al. relate low local dimension to coherent neighborhoods by an external resource; `lexicon` is the door for
    one. Chance levels: k / (n - 1) for `stability`, the frequency of the group for `group_share`; those of the other
    two are best read from a table with permuted rows.

    References
    ----------
    A. Lee et al., arXiv:2503.21073 (2025), local geometry.

    Examples
    --------
    >>> from theodolite.neighborhoods import neighbors
    >>> points = np.array([[0.0], [1.0], [1.5], [9.0]])
    >>> animals = {"dog": "animal", "cat": "animal"}
    >>> found = coherence(neighbors(points, k=2), ["dog", " Dogs", "cat", "the"], lexicon=animals)
    >>> found.variant_share.tolist(), found.group_share.tolist()
    ([0.5, 0.5, 0.0, 0.0], [0.5, nan, 0.5, nan])
    """
    require_graph(graph, method="coherence")
    used = graph.k if k is None else k
    if not 1 <= used <= graph.k:
        raise ParameterError(f"k must lie in 1 to {graph.k}, which the graph holds, but k={used} was given.")
    if len(tokens) != graph.n_given:
        raise ParameterError(f"The graph was made from {graph.n_given} rows, but there are {len(tokens)} tokens.")
    rows = graph.rows if graph.queries is None else graph.rows[graph.queries]
    near = graph.rows[graph.indices[:, :used]]
    groups = None
    if lexicon is not None:
        folded = {_folded(word): group for word, group in lexicon.items()}
        groups = _same(_numbered([folded.get(_folded(token), "") for token in tokens]), rows, near, unknown=np.nan)
    return Coherence(
        rows=rows,
        variant_share=_same(_numbered([stem(token) for token in tokens]), rows, near, unknown=0.0),
        mean_cosine=None if points is None else _mean_cosines(points, rows, near, graph.n_given),
        stability=_stability(graph, others, rows, used) if others else None,
        group_share=groups,
        k=used,
    )


def stem(token: str) -> str:
    """Return the crude stem by which `coherence` tells variants; empty for a token without letters or digits.

    Parameters
    ----------
    token : str
        A token's text, blanks and their marks included.

    Returns
    -------
    str
        Lower-case letters and digits.

    Examples
    --------
    >>> [stem(token) for token in (" Running", "run", "\u2581unhappily", "happy", "##making", "make", "!?")]
    ['run', 'run', 'happi', 'happi', 'mak', 'mak', '']
    """
    word = _folded(token)
    if not any(char.isalnum() for char in word):
        return ""
    for prefix in _PREFIXES:
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) > _SHORTEST and _VOWEL.search(rest):
            word = rest
            break
    word = re.sub("ie[sd]$", "y", word) if len(word) > _SHORTEST + 1 else word
    for suffix in _SUFFIXES:
        rest = word.removesuffix(suffix)
        if rest != word and len(rest) >= _SHORTEST and _VOWEL.search(rest):
            word = rest
            break
    if len(word) > _SHORTEST and word[-1] == word[-2] and not _VOWEL.match(word[-1]):
        word = word[:-1]
    if len(word) > _SHORTEST and word[-1] == "e":
        word = word[:-1]
    return f"{word[:-1]}i" if len(word) > _SHORTEST and word[-1] == "y" else word


def _folded(token: str) -> str:
    return token.strip(_MARKS).removeprefix("##").removesuffix("</w>").removesuffix("@@").casefold()


def _numbered(names: Sequence[str]) -> Indices:
    """Give equal names equal numbers, and the empty name -1."""
    number: dict[str, int] = {"": -1}
    return np.array([number.setdefault(name, len(number)) for name in names], dtype=np.int64)


def _same(kinds: Indices, rows: Indices, near: Indices, *, unknown: float) -> Floats:
    """Return the share of neighbors of the token's own kind, `unknown` where it has none."""
    own = kinds[rows]
    share: Floats = (kinds[near] == own[:, None]).mean(axis=1)
    share[own < 0] = unknown
    return share


def _mean_cosines(points: Points, rows: Indices, near: Indices, n_given: int) -> Floats:
    values, norms, _ = norms_of(points)
    if len(values) != n_given:
        raise ParameterError(f"The graph was made from {n_given} rows, but these points have {len(values)}.")
    table, lengths = values.cpu().numpy(), norms.cpu().numpy()
    scales = np.divide(1.0, lengths, out=np.zeros(len(lengths)), where=lengths > 0)
    members = np.column_stack([rows, near])
    found = np.empty(len(rows))
    step = max(1, _NUMBERS_PER_BATCH // (members.shape[1] * table.shape[1]))
    for start in range(0, len(rows), step):
        some = members[start : start + step]
        total = np.einsum("bkd,bk->bd", table[some].astype(np.float64), scales[some], optimize=True)
        directed = np.count_nonzero(scales[some], axis=1)
        pairs = directed * (directed - 1.0)
        found[start : start + step] = np.divide(
            np.vecdot(total, total) - directed, pairs, out=np.full(len(some), np.nan), where=pairs > 0
        )
    return found


def _stability(graph: NeighborGraph, others: Sequence[NeighborGraph], rows: Indices, k: int) -> Floats:
    """Return the mean over graphs of the share of common neighbors of each row."""
    total, count = np.zeros(graph.n_given), np.zeros(graph.n_given)
    for other in others:
        overlap = neighborhood_overlap(graph, other, k_values=[k])
        total[overlap.rows] += overlap.counts[:, 0] / k
        count[overlap.rows] += 1
    mean: Floats = np.divide(total, count, out=np.full(graph.n_given, np.nan), where=count > 0)[rows]
    return mean
