"""Tokens of each table in the plane of most variance, colored by local dimension."""

import json

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theodolite.core.number_format import format_range
from theodolite.report.chapters.tables.explorer import explored
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined
from theodolite.report.selection import TOKEN, tables_in

FIFTHS = ("lowest fifth", "second", "middle", "fourth", "highest fifth")
_DRAWN = 150
"""Tokens drawn of each table: a figure of all of them would outweigh the rest of the page."""
_SCHEMA = {
    **dict.fromkeys(("label", "which"), pl.String),
    "token_id": pl.Int64,
    **dict.fromkeys(("x", "y", "dimension"), pl.Float64),
    **dict.fromkeys(("fifth", "extrinsic"), pl.Int64),
    **dict.fromkeys(("explained", "trust"), pl.Float64),
}


def map_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return places and local dimensions of tokens, evenly drawn from the explored ones by their id.

    `fifth`: 0 for the fifth of the table's explored tokens of lowest local dimension, to 4 for the highest.
    `explained` and `trust` are of the whole map.
    """
    rows = explored(frame)
    tokens = rows.filter((pl.col("measure") == TOKEN) & pl.col("value").is_finite()).sort("token_id")
    found = []
    for (label, which), own in tokens.group_by("label", "which", maintain_order=True):
        here = rows.filter((pl.col("label") == label) & (pl.col("which") == which) & (pl.col("measure") == "token_map"))
        facts = dict(here.select("method", "value").iter_rows())
        ranks = ((own["value"].rank("ordinal") - 1) * len(FIFTHS) // own.height).cast(pl.Int64)
        some = own.with_columns(ranks.alias("fifth")).gather_every(-(-own.height // _DRAWN))
        shared = (own["extrinsic"][0], facts.get("explained"), facts.get("trust"))
        for token_id, value, fifth, view in some.select("token_id", "value", "fifth", "view").iter_rows():
            place = json.loads(view).get("map")
            if place is not None:
                found.append((label, which, token_id, *place, value, fifth, *shared))
    return pl.DataFrame(found, schema=_SCHEMA, orient="row")


def _plot(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw tokens in the plane of the first two principal components of their directions."""
    if data.is_empty():
        return None
    tables = tables_in(data)
    columns = 4 if layout == "wide" else 2
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(tables), height=1.9, columns=columns, stacked=False, shared=False)
        for axes, (label, which, own) in zip(panels, tables, strict=True):
            for fifth, color in enumerate(canvas.SEQUENCE):
                some = own.filter(pl.col("fifth") == fifth)
                marker = canvas.MARKERS[fifth]
                axes.scatter(some["x"], some["y"], s=7, color=color, marker=marker, linewidths=0)
            axes.set_title(f"{label}\n{which}", fontsize=8)
            axes.set_aspect("equal", adjustable="datalim")
            axes.tick_params(labelbottom=False, labelleft=False, length=0)
        handles = [
            Line2D([], [], color=color, marker=marker, linestyle="", label=name)
            for name, color, marker in zip(FIFTHS, canvas.SEQUENCE, canvas.MARKERS, strict=False)
        ]
        canvas.legend_below(figure, handles, layout)
    return figure


def _describe(data: pl.DataFrame) -> str:
    explained, trust = data["explained"].drop_nulls() * 100, data["trust"].drop_nulls()
    counts = data.group_by("label", "which").len()["len"]
    held = f"{format_range(explained.min(), explained.max())} %" if len(explained) else ""  # type: ignore[arg-type]
    trusted = format_range(trust.min(), trust.max()) if len(trust) else ""  # type: ignore[arg-type]
    return joined(
        f"One mark for each of {format_range(int(counts.min()), int(counts.max()), whole=True)} "  # type: ignore[arg-type]
        "tokens of a table, its row scaled to length 1, in the plane of the first two principal components.",
        f"That plane holds {held} of the variance, so most of what is near is not seen here." if held else "",
        f"Trustworthiness of its neighborhoods: {trusted} (1: every neighbor it shows is one)." if trusted else "",
        "Colors and shapes: fifths of the table's tokens by local dimension (Levina-Bickel, 20 nearest by cosine; the "
        "estimate for one token is uncertain by a quarter of its value).",
        "Axes have no unit that means anything across tables.",
    )


FAMILY = of_data(
    name="token_map",
    data=map_data,
    plot=_plot,
    title=always("Where the tokens of each table lie, and how many directions there are around each"),
    describe=_describe,
    sources=("levina2004",),
)
