"""Figure families that are curves over layers: what is measured, what tells the curves apart, and the words."""

from collections.abc import Callable

import polars as pl
from matplotlib.figure import Figure

from theodolite.core.number_format import counted
from theodolite.report.chapters.layers.curves import correlations_over_layers, over_layers
from theodolite.report.chapters.layers.rows import averaged, conditions_in, main_positions, prompts_behind
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily, always, of_data
from theodolite.report.figures.wording import joined
from theodolite.statistics.fisher import FEWEST_RESAMPLED

Words = str | Callable[[pl.DataFrame], str]
"""A text, or what makes one of the rows that are drawn."""
BAND = "Bands: ± 1 standard deviation over prompts."
INTERVAL = "Bands: 95 % intervals, bootstrap over prompts."
FEW = f"Bands: 95 % intervals by Fisher's formula: fewer than {FEWEST_RESAMPLED} prompts are not resampled."
_COLUMNS = ("name", "layer", "condition", "control", "level", "value", "sd", "stderr", "n_prompts", "n_used")
_SPAN = 20.0
"""Largest mean over the smallest from which on a vertical axis that may is logarithmic."""


def profile(
    *,
    name: str,
    title: str,
    data: Callable[[pl.DataFrame], pl.DataFrame],
    series: str,
    ylabel: Words,
    words: Words,
    after: str = "",
    sources: tuple[str, ...] = ("viswanathan2025",),
    reference: str | None = None,
    from_zero: bool = True,
    may_be_log: bool = False,
) -> FigureFamily:
    """Return a family of means over prompts against the layer, a panel for each model.

    Parameters
    ----------
    name, title : str
        Of the figure.
    data : callable
        Frame to rows with `name`, `layer`, `value`, `sd`, `n_prompts`, `n_used` and the series; empty where nothing was
        measured. Series are drawn in the order of the rows.
    series : str
        Column that tells curves apart.
    ylabel, words : str or callable
        What is measured: on the axis, and at the beginning of the caption.
    after : str
        End of the caption, behind number of prompts and bands.
    sources : tuple of str
        Papers that the figure rests on.
    reference : str or None
        Column drawn dotted beside each curve, such as a chance level.
    from_zero : bool
        Whether the vertical axis begins at zero.
    may_be_log : bool
        Whether the vertical axis is logarithmic where means differ by a factor of twenty.

    Returns
    -------
    FigureFamily
        For a chapter.
    """

    def plot(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
        if data.is_empty():
            return None
        is_log = may_be_log and _spans(data["value"], _SPAN)
        return over_layers(
            data,
            series=series,
            names=_names(data, series),
            ylabel=_said(ylabel, data),
            layout=layout,
            reference=None if reference is None else data.with_columns(value=reference),
            from_zero=from_zero and not is_log,
            is_log=is_log,
        )

    return of_data(
        name=name,
        data=data,
        plot=plot,
        title=always(title),
        describe=lambda rows: joined(_said(words, rows), prompts_behind(rows), BAND, after),
        sources=sources,
    )


def correlated(
    *,
    name: str,
    title: str,
    data: Callable[[pl.DataFrame], pl.DataFrame],
    series: str,
    ylabel: str,
    words: Words,
    after: str,
) -> FigureFamily:
    """Return a family of correlations over prompts against the layer.

    A panel for each model, or, where several estimators were asked for, for each of them, with all models in it.

    Parameters
    ----------
    name, title, series, ylabel, words, after
        As in `profile`.
    data : callable
        Frame to rows with `name`, `estimator`, `layer`, `value`, `low`, `high`, `n_prompts` and the series.

    Returns
    -------
    FigureFamily
        For a chapter.
    """

    def plot(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
        if data.is_empty():
            return None
        panel = "name"
        if any(not one.startswith("GRIDE") for one in _names(data, "estimator")):
            panel = "estimator"
            data = data.with_columns(curve=_curve_names(data, series))
        curves = series if panel == "name" else "curve"
        return correlations_over_layers(
            data, panel=panel, series=curves, names=_names(data, curves), ylabel=ylabel, layout=layout
        )

    def describe(rows: pl.DataFrame) -> str:
        counts = rows["n_prompts"].to_list()
        return joined(
            _said(words, rows),
            f"n\u00a0=\u00a0{counted(max(counts), 'prompt')}." if counts else "",
            INTERVAL if max(counts, default=FEWEST_RESAMPLED) >= FEWEST_RESAMPLED else FEW,
            after,
        )

    return of_data(
        name=name,
        data=data,
        plot=plot,
        title=always(title),
        describe=describe,
        sources=("viswanathan2025", "denti2022"),
    )


def by_condition(measure: str, *, method: str | None = None) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return what takes a frame to the means of one measure at each layer, as written and disturbed.

    Parameters
    ----------
    measure : str
        Value of the column `measure`.
    method : str or None
        Value of the column `method`; None for a measure that has none.

    Returns
    -------
    callable
        For `profile`, whose series is `condition`.
    """

    def data(frame: pl.DataFrame) -> pl.DataFrame:
        rows = averaged(frame, measure)
        if method is not None:
            rows = rows.filter(pl.col("method") == method)
        return in_order_of_conditions(main_positions(rows).select(_COLUMNS))

    return data


def in_order_of_conditions(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort rows by model, then as written and ever more disturbed, then by layer; others stay in their order."""
    order = pl.Enum(conditions_in(rows))
    ordered = rows.with_columns(pl.col("condition").cast(order)).sort("name", "condition", "layer", maintain_order=True)
    return ordered.cast({order: pl.String})


def _curve_names(rows: pl.DataFrame, series: str) -> pl.Expr:
    """Return what tells curves apart within the panel of an estimator: the model, the series, or both."""
    if series == "estimator":
        return pl.col("name").cast(pl.String)
    return pl.col(series) if rows["name"].n_unique() == 1 else pl.concat_str("name", series, separator=", ")


def _names(rows: pl.DataFrame, series: str) -> list[str]:
    return [str(one) for one in rows[series].unique(maintain_order=True)]


def _said(words: Words, rows: pl.DataFrame) -> str:
    return words if isinstance(words, str) else words(rows) if rows.height else ""


def _spans(values: pl.Series, factor: float) -> bool:
    numbers = values.to_list()
    return bool(min(numbers) > 0 and max(numbers) > factor * min(numbers))
