"""Dimension over scale: how the reading changes from the nearest neighbors outward."""

import polars as pl
from matplotlib.figure import Figure

from theodolite.core.number_format import format_count
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import against_nulls, joined, points_behind, tables_named
from theodolite.report.selection import (
    ends,
    is_measured,
    is_null_reading,
    labels_in,
    last_revisions,
    nulls_in,
    prepared,
    which_in,
    which_label,
)
from theodolite.studies.dimension.config import NULLS

_METHOD = "gride"


def scale_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return GRIDE at every scale for the last revision of each model and for its nulls.

    One row for each point of a curve, scales ascending.
    """
    chosen = last_revisions(prepared(frame)).filter(
        (pl.col("measure") == "dimension")
        & (pl.col("method") == _METHOD)
        & pl.col("scale").is_not_null()
        & (is_measured() | is_null_reading())
    )
    chosen = chosen.select(
        "label", "revision", "which", "condition", "n1", "scale", "radius", "value", "stderr", "n_used", "extrinsic"
    )
    return chosen.sort("label", "which", "condition", "scale")


def dimension_over_scale(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw GRIDE against the outer neighbor, a panel for each kind of table, with the nulls dashed.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where the frame holds no dimension over scale.
    """
    data = scale_data(frame)
    if data.filter(is_measured()).is_empty():
        return None
    looks = canvas.Look.of(labels_in(data))
    kinds = which_in(data)
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(kinds))
        for axes, which in zip(panels, kinds, strict=True):
            for (label, condition), curve in data.filter(pl.col("which") == which).group_by(
                "label", "condition", maintain_order=True
            ):
                look = looks[str(label)]
                if condition in NULLS:
                    canvas.null_curve(axes, curve, "scale", "value", kind=str(condition), color=look.color)
                    continue
                canvas.curve(axes, curve, "scale", "value", look, label=str(label))
            axes.set_xscale("log", base=2)
            canvas.plain_ticks(axes, sorted(data["scale"].unique().to_list()))
            axes.set_title(which_label(which))
            axes.set_xlabel("outer neighbor n2 (inner neighbor n2 / 2)")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[:1]:
            axes.set_ylabel("dimension (GRIDE)")
        handles = canvas.series_handles(looks) + canvas.null_handles(nulls_in(data))
        canvas.legend_below(figure, handles, layout)
    return figure


def _title(frame: pl.DataFrame) -> str:
    low, high = ends(scale_data(frame)["scale"])
    return f"Dimension over scale, from {format_count(low)} to {format_count(high)} neighbors"


def _caption(frame: pl.DataFrame) -> str:
    data = scale_data(frame)
    return joined(
        f"GRIDE estimate of the intrinsic dimension of {tables_named(data)},",
        "from the ratio of the distances to neighbors n2 and n2 / 2.",
        "A flat curve is a dimension that does not depend on the scale; one that falls or rises mixes several.",
        points_behind(data),
        "Bands: ± 1 standard error of the maximum-likelihood estimate.",
        against_nulls(data),
    )


FAMILY = FigureFamily(
    name="dimension_over_scale",
    data=scale_data,
    draw=dimension_over_scale,
    title=_title,
    caption=_caption,
    sources=("denti2022",),
)
