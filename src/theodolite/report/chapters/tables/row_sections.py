"""What the report shows of each table besides its dimension: kinds of rows, lengths, hubs, tokens by name."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from theodolite.core.number_format import format_count, format_percent, format_value
from theodolite.core.visible import visible
from theodolite.report.selection import is_measured, last_revisions, prepared, tables_in
from theodolite.report.visible_text import Piece, token_pieces
from theodolite.studies.dimension.config import UNIT_NORM

_COUNTS = {
    "stored": "rows stored",
    "given": "rows kept",
    "measured": "rows measured",
    "duplicates": "exact duplicates",
    "zero": "zero rows",
    "nonfinite": "rows with NaN or infinity",
    "beyond_tokenizer": "padding beyond the tokenizer",
    "special": "special tokens",
    "short": "short rows (5 robust SD)",
    "never_trained": "never-trained rows",
    "never_seen": "never seen in training",
}
_MOST_TOKENS = 20
Writer = Callable[[float], str]
UNNAMED = "no tokenizer"


@dataclass(frozen=True, slots=True)
class TokenLine:
    """One token of a list.

    Attributes
    ----------
    token_id : str
        Its row in the table.
    pieces : tuple of Piece
        The token made visible.
    number : str
        What it is listed for.
    """

    token_id: str
    pieces: tuple[Piece, ...]
    number: str


@dataclass(frozen=True, slots=True)
class TableSection:
    """Everything about one table that is not a dimension.

    Attributes
    ----------
    name, which : str
        As in the headline.
    counts : tuple of (str, str)
        Kind of row and how many.
    facts : tuple of (str, str)
        What the lengths and neighbors are like.
    shortest, popular : tuple of TokenLine
        The shortest rows; the rows that most others have as a neighbor.
    undertrained, duplicates : tuple of TokenLine
        Rows nearest in direction to those that training never saw; rows that others repeat.
    """

    name: str
    which: str
    counts: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    shortest: tuple[TokenLine, ...]
    popular: tuple[TokenLine, ...]
    undertrained: tuple[TokenLine, ...]
    duplicates: tuple[TokenLine, ...]


def pieces_of(token: str | None) -> tuple[Piece, ...]:
    """Return a token made visible; of a table without tokens, words that say so."""
    return (Piece(UNNAMED, True),) if token is None else tuple(token_pieces(token))


def token_line(token_id: int, token: str | None, number: str) -> TokenLine:
    """Return a token of a list with what it is listed for."""
    return TokenLine(token_id=format_count(token_id), pieces=pieces_of(token), number=number)


def describe_tables(frame: pl.DataFrame) -> list[TableSection]:
    """Describe the tables of a run, at the last revision of each model.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.

    Returns
    -------
    list of TableSection
        Only tables about which there is something to say.
    """
    rows = last_revisions(prepared(frame))
    sections = [_section(*table) for table in tables_in(rows)]
    return [one for one in sections if any((one.counts, one.facts, one.shortest, one.popular, one.duplicates))]


def count_kinds(sections: list[TableSection]) -> list[str]:
    """Return the kinds of row that any table counts, in their order."""
    found = dict.fromkeys(kind for section in sections for kind, _ in section.counts)
    known = [kind for kind in _COUNTS.values() if kind in found]
    return known + [kind for kind in found if kind not in known]


def _section(label: str, which: str, rows: pl.DataFrame) -> TableSection:
    measured = rows.filter(is_measured())
    counts = measured.filter((pl.col("measure") == "count") & pl.col("method").is_not_null())
    return TableSection(
        name=label,
        which=visible(which),
        counts=tuple(
            (_COUNTS.get(method, visible(str(method).replace("_", " "))), format_count(value))
            for method, value in counts.select("method", "value").iter_rows()
        ),
        facts=tuple(_facts(measured, rows)),
        shortest=_tokens(measured, "norm", "shortest"),
        popular=_tokens(measured, "hub", "popular", unit=" ×", descending=True),
        undertrained=_tokens(measured, "undertrained", "near_unseen", descending=True),
        duplicates=_tokens(measured, "duplicate", "group", unit=" rows", descending=True, write=format_count),
    )


def _facts(measured: pl.DataFrame, rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Return the facts about lengths and hubs in words."""
    facts = []
    quantiles = dict(
        measured.filter((pl.col("measure") == "norm") & (pl.col("method") == "quantile"))
        .select("x", "value")
        .iter_rows()
    )
    if {0.0, 0.5, 1.0} <= set(quantiles):
        facts.append(
            (
                "length of a row: shortest, median, longest",
                " · ".join(format_value(quantiles[at]) for at in (0.0, 0.5, 1.0)),
            )
        )
    hubness = {
        method: (value, x, scale)
        for method, value, x, scale in measured.filter(pl.col("measure") == "hubness")
        .select("method", "value", "x", "scale")
        .iter_rows()
    }
    if "short_share" in hubness:
        value, share, _ = hubness["short_share"]
        who = format_percent(share) if share else "shortest rows"
        facts.append((f"neighbor places taken by the shortest {who} of rows", format_percent(value)))
    if "max" in hubness:
        value, _, _ = hubness["max"]
        facts.append(("most popular row: how often it is a neighbor, over the mean", f"{format_value(value)} times"))
    if "skewness" in hubness:
        facts.append(("skewness of neighbor counts (0: even)", format_value(hubness["skewness"][0])))
    low = rows.filter((pl.col("measure") == "low_cosine_share") & pl.col("condition").is_in(["measured", UNIT_NORM]))
    for value, stderr in low.select("value", "stderr").head(1).iter_rows():
        facts.append(("rows whose best cosine is below 0.5, which a hub would catch", format_percent(value, stderr)))
    return facts


def _tokens(
    measured: pl.DataFrame,
    measure: str,
    method: str,
    *,
    unit: str = "",
    descending: bool = False,
    write: Writer = format_value,
) -> tuple[TokenLine, ...]:
    found = measured.filter(
        (pl.col("measure") == measure) & (pl.col("method") == method) & pl.col("token_id").is_not_null()
    )
    found = found.sort("value", descending=descending, maintain_order=True).head(_MOST_TOKENS)
    return tuple(
        token_line(token_id, token, f"{write(value)}{unit}")
        for token_id, token, value in found.select("token_id", "token", "value").iter_rows()
    )
