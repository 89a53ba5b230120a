"""The headline of a neighbors study: one line for the table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from theodolite.report.chapter import Summary
from theodolite.report.chapters.tables.headline import headline_table
from theodolite.report.headline import Cell, HeadlineRow, HeadlineTable
from theodolite.studies.finding import Finding

_MORE = {"k": "k", "popular": "most popular, over the mean", "top_share": "places of the top 1 %"}


def headline(summary: Summary, findings: Sequence[Finding]) -> HeadlineTable:
    """Arrange a neighbors study as one line.

    Without rows where no dimension was read.
    """
    table = headline_table(summary, findings)
    rows = tuple(_with_hubs(row, summary) for row in table.rows)
    return HeadlineTable(table.columns | _MORE if rows else table.columns, rows)


def opening(table: HeadlineTable) -> list[str]:
    """Say in words what the graph holds, and which dimension it reads.

    Sentences; empty without a table.
    """
    return [sentence for row in table.rows for sentence in _sentences(row)]


def _sentences(row: HeadlineRow) -> list[str]:
    cells = row.cells
    which = f" {row.which}" if row.which else ""
    read = f"TwoNN reads a dimension of {cells['twonn'].text}"
    if cells["gride"].value is not None:
        read += f", GRIDE at its widest scale {cells['gride'].text}"
    return [
        f"The exact {cells['k'].text} nearest neighbors of {cells['n_used'].text} points of {row.name}{which}.",
        f"{read}, in {cells['extrinsic'].text} columns.",
    ]


def _with_hubs(row: HeadlineRow, summary: Summary) -> HeadlineRow:
    hubs: Mapping[str, Any] = {one["method"]: one for one in summary if one["measure"] == "hubness"}
    more = {
        "k": Cell.count(hubs["max"]["scale"]),
        "popular": Cell.number(hubs["max"]["value"]),
        "top_share": Cell.percent(hubs["top_share"]["value"]),
    }
    return replace(row, cells=row.cells | more)
