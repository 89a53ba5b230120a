"""The prompt view: what each prompt is like, and the tokens of a few of them colored by surprisal."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan

import polars as pl

from theodolite.core.number_format import counted, format_value
from theodolite.report.chapter import Section, table_sections
from theodolite.report.chapters.layers.rows import control_label, finite, main_positions, named, structured
from theodolite.report.headline import Cell
from theodolite.report.visible_text import Piece, token_pieces
from theodolite.studies.layers.findings import headline

_SURPRISING = (0.5, 1.5, 3.0, 5.0, 7.5)
"""Nats from which on a token is of the next class; the last class holds one chance in 1,800 and less."""
_MOST_PROMPTS = 1000
"""Lines of the table of prompts; `table.parquet` has all, and a page of ten thousand lines opens slowly."""
_REASONS = {
    "empty": "has no text",
    "short": "too short",
    "uniform": "repeats one token",
    "not finite": "the model's states are not finite",
}
_HEADINGS = ["model", "prompt", "label", "tokens", "distinct", "loss", "entropy", "highest dimension", "in layer"]


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A token of a shown prompt.

    Attributes
    ----------
    pieces : tuple of Piece
        The token made visible.
    level : int
        Class of its surprisal, 0 for the least.
    surprisal : str
        In words, for the pointer.
    """

    pieces: tuple[Piece, ...]
    level: int
    surprisal: str


@dataclass(frozen=True, slots=True)
class ShownPrompt:
    """A prompt with its tokens and its profile.

    Attributes
    ----------
    name : str
        Of the prompt.
    model : str
        Short name.
    facts : str
        Loss and dimension in a line.
    profile : str
        Points of a line over layers, in a box of 100 by 30, for the template to draw; empty without dimensions.
    said : str
        The line in words.
    tokens : tuple of ShownToken
        In their order.
    """

    name: str
    model: str
    facts: str
    profile: str
    said: str
    tokens: tuple[ShownToken, ...]


def prompt_sections(frame: pl.DataFrame) -> list[Section]:
    """Return the sections about single prompts.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    list of Section
        All prompts as a table; those left out, where there are some; the shown ones with their tokens.
    """
    models = frame.select("model", "revision").unique(maintain_order=True)
    facts = named(structured(finite(frame, "loss", "entropy", "n_tokens", "n_types")).collect(), among=models)
    dimensions = named(_dimensions(frame), among=models).sort("name", "prompt_row", "layer")
    prompts = facts.select("name", "prompt_row").unique(maintain_order=True)
    first = prompts.head(_MOST_PROMPTS)
    lines = _lines(_of(first, facts), _of(first, dimensions))
    all_of_them = counted(prompts.height, "prompt")
    of = f"The first {len(lines)} of {all_of_them}" if prompts.height > len(lines) else all_of_them
    found = table_sections(
        id="prompts",
        nav="Prompts",
        title="Prompts",
        headings=_HEADINGS,
        lines=lines,
        fold=f"{of} as written, each with its loss and its highest dimension",
    )
    found += _left_out(named(finite(frame, "left_out").collect(), among=models))
    shown = _shown(named(structured(finite(frame, "surprisal")).collect(), among=models), dimensions, facts)
    if shown:
        content = {"prompts": shown, "classes": _classes()}
        found.append(Section(id="tokens", nav="Tokens", template="prompts.html.j2", content=content))
    return found


def _left_out(rows: pl.DataFrame) -> list[Section]:
    """Return the table of the prompts that were not measured."""
    first = rows.head(_MOST_PROMPTS)
    lines = [
        [
            Cell(str(name)),
            Cell(str(prompt)),
            Cell(control_label(control, level) if control else ""),
            Cell.count(n_tokens),
            Cell(_REASONS.get(reason, str(reason))),
        ]
        for name, prompt, control, level, n_tokens, reason in first.select(
            "name", "prompt", "control", "level", "value", "method"
        ).iter_rows()
    ]
    of = f"The first {len(lines)} of {rows.height}" if rows.height > len(lines) else f"{len(lines)}"
    return table_sections(
        id="left-out",
        nav="Left out",
        title="Prompts left out",
        headings=["model", "prompt", "condition", "tokens", "why"],
        lines=lines,
        fold=f"{of} that were not measured, with their tokens and the reason",
    )


