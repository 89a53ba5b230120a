"""Dimension by how often training saw the tokens, at the same number of rows in each band."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theodolite.core.number_format import format_count, format_range
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily, always
from theodolite.report.figures.wording import joined, tables_named
from theodolite.report.selection import labels_in, last_revisions, prepared, which_in, which_label
from theodolite.studies.dimension.config import FREQUENCY_BAND, RANDOM_PART

_RANDOM_DASHES = (0, (3, 2))


def frequency_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return TwoNN of each frequency band of the last revision of each model, and of random parts of the same size.

    `band` counts from the rarest; null for the random parts. `lowest` and `highest` are the counts a band spans.
    """
    rows = last_revisions(prepared(frame))
    bands = rows.filter(
        (pl.col("measure") == "dimension")
        & (pl.col("method") == "twonn")
        & pl.col("condition").is_in([FREQUENCY_BAND, RANDOM_PART])
    ).with_columns(pl.col("x").alias("band"))
    place = ("label", "which", "band")
    for name in ("lowest", "highest"):
        spans = rows.filter((pl.col("measure") == "band_count") & (pl.col("method") == name))
        spans = spans.select("label", "which", pl.col("x").alias("band"), pl.col("value").alias(name)).unique(place)
        bands = bands.join(spans, on=place, how="left")
    columns = ("label", "which", "condition", "band", "lowest", "highest", "value", "stderr", "n_used", "extrinsic")
    return bands.select(columns).sort("label", "which", "band")


def dimension_by_frequency(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw TwoNN of the quarters of the tokens from the rarest to the most frequent, a panel for each kind of table.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where no counts are known.
    """
    data = frequency_data(frame)
    if data["band"].drop_nulls().is_empty():
        return None
    looks = canvas.Look.of(labels_in(data))
    kinds = which_in(data)
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(kinds))
        for axes, which in zip(panels, kinds, strict=True):
            for (label,), rows in data.filter(pl.col("which") == which).group_by("label", maintain_order=True):
                look = looks[str(label)]
                curve = rows.filter(pl.col("band").is_not_null())
                canvas.curve(axes, curve, "band", "value", look)
                for value in rows.filter(pl.col("band").is_null())["value"]:
                    axes.axhline(value, color=look.color, alpha=0.75, linestyle=_RANDOM_DASHES, linewidth=1.1)
            bands = data["band"].drop_nulls().unique().sort().to_list()
            canvas.plain_ticks(axes, bands)
            axes.set_title(which_label(which))
            axes.set_xlabel("quarter of the tokens, rarest first")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[:1]:
            axes.set_ylabel("dimension (TwoNN)")
        handles = canvas.series_handles(looks)
        handles.append(
            Line2D([], [], color=canvas.QUIET, linestyle=_RANDOM_DASHES, linewidth=1.1, label="random rows, as many")
        )
        canvas.legend_below(figure, handles, layout)
    return figure


def _caption(frame: pl.DataFrame) -> str:
    data = frequency_data(frame)
    used = data["n_used"].drop_nulls()
    n_rows = format_range(int(used.min()), int(used.max()), whole=True) if len(used) else "–"  # type: ignore[arg-type]
    spans = (
        data.filter(pl.col("band").is_not_null())
        .group_by("band", maintain_order=True)
        .agg(pl.col("lowest").min(), pl.col("highest").max())
    )
    said = "; ".join(f"{format_count(low)} to {format_count(high)}" for _, low, high in spans.sort("band").iter_rows())
    models = tables_named(data.drop("condition"))
    return joined(
        f"TwoNN of quarters of the tokens of {models} by how often they occur ({said} times),",
        f"n\u00a0=\u00a0{n_rows} rows each.",
        "Dashed: the mean over four random quarters of the same tokens: a dimension depends on the number of rows, so "
        "this is what a band is to be compared with, not the table.",
        "Bands: ± 1 standard error. Tokens that never occur are in no quarter.",
    )


FAMILY = FigureFamily(
    name="dimension_by_frequency",
    data=frequency_data,
    draw=dimension_by_frequency,
    title=always("Dimension by the frequency of the tokens"),
    caption=_caption,
    sources=("kataiwa2025",),
)
