"""Rows of one table by name: who is near, how many directions there are, and what looks wrong."""

import difflib
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import GeometryWarning, NotFoundError, ParameterError, PointsError
from theodolite.core.points import as_points
from theodolite.dimension import local_pca, mle
from theodolite.neighborhoods import NeighborGraph, hubness, neighbors
from theodolite.studies.hub import row_norms
from theodolite.tables import Table

Floats = npt.NDArray[np.float64]

_LOCAL_K = 20
_PCA_K = 100
_FEWEST_FOR_PCA = 3
_CANDIDATES = 6
_SHORT = 0.5
_MARKS = " \u0120\u2581"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """A token near another one: its id, how it reads, the cosine to it and the Euclidean distance."""

    token_id: int
    token: str | None
    cosine: float
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """What a table says of one token.

    Attributes
    ----------
    token_id : int
        Row of the stored matrix.
    token : str or None
        What a person may see of it.
    norm : float
        Length of its row.
    norm_over_median : float
        The same over the median of all rows.
    count : int or None
        How often training saw it, where that is known.
    dimension : float or None
        Local dimension by maximum likelihood from the 20 nearest.
    components : float or None
        Principal components for 95 % of the variance of the 100 nearest.
    hubness : float or None
        How often it is among the nearest of others, over what is usual (k).
    neighbors : tuple of Neighbor
        Nearest first.
    note : str
        Why the row has no neighbors of its own; empty where it has.
    """

    token_id: int
    token: str | None
    norm: float
    norm_over_median: float
    count: int | None
    dimension: float | None
    components: float | None
    hubness: float | None
    neighbors: tuple[Neighbor, ...]
    note: str

    def as_dict(self) -> dict[str, Any]:
        """Return the view as a dict fit for JSON."""
        return asdict(self)


class TokenIndex:
    """A table with its neighbors found, ready to be asked about tokens.

    Attributes
    ----------
    table : Table
        The rows.
    k : int
        Neighbors shown.
    graph : NeighborGraph
        Nearest rows of each row that has any.
    place : numpy.ndarray
        `(n_tokens,)` int64: the graph point of each row, -1 for rows that were left out of the graph.
    norms : numpy.ndarray
        `(n_tokens,)` length of each row.
    dimensions : numpy.ndarray
        `(n_points,)` local dimension of each graph point by maximum likelihood from the 20 nearest; NaN where unknown.
    hubness : numpy.ndarray
        `(n_points,)` how often each graph point is among the k nearest of others, over k.
    """

    def __init__(
        self,
        table: Table,
        *,
        k: int,
        metric: Literal["cosine", "euclidean"] = "cosine",
        graph: NeighborGraph | None = None,
    ) -> None:
        """Find the neighbors of every row, unless a graph of the table holds them already.

        Raises
        ------
        ParameterError
            If k is below 2.
        PointsError
            If the table has too few rows.
        """
        if k < 2:
            raise ParameterError(f"k={k} is too small: take at least 2 neighbors.")
        self.table, self.k, self._metric = table, k, metric if graph is None else graph.metric
        self._points = as_points(table.points)
        self.graph = self._search(min(max(k, _LOCAL_K), table.n_tokens - 1)) if graph is None else graph
        self.place = np.full(table.n_tokens, -1)
        self.place[self.graph.rows] = np.arange(self.graph.n_points)
        self.norms = row_norms(self._points)
        self._median = float(np.median(self.norms[np.isfinite(self.norms)]))
        used = min(k, self.graph.k)
        self.hubness: Floats = hubness(self.graph, k=used).counts / used
        pointwise = mle(self.graph, k=min(_LOCAL_K, self.graph.k)).pointwise
        assert pointwise is not None
        self.dimensions: Floats = np.where(np.isfinite(pointwise), pointwise, np.nan)

    def view(self, row: int) -> TokenView:
        """Return what the table says of one of its rows."""
        place, note = int(self.place[row]), ""
        if place < 0:
            place, note = self._stand_in(row)
        known = place >= 0
        return TokenView(
            token_id=int(self.table.token_ids[row]),
            token=self._name(row),
            norm=float(self.norms[row]),
            norm_over_median=float(self.norms[row] / self._median) if self._median else float("nan"),
            count=None if self.table.counts is None else int(self.table.counts[row]),
            dimension=_number(self.dimensions[place]) if known else None,
            components=self._components(place) if known else None,
            hubness=float(self.hubness[place]) if known else None,
            neighbors=self._near(row, place) if known else (),
            note=note,
        )

    def extremes(self, shown: int) -> dict[str, list[tuple[int, float]]]:
        """Return rows of lowest and highest local dimension with it."""
        known = np.flatnonzero(np.isfinite(self.dimensions))
        ordered = known[np.argsort(self.dimensions[known], kind="stable")]
        return {
            name: [(int(self.graph.rows[place]), float(self.dimensions[place])) for place in places]
            for name, places in (("lowest", ordered[:shown]), ("highest", ordered[::-1][:shown]))
        }

    def suspicious(self) -> dict[str, list[int]]:
        """Return rows that a reader should know of, by reason; the shortest first."""
        finite = np.isfinite(self.norms)
        zero = finite & (self.norms == 0)
        short = finite & ~zero & (self.norms < _SHORT * self._median)
        counts = self.table.counts
        reasons = {
            "not finite": ~finite,
            "zero": zero,
            "equal to an earlier row" if self._metric == "euclidean" else "same direction as an earlier row": finite
            & ~zero
            & (self.place < 0),
            "shorter than half the median": short,
            "never seen in training": np.zeros_like(zero) if counts is None else counts == 0,
        }
        found = {}
        for reason, chosen in reasons.items():
            rows = np.flatnonzero(chosen)
            if len(rows):
                found[reason] = rows[np.argsort(self.norms[rows], kind="stable")].tolist()
        return found

    def near_names(self, row: int, most: int) -> list[str]:
        """Return the names of the nearest tokens of a row."""
        place = int(self.place[row])
        return [self.name(int(one)) for one in self.graph.rows[self.graph.indices[place, :most]]]

    def name(self, row: int) -> str:
        """Return the token of a row, or its number where no tokenizer is known."""
        found = self._name(row)
        return f"row {int(self.table.token_ids[row])}" if found is None else found

    def _search(self, k: int, *, queries: npt.NDArray[np.int64] | None = None) -> NeighborGraph:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)  # rows that are not finite are listed as suspicious
            return neighbors(self._points, k=k, metric=self._metric, nonfinite="drop", queries=queries)

    def _name(self, row: int) -> str | None:
        return None if self.table.tokens is None else self.table.tokens[row]

    def _stand_in(self, row: int) -> tuple[int, str]:
        """Return the graph point that stands for a row that was left out, and why it was."""
        if not np.isfinite(self.norms[row]):
            return -1, "The row holds numbers that are not finite."
        if self.norms[row] == 0:
            return -1, "The row is zero and has no direction."
        values = self._points[torch.from_numpy(self.graph.rows)].double()
        own = self._points[row].double()
        if self._metric == "cosine":
            apart = 1.0 - (values @ own) / (values.norm(dim=1) * own.norm())
        else:
            apart = (values - own).norm(dim=1)
        place = int(apart.argmin())
        same = "direction" if self._metric == "cosine" else "row"
        return place, f"The same {same} as {self.name(int(self.graph.rows[place]))!r}, whose neighbors are shown."

    def _near(self, row: int, place: int) -> tuple[Neighbor, ...]:
        near = self.graph.rows[self.graph.indices[place, : self.k]]
        values, own = self._points[torch.from_numpy(near)].double(), self._points[row].double()
        cosines = (values @ own) / (values.norm(dim=1) * own.norm())
        distances = (values - own).norm(dim=1)
        return tuple(
            Neighbor(
                token_id=int(self.table.token_ids[one]),
                token=self._name(int(one)),
                cosine=float(cosine),
                distance=float(distance),
            )
            for one, cosine, distance in zip(near, cosines, distances, strict=True)
        )

    def _components(self, place: int) -> float | None:
        """Return the components for the variance of the nearest of one row."""
        k = min(_PCA_K, self.graph.n_points - 1)
        if k < _FEWEST_FOR_PCA:
            return None
        pair = self.graph.rows[[place, int(self.graph.indices[place, 0])]]  # an estimate needs two neighborhoods
        asked = self._search(k, queries=pair)
        try:
            found = local_pca(asked, self._points, k=k).pointwise
        except PointsError:
            return None
        return None if found is None else _number(found[0])


