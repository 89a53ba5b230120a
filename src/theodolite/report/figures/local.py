"""Local dimension: how the estimate differs from row to row."""

import polars as pl
from matplotlib.figure import Figure

from theodolite.core.number_format import format_range
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.histogram import histogram_data
from theodolite.report.figures.wording import joined, points_behind, tables_named
from theodolite.report.selection import labels_in, which_in, which_label


def local_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the bins of the histograms of local dimension, for the last revision of each model.

    One row for each bin; `density` is the share of rows in the bin over its width.
    """
    bins = histogram_data(frame, "lid_histogram")
    share = pl.col("value") / pl.col("value").sum().over("label", "which")
    return bins.with_columns((share / (pl.col("right") - pl.col("left"))).fill_nan(0.0).alias("density"))


def local_dimension_histogram(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw how the local dimension is distributed over rows, a panel for each kind of table.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where the frame holds no local dimensions.
    """
    data = local_data(frame)
    if data.is_empty():
        return None
    looks = canvas.Look.of(labels_in(data))
    kinds = which_in(data)
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(kinds))
        for axes, which in zip(panels, kinds, strict=True):
            for (label,), bins in data.filter(pl.col("which") == which).group_by("label", maintain_order=True):
                look = looks[str(label)]
                edges = [*bins["left"].to_list(), bins["right"][-1]]
                density = bins["density"].to_list()
                axes.stairs(density, edges, fill=True, color=look.color, alpha=0.12)
                axes.stairs(density, edges, color=look.color, linestyle=look.dashes, linewidth=1.4, label=label)
            axes.set_xlim(left=0)
            axes.set_title(which_label(which))
            axes.set_xlabel("local dimension of a row")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[:1]:
            axes.set_ylabel("share of rows per dimension")
        handles = canvas.series_handles(looks)
        for handle in handles:
            handle.set_marker("")
        canvas.legend_below(figure, handles, layout)
    return figure


def _title(frame: pl.DataFrame) -> str:
    return f"Local dimension of the rows of {tables_named(local_data(frame))}"


def _caption(frame: pl.DataFrame) -> str:
    data = local_data(frame)
    k = data["scale"].drop_nulls()
    scale = f", k = {format_range(int(k.min()), int(k.max()), whole=True)}" if len(k) else ""  # type: ignore[arg-type]
    return joined(
        f"Levina-Bickel estimate around each single row{scale}; every histogram has area 1.",
        points_behind(data),
        "A long right tail, or a second group, means that one number does not describe the table.",
        "Shares of rows, so no error bars; estimates above twice the columns are counted in the last bin.",
    )


FAMILY = FigureFamily(
    name="local_dimension_histogram",
    data=local_data,
    draw=local_dimension_histogram,
    title=_title,
    caption=_caption,
    sources=("levina2004", "kataiwa2025"),
)
