"""The headline: what each estimator reads for each table, against its columns and against random tables."""

import math

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theodolite.core.number_format import counted, format_percent
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import joined, listed, points_behind, tables_named
from theodolite.report.selection import (
    CONDITION_LABELS,
    headline_method,
    is_measured,
    is_null_reading,
    labels_in,
    last_revisions,
    method_label,
    nulls_in,
    prepared,
    which_in,
)
from theodolite.studies.dimension.config import NULLS

_USUAL_K = 20
_LOOKS = {"twonn": ("o", 0), "mle": ("s", 2), "gride": ("D", 1), "participation_ratio": ("^", 3)}
_ROOM_FOR_SHARE = {"wide": 1.9, "narrow": 2.7}
_NULL_MARKERS = {"gaussian": "|", "permuted": "x", "covariance": "+"}


def estimator_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one reading by each estimator for the last revision of each table, and the headline's nulls.

    Of an estimator with several scales, the one that people quote: MLE at the k nearest to 20, GRIDE at its largest
    n2. The column `estimator` says which.
    """
    rows = last_revisions(prepared(frame))
    method = headline_method(rows) or ""
    dimensions = pl.col("measure").is_in(["dimension", "participation_ratio"])
    kind = (
        pl.when(pl.col("measure") == "participation_ratio")
        .then(pl.lit("participation_ratio"))
        .when(pl.col("method") == method)
        .then(pl.lit("twonn"))
        .otherwise(pl.col("method"))
    )
    rows = rows.with_columns(kind.alias("kind")).filter(dimensions & pl.col("kind").is_in(list(_LOOKS)))
    rows = rows.filter(is_measured() | (is_null_reading() & (pl.col("kind") == "twonn")))
    order = (
        pl.when(pl.col("kind") == "mle")
        .then((pl.col("scale") - _USUAL_K).abs())
        .when(pl.col("kind") == "gride")
        .then(-pl.col("scale"))
        .otherwise(0)
    )
    rows = rows.with_columns(order.alias("_order")).sort("_order", maintain_order=True)
    rows = rows.unique(subset=["label", "which", "condition", "kind"], keep="first", maintain_order=True)
    named = [_estimator_name(*row) for row in rows.select("kind", "method", "scale").iter_rows()]
    rows = rows.with_columns(pl.Series("estimator", named, dtype=pl.String))
    return rows.select(
        "label", "which", "condition", "kind", "estimator", "scale", "value", "stderr", "n_used", "extrinsic"
    ).sort("label", "which", "condition", "kind")


def dimension_by_estimator(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw a line for each table: its estimates, its random tables, its columns, and the redundancy between.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Width of the figure.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where the frame holds no dimension.
    """
    data = estimator_data(frame)
    measured = data.filter(is_measured())
    if measured.is_empty():
        return None
    tables = [
        (label, which, rows)
        for label in labels_in(measured)
        for which in which_in(measured)
        if not (rows := data.filter((pl.col("label") == label) & (pl.col("which") == which))).is_empty()
    ]
    with canvas.house_style():
        figure = Figure(figsize=(canvas.WIDTHS[layout], 1.25 + 0.36 * len(tables)), layout="constrained")
        axes = figure.subplots()
        for position, (_, _, rows) in enumerate(tables):
            _draw_table(axes, position, rows, layout)
        axes.set_xscale("log", base=2)
        values = [*data["value"], *data["extrinsic"].drop_nulls()]
        low, high = 0.75 * min(v for v in values if v > 0), _ROOM_FOR_SHARE[layout] * max(values)
        axes.set_xlim(low, high)
        powers = range(0, 20, 2) if layout == "narrow" else range(20)
        canvas.plain_ticks(axes, [float(2**power) for power in powers if low <= 2**power <= max(values)])
        axes.set_yticks(range(len(tables)), [f"{label} · {which}" for label, which, _ in tables])
        axes.set_ylim(len(tables) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0, labelsize=8.5 if layout == "wide" else 7.5)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("dimension (logarithmic)")
        canvas.legend_below(figure, _handles(data), layout)
    return figure