def find_rows(table: Table, token: str) -> list[int]:
    """Return the rows of a table whose token is the one given.

    Parameters
    ----------
    table : Table
        With token strings.
    token : str
        As it is shown (" dog" with its blank), or with the tokenizer's own mark for a blank.

    Returns
    -------
    list of int
        More than one only where several tokens look alike.

    Raises
    ------
    ParameterError
        If the table has no token strings.
    NotFoundError
        If there is no such token; the message names the nearest.
    """
    if table.tokens is None:
        reference = table.provenance.get("reference", "The table")
        raise ParameterError(
            f"{reference} has no token strings, so no token can be looked up. Put its tokenizer.json beside the "
            "weights; without --token the rows are listed by number."
        )
    wanted = {token, f" {token[1:]}" if token[:1] in _MARKS else token}
    rows = [row for row, one in enumerate(table.tokens) if one in wanted]
    if not rows:
        near = candidates(table.tokens, token)
        hint = f"Nearest: {', '.join(repr(one) for one in near)}. " if near else ""
        raise NotFoundError(f"There is no token {token!r}. {hint}A blank before a word is part of the token.")
    return rows


def candidates(tokens: Sequence[str], token: str) -> list[str]:
    """Return tokens that someone may have meant: the same but for blanks and case first, then the most similar.

    Examples
    --------
    >>> candidates([" dog", "Dog", "cat", " dogs"], "dog")
    [' dog', 'Dog', ' dogs']
    """
    folded: dict[str, list[str]] = {}
    for one in tokens:
        folded.setdefault(one.strip(_MARKS).casefold(), []).append(one)
    key = token.strip(_MARKS).casefold()
    near = difflib.get_close_matches(key, folded, n=_CANDIDATES, cutoff=0.7) if key else []
    ordered = [*folded.get(key, []), *(one for other in near if other != key for one in folded[other])]
    return ordered[:_CANDIDATES]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
