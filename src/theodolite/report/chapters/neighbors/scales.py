"""Dimension over scale, read off one graph: GRIDE between doubling neighbors, MLE to the k-th."""

import polars as pl
from matplotlib.figure import Figure

from theodolite.core.number_format import format_count
from theodolite.report.chapters.neighbors.subject import of_table
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import joined
from theodolite.report.selection import method_label
from theodolite.studies.dimension.rows import method_name
from theodolite.studies.neighbors.readings import readings_of

_CURVES = ("gride", "mle", "twonn")


def scales_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return every estimate with the scale it was read at.

    One row for each estimator and scale; none while blocks are missing.
    """
    read = readings_of(frame)
    rows = [
        {
            "method": method_name(one),
            "n1": one.n1,
            "scale": one.n2,
            "radius": one.radius,
            "value": one.value,
            "stderr": one.stderr,
            "n_used": one.n_used,
        }
        for one in (() if read is None else read.estimates)
        if method_name(one) in _CURVES
    ]
    return pl.DataFrame(rows)


def dimension_over_scale(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the dimension against the outer neighbor, a curve for each estimator."""
    data = scales_data(frame)
    if data.is_empty():
        return None
    methods = [method for method in _CURVES if method in data["method"].to_list()]
    looks = canvas.Look.of([method_label(method) for method in methods])
    with canvas.house_style():
        figure, (axes,) = canvas.panels(layout, 1)
        for method in methods:
            look = looks[method_label(method)]
            curve = data.filter(pl.col("method") == method).sort("scale")
            x, y, error = (curve[name].to_numpy() for name in ("scale", "value", "stderr"))
            axes.errorbar(x, y, error, color=look.color, marker=look.marker, linestyle=look.dashes, capsize=2)
        axes.set_xscale("log", base=2)
        canvas.plain_ticks(axes, [2**power for power in range(1, int(data["scale"].max()).bit_length())])  # type: ignore[arg-type]
        axes.set_xlabel("outer neighbor (n2 of GRIDE, k of MLE)")
        axes.set_ylabel("dimension")
        canvas.from_zero([axes])
        canvas.legend_below(figure, canvas.series_handles(looks), layout)
    return figure


def _title(frame: pl.DataFrame) -> str:
    return f"Dimension{of_table(frame)} over scale"


def _caption(frame: pl.DataFrame) -> str:
    read = readings_of(frame)
    assert read is not None
    return joined(
        "Intrinsic dimension from the distances to near neighbors (left) and far ones (right): GRIDE compares "
        "neighbors n2 and n2 / 2, MLE all up to k, TwoNN the first two.",
        "A flat curve is a dimension that does not depend on the scale.",
        f"n\u00a0=\u00a0{format_count(read.account.counts['measured'])} points, {read.account.n_dims} columns.",
        "Bars: ± 1 standard error that allows for shared neighbors.",
        "A random table is no flat line either: `theodolite dimension` draws it beside.",
    )


FAMILY = FigureFamily(
    name="dimension_over_scale",
    data=scales_data,
    draw=dimension_over_scale,
    title=_title,
    caption=_caption,
    sources=("denti2022", "levina2004", "facco2017"),
)