def _draw_table(axes: Axes, position: int, rows: pl.DataFrame, layout: canvas.Layout) -> None:
    """Draw the readings of one table on its line."""
    measured = rows.filter(is_measured())
    extrinsic = measured["extrinsic"].drop_nulls()
    head = measured.filter(pl.col("kind") == "twonn")
    if len(extrinsic):
        width = int(extrinsic[0])
        axes.plot([width], [position], marker="|", markersize=11, markeredgewidth=2.2, color=canvas.INK, linestyle="")
        if len(head):
            value, stderr = head["value"][0], head["stderr"][0]
            axes.plot([value, width], [position, position], color=canvas.RULE, linewidth=3, zorder=1)
            axes.annotate(
                format_percent(1 - value / width, stderr / width if stderr and layout == "wide" else None),
                (width, position),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    for kind, condition, value, stderr in rows.select("kind", "condition", "value", "stderr").iter_rows():
        error = stderr if stderr is not None and math.isfinite(stderr) else None
        if condition in NULLS:
            axes.errorbar(
                [value],
                [position],
                xerr=None if error is None else [error],
                fmt=_NULL_MARKERS[condition],
                color=canvas.QUIET,
                markersize=7,
                markeredgewidth=1.3,
            )
            continue
        marker, index = _LOOKS[kind]
        color = canvas.SERIES[index]
        axes.errorbar(
            [value], [position], xerr=None if error is None else [error], fmt=marker, color=color, markersize=6
        )


def _handles(data: pl.DataFrame) -> list[Line2D]:
    """Return the legend: estimators, nulls, columns."""
    handles = []
    for kind, (marker, index) in _LOOKS.items():
        names = data.filter(is_measured() & (pl.col("kind") == kind))["estimator"].unique().sort().to_list()
        if names:
            name = names[0] if len(names) == 1 else method_label(kind)
            handles.append(
                Line2D([], [], color=canvas.SERIES[index], marker=marker, linestyle="", markersize=6, label=name)
            )
    for kind in nulls_in(data):
        marker, name = _NULL_MARKERS[kind], CONDITION_LABELS[kind]
        handles.append(Line2D([], [], color=canvas.QUIET, marker=marker, linestyle="", markersize=7, label=name))
    handles.append(
        Line2D([], [], color=canvas.INK, marker="|", markeredgewidth=2.2, linestyle="", markersize=9, label="columns")
    )
    return handles


def _estimator_name(kind: str, method: str, scale: int | None) -> str:
    if kind == "participation_ratio":
        return method_label(kind)
    symbol = {"mle": "k", "gride": "n2"}.get(kind)
    return f"{method_label(method)} ({symbol} = {scale})" if symbol and scale else method_label(method)


def _title(frame: pl.DataFrame) -> str:
    data = estimator_data(frame).filter(is_measured())
    n_tables = data.select("label", "which").n_unique()
    return f"Dimension of {counted(n_tables, 'table')} by estimator"


def _caption(frame: pl.DataFrame) -> str:
    data = estimator_data(frame)
    names = [name for kind in _LOOKS for name in data.filter(pl.col("kind") == kind)["estimator"].unique().sort()]
    nulls = [CONDITION_LABELS[kind] for kind in nulls_in(data)]
    main = method_label(headline_method(prepared(frame)) or "")
    return joined(
        f"Intrinsic dimension of {tables_named(data)} by {listed(names)}.",
        "Black bar: columns of the table.",
        f"Gray marks: what {main} reads for the {listed(nulls)}." if nulls else "",
        f"Percentage at the right: redundancy, 1 − dimension / columns, from {main}.",
        points_behind(data),
        "Error bars: ± 1 standard error, often smaller than the mark.",
        "Estimates from few rows stay below the columns even for random tables: read each against its null.",
    )


FAMILY = FigureFamily(
    name="dimension_by_estimator",
    data=estimator_data,
    draw=dimension_by_estimator,
    title=_title,
    caption=_caption,
    sources=("facco2017", "levina2004", "mackay2005", "denti2022"),
)
