"""The removal sweep: what the headline reads without the shortest rows, and on rows of unit length."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theodolite.core.number_format import format_count
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import joined, points_behind, tables_named
from theodolite.report.selection import (
    headline,
    headline_method,
    is_measured,
    labels_in,
    last_revisions,
    method_label,
    prepared,
    which_in,
    which_label,
)
from theodolite.studies.dimension.config import MEASURED, UNIT_NORM, WITHOUT_SHORTEST

_UNIT_DASHES = (0, (3, 2))


def removal_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the headline dimension by number of shortest rows removed, and on rows of unit length.

    Column `removed`: 0 for the table as it is, null for rows of unit length. Only tables with a sweep.
    """
    rows = headline(last_revisions(prepared(frame))).filter(
        pl.col("condition").is_in([MEASURED, UNIT_NORM, WITHOUT_SHORTEST])
    )
    swept = rows.filter(pl.col("condition") == WITHOUT_SHORTEST).select("label", "which").unique()
    removed = (
        pl.when(pl.col("condition") == UNIT_NORM)
        .then(None)
        .when(is_measured())
        .then(pl.lit(0.0))
        .otherwise(pl.col("x"))
        .alias("removed")
    )
    chosen = rows.join(swept, on=["label", "which"], how="semi").with_columns(removed)
    chosen = chosen.filter(~((pl.col("condition") == WITHOUT_SHORTEST) & (pl.col("removed").fill_null(0) == 0)))
    return chosen.select("label", "which", "condition", "removed", "value", "stderr", "n_used", "extrinsic").sort(
        "label", "which", "condition", "removed"
    )


def removal_sweep(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the headline dimension against the number of shortest rows removed, with the unit-length reading as a line.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where the frame holds no sweep.
    """
    data = removal_data(frame)
    if data.is_empty():
        return None
    looks = canvas.Look.of(labels_in(data))
    kinds = which_in(data)
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(kinds))
        for axes, which in zip(panels, kinds, strict=True):
            for (label,), rows in data.filter(pl.col("which") == which).group_by("label", maintain_order=True):
                look = looks[str(label)]
                curve = rows.filter(pl.col("removed").is_not_null()).sort("removed")
                canvas.curve(axes, curve, "removed", "value", look, label=str(label))
                for value in rows.filter(pl.col("condition") == UNIT_NORM)["value"]:
                    axes.axhline(value, color=look.color, alpha=0.75, linestyle=_UNIT_DASHES, linewidth=1.1)
            canvas.step_axis(axes, data["removed"].drop_nulls().to_list())
            axes.set_title(which_label(which))
            axes.set_xlabel("shortest rows removed")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[:1]:
            axes.set_ylabel(f"dimension ({method_label(headline_method(prepared(frame)) or '')})")
        handles = canvas.series_handles(looks)
        if UNIT_NORM in data["condition"].to_list():
            handles.append(
                Line2D([], [], color=canvas.QUIET, linestyle=_UNIT_DASHES, linewidth=1.1, label="rows of unit length")
            )
        canvas.legend_below(figure, handles, layout)
    return figure


def _title(frame: pl.DataFrame) -> str:
    most = removal_data(frame)["removed"].drop_nulls().max()
    return f"Does a hub of short rows make the number? Removing up to {format_count(most)} rows"  # type: ignore[arg-type]


def _caption(frame: pl.DataFrame) -> str:
    data = removal_data(frame)
    method = method_label(headline_method(prepared(frame)) or "")
    unit = UNIT_NORM in data["condition"].to_list()
    return joined(
        f"{method} estimate for {tables_named(data)} after the shortest rows are taken away.",
        "A number that falls steeply once a few rows are gone was made by these rows and says little of the rest.",
        points_behind(data),
        "Bands: ± 1 standard error.",
        "Dashed lines: the same estimate with every row scaled to length 1." if unit else "",
    )


FAMILY = FigureFamily(
    name="removal_sweep",
    data=removal_data,
    draw=removal_sweep,
    title=_title,
    caption=_caption,
    sources=("quemy2026",),
)
