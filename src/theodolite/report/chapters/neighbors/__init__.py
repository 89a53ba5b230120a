"""The neighbor graph of one table: dimensions at every scale, distances by rank, who is a neighbor of many."""

from collections.abc import Sequence

import polars as pl

from theodolite.core.number_format import counted, format_count, format_value
from theodolite.report.chapter import Chapter, Section, Summary, table_section
from theodolite.report.chapters.neighbors import distances, occurrences, scales
from theodolite.report.chapters.neighbors.headline import headline, opening
from theodolite.report.chapters.tables.readings import readings
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
    found = []
    read = readings_of(frame)
    if read is not None:
        mean = read.hubs.k
        found.append(
            table_section(
                id="popular",
                nav="Popular points",
                title="The points that most others have as a neighbor",
                headings=("token", "id", "neighbor of", "over the mean"),
                lines=[
                    [
                        Cell("–" if token is None else "".join(piece.text for piece in token_pieces(token))),
                        Cell(format_count(token_id), token_id),
                        Cell(format_count(count), count),
                        Cell(format_value(count / mean), count / mean),
                    ]
                    for _, token_id, token, count in read.popular.iter_rows()
                ],
                lead=f"Every point has {counted(mean, 'neighbor')}, so it is the neighbor of {mean} others on average.",
            )
        )
    counts = [row for row in summary if row["measure"] == "count"]
    if counts:
        found.append(
            table_section(
                id="rows",
                nav="Rows",
                title="Rows",
                headings=("rows", "count"),
                lines=[
                    [Cell(_KINDS[row["method"]]), Cell(format_count(row["value"]), row["value"])]
                    for row in sorted(counts, key=lambda row: list(_KINDS).index(row["method"]))
                ],
            )
        )
    headings, lines = readings(summary)
    if lines:
        found.append(
            table_section(
                id="readings",
                nav="All readings",
                title="All readings",
                headings=headings,
                lines=lines,
                fold=f"{counted(len(lines), 'estimate')}, at every scale",
            )
        )
    return found


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
