"""The neighbor graph of one table: dimensions at every scale, distances by rank, who is a neighbor of many."""

from collections.abc import Sequence

import polars as pl

from theodolite.core.number_format import counted
from theodolite.report.chapter import Chapter, Section, Summary, table_sections
from theodolite.report.chapters.neighbors import distances, occurrences, scales
from theodolite.report.chapters.neighbors.headline import headline, opening
from theodolite.report.chapters.tables.readings import all_readings
from theodolite.report.headline import Cell
from theodolite.report.visible_text import token_pieces
from theodolite.studies.neighbors.readings import readings_of

_KINDS = {
    "given": "rows kept",
    "measured": "points: distinct rows",
    "duplicates": "rows that repeat an earlier one",
    "zero": "zero rows",
    "nonfinite": "rows with NaN or infinity",
}


def _sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
    counts = {row["method"]: row["value"] for row in summary if row["measure"] == "count"}
    return [
        *_popular(frame),
        *table_sections(
            id="rows",
            nav="Rows",
            title="Rows",
            headings=("rows", "count"),
            lines=[[Cell(words), Cell.count(counts[kind])] for kind, words in _KINDS.items() if kind in counts],
        ),
        *all_readings(summary, at="at every scale"),
    ]


def _popular(frame: pl.DataFrame) -> Sequence[Section]:
    read = readings_of(frame)
    if read is None:
        return []
    mean = read.hubs.k
    return table_sections(
        id="popular",
        nav="Popular points",
        title="The points that most others have as a neighbor",
        headings=("token", "id", "neighbor of", "over the mean"),
        lines=[
            [
                Cell("–" if token is None else "".join(piece.text for piece in token_pieces(token))),
                Cell.count(token_id),
                Cell.count(count),
                Cell.number(count / mean),
            ]
            for _, token_id, token, count in read.popular.iter_rows()
        ],
        lead=f"Every point has {counted(mean, 'neighbor')}, so it is the neighbor of {mean} others on average.",
    )


CHAPTER = Chapter(
    noun="table",
    title="The neighbor graph",
    nav="Graph",
    lead="Value ± one standard error, read off the merged graph: the same numbers as from a single search. There are "
    "no nulls here; `theodolite dimension` measures random tables of the same size beside the table.",
    note="Points: distinct rows. k: neighbors of each. Most popular: how often the most popular point is a neighbor, "
    "over the mean. Top 1 %: share of all neighbor places that the most popular hundredth of the points takes.",
    headline=headline,
    opening=opening,
    families=(distances.FAMILY, scales.FAMILY, occurrences.FAMILY),
    sections=_sections,
    terminal=("n_used", "extrinsic", "k", "twonn", "redundancy", "mle", "gride", "popular", "top_share"),
    essential=("k", "twonn", "gride", "top_share"),
    short={"popular": "most popular", "top_share": "top 1 %"},
    bar="redundancy",
)
