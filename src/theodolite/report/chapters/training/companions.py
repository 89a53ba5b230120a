"""What else changes along training: participation ratio, lengths, the hub of short rows, the loss."""

import polars as pl
from matplotlib.figure import Figure

from theodolite.core.number_format import format_count
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined, tables_named
from theodolite.report.selection import is_measured, nulls_in, prepared
from theodolite.studies.dimension.config import GAUSSIAN

_PANELS = {
    "participation_ratio": "participation ratio",
    "norm": "median length of a row",
    "short_share": "neighbor places taken\nby the shortest 1 % of rows",
    "loss": "validation loss (nats per token)",
}


def companions_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return what is measured beside the dimension at each training step.

    One row for each point of a curve; `quantity` is participation_ratio, norm (the median), short_share or loss,
    `condition` measured, or gaussian for what a Gaussian table gives. Models with three checkpoints at least.
    """
    shown = is_measured() | (pl.col("condition") == GAUSSIAN)
    rows = prepared(frame).filter(shown & pl.col("step").is_not_null())
    chosen = rows.filter(
        pl.col("measure").is_in(["participation_ratio", "loss"])
        | ((pl.col("measure") == "norm") & (pl.col("method") == "quantile") & (pl.col("x") == 0.5))
        | ((pl.col("measure") == "hubness") & (pl.col("method") == "short_share"))
    ).with_columns(
        pl.when(pl.col("measure") == "hubness").then(pl.lit("short_share")).otherwise("measure").alias("quantity")
    )
    chosen = chosen.filter(pl.col("step").n_unique().over("label", "which", "quantity", "condition") >= 3)
    return chosen.select("label", "which", "condition", "quantity", "step", "value", "stderr", "extrinsic").sort(
        "quantity", "label", "which", "condition", "step"
    )


def _plot_companions(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw participation ratio, row length, hub share and loss against the training step, Gaussian nulls dashed."""
    shown = [quantity for quantity in _PANELS if quantity in data["quantity"]]
    if not shown:
        return None
    series = data.with_columns(_series(data))
    looks = canvas.Look.of(series["series"].unique(maintain_order=True).sort().to_list())
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(shown), height=2.4, shared=False)
        for axes, quantity in zip(panels, shown, strict=True):
            for (name, condition), curve in series.filter(pl.col("quantity") == quantity).group_by(
                "series", "condition", maintain_order=True
            ):
                look = looks[str(name)]
                if condition == GAUSSIAN:
                    canvas.null_curve(axes, curve, "step", "value", kind=GAUSSIAN, color=look.color)
                    continue
                canvas.curve(axes, curve, "step", "value", look)
            canvas.step_axis(axes, data["step"].to_list())
            axes.set_ylim(bottom=0)
            axes.set_title(_PANELS[quantity])
            axes.set_xlabel("training step")
        handles = canvas.series_handles(looks) + canvas.null_handles(nulls_in(data))
        canvas.legend_below(figure, handles, layout)
    return figure


def _series(data: pl.DataFrame) -> pl.Expr:
    """Name a curve by model and table, without the model where there is one."""
    model = pl.col("label") if data["label"].n_unique() > 1 else pl.lit("")
    table = pl.col("which").fill_null("model")
    return pl.concat_str([model, table], separator=" ").str.strip_chars().alias("series")


def _describe(data: pl.DataFrame) -> str:
    return joined(
        f"{tables_named(data.filter(pl.col('which').is_not_null()))} at {format_count(data['step'].n_unique())} steps.",
        "Participation ratio: the linear companion of the dimension, which falls and rises again where the dimension "
        "only falls. Bands: ± 1 standard error.",
        "Dashed: what Gaussian tables of the same size give." if GAUSSIAN in data["condition"] else "",
        "A hub of short rows near the origin would show in the neighbor places that the shortest rows take.",
    )


FAMILY = of_data(
    name="companions_over_training",
    data=companions_data,
    plot=_plot_companions,
    title=always("What else changes along training"),
    describe=_describe,
    sources=("kataiwa2025", "quemy2026"),
)
