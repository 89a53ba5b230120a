"""The removal sweep by estimator: which headline numbers the shortest rows make."""

import polars as pl
from matplotlib.figure import Figure

from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily, always
from theodolite.report.figures.wording import joined, points_behind, tables_named
from theodolite.report.selection import last_revisions, method_label, prepared, tables_in, which_label
from theodolite.studies.dimension.config import MEASURED, WITHOUT_SHORTEST

_SYMBOLS = {"twonn": "", "mle": "k", "gride": "n2"}


def wide_removal_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return TwoNN, MLE and GRIDE at the headline's scales by the number of shortest rows removed.

    `removed` is 0 for the table as it is; `of_all` is the reading over that of the whole table. Only tables whose
    sweep was read by more than TwoNN.
    """
    rows = last_revisions(prepared(frame)).filter(
        (pl.col("measure") == "dimension")
        & pl.col("method").is_in(list(_SYMBOLS))
        & pl.col("condition").is_in([MEASURED, WITHOUT_SHORTEST])
    )
    swept = rows.filter(pl.col("condition") == WITHOUT_SHORTEST)
    place = ("label", "which", "method", "scale")
    rows = rows.join(swept.select(place).unique(), on=place, how="semi", nulls_equal=True)
    several = swept.group_by("label", "which").agg(pl.col("method").n_unique().alias("n")).filter(pl.col("n") > 1)
    rows = rows.join(several, on=["label", "which"], how="semi")
    removed = pl.when(pl.col("condition") == MEASURED).then(0.0).otherwise(pl.col("x"))
    rows = rows.with_columns(removed.alias("removed")).filter(pl.col("removed").is_finite())
    whole = rows.sort("removed").unique(place, keep="first").select(*place, pl.col("value").alias("whole"))
    rows = rows.join(whole, on=place, nulls_equal=True).filter(pl.col("whole") > 0)
    estimator = [_name(*one) for one in rows.select("method", "scale").iter_rows()]
    rows = rows.with_columns(
        pl.Series("estimator", estimator, dtype=pl.String), (pl.col("value") / pl.col("whole")).alias("of_all")
    )
    columns = ("label", "which", "estimator", "removed", "value", "stderr", "of_all", "whole", "n_used", "extrinsic")
    return rows.select(columns).sort("label", "which", "estimator", "removed")


def removal_by_estimator(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw each estimator's reading over that of the whole table against the rows removed, a panel for each table.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where no sweep was read by more than TwoNN.
    """
    data = wide_removal_data(frame)
    if data.is_empty():
        return None
    names = sorted(data["estimator"].unique(), key=lambda name: (not name.startswith("TwoNN"), name))
    looks = canvas.Look.of(names)
    tables = tables_in(data)
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(tables), height=2.1)
        for axes, (label, which, rows) in zip(panels, tables, strict=True):
            for (name,), curve in rows.group_by("estimator", maintain_order=True):
                over_all = curve.with_columns(pl.col("stderr") / pl.col("whole"))
                canvas.curve(axes, over_all, "removed", "of_all", looks[str(name)])
            canvas.step_axis(axes, rows["removed"].to_list())
            axes.set_title(f"{label}, {which_label(which)}")
            axes.set_xlabel("shortest rows removed")
        canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[::2]:
            axes.set_ylabel("reading over\nthat of all rows")
        canvas.legend_below(figure, canvas.series_handles(looks), layout)
    return figure


def _name(method: str, scale: int | None) -> str:
    symbol = _SYMBOLS[method]
    return f"{method_label(method)} ({symbol} = {scale})" if symbol else method_label(method)


def _caption(frame: pl.DataFrame) -> str:
    data = wide_removal_data(frame)
    return joined(
        f"Each estimate for {tables_named(data)} without the shortest rows, over the same estimate of all rows.",
        "Estimators that look at more neighbors see short rows from farther away, so a table can have a sound TwoNN "
        "reading and a GRIDE reading that a few percent of its rows make.",
        points_behind(data.filter(pl.col("removed") == 0)),
        "Bands: ± 1 standard error of the numerator.",
    )


FAMILY = FigureFamily(
    name="removal_by_estimator",
    data=wide_removal_data,
    draw=removal_by_estimator,
    title=always("Which of the numbers do the shortest rows make?"),
    caption=_caption,
    sources=("quemy2026",),
)