def _dimensions(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the headline dimension of each prompt as written at each layer above the embedding."""
    rows = structured(finite(frame, "dimension")).filter(pl.col("layer") > 0)
    return main_positions(headline(rows)).collect()


def _of(prompts: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of some prompts."""
    return rows.join(prompts, on=["name", "prompt_row"], how="semi", maintain_order="left")


def _lines(facts: pl.DataFrame, dimensions: pl.DataFrame) -> list[list[Cell]]:
    lines = []
    profiles = dict(dimensions.group_by("name", "prompt_row", maintain_order=True))
    for (label, row), own in facts.group_by("name", "prompt_row", maintain_order=True):
        values = dict(own.select("measure", "value").iter_rows())
        profile = profiles.get((label, row))
        peak = None if profile is None else profile.sort("value", descending=True).row(0, named=True)
        lines.append(
            [
                Cell(str(label)),
                Cell(str(own["prompt"][0])),
                Cell(str(own["label"][0] or "")),
                *(Cell.count(values.get(name)) for name in ("n_tokens", "n_types")),
                *(Cell.number(values.get(name)) for name in ("loss", "entropy")),
                Cell.of(peak),
                Cell.count(None if peak is None else peak["layer"]),
            ]
        )
    return lines


def _shown(surprisal: pl.DataFrame, dimensions: pl.DataFrame, facts: pl.DataFrame) -> list[ShownPrompt]:
    found = []
    for (label, row), own in surprisal.group_by("name", "prompt_row", maintain_order=True):
        here = (pl.col("name") == label) & (pl.col("prompt_row") == row)
        profile = dimensions.filter(here).sort("layer")
        loss = facts.filter(here & (pl.col("measure") == "loss"))["value"]
        found.append(
            ShownPrompt(
                name=str(own["prompt"][0]),
                model=str(label),
                facts=f"loss {format_value(loss[0])} nats" if len(loss) else "",
                profile=_points(profile["value"].to_list()),
                said=_in_words(profile),
                tokens=tuple(
                    ShownToken(_pieces(token), _level(value), "first token" if isnan(value) else f"{value:.1f} nats")
                    for token, value in own.sort("position").select("token", "value").iter_rows()
                ),
            )
        )
    return found


def _in_words(profile: pl.DataFrame) -> str:
    """Say what the line over layers shows."""
    if profile.is_empty():
        return ""
    layers, values = profile["layer"].to_list(), profile["value"].to_list()
    top = max(range(len(values)), key=values.__getitem__)
    return (
        f"Dimension of this prompt's cloud: {format_value(values[0])} in layer {layers[0]}, highest "
        f"{format_value(values[top])} in layer {layers[top]}, {format_value(values[-1])} in layer {layers[-1]}."
    )


def _points(values: Sequence[float]) -> str:
    if len(values) < 2:
        return ""
    top = max(values) or 1.0
    return " ".join(
        f"{100 * place / (len(values) - 1):.1f},{30 - 28 * value / top:.1f}" for place, value in enumerate(values)
    )


def _pieces(token: str) -> tuple[Piece, ...]:
    """Split a token as lists of tokens do, but let blanks be blanks: this is running text."""
    return tuple(
        Piece(piece.text.replace("␣", " "), piece.escaped and piece.text.strip("␣") != "")
        for piece in token_pieces(token)
    )


def _level(surprisal: float) -> int:
    return sum(surprisal >= edge for edge in _SURPRISING)


def _classes() -> list[str]:
    edges = [f"{edge:g}" for edge in _SURPRISING]
    return [
        f"below {edges[0]}",
        *(f"{low} to {high}" for low, high in pairwise(edges)),
        f"{edges[-1]} nats and more",
    ]
