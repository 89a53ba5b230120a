"""Dimension along training, against random tables of the same size at each step."""

from collections.abc import Sequence

import polars as pl
from matplotlib.figure import Figure

from theodolite.core.number_format import format_count
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import against_nulls, joined, points_behind, tables_named
from theodolite.report.selection import (
    ends,
    headline,
    headline_method,
    is_measured,
    is_null_reading,
    labels_in,
    method_label,
    nulls_in,
    prepared,
    which_in,
    which_label,
)
from theodolite.studies.dimension.config import NULLS


def training_data(frame: pl.DataFrame, *, gride_scales: Sequence[int] = ()) -> pl.DataFrame:
    """Return the dimension at each training step of the models that have at least two.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    gride_scales : sequence of int
        Outer neighbors at which to return GRIDE as well.

    Returns
    -------
    polars.DataFrame
        One row for each point of a curve, steps ascending.
    """
    rows = prepared(frame)
    extra = rows.filter(
        (pl.col("measure") == "dimension") & (pl.col("method") == "gride") & pl.col("scale").is_in(list(gride_scales))
    )
    chosen = pl.concat([headline(rows), extra]).filter(
        pl.col("step").is_not_null() & (is_measured() | is_null_reading())
    )
    place = ("label", "which")
    several = pl.col("step").filter(is_measured()).n_unique().over(place) > 1
    a_curve = pl.col("step").n_unique().over(*place, "condition") > 1  # a null of one checkpoint is no curve
    chosen = chosen.filter(several & a_curve).select(
        "label", "which", "condition", "method", "scale", "step", "value", "stderr", "n_used", "extrinsic"
    )
    return chosen.sort("label", "which", "condition", "method", "scale", "step")


def dimension_over_training(
    frame: pl.DataFrame, *, layout: canvas.Layout = "wide", gride_scales: Sequence[int] = ()
) -> Figure | None:
    """Draw the dimension against the training step, a panel for each kind of table, with the nulls dashed.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.
    gride_scales : sequence of int
        Outer neighbors at which GRIDE is drawn too, as thin lines.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where no model has several revisions with a step.
    """
    data = training_data(frame, gride_scales=gride_scales)
    if data.filter(is_measured()).is_empty():
        return None
    main_method = headline_method(prepared(frame))
    looks = canvas.Look.of(labels_in(data))
    kinds = which_in(data)
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(kinds))
        for axes, which in zip(panels, kinds, strict=True):
            for (label, condition, method, _), curve in data.filter(pl.col("which") == which).group_by(
                "label", "condition", "method", "scale", maintain_order=True
            ):
                look = looks[str(label)]
                if condition in NULLS:
                    if method == main_method:
                        canvas.null_curve(axes, curve, "step", "value", kind=str(condition), color=look.color)
                    continue
                if method != main_method:
                    axes.plot(curve["step"], curve["value"], color=look.color, linestyle="-", linewidth=0.8, alpha=0.7)
                    continue
                canvas.curve(axes, curve, "step", "value", look, label=str(label))
            canvas.step_axis(axes, data["step"].to_list())
            axes.set_title(which_label(which))
            axes.set_xlabel("training step")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[:1]:
            axes.set_ylabel(f"dimension ({method_label(main_method or '')})")
        handles = canvas.series_handles(looks) + canvas.null_handles(nulls_in(data))
        canvas.legend_below(figure, handles, layout)
    return figure


def _title(frame: pl.DataFrame) -> str:
    first, last = ends(training_data(frame)["step"])
    return f"Dimension along training, step {format_count(first)} to {format_count(last)}"


def _caption(frame: pl.DataFrame) -> str:
    data = training_data(frame)
    n_steps = data.filter(is_measured())["step"].n_unique()
    method = method_label(headline_method(prepared(frame)) or "")
    return joined(
        f"{method} estimate for {tables_named(data)} at {n_steps} training steps.",
        points_behind(data),
        "Bands: ± 1 standard error.",
        against_nulls(data),
        "An untrained table reads what a random one does: that is the estimator's, not the model's.",
        "The fall below it is what training did.",
    )


FAMILY = FigureFamily(
    name="dimension_over_training",
    data=training_data,
    draw=dimension_over_training,
    title=_title,
    caption=_caption,
    sources=("kataiwa2025", "facco2017"),
)
