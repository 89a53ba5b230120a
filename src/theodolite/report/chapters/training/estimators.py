"""Several estimators along training: whether the fall depends on how it is measured."""

import polars as pl
from matplotlib.figure import Figure

from theodolite.core.number_format import format_count
from theodolite.report.figures import canvas
from theodolite.report.figures.family import of_data
from theodolite.report.figures.wording import joined, points_behind, tables_named
from theodolite.report.selection import is_measured, method_label, prepared, which_in, which_label

_MLE = (5, 20, 50)


def estimators_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the dimension by several estimators at each training step.

    One row for each point of a curve; `estimator` names estimator and scale. TwoNN, MLE at a few k, and GRIDE at
    its widest scale; models with three checkpoints at least.
    """
    rows = prepared(frame).filter((pl.col("measure") == "dimension") & is_measured() & pl.col("step").is_not_null())
    widest = rows.filter(pl.col("method") == "gride")["scale"].max()
    chosen = rows.filter(
        (pl.col("method") == "twonn")
        | ((pl.col("method") == "mle") & pl.col("scale").is_in(list(_MLE)))
        | ((pl.col("method") == "gride") & (pl.col("scale") == (widest or 0)))
    )
    chosen = chosen.filter(pl.col("step").n_unique().over("label", "which") >= 3)
    names = {(one, scale): _name(one, scale) for one, scale in chosen.select("method", "scale").unique().iter_rows()}
    estimator = [names[one, scale] for one, scale in chosen.select("method", "scale").iter_rows()]
    return (
        chosen.with_columns(pl.Series("estimator", estimator, dtype=pl.String))
        .select("label", "which", "estimator", "step", "value", "stderr", "n_used", "extrinsic")
        .sort("label", "which", "estimator", "step")
    )


def _plot_estimators(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw several estimators against the training step, a panel for each table."""
    if data.is_empty():
        return None
    looks = canvas.Look.of(sorted(data["estimator"].unique(), key=lambda name: (not name.startswith("TwoNN"), name)))
    tables = [(label, which) for which in which_in(data) for label in data["label"].unique(maintain_order=True)]
    tables = [(label, which) for label, which in tables if not _curve(data, label, which).is_empty()]
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(tables))
        for axes, (label, which) in zip(panels, tables, strict=True):
            for (name,), curve in _curve(data, label, which).group_by("estimator", maintain_order=True):
                canvas.curve(axes, curve, "step", "value", looks[str(name)])
            canvas.step_axis(axes, data["step"].to_list())
            axes.set_title(f"{label}, {which_label(which)}")
            axes.set_xlabel("training step")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[::2]:
            axes.set_ylabel("dimension")
        canvas.legend_below(figure, canvas.series_handles(looks), layout)
    return figure


def _curve(data: pl.DataFrame, label: str, which: str) -> pl.DataFrame:
    return data.filter((pl.col("label") == label) & (pl.col("which") == which))


def _name(method: str, scale: int) -> str:
    if method == "twonn":
        return method_label(method)
    return f"{method_label(method)} ({'k' if method == 'mle' else 'n2'} = {scale})"


def _title(frame: pl.DataFrame) -> str:
    return f"{estimators_data(frame)['estimator'].n_unique()} estimators along training"


def _describe(data: pl.DataFrame) -> str:
    return joined(
        f"Dimension of {tables_named(data)} at {format_count(data['step'].n_unique())} training steps.",
        points_behind(data),
        "Bands: ± 1 standard error.",
        "Estimators that look at more neighbors probe a wider scale; a fall that all show is no artefact of one.",
    )


FAMILY = of_data(
    name="estimators_over_training",
    data=estimators_data,
    plot=_plot_estimators,
    title=_title,
    describe=_describe,
    sources=("kataiwa2025", "facco2017", "denti2022", "levina2004"),
)
