"""The token explorer: tokens of each table with their neighbors, to search, to list and to look at on a map."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from theodolite.core.number_format import format_count, format_percent, format_value
from theodolite.report.chapter import Section
from theodolite.report.chapters.tables.row_sections import TokenLine, pieces_of, token_line
from theodolite.report.packed import packed_numbers
from theodolite.report.selection import TOKEN, labeled, last_revisions, tables_in

MOST_TOKENS = 32_768
"""Tokens of all tables that a page holds, so that it stays small enough to open."""
_LISTED = 15
Pieces = str | list[str]


@dataclass(frozen=True, slots=True)
class ExploredTable:
    """A table as the explorer shows it without any script.

    Attributes
    ----------
    name, which : str
        As in the headline.
    facts : tuple of (str, str)
        How many tokens, and how far the map can be trusted.
    lists : tuple of (str, str, tuple of TokenLine)
        Heading, heading of the numbers, and tokens: of lowest and highest local dimension, then those that look wrong.
    """

    name: str
    which: str
    facts: tuple[tuple[str, str], ...]
    lists: tuple[tuple[str, str, tuple[TokenLine, ...]], ...]


def explorer_sections(frame: pl.DataFrame) -> list[Section]:
    """Return the explorer of the tokens that a run kept.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.

    Returns
    -------
    list of Section
        One section; none where the run kept no tokens.
    """
    rows = explored(frame)
    tokens = rows.filter(pl.col("measure") == TOKEN)
    tables = tables_in(tokens)
    if not tables:
        return []
    share = MOST_TOKENS // len(tables)
    names = _Names()
    shown, data = [], []
    for label, which, own in tables:
        here = (pl.col("label") == label) & (pl.col("which") == which)
        kept = own.sort("x").head(share)
        views = [json.loads(view) for view in kept["view"]]
        facts = rows.filter(here & (pl.col("measure") != TOKEN))
        shown.append(_shown(label, which, kept, views, facts))
        data.append({"name": f"{label} {which}", **_packed(kept, views, names)})
    content = {"tables": shown, "data": {"names": names.texts, "ids": names.ids, "tables": data}}
    return [Section(id="explorer", nav="Explorer", template="explorer.html.j2", content=content)]


def explored(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows about single tokens and the map they are on, at the last revision of each model, with `label`.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study; columns may be missing.

    Returns
    -------
    polars.DataFrame
        Rows of the measures `token` and `token_map`, and the number of stored rows; empty where the run kept none.
    """
    if not {"view", "measure"} <= set(frame.columns):
        return labeled(frame).clear()
    stored = (pl.col("measure") == "count") & (pl.col("method") == "stored")
    return last_revisions(labeled(frame).filter(pl.col("measure").is_in([TOKEN, "token_map"]) | stored))


class _Names:
    """Tokens by number, each kept once however many tables it is a row of."""

    def __init__(self) -> None:
        self.texts: list[Pieces] = []
        self.ids: list[int] = []
        self._known: dict[tuple[int, str | None], int] = {}

    def number(self, token_id: int, token: str | None) -> int:
        """Return the number of a token, a new one where it was not seen before."""
        key = (token_id, token)
        if key not in self._known:
            self._known[key] = len(self.ids)
            self.ids.append(token_id)
            self.texts.append(_written(token))
        return self._known[key]


def _written(token: str | None) -> Pieces:
    """Return a token as text, or as stretches that are shown as they are and escaped in turn, the former first."""
    pieces = pieces_of(token)
    if len(pieces) == 1 and not pieces[0].escaped:
        return pieces[0].text
    return [*([""] if pieces[0].escaped else []), *(piece.text for piece in pieces)]


def _marks(views: list[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Return the places of the tokens that look wrong, by what is wrong."""
    marks: dict[str, list[int]] = {}
    for place, view in enumerate(views):
        for mark in view.get("marks", ()):
            marks.setdefault(mark, []).append(place)
    return marks


def _packed(kept: pl.DataFrame, views: list[Mapping[str, Any]], names: _Names) -> dict[str, Any]:
    """Return one table as columns of packed numbers; each token has as many places for neighbors as `k` says."""
    rows = [names.number(token_id, token) for token_id, token in kept.select("token_id", "token").iter_rows()]
    by_id = dict(zip(kept["token_id"], rows, strict=True))
    near = [view.get("near", ()) for view in views]
    k = max(map(len, near), default=0)
    filled = [one for found in near for one in [*found, *[None] * (k - len(found))]]
    places = [view.get("map") for view in views]
    packed = {
        "k": k,
        "rows": packed_numbers(rows, whole=True),
        "dimension": packed_numbers(kept["value"]),
        "norm": packed_numbers(view["norm"] for view in views),
        "hubness": packed_numbers(view.get("hubness") for view in views),
        "near": packed_numbers((one and _number(one, by_id, names) for one in filled), whole=True),
        "cosine": packed_numbers(one and one[1] for one in filled),
        "distance": packed_numbers(one and one[2] for one in filled),
        "map": [packed_numbers(place and place[axis] for place in places) for axis in (0, 1)],
        "marks": _marks(views),
    }
    if any("count" in view for view in views):
        packed["count"] = packed_numbers((view["count"] for view in views), whole=True)
        packed["band"] = packed_numbers((view["band"] for view in views), whole=True)
    return packed


def _number(neighbor: list[Any], by_id: Mapping[int, int], names: _Names) -> int:
    if neighbor[0] in by_id:
        return by_id[neighbor[0]]
    return names.number(neighbor[0], neighbor[3] if len(neighbor) > 3 else "…")


def _shown(
    label: str,
    which: str,
    kept: pl.DataFrame,
    views: list[Mapping[str, Any]],
    facts: pl.DataFrame,
) -> ExploredTable:
    """Return what a table shows without any script."""
    known = dict(facts.select("method", "value").iter_rows())
    of = f" of {format_count(known['stored'])} stored rows" if "stored" in known else ""
    said = [("tokens here", f"{format_count(kept.height)}{of}")]
    if "explained" in known:
        said.append(("variance of the directions that the map holds", format_percent(known["explained"])))
    if "trust" in known:
        said.append(("trustworthiness of the map (1: every neighbor it shows is one)", format_value(known["trust"])))
    ranked = kept.filter(pl.col("value").is_finite()).sort("value", maintain_order=True)
    lists = [
        ("Lowest local dimension", "dimension", _lines(ranked.head(_LISTED))),
        ("Highest local dimension", "dimension", _lines(ranked.reverse().head(_LISTED))),
    ]
    for mark, places in _marks(views).items():
        some = places[:_LISTED]
        numbers = [format_value(views[place]["norm"]) for place in some]
        lists.append((f"Suspicious: {mark}", "length", _lines(kept[some], numbers)))
    return ExploredTable(name=label, which=which, facts=tuple(said), lists=tuple(one for one in lists if one[2]))


def _lines(rows: pl.DataFrame, numbers: list[str] | None = None) -> tuple[TokenLine, ...]:
    written = [f"{value:.1f}" for value in rows["value"]] if numbers is None else numbers
    return tuple(
        token_line(token_id, token, number)
        for (token_id, token), number in zip(rows.select("token_id", "token").iter_rows(), written, strict=True)
    )
