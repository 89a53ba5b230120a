"""Accuracy across sources, and by length."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from theodolite.core.number_format import format_range
from theodolite.core.visible import visible
from theodolite.report.chapters.probe.readings import results
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.selection import ends
from theodolite.studies.probe.evaluation import CROSS_SOURCE, LENGTH

_SHOWN = ("dimension", "entropy", "ngrams")
_LONGEST = 14
_DARK = 0.75


def source_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return accuracies of fitting on one source and testing on another.

    One row for each model, classifier and pair of sources; empty with fewer than two sources of both kinds.
    """
    return (
        results(frame, CROSS_SOURCE)
        .filter(pl.col("features").is_in(_SHOWN))
        .select("label", "classifier", "train", "test", "value", "low", "high", "n")
    )


def _plot_sources(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw a matrix of accuracies for each classifier: rows are what it was fitted on, columns where it was tested."""
    if data.is_empty():
        return None
    names = data["train"].unique(maintain_order=True).to_list()
    shown = data.select("label", "classifier").unique(maintain_order=True).rows()
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(shown), height=1.5 + 0.35 * len(names), columns=3, shared=False)
        for axes, (label, classifier) in zip(panels, shown, strict=True):
            own = data.filter((pl.col("label") == label) & (pl.col("classifier") == classifier))
            found = {(train, test): value for train, test, value in own.select("train", "test", "value").iter_rows()}
            table = np.array([[found.get((train, test), np.nan) for test in names] for train in names])
            canvas.cells(axes, table, colors="Blues", low=0.4, high=1.0)
            for (row, column), value in np.ndenumerate(table):
                ink = "white" if value > _DARK else canvas.INK
                axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=ink)
            axes.set_xticks(range(len(names)), _short(names))
            axes.set_yticks(range(len(names)), _short(names))
            axes.set_title(f"{label}:\n{classifier}", fontsize=8.5)
            axes.set_xlabel("tested on")
            axes.set_ylabel("fitted on")
    return figure


def length_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return accuracies by number of tokens.

    One row for each model, classifier and hundred of tokens; empty where all prompts are in one.
    """
    data = results(frame, LENGTH).filter(pl.col("features").is_in((*_SHOWN, "length")))
    if data["test"].n_unique() < 2:
        return data.clear()
    return data.select("label", "classifier", "test", "value", "low", "high", "n")


def _plot_lengths(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw accuracy against the length of the prompts."""
    if data.is_empty():
        return None
    bins = sorted(data["test"].unique().to_list(), key=lambda one: int(one.split()[0]))
    names = data["classifier"].unique(maintain_order=True).to_list()
    looks, labels = canvas.Look.of(names), data["label"].unique(maintain_order=True).to_list()
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(labels))
        for axes, label in zip(panels, labels, strict=True):
            for shift, name in enumerate(names):
                own = data.filter((pl.col("label") == label) & (pl.col("classifier") == name))
                _points(axes, own, bins, looks[name], 0.12 * (shift - (len(names) - 1) / 2))
            axes.axhline(0.5, color=canvas.INK, linestyle=":", linewidth=0.9)
            axes.set_xticks(range(len(bins)), [one.replace(" to ", "–") for one in bins])
            axes.set_title(label)
            axes.set_xlabel("tokens")
        panels[0].set_ylabel("accuracy")
        canvas.legend_below(figure, canvas.series_handles(looks, line=False), layout)
    return figure


def _points(axes: Any, rows: pl.DataFrame, bins: Sequence[str], look: canvas.Look, shift: float) -> None:
    value = rows["value"].to_numpy()
    errors = np.stack([value - rows["low"].to_numpy(), rows["high"].to_numpy() - value]).clip(min=0)
    x = np.array([bins.index(one) for one in rows["test"]]) + shift
    axes.errorbar(x, value, yerr=errors, fmt=look.marker, color=look.color, linewidth=1.0)


def _short(names: Sequence[str]) -> list[str]:
    shown = [visible(name) for name in names]
    return [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in shown]


def _prompts(data: pl.DataFrame) -> str:
    return f"{format_range(*ends(data['n']), whole=True)} prompts"


def _describe_sources(data: pl.DataFrame) -> str:
    return (
        "Accuracy in per cent of classifiers fitted on one source and tested on another, "
        f"{_prompts(data)} each; within a source, cross-validated. One half is chance where both kinds "
        "are equally many."
    )


def _describe_lengths(data: pl.DataFrame) -> str:
    return (
        f"Cross-validated accuracy by number of tokens, {_prompts(data)} in a group, with 95 % Wilson "
        "intervals. A cloud of few tokens has a noisy dimension."
    )


SOURCES = of_data(
    name="probe_sources",
    data=source_data,
    plot=_plot_sources,
    title=always("Fitted on one source, tested on another"),
    describe=_describe_sources,
    sources=("viswanathan2025",),
)
LENGTHS = of_data(
    name="probe_lengths",
    data=length_data,
    plot=_plot_lengths,
    title=always("By length"),
    describe=_describe_lengths,
    sources=("viswanathan2025",),
)
