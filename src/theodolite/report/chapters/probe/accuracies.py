"""Accuracy of every classifier, with intervals."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from theodolite.core.number_format import format_count
from theodolite.report.chapters.probe.readings import results
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.studies.probe.evaluation import CROSS_VALIDATION, HELD_OUT
from theodolite.studies.probe.names import is_layered

_ROW = 0.3
_PROBE, _BASELINE = canvas.SERIES[0], canvas.QUIET


def accuracy_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return accuracies of probe and baselines, cross-validated and held out.

    One row for each model, evaluation and classifier.
    """
    return results(frame, CROSS_VALIDATION, HELD_OUT).select(
        "label", "evaluation", "features", "classifier", "value", "low", "high", "n"
    )


def _plot_accuracies(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the accuracy of every classifier as a bar with its interval, a panel for each model."""
    if data.is_empty():
        return None
    labels = data["label"].unique(maintain_order=True).to_list()
    most = data["classifier"].n_unique()
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(labels), height=_ROW * most + 0.7, columns=1)
        for axes, label in zip(panels, labels, strict=True):
            own = data.filter(pl.col("label") == label)
            crossed = own.filter(pl.col("evaluation") == CROSS_VALIDATION)
            places = {name: -number for number, name in enumerate(crossed["classifier"])}
            y = np.array(list(places.values()))
            colors = [_PROBE if is_layered(name) else _BASELINE for name in crossed["features"]]
            axes.barh(y, crossed["value"], height=0.62, color=colors, alpha=0.55)
            _whiskers(axes, crossed, y + 0.1, "none")
            held = own.filter(pl.col("evaluation") == HELD_OUT)
            _whiskers(axes, held, np.array([places[name] for name in held["classifier"]]) - 0.18, "o")
            axes.set_yticks(y, list(places))
            axes.set_xlim(0, 1.02)
            axes.grid(visible=False, axis="y")
            axes.axvline(0.5, color=canvas.INK, linestyle=":", linewidth=0.9)
            axes.set_title(label)
            axes.set_xlabel("accuracy")
        handles = [
            Patch(color=_PROBE, alpha=0.55, label="probe on layers"),
            Patch(color=_BASELINE, alpha=0.55, label="baseline"),
            Line2D([], [], color=canvas.INK, marker="o", markerfacecolor="white", linestyle="-", label="held out"),
            Line2D([], [], color=canvas.INK, linestyle=":", label="chance"),
        ]
        canvas.legend_below(figure, handles, layout)
    return figure


def _whiskers(axes: Any, rows: pl.DataFrame, y: npt.NDArray[np.float64], marker: str) -> None:
    value = rows["value"].to_numpy()
    errors = np.stack([value - rows["low"].to_numpy(), rows["high"].to_numpy() - value])
    axes.errorbar(
        value,
        y,
        xerr=errors.clip(min=0),
        fmt=marker,
        color=canvas.INK,
        markerfacecolor="white",
        linewidth=1.0,
        markersize=4,
    )


def _describe(data: pl.DataFrame) -> str:
    crossed, held = (
        format_count(max(data.filter(pl.col("evaluation") == one)["n"].to_list()))
        for one in (CROSS_VALIDATION, HELD_OUT)
    )
    return (
        f"Accuracy of logistic regressions on {crossed} prompts: bars, each prompt scored in the fold that it was left "
        f"out of; circles, a single split with {held} prompts held out. Lines: 95 % Wilson intervals. The dotted line "
        "is one half."
    )


ACCURACIES = of_data(
    name="probe_accuracy",
    data=accuracy_data,
    plot=_plot_accuracies,
    title=always("Probe and baselines"),
    describe=_describe,
    sources=("viswanathan2025",),
)
