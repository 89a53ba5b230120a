"""Redundancy against width: the share of columns that is not used, beside that of random tables."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from theodolite.core.number_format import format_range
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import against_nulls, joined, points_behind, tables_named
from theodolite.report.selection import (
    ends,
    headline,
    headline_method,
    is_measured,
    is_null_reading,
    last_revisions,
    method_label,
    nulls_in,
    prepared,
    which_in,
    which_label,
)
from theodolite.studies.dimension.config import NULLS


def redundancy_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the redundancy of the last revision of each model and of its nulls, from the headline estimate.

    `redundancy` and `stderr` are fractions. Empty unless the models differ in width.
    """
    rows = headline(last_revisions(prepared(frame))).filter(
        (is_measured() | is_null_reading()) & (pl.col("extrinsic") > 0)
    )
    if rows.filter(is_measured())["extrinsic"].n_unique() < 2:
        rows = rows.clear()
    return rows.select(
        "label",
        "which",
        "condition",
        "extrinsic",
        (1 - pl.col("value") / pl.col("extrinsic")).alias("redundancy"),
        (pl.col("stderr") / pl.col("extrinsic")).alias("stderr"),
        "n_used",
    ).sort("which", "condition", "extrinsic", "label")


def redundancy_over_width(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the redundancy of each table against its columns, a panel for each kind of table, with the nulls dashed.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where the models do not differ in width.
    """
    data = redundancy_data(frame)
    if data.is_empty():
        return None
    kinds = which_in(data)
    widths = sorted(data["extrinsic"].unique().to_list())
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(kinds))
        for index, (axes, which) in enumerate(zip(panels, kinds, strict=True)):
            color = canvas.SERIES[index % len(canvas.SERIES)]
            for (condition,), rows in data.filter(pl.col("which") == which).group_by("condition", maintain_order=True):
                middle = rows.group_by("extrinsic").agg(pl.col("redundancy", "stderr").mean()).sort("extrinsic")
                if condition in NULLS:
                    canvas.null_curve(axes, middle, "extrinsic", "redundancy", kind=str(condition))
                    continue
                axes.plot(
                    middle["extrinsic"].to_list(), middle["redundancy"].to_list(), color=color, linewidth=1.2, alpha=0.6
                )
                axes.errorbar(
                    rows["extrinsic"].to_list(),
                    rows["redundancy"].to_list(),
                    yerr=rows["stderr"].fill_null(0.0).fill_nan(0.0).to_list(),
                    fmt="o",
                    color=color,
                    markersize=5,
                )
            axes.set_xscale("log", base=2)
            axes.set_xlim(widths[0] / 1.25, widths[-1] * 1.25)
            canvas.plain_ticks(axes, widths)
            axes.set_ylim(min(0.0, float(data["redundancy"].min())), 1)  # type: ignore[arg-type]
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.set_title(which_label(which))
            axes.set_xlabel("columns of the table")
        for axes in panels if layout == "narrow" else panels[:1]:
            axes.set_ylabel(f"redundancy ({method_label(headline_method(prepared(frame)) or '')})")
        nulls = nulls_in(data)
        if nulls:
            canvas.legend_below(figure, canvas.null_handles(nulls), layout)
    return figure


def _title(frame: pl.DataFrame) -> str:
    low, high = ends(redundancy_data(frame)["extrinsic"])
    return f"Redundancy against width, {format_range(low, high, whole=True)} columns"


def _caption(frame: pl.DataFrame) -> str:
    data = redundancy_data(frame)
    method = method_label(headline_method(prepared(frame)) or "")
    return joined(
        f"Redundancy, 1 − dimension / columns, from the {method} estimate of {tables_named(data)};",
        "the line joins the mean at each width.",
        points_behind(data),
        "Error bars: ± 1 standard error.",
        against_nulls(data, color="gray"),
        "Random tables grow more redundant with width as well, because the estimate saturates;",
        "only the distance to them is about the model.",
    )


FAMILY = FigureFamily(
    name="redundancy_over_width",
    data=redundancy_data,
    draw=redundancy_over_width,
    title=_title,
    caption=_caption,
    sources=("kataiwa2025",),
)
