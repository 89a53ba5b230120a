"""Curves over layers: what most figures of a layer study are."""

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from theodolite.core.number_format import format_count
from theodolite.report.figures import canvas

_FEW_PANELS = 2
"""In a row of a figure of up to four; one more where there are more panels."""


def over_layers(
    data: pl.DataFrame,
    *,
    series: str,
    names: Sequence[str],
    ylabel: str,
    layout: canvas.Layout,
    reference: pl.DataFrame | None = None,
    from_zero: bool = True,
    is_log: bool = False,
) -> Figure:
    """Draw curves over layers, a panel for each model, with a band of one standard deviation over prompts.

    Parameters
    ----------
    data : polars.DataFrame
        Columns `name`, `layer`, `value`, `sd` and the one called `series`.
    series : str
        Column that tells curves apart.
    names : sequence of str
        Its values in the order of the legend.
    ylabel : str
        What is measured.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.
    reference : polars.DataFrame, optional
        Same columns: drawn thin and dotted in the color of its series, as a chance level is.
    from_zero : bool
        Whether the vertical axis begins at zero.
    is_log : bool
        Whether the vertical axis is logarithmic.

    Returns
    -------
    matplotlib.figure.Figure
        With a legend below.
    """
    looks = canvas.Look.of(list(names))
    labels = data["name"].unique(maintain_order=True).to_list()
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(labels))
        for axes, label in zip(panels, labels, strict=True):
            own = data.filter(pl.col("name") == label)
            for name in names:
                _curve(axes, own.filter(pl.col(series) == name).sort("layer"), looks[name])
                if reference is not None:
                    level = reference.filter((pl.col("name") == label) & (pl.col(series) == name)).sort("layer")
                    axes.plot(level["layer"], level["value"], color=looks[name].color, linestyle=":", linewidth=0.9)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_title(label)
            axes.set_xlabel("layer")
            if is_log:
                _logarithmic(axes)
        if from_zero:
            canvas.from_zero(panels)
        for axes in panels if layout == "narrow" else panels[::2]:
            axes.set_ylabel(ylabel)
        if len(names) > 1:
            canvas.legend_below(figure, canvas.series_handles(looks), layout)
    return figure


def correlations_over_layers(
    data: pl.DataFrame, *, panel: str, series: str, names: Sequence[str], ylabel: str, layout: canvas.Layout
) -> Figure:
    """Draw correlations over layers, a panel for each model or estimator, with a band of their intervals.

    Parameters
    ----------
    data : polars.DataFrame
        Columns `layer`, `value`, `low`, `high` and those called `panel` and `series`.
    panel : str
        Column that tells panels apart.
    series : str
        Column that tells curves apart.
    names : sequence of str
        Its values in the order of the legend.
    ylabel : str
        What is correlated.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure
        From -1 to 1, with a legend below.
    """
    looks = canvas.Look.of(list(names))
    labels = data[panel].unique(maintain_order=True).to_list()
    columns = _FEW_PANELS if len(labels) <= 2 * _FEW_PANELS else _FEW_PANELS + 1
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(labels), columns=columns)
        for axes, label in zip(panels, labels, strict=True):
            axes.axhline(0.0, color=canvas.QUIET, linewidth=0.8)
            for name in names:
                curve = data.filter((pl.col(panel) == label) & (pl.col(series) == name))
                look, x = looks[name], curve["layer"].to_numpy()
                axes.fill_between(x, curve["low"], curve["high"], color=look.color, alpha=canvas.BAND / 2, linewidth=0)
                axes.plot(x, curve["value"], color=look.color, marker=look.marker, linestyle=look.dashes)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_ylim(-1, 1)
            axes.set_title(label)
            axes.set_xlabel("layer")
        for axes in panels if layout == "narrow" else panels[::columns]:
            axes.set_ylabel(ylabel)
        canvas.legend_below(figure, canvas.series_handles(looks), layout)
    return figure


def _logarithmic(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers at 1, 2, 5, 10, 20 ..."""
    axes.set_yscale("log", nonpositive="clip")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value) if value >= 1 else f"{value:g}"))


def _curve(axes: Axes, curve: pl.DataFrame, look: canvas.Look) -> None:
    x, y = curve["layer"].to_numpy(), curve["value"].to_numpy()
    spread = curve["sd"].fill_null(0.0).fill_nan(0.0).to_numpy()
    axes.fill_between(x, y - spread, y + spread, color=look.color, alpha=canvas.BAND / 2, linewidth=0)
    axes.plot(x, y, color=look.color, marker=look.marker, linestyle=look.dashes)
