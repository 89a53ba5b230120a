"""Steering vectors carried from one model to another: what they keep, beside every control."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from theodolite.report.chapter import Chapter, Section, Summary, table_sections
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
    maps = {
        (row["source"], row["target"], row["condition"]): row["space"]
        for row in frame.filter(pl.col("measure").is_in(_OF_A_MAP)).iter_rows(named=True)
    }
    return [
        *_table("effects", "All vectors", "Every vector and every control", effects, fold="effects"),
        *_table("side-effects", "Side effects", "What steering does to other text", side, fold="readings"),
        *_table("layers", "Other layers", "Effects at the layers that were not chosen", layers, fold="effects"),
        *_maps(summary, maps),
    ]


def _table(id: str, nav: str, title: str, rows: Sequence[Mapping[str, Any]], *, fold: str) -> list[Section]:
    return table_sections(
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
                Cell.count(row["draw"]),
                Cell.count(row["layer"]),
                Cell.number(row["strength"]),
                Cell(str(row["measure"])),
                *(Cell.number(row[name]) for name in ("value", "low", "high")),
            ]
            for row in rows
        ],
        fold=f"{len(rows)} {fold}",
    )


def _maps(summary: Summary, maps: Mapping[tuple[str, str, str], str]) -> list[Section]:
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
                Cell.number(r2),
                Cell.percent(first),
                Cell.percent(ten),
                Cell.number(condition),
                Cell.number(change),
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
    return table_sections(id="maps", nav="Maps", title="The maps", headings=headings, lines=lines, lead=lead)


CHAPTER = Chapter(
    noun="transfer",
    title="What a steering vector keeps in another model",
    nav="Transfers",
    lead="A vector is made from contrast texts in the source model, carried by a linear map between the embeddings of "
    "the two models, and added to the target at the same relative depth. Its effect is the change of the margin "
    "between the two sides of held-out texts, for one unit of strength; it is compared with that of the target's own.",
    note="Kept: effect of the carried over that of the target's own vector, with a bootstrap interval over held-out "
    "pairs. Controls keep: what a vector must exceed to be told from the draws of a random control at 5 % (of 39 "
    "draws, the second largest), for the control where that is most. All vectors have the same length.",
    headline=headline,
    opening=opening,
    families=(RETAINED, CURVES),
    sections=_sections,
    terminal=("layer", "native", "kept", "interval", "control", "cosine", "perplexity"),
    essential=("kept", "interval", "control"),
    short={"native": "own effect", "interval": "interval", "perplexity": "perplexity"},
    bar="kept",
)
