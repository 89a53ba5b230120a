"""Steering vectors carried from one model to another: what they keep, beside every control."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from theodolite.core.number_format import format_count, format_percent, format_value
from theodolite.report.chapter import Chapter, Section, Summary, table_section
from theodolite.report.chapters.transfer.figures import CURVES, RETAINED
from theodolite.report.chapters.transfer.headline import NAMES, headline, opening
from theodolite.report.headline import Cell

_OF_A_MAP = ("r2_held_out", "retrieval_1", "retrieval_10", "condition_number", "norm_change")


def _sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
    effects = [row for row in summary if row["measure"] in ("effect", "effect_retained", "cosine")]
    side = [row for row in summary if row["measure"] in ("perplexity", "kl", "distinct_2", "preference")]
    layers = frame.filter(
        (pl.col("measure") == "effect") & (pl.col("role") != "control") & ~pl.col("chosen").fill_null(False)
    ).to_dicts()
    found = [
        _table("effects", "All vectors", "Every vector and every control", effects, fold="effects"),
        _table("side-effects", "Side effects", "What steering does to other text", side, fold="readings"),
        _table("layers", "Other layers", "Effects at the layers that were not chosen", layers, fold="effects"),
    ]
    maps = {
        (row["source"], row["target"], row["condition"]): row["space"]
        for row in frame.filter(pl.col("measure").is_in(_OF_A_MAP)).iter_rows(named=True)
    }
    if maps:
        found.append(_maps(summary, maps))
    return [one for one in found if one is not None]


def _table(id: str, nav: str, title: str, rows: Sequence[Mapping[str, Any]], *, fold: str) -> Section | None:
    if not rows:
        return None
    return table_section(
        id=id,
        nav=nav,
        title=title,
        headings=(
            "source",
            "target",
            "contrast",
            "vector",
            "draw",
            "layer",
            "strength",
            "measure",
            "value",
            "low",
            "high",
        ),
        lines=[
            [
                *(Cell(str(row[name])) for name in ("source", "target", "contrast")),
                Cell(NAMES.get(row["condition"], row["condition"])),
                Cell(format_count(row["draw"]), row["draw"]),
                Cell(format_count(row["layer"]), row["layer"]),
                Cell(format_value(row["strength"]), row["strength"]),
                Cell(str(row["measure"])),
                *(Cell(format_value(row[name]), row[name]) for name in ("value", "low", "high")),
            ]
            for row in rows
        ],
        fold=f"{len(rows)} {fold}",
    )


def _maps(summary: Summary, maps: Mapping[tuple[str, str, str], str]) -> Section:
    """Return what is known of each map, once for each pair of models."""
    values = {(row["source"], row["target"], row["condition"], row["measure"]): row["value"] for row in summary}
    lines = []
    for (source, target, kind), space in maps.items():
        r2, first, ten, condition, change = (values.get((source, target, kind, name)) for name in _OF_A_MAP)
        lines.append(
            [
                Cell(source),
                Cell(target),
                Cell(NAMES.get(kind, kind)),
                Cell(space),
                Cell(format_value(r2), r2),
                Cell(format_percent(first), first),
                Cell(format_percent(ten), ten),
                Cell(format_value(condition), condition),
                Cell(format_value(change), change),
            ]
        )
    headings = (
        "source",
        "target",
        "map",
        "embedding",
        "R² on held-out tokens",
        "own row nearest",
        "among the ten nearest",
        "condition number",
        "length, mapped over true",
    )
    lead = (
        "Tokens held out of the fit. The logit-matching map is judged backwards, from target rows to source rows, "
        "since that is what it is fitted to do."
    )
    return table_section(id="maps", nav="Maps", title="The maps", headings=headings, lines=lines, lead=lead)


CHAPTER = Chapter(
    noun="transfer",
    title="What a steering vector keeps in another model",
    nav="Transfers",
    lead="A vector is made from contrast texts in the source model, carried by a linear map between the embeddings of "
    "the two models, and added to the target at the same relative depth. Its effect is the change of the margin "
    "between the two sides of held-out texts, for one unit of strength; it is compared with that of the target's own.",
    note="Kept: effect of the carried over that of the target's own vector, with a bootstrap interval over held-out "
    "pairs. Best control: the largest share that any draw of any control keeps. All vectors have the same length.",
    headline=headline,
    opening=opening,
    families=(RETAINED, CURVES),
    sections=_sections,
    terminal=("layer", "native", "kept", "interval", "control", "cosine", "perplexity"),
    essential=("kept", "interval", "control"),
    short={"native": "own effect", "interval": "interval", "perplexity": "perplexity"},
    bar="kept",
)
